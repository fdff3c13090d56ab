package convert

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxInput bounds what is read. EC2 user data has at most 16 KiB; compressed it may
// stand for more.
const maxInput = 1 << 20

// maxDepth bounds how deep multiparts, encodings and values may be nested.
const maxDepth = 32

// text is one text inside the input: the input itself, a part of a MIME message, or
// a file or a command of cloud-config.
type text struct {
	// name is how the report calls it; empty for the whole input.
	name string
	// kind is what holds it.
	kind textKind
	body string
	// before is the number of lines of the input above the text's first line. It is
	// -1 where the text was encoded, so that its lines are none of the input's.
	before int
}

type textKind int

const (
	wholeText   textKind = iota
	mimePart             // a part of a MIME message
	cloudFile            // a file that cloud-config writes
	cloudScript          // the commands of cloud-config
	cloudOther           // another key of cloud-config, without its content
)

// line returns the line of the input for a line of the text, or 0.
func (t text) line(n int) int {
	if t.before < 0 || n < 1 {
		return 0
	}
	return t.before + n
}

var errTooLarge = fmt.Errorf("cannot read the input: it has more than %d KiB", maxInput>>10)

// unfold undoes base64 and gzip of the input, and returns the texts in it.
func unfold(raw []byte) ([]text, error) {
	// Lines count after this, as in every message about user data.
	body, _, err := unwrap(raw)
	if err != nil {
		return nil, err
	}
	return unfoldText(text{body: body}, 0)
}

// unwrap undoes base64 and gzip, as often as they are there.
func unwrap(raw []byte) (body string, wrapped bool, err error) {
	for range 4 {
		if len(raw) > maxInput {
			return "", false, errTooLarge
		}
		trimmed := bytes.TrimSpace(raw)
		switch {
		case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}):
			if raw, err = gunzip(raw); err != nil {
				return "", false, err
			}
			wrapped = true
			continue
		case len(trimmed) >= 16 && !bytes.ContainsAny(trimmed, " \t:-"):
			packed := strings.NewReplacer("\r", "", "\n", "").Replace(string(trimmed))
			if out, err := base64.StdEncoding.DecodeString(packed); err == nil {
				raw, wrapped = out, true
				continue
			}
		}
		break
	}
	s := strings.TrimPrefix(string(raw), "\ufeff")
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return "", false, errors.New("cannot read the input: it is not UTF-8 text")
	}
	return strings.ReplaceAll(s, "\r\n", "\n"), wrapped, nil
}

func gunzip(raw []byte) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("cannot read the input: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(zr, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the input: %w", err)
	}
	return out, nil
}

func unfoldText(t text, depth int) ([]text, error) {
	if depth > maxDepth {
		return nil, errors.New("cannot read the input: its parts are nested too deep")
	}
	head := strings.TrimLeft(t.body, "\n ")
	switch {
	case isMIME(head):
		return unfoldMIME(t, depth)
	case strings.HasPrefix(head, "#cloud-config"), strings.HasPrefix(head, "## template: jinja"):
		return unfoldCloudConfig(t)
	}
	return []text{t}, nil
}

func isMIME(head string) bool {
	first, _, _ := strings.Cut(head, "\n")
	name, _, ok := strings.Cut(strings.ToLower(first), ":")
	return ok && (name == "mime-version" || name == "content-type")
}

// unfoldMIME returns the texts of the parts of a MIME message. A message without
// parts is a text of its own.
func unfoldMIME(t text, depth int) ([]text, error) {
	header, at := mimeHeader(t.body)
	mediaType, params, _ := mime.ParseMediaType(header["content-type"])
	if !strings.HasPrefix(mediaType, "multipart/") || params["boundary"] == "" {
		part, err := partText(t, at, len(t.body), header, mediaType)
		if err != nil {
			return nil, err
		}
		return unfoldInner(part, depth)
	}
	var out []text
	open := -1
	delimiter := "--" + params["boundary"]
	for i := at; i <= len(t.body); {
		end := strings.IndexByte(t.body[i:], '\n')
		next := i + end + 1
		if end < 0 {
			end, next = len(t.body)-i, len(t.body)+1
		}
		line := strings.TrimRight(t.body[i:i+end], " \t\r")
		last := next > len(t.body)
		if line == delimiter || line == delimiter+"--" || last && open >= 0 {
			if open >= 0 {
				stop := i
				if last && line != delimiter && line != delimiter+"--" {
					stop = len(t.body) // the closing line is missing
				}
				parts, err := mimePartTexts(t, open, stop, depth)
				if err != nil {
					return nil, err
				}
				out = append(out, parts...)
			}
			open = next
			if line != delimiter {
				break
			}
		}
		i = next
	}
	return out, nil
}

