package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// writeJSON writes a value on one line, strings escaped as by encoding/json.
func writeJSON(b *bytes.Buffer, n *node) {
	switch n.kind {
	case objectNode:
		b.WriteByte('{')
		for i, f := range n.fields {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(jsonString(f.name))
			b.WriteByte(':')
			writeJSON(b, f.value)
		}
		b.WriteByte('}')
	case listNode:
		b.WriteByte('[')
		for i, e := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	case stringNode:
		b.Write(jsonString(n.scalar))
	case nullNode:
		b.WriteString("null")
	default:
		b.WriteString(n.scalar)
	}
}

// jsonString writes a string as encoding/json does, and escapes what a YAML parser
// that reads JSON would refuse or take for a line break.
func jsonString(s string) []byte {
	raw, _ := json.Marshal(s) // strings cannot fail
	if bytes.IndexFunc(raw, yamlUnsafe) < 0 {
		return raw
	}
	var b bytes.Buffer
	for _, r := range string(raw) {
		if yamlUnsafe(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.Bytes()
}

func yamlUnsafe(r rune) bool {
	return r >= 0x7f && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff
}

// writeYAML writes a mapping or list as a block, each line indented. If inline,
// the first line's indentation is there already, behind a "- ".
func writeYAML(b *bytes.Buffer, n *node, indent int, inline bool) {
	pad := strings.Repeat(" ", indent)
	for i, f := range n.fields {
		if i > 0 || !inline {
			b.WriteString(pad)
		}
		b.WriteString(yamlKey(f.name, pad))
		writeYAMLValue(b, f.value, indent, " ")
	}
	for i, e := range n.items {
		if i > 0 || !inline {
			b.WriteString(pad)
		}
		b.WriteByte('-')
		if (e.kind == objectNode && len(e.fields) > 0) || (e.kind == listNode && len(e.items) > 0) {
			b.WriteByte(' ')
			writeYAML(b, e, indent+2, true)
			continue
		}
		writeYAMLValue(b, e, indent, " ")
	}
}

// writeYAMLValue writes what follows a key's colon or a list's dash.
func writeYAMLValue(b *bytes.Buffer, n *node, indent int, before string) {
	switch {
	case len(n.fields) > 0, len(n.items) > 0:
		b.WriteByte('\n')
		writeYAML(b, n, indent+2, false)
		return
	case n.kind == stringNode && fitsBlock(n.scalar):
		b.WriteString(before + "|")
		if !strings.HasSuffix(n.scalar, "\n") {
			b.WriteByte('-')
		}
		b.WriteByte('\n')
		pad := strings.Repeat(" ", indent+2)
		for _, line := range strings.Split(strings.TrimSuffix(n.scalar, "\n"), "\n") {
			if line != "" {
				b.WriteString(pad + line)
			}
			b.WriteByte('\n')
		}
		return
	}
	b.WriteString(before + yamlScalar(n) + "\n")
}

func yamlScalar(n *node) string {
	switch n.kind {
	case objectNode:
		return "{}"
	case listNode:
		return "[]"
	case nullNode:
		return "null"
	case stringNode:
		return yamlString(n.scalar)
	case numberNode:
		if _, err := strconv.ParseFloat(n.scalar, 64); err != nil {
			return "!!float " + n.scalar // beyond float64, YAML parsers would take it for a string
		}
	}
	return n.scalar
}

// plainForm are strings that no YAML parser takes for anything but strings, words
// aside.
var plainForm = lazyregexp.New(`^(--)?[A-Za-z_/][A-Za-z0-9_./:=,@+-]*$`)

func yamlString(s string) string {
	_, word := yamlWord(s)
	if plainForm.MatchString(s) && !word && !strings.HasSuffix(s, ":") && !strings.EqualFold(s, "null") {
		return s
	}
	return quoteYAML(s)
}

// yamlKey writes a key with its colon. Keys too long for the one-line form, 1024
// characters by the YAML specification, get the explicit one.
func yamlKey(s, pad string) string {
	const longest = 512
	if k := yamlString(s); len(k) < longest {
		return k + ":"
	}
	return "? " + quoteYAML(s) + "\n" + pad + ":"
}

// quoteYAML writes a string in double quotes, with every character escaped that is
// not printable or could be taken for a line break.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == ' ' || unicode.IsGraphic(r) && r != '\u0085' && r != '\ufeff':
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// fitsBlock reports whether a text of several lines can be a literal block and
// read back the same.
func fitsBlock(s string) bool {
	if !strings.Contains(s, "\n") || strings.HasSuffix(s, "\n\n") || s == "\n" || strings.ContainsAny(s[:1], " \t\n") {
		return false
	}
	for _, r := range s {
		if r != '\n' && r != '\t' && r != ' ' && !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
