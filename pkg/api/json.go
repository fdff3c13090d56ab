package api

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// isJSON reports whether a text is one JSON object. JSON is YAML but for some
// corners (long keys, surrogate escapes, huge exponents), so it is read as what it
// is where it is valid, and as YAML, for its messages, where it is not.
func isJSON(s string) bool {
	return strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "{") && json.Valid([]byte(s))
}

// jsonBuilder turns a valid JSON text into nodes.
type jsonBuilder struct {
	d       *decoder
	dec     *json.Decoder
	at      cursor
	values  int // still allowed
	stopped bool
}

func (d *decoder) buildJSON(t *text) *node {
	b := &jsonBuilder{d: d, dec: json.NewDecoder(strings.NewReader(t.body)), at: cursor{t: t, line: 1}, values: maxValues}
	b.dec.UseNumber()
	token, line, col := b.next()
	n := b.value(token, line, col, 0)
	if b.stopped {
		return nil
	}
	return n
}

// next returns the next token and where it starts.
func (b *jsonBuilder) next() (token json.Token, line, col int) {
	body, i := b.at.t.body, int(b.dec.InputOffset())
	for i < len(body) && strings.IndexByte(" \t\r\n,:", body[i]) >= 0 {
		i++
	}
	line, col = b.at.move(i)
	token, err := b.dec.Token()
	if err != nil { // the text is valid JSON
		b.stop(line, col, CodeBadSyntax, "the text is JSON that cannot be read: "+err.Error())
	}
	return token, line, col
}

func (b *jsonBuilder) stop(line, col int, code Code, message string) {
	if !b.stopped {
		b.stopped = true
		b.d.report.errorf(b.at.t, b.at.t.pos(line, col), code, "", "", "%s", message)
	}
}

func (b *jsonBuilder) value(token json.Token, line, col, depth int) *node {
	n := &node{src: b.at.t, line: line, col: col}
	if b.values--; b.values < 0 {
		b.stop(line, col, CodeTooLarge, tooManyValues())
	}
	if depth > maxDepth {
		b.stop(line, col, CodeTooLarge, tooDeep())
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			n.kind = listNode
			for !b.stopped && b.dec.More() {
				t, l, c := b.next()
				n.items = append(n.items, b.value(t, l, c, depth+1))
			}
		} else {
			n.kind = objectNode
			b.fields(n, depth)
		}
		if !b.stopped {
			b.next() // the closing bracket
		}
	case string:
		n.kind, n.scalar = stringNode, token
		if strings.ContainsRune(token, 0) {
			b.d.report.errorf(b.at.t, n.pos(), CodeBadEncoding, "", "remove it", "the string holds a NUL character")
			n.kind = badNode
		}
	case json.Number:
		n.kind, n.scalar = numberNode, token.String()
	case bool:
		n.kind, n.scalar = boolNode, map[bool]string{true: "true", false: "false"}[token]
	}
	return n
}

func (b *jsonBuilder) fields(n *node, depth int) {
	index := make(map[string]int)
	for !b.stopped && b.dec.More() {
		key, line, col := b.next()
		name, _ := key.(string)
		t, l, c := b.next()
		v := b.value(t, l, c, depth+1)
		if strings.ContainsRune(name, 0) {
			b.d.report.errorf(b.at.t, b.at.t.pos(line, col), CodeBadEncoding, "", "remove it", "the key holds a NUL character")
			continue
		}
		if first, ok := index[name]; ok {
			b.d.duplicate(b.at.t, b.at.t.pos(line, col), name, n.fields[first].line)
			n.fields[first].value = v
			continue
		}
		index[name] = len(n.fields)
		n.fields = append(n.fields, field{name: name, value: v, line: line, col: col})
	}
}

// cursor finds the line and column of offsets that grow, in linear time overall.
type cursor struct {
	t         *text
	off       int
	line, col int // of off; col counts from 0
}

// move returns the line and column, from 1, of an offset.
func (c *cursor) move(to int) (line, col int) {
	if to < c.off {
		c.line, col = c.t.lineColumn(to)
		c.off, c.col = to, col-1
		return c.line, col
	}
	for c.line < len(c.t.starts) && int(c.t.starts[c.line]) <= to {
		c.off, c.col = int(c.t.starts[c.line]), 0
		c.line++
	}
	c.col += utf8.RuneCountInString(c.t.body[c.off:to])
	c.off = to
	return c.line, c.col + 1
}