func mimePartTexts(t text, from, to, depth int) ([]text, error) {
	inner := text{body: t.body[min(from, to):to], before: -1}
	if t.before >= 0 {
		inner.before = t.before + strings.Count(t.body[:min(from, to)], "\n")
	}
	header, at := mimeHeader(inner.body)
	mediaType, _, _ := mime.ParseMediaType(header["content-type"])
	if strings.HasPrefix(mediaType, "multipart/") {
		return unfoldMIME(inner, depth+1)
	}
	part, err := partText(inner, at, len(inner.body), header, mediaType)
	if err != nil {
		return nil, err
	}
	return unfoldInner(part, depth)
}

// unfoldInner looks for cloud-config in a part.
func unfoldInner(part text, depth int) ([]text, error) {
	if strings.TrimSpace(part.body) == "" {
		return nil, nil
	}
	if isMIME(strings.TrimLeft(part.body, "\n ")) {
		return []text{part}, nil // a header inside a part's text is that text's business
	}
	return unfoldText(part, depth+1)
}

// mimeHeader reads the header lines of a text and returns them with the offset of
// the body.
func mimeHeader(body string) (header map[string]string, at int) {
	header = make(map[string]string)
	last := ""
	for at < len(body) {
		line, _, found := strings.Cut(body[at:], "\n")
		next := at + len(line) + 1
		switch name, value, ok := strings.Cut(line, ":"); {
		case strings.TrimSpace(line) == "":
			if len(header) > 0 {
				return header, min(next, len(body))
			}
		case last != "" && (line[0] == ' ' || line[0] == '\t'):
			header[last] += " " + strings.TrimSpace(line)
		case !ok || strings.ContainsAny(name, " \t#/"):
			return header, at // the blank line is missing, or there is no header
		default:
			last = strings.ToLower(name)
			header[last] = strings.TrimSpace(value)
		}
		at = next
		if !found {
			break
		}
	}
	return header, min(at, len(body))
}

func partText(t text, from, to int, header map[string]string, mediaType string) (text, error) {
	out := text{name: "MIME part " + mediaType, kind: mimePart, body: t.body[from:to], before: -1}
	if t.before >= 0 {
		out.before = t.before + strings.Count(t.body[:from], "\n")
	}
	switch strings.ToLower(header["content-transfer-encoding"]) {
	case "quoted-printable":
		decoded, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(out.body)))
		if err != nil {
			return text{}, fmt.Errorf("cannot read %s: %w", out.name, err)
		}
		out.body = string(decoded)
	case "base64":
		decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(out.body), ""))
		if err != nil {
			return text{}, fmt.Errorf("cannot read %s: %w", out.name, err)
		}
		out.body = string(decoded)
	}
	body, wrapped, err := unwrap([]byte(out.body))
	if err != nil {
		return text{}, fmt.Errorf("cannot read %s: %w", out.name, err)
	}
	if wrapped || out.body != t.body[from:to] {
		out.before = -1
	}
	out.body = body
	return out, nil
}

// unfoldCloudConfig returns the files and commands of a cloud-config.
func unfoldCloudConfig(t text) ([]text, error) {
	root, err := parseYAML(t.body)
	if err != nil {
		return nil, fmt.Errorf("cannot read cloud-config: %w", err)
	}
	at := func(line int) int {
		if t.before < 0 {
			return -1
		}
		return t.before + line
	}
	var out []text
	for i := 0; root != nil && root.Kind == yaml.MappingNode && i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case key.Value == "write_files" && value.Kind == yaml.SequenceNode:
			for _, f := range value.Content {
				file, err := cloudFileText(f, at)
				if err != nil {
					return nil, err
				}
				out = append(out, file)
			}
		case (key.Value == "runcmd" || key.Value == "bootcmd") && value.Kind == yaml.SequenceNode:
			for _, c := range value.Content {
				out = append(out, text{name: key.Value, kind: cloudScript, body: commandText(c), before: at(c.Line - 1)})
			}
		default:
			out = append(out, text{name: key.Value, kind: cloudOther, before: at(key.Line - 1)})
		}
	}
	return out, nil
}

func cloudFileText(f *yaml.Node, at func(int) int) (text, error) {
	out := text{kind: cloudFile, name: "write_files", before: at(f.Line - 1)}
	encoding := ""
	for i := 0; f.Kind == yaml.MappingNode && i+1 < len(f.Content); i += 2 {
		switch v := f.Content[i+1]; f.Content[i].Value {
		case "path":
			out.name = v.Value
		case "encoding":
			encoding = v.Value
		case "content":
			out.body = v.Value
			if out.before = at(v.Line - 1); v.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
				out.before = at(v.Line)
			}
		}
	}
	if encoding == "" || encoding == "text/plain" {
		return out, nil
	}
	body, _, err := unwrap([]byte(out.body))
	if err != nil {
		return text{}, fmt.Errorf("cannot read the file %s of cloud-config: %w", out.name, err)
	}
	out.body, out.before = body, -1
	return out, nil
}

// commandText is a command of cloud-config as a line of shell: a string is one
// already, a list is words to be quoted.
func commandText(c *yaml.Node) string {
	if c.Kind != yaml.SequenceNode {
		return c.Value
	}
	var words []string
	for _, w := range c.Content {
		words = append(words, "'"+strings.ReplaceAll(w.Value, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}
