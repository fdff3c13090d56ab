package api

import (
	"strconv"
	"strings"
)

// nextLine returns the line that starts at i, without its line break, and where
// the next one starts. Lines end in LF or CRLF.
func nextLine(s string, i, end int) (line string, next int) {
	n := strings.IndexByte(s[i:end], '\n')
	if n < 0 {
		return strings.TrimSuffix(s[i:end], "\r"), end
	}
	return strings.TrimSuffix(s[i:i+n], "\r"), i + n + 1
}

func firstLine(s string) string {
	line, _ := nextLine(s, 0, len(s))
	return line
}

// skipBlankLines returns the offset of the first line that is not blank.
func skipBlankLines(s string) int {
	for i := 0; i < len(s); {
		line, next := nextLine(s, i, len(s))
		if strings.TrimSpace(line) != "" {
			return i
		}
		i = next
	}
	return len(s)
}

// isHeaderLine reports whether a line can be a MIME header field. The first lines
// of a NodeConfig look like header fields too and are not taken for any.
func isHeaderLine(line string) bool {
	name, _, ok := strings.Cut(line, ":")
	if !ok || name == "" {
		return false
	}
	switch name {
	case "apiVersion", "kind", "metadata", "spec":
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	first := name[0] | 0x20
	return first >= 'a' && first <= 'z'
}

// startsHeader reports whether a text starts with a MIME header: header fields of
// which one is about MIME.
func startsHeader(s string) bool {
	for i, lines := 0, 0; i < len(s) && lines < maxHeaderLines; lines++ {
		line, next := nextLine(s, i, len(s))
		if lines > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			i = next
			continue
		}
		if !isHeaderLine(line) {
			return false
		}
		name, _, _ := strings.Cut(strings.ToLower(line), ":")
		if name == "mime-version" || name == "content-type" || name == "content-transfer-encoding" {
			return true
		}
		i = next
	}
	return false
}

// startsDelimiter reports whether a text starts with a line --BOUNDARY and a MIME
// field below it.
func startsDelimiter(s string) bool {
	const longest = 70 + len("--") // RFC 2046 section 5.1.1
	if !strings.HasPrefix(s, "--") {
		return false
	}
	line, next := nextLine(s, 0, min(len(s), longest+len("\r\n")))
	if len(line) < 3 || len(line) > longest || strings.TrimSpace(line[2:]) == "" || line[2] == ' ' {
		return false
	}
	return strings.HasPrefix(strings.ToLower(s[next:min(next+13, len(s))]), "content-type:")
}

// findDelimiter returns the boundary of the first line that can only be a part's
// delimiter, or "".
func findDelimiter(s string) string {
	for i := 0; i < len(s); {
		if startsDelimiter(s[i:]) {
			return strings.TrimSpace(firstLine(s[i:])[2:])
		}
		n := strings.Index(s[i:], "\n--")
		if n < 0 {
			break
		}
		i += n + 1
	}
	return ""
}

// parseMediaType splits a Content-Type or Content-Disposition value. It reads past
// what it does not understand: a bad parameter must not lose the type.
func parseMediaType(value string) (mediaType string, params map[string]string) {
	mediaType, rest, _ := strings.Cut(value, ";")
	params = make(map[string]string)
	for rest != "" {
		name, after, ok := strings.Cut(rest, "=")
		if semicolon := strings.IndexByte(name, ';'); semicolon >= 0 || !ok {
			_, rest, _ = strings.Cut(rest, ";")
			continue
		}
		var v string
		v, rest = paramValue(strings.TrimLeft(after, " \t"))
		if name = strings.ToLower(strings.TrimSpace(name)); params[name] == "" {
			params[name] = v
		}
	}
	return strings.ToLower(strings.TrimSpace(mediaType)), params
}

// paramValue reads a parameter's value, quoted or not, and returns what follows
// the next semicolon.
func paramValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ";")
		return strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			_, rest, _ = strings.Cut(s[i+1:], ";")
			return b.String(), rest
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// partName names a part in messages; number is "" for the message itself.
func partName(number string) string {
	if number == "" {
		return "the message"
	}
	return "part " + number
}

// itoaPath numbers a part inside another: 2, 2.1, 2.1.3.
func itoaPath(number string, i int) string {
	if number == "" {
		return strconv.Itoa(i)
	}
	return number + "." + strconv.Itoa(i)
}
