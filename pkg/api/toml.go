package api

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlError is why a TOML text cannot be used, at a line and column of that text.
type tomlError struct {
	line, column int
	message      string
}

func (e *tomlError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.line, e.column, e.message)
}

// tomlText returns the containerd configuration that the layers of a node add up
// to. A single layer is returned as it was written. If the layers cannot be merged
// the last is returned; validation reports why.
func tomlText(n *node) string {
	layers := n.tomlLayers()
	switch len(layers) {
	case 0:
		return ""
	case 1:
		return layers[0].scalar
	}
	merged := make(map[string]any)
	for _, l := range layers {
		values, err := parseTOML(l.scalar)
		if err != nil {
			return layers[len(layers)-1].scalar
		}
		mergeTOML(merged, values)
	}
	out, err := toml.Marshal(merged)
	if err != nil {
		return layers[len(layers)-1].scalar
	}
	return string(out)
}

// mergeTOML lays later tables over earlier ones: tables merge, all else replaces.
func mergeTOML(into, later map[string]any) {
	for k, v := range later {
		table, ok := v.(map[string]any)
		old, both := into[k].(map[string]any)
		if ok && both {
			mergeTOML(old, table)
			continue
		}
		into[k] = v
	}
}

// parseTOML reads a TOML text within the limits of limits.go.
func parseTOML(text string) (values map[string]any, err error) {
	if _, err := tomlTree(&node{scalar: text}); err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil { // the parser is other people's code
			values, err = nil, &tomlError{1, 1, "the parser cannot handle this text"}
		}
	}()
	if err := toml.Unmarshal([]byte(text), &values); err != nil {
		var de *toml.DecodeError
		if errors.As(err, &de) {
			row, col := de.Position()
			return nil, newTOMLError(text, row, col, de.Error())
		}
		return nil, newTOMLError(text, 1, 1, err.Error())
	}
	return values, nil
}

func newTOMLError(text string, row, byteColumn int, message string) *tomlError {
	col := byteColumn
	if lines := strings.Split(text, "\n"); row >= 1 && row <= len(lines) {
		if line := lines[row-1]; byteColumn >= 1 && byteColumn-1 <= len(line) {
			col = utf8.RuneCountInString(line[:byteColumn-1]) + 1
		}
	}
	return &tomlError{row, col, strings.TrimPrefix(message, "toml: ")}
}

// tomlTree reads the TOML text of a string node into nodes that know their places.
// It checks syntax and limits, but not that keys are defined once.
func tomlTree(n *node) (root *node, err error) {
	defer func() {
		if recover() != nil { // the parser is other people's code
			root, err = nil, &tomlError{1, 1, "the parser cannot handle this text"}
		}
	}()
	if len(n.scalar) > maxTOMLBytes {
		return nil, &tomlError{1, 1, fmt.Sprintf("%s of TOML; at most %s are read", mebibytes(len(n.scalar)), mebibytes(maxTOMLBytes))}
	}
	b := &tomlBuilder{text: newText("", n.scalar), in: n.inner()}
	b.at = cursor{t: b.text, line: 1}
	b.parser.Reset([]byte(n.scalar))
	b.root = &node{kind: objectNode, src: n.src, line: n.line, col: n.col}
	b.table = b.root
	for b.parser.NextExpression() {
		if err := b.expression(b.parser.Expression()); err != nil {
			return nil, err
		}
	}
	if err := b.parser.Error(); err != nil {
		var pe *unstable.ParserError
		if errors.As(err, &pe) {
			line, col := b.text.lineColumn(int(b.parser.Range(pe.Highlight).Offset))
			return nil, &tomlError{line, col, strings.TrimPrefix(pe.Message, "toml: ")}
		}
		return nil, &tomlError{1, 1, err.Error()}
	}
	return b.root, nil
}

type tomlBuilder struct {
	parser      unstable.Parser
	text        *text
	at          cursor
	in          inner
	root, table *node
	keys        int
}

