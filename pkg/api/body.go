package api

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// unwrap undoes base64 and gzip, in any order and more than once, until the bytes
// are neither. It returns what it undid, outermost first. what names the bytes in
// messages: "the input" or "part 2".
func unwrap(raw []byte, what string) (out []byte, layers []string, err *unwrapError) {
	for {
		if len(raw) > maxInputBytes {
			return nil, layers, &unwrapError{CodeTooLarge,
				fmt.Sprintf("%s is larger than %s", what, mebibytes(maxInputBytes)),
				"give only the node's configuration; EC2 user data is at most 16 KiB"}
		}
		var next []byte
		var layer string
		switch {
		case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}):
			layer = "gzip"
			next, err = gunzip(raw, what)
		case looksBase64(raw):
			layer = "base64"
			next, err = unbase64(raw, what)
		default:
			return raw, layers, refuseFormat(raw, what)
		}
		if err != nil {
			return nil, layers, err
		}
		if layers = append(layers, layer); len(layers) > maxWraps {
			return nil, layers, &unwrapError{CodeBadEncoding,
				fmt.Sprintf("%s is encoded more than %d times", what, maxWraps),
				"encode it at most once with gzip and once with base64"}
		}
		raw = next
	}
}

// unwrapError is why bytes could not be decoded, in the terms of a Problem.
type unwrapError struct {
	code            Code
	message, remedy string
}

func gunzip(raw []byte, what string) ([]byte, *unwrapError) {
	zr, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, gzipError(err, what, 0)
	}
	out, err := io.ReadAll(io.LimitReader(zr, maxInputBytes+1))
	if len(out) > maxInputBytes {
		return nil, &unwrapError{CodeTooLarge,
			fmt.Sprintf("%s is gzip of %d bytes that expands to more than %s; reading stopped there", what, len(raw), mebibytes(maxInputBytes)),
			"give only the node's configuration"}
	}
	if err != nil {
		return nil, gzipError(err, what, len(out))
	}
	return out, nil
}

func gzipError(err error, what string, got int) *unwrapError {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &unwrapError{CodeBadEncoding,
			fmt.Sprintf("%s is gzip that ends too early, after %d bytes of its content", what, got),
			"the data was cut off on its way: EC2 user data holds at most 16 KiB, and a terminal or a template may have dropped bytes"}
	}
	return &unwrapError{CodeBadEncoding,
		fmt.Sprintf("%s starts like gzip but is damaged after %d bytes of its content: %s", what, got, strings.TrimPrefix(err.Error(), "gzip: ")),
		"compress it again; gzip must not pass through anything that treats it as text unless it is in base64"}
}

// looksBase64 reports whether the bytes are one base64 text and nothing else. No
// NodeConfig and no MIME message is: both need a colon. Short words are not taken
// for base64 either, so that their message is about YAML.
func looksBase64(raw []byte) bool {
	const shortest = 16
	trimmed := bytes.TrimSpace(raw)
	return len(trimmed) >= shortest && !bytes.ContainsAny(trimmed, " \t") && bytes.IndexFunc(trimmed, notBase64) < 0
}

// notBase64 reports whether a character cannot be in base64 text, line breaks
// allowed.
func notBase64(r rune) bool {
	switch {
	case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return false
	default:
		return !strings.ContainsRune("+/=\r\n \t", r)
	}
}

func unbase64(raw []byte, what string) ([]byte, *unwrapError) {
	packed := packBase64(raw)
	out, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(packed, "="))
	if err != nil {
		message := fmt.Sprintf("%s is base64 that ends in the middle, after %d characters", what, len(packed))
		if i := strings.IndexByte(packed, '='); i >= 0 && strings.Trim(packed[i:], "=") != "" {
			message = fmt.Sprintf("%s looks like base64 but has padding in the middle, at character %d", what, i+1)
		}
		return nil, &unwrapError{CodeBadEncoding, message, "give it whole; to encode, use: base64 -w0"}
	}
	return out, nil
}

// packBase64 drops the line breaks that base64 is wrapped with.
func packBase64(raw []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, string(raw))
}

// refuseFormat recognises encodings that are not read, by their first bytes.
func refuseFormat(raw []byte, what string) *unwrapError {
	for _, f := range []struct{ magic, name string }{
		{"\x28\xb5\x2f\xfd", "zstd"}, {"PK\x03\x04", "a zip archive"}, {"BZh", "bzip2"},
		{"\xfd7zXZ\x00", "xz"}, {"\x04\x22\x4d\x18", "lz4"},
	} {
		if bytes.HasPrefix(raw, []byte(f.magic)) {
			return &unwrapError{CodeBadEncoding, fmt.Sprintf("%s is %s, which is not read", what, f.name),
				"compress with gzip, or not at all"}
		}
	}
	if bytes.HasPrefix(raw, []byte{0xff, 0xfe}) || bytes.HasPrefix(raw, []byte{0xfe, 0xff}) || looksUTF16(raw) {
		return &unwrapError{CodeBadEncoding, what + " is UTF-16 text", "save it as UTF-8; in PowerShell: Out-File -Encoding utf8"}
	}
	return nil
}

// looksUTF16 reports whether every other byte of the beginning is NUL.
func looksUTF16(raw []byte) bool {
	n := min(len(raw), 64) / 2 * 2
	if n < 8 {
		return false
	}
	var even, odd int
	for i := 0; i < n; i += 2 {
		if raw[i] == 0 {
			even++
		}
		if raw[i+1] == 0 {
			odd++
		}
	}
	return even == n/2 && odd == 0 || odd == n/2 && even == 0
}

const byteOrderMark = "\ufeff"

// checkText reports what makes a text unreadable as a NodeConfig: its size, NUL
// bytes, invalid UTF-8. It returns false if the text cannot be used.
func checkText(t *text, r *reporter) bool {
	if len(t.body) > maxDocumentBytes {
		r.errorf(t, Pos{Source: t.source, Part: t.part}, CodeTooLarge, "",
			"give only the node's configuration; files belong into an image or onto a volume",
			"%s of text; a NodeConfig may have at most %s", mebibytes(len(t.body)), mebibytes(maxDocumentBytes))
		return false
	}
	if i := strings.IndexByte(t.body, 0); i >= 0 {
		n := strings.Count(t.body, "\x00")
		r.errorf(t, t.posAt(i), CodeBadEncoding, "", "remove it; if the file is UTF-16, save it as UTF-8",
			"the text holds %s", plural(n, "NUL byte"))
		return false
	}
	if i := firstInvalid(t.body); i >= 0 {
		r.errorf(t, t.posAt(i), CodeBadEncoding, "", "save the file as UTF-8",
			"byte 0x%02x is not valid UTF-8", t.body[i])
		return false
	}
	return true
}

// firstInvalid returns the offset of the first byte that is not UTF-8, or -1.
func firstInvalid(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// mebibytes formats a size for people.
func mebibytes(n int) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