// key returns the parts of an expression's key and the place of its last part.
func (b *tomlBuilder) key(e *unstable.Node) (parts []string, line, col int, err error) {
	offset := 0
	for it := e.Key(); it.Next(); {
		parts = append(parts, string(it.Node().Data))
		offset = int(it.Node().Raw.Offset)
	}
	line, col = b.at.move(offset)
	if b.keys += len(parts); b.keys > maxTOMLKeys {
		return nil, 0, 0, &tomlError{line, col, fmt.Sprintf("more than %d keys", maxTOMLKeys)}
	}
	if len(parts) > maxDepth {
		return nil, 0, 0, &tomlError{line, col, fmt.Sprintf("tables are nested more than %d levels deep", maxDepth)}
	}
	line, col, _ = b.in.at(line, col)
	return parts, line, col, nil
}

func (b *tomlBuilder) expression(e *unstable.Node) error {
	switch e.Kind {
	case unstable.KeyValue:
		return b.keyValue(b.table, e, 0)
	case unstable.Table, unstable.ArrayTable:
		parts, line, col, err := b.key(e)
		if err != nil {
			return err
		}
		parent := b.descend(b.root, parts[:len(parts)-1], line, col)
		if e.Kind == unstable.Table {
			b.table = b.descend(parent, parts[len(parts)-1:], line, col)
			return nil
		}
		name := parts[len(parts)-1]
		list := parent.get(name)
		if list == nil || list.kind != listNode {
			list = b.node(listNode, line, col)
			parent.fields = append(parent.fields, field{name: name, value: list, line: line, col: col})
		}
		b.table = b.node(objectNode, line, col)
		list.items = append(list.items, b.table)
	}
	return nil
}

func (b *tomlBuilder) node(kind nodeKind, line, col int) *node {
	return &node{kind: kind, src: b.root.src, line: line, col: col}
}

// descend returns the table at a path, making what is not there. In an array of
// tables it goes on in the last.
func (b *tomlBuilder) descend(from *node, parts []string, line, col int) *node {
	for _, p := range parts {
		next := from.get(p)
		if next != nil && next.kind == listNode && len(next.items) > 0 {
			next = next.items[len(next.items)-1]
		}
		if next == nil || next.kind != objectNode {
			next = b.node(objectNode, line, col)
			from.fields = append(from.fields, field{name: p, value: next, line: line, col: col})
		}
		from = next
	}
	return from
}

func (b *tomlBuilder) keyValue(table *node, e *unstable.Node, depth int) error {
	parts, line, col, err := b.key(e)
	if err != nil {
		return err
	}
	v, err := b.value(e.Value(), line, col, depth+len(parts))
	if err != nil {
		return err
	}
	name := parts[len(parts)-1]
	parent := b.descend(table, parts[:len(parts)-1], line, col)
	if secretTOMLKey(name) {
		v = v.asSecret()
	}
	parent.fields = append(parent.fields, field{name: name, value: v, line: line, col: col})
	return nil
}

func (b *tomlBuilder) value(e *unstable.Node, line, col, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, &tomlError{1, 1, fmt.Sprintf("values are nested more than %d levels deep", maxDepth)}
	}
	switch e.Kind {
	case unstable.InlineTable:
		n := b.node(objectNode, line, col)
		for it := e.Children(); it.Next(); {
			if err := b.keyValue(n, it.Node(), depth); err != nil {
				return nil, err
			}
		}
		return n, nil
	case unstable.Array:
		n := b.node(listNode, line, col)
		for it := e.Children(); it.Next(); {
			v, err := b.value(it.Node(), line, col, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, v)
		}
		return n, nil
	}
	n := b.node(stringNode, line, col)
	n.scalar = string(e.Data)
	switch e.Kind {
	case unstable.Bool:
		n.kind = boolNode
	case unstable.Integer, unstable.Float:
		if number, ok := jsonNumber(n.scalar); ok {
			n.kind, n.scalar = numberNode, number
		}
	}
	return n, nil
}

// secretTOMLKey reports whether containerd keeps a secret under a key, as in
// registry.configs.*.auth.
func secretTOMLKey(name string) bool {
	switch strings.ToLower(name) {
	case "password", "auth", "identitytoken", "registrytoken", "token", "secret", "authorization":
		return true
	}
	return false
}
