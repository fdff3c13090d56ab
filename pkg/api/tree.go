package api

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// nodeKind is the kind of a value, as JSON has them.
type nodeKind int

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	stringNode
	listNode
	objectNode
	badNode // was reported; no value
)

// describe names the kind with its article, for messages.
func (k nodeKind) describe() string {
	return [...]string{"nothing", "a boolean", "a number", "a string", "a list", "a mapping", "an unusable value"}[k]
}

// node is a value that knows where it was written. After decoding nodes are not
// changed; merging makes new ones.
type node struct {
	kind    nodeKind
	scalar  string // string: its text; number: as in JSON; bool: "true" or "false"
	written string // number: as it was written, if JSON writes it in another way
	fields  []field
	items   []*node

	src       *text
	line, col int  // in src
	block     bool // written as a literal block, its lines stand below line
	word      bool // a string that YAML 1.1 reads as a boolean: yes, no, on, off, y, n
	secret    bool // never shown
	keyed     bool // an object that was written as a list, its fields named by the items' keys

	shadows []*node // earlier values that this one replaced, latest first
	fresh   bool    // replaced what an earlier document had, so does not merge with it
	layers  []*node // containerd.config: the TOML texts that merge, earliest first
}

// field is one key of an object.
type field struct {
	name      string
	value     *node
	line, col int // of the key
}

// pos returns where the value stands.
func (n *node) pos() Pos {
	if n == nil || n.src == nil {
		return Pos{}
	}
	return n.src.pos(n.line, n.col)
}

// get returns a field of an object, or nil.
func (n *node) get(name string) *node {
	if f := n.field(name); f != nil {
		return f.value
	}
	return nil
}

func (n *node) field(name string) *field {
	if n == nil {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].name == name {
			return &n.fields[i]
		}
	}
	return nil
}

// at returns the node at a path of keys, or nil.
func (n *node) at(keys ...string) *node {
	for _, k := range keys {
		n = n.get(k)
	}
	return n
}

// empty reports what an earlier value is not replaced by: nothing, "", [], {}.
func (n *node) empty() bool {
	if n == nil {
		return true
	}
	switch n.kind {
	case nullNode:
		return true
	case stringNode:
		return n.scalar == ""
	case listNode:
		return len(n.items) == 0
	case objectNode:
		return len(n.fields) == 0
	default:
		return false
	}
}

// value returns the node as free-form JSON; see Object.
func (n *node) value() any {
	switch n.kind {
	case boolNode:
		return n.scalar == "true"
	case numberNode:
		return json.Number(n.scalar)
	case stringNode:
		return n.scalar
	case listNode:
		out := make([]any, len(n.items))
		for i, e := range n.items {
			out[i] = e.value()
		}
		return out
	case objectNode:
		return n.object()
	default:
		return nil
	}
}

func (n *node) object() map[string]any {
	out := make(map[string]any, len(n.fields))
	for _, f := range n.fields {
		out[f.name] = f.value.value()
	}
	return out
}

// show returns the value as one line of JSON for people, secrets hidden.
func (n *node) show() string {
	if n.secret {
		return redacted
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(n.masked()); err != nil {
		return n.kind.describe()
	}
	return visible(secretURL.ReplaceAllString(strings.TrimSuffix(b.String(), "\n"), "${1}"+redacted+"@"))
}

// masked is value with the secrets inside it hidden.
func (n *node) masked() any {
	switch {
	case n.secret:
		return redacted
	case n.kind == listNode:
		out := make([]any, len(n.items))
		for i, e := range n.items {
			out[i] = e.masked()
		}
		return out
	case n.keyed:
		out := make([]any, len(n.fields))
		for i, f := range n.fields {
			out[i] = f.value.masked()
		}
		return out
	case n.kind == objectNode:
		out := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			out[f.name] = f.value.masked()
		}
		return out
	default:
		return n.value()
	}
}

// inner finds places inside the text of a string node.
type inner struct {
	n     *node
	lines []string
}

func (n *node) inner() inner { return inner{n, strings.Split(n.scalar, "\n")} }

// at returns the line and column in the node's source of a line and column, from 1,
// of its text. exact is false if the string is not written line by line in the
// source, as in JSON; then the place is that of the string itself.
func (in inner) at(line, col int) (srcLine, srcCol int, exact bool) {
	n := in.n
	if n.src == nil || !n.block || line < 1 || line > len(in.lines) {
		return n.line, n.col, false
	}
	indent, ok := strings.CutSuffix(n.src.line(n.line+line), strings.TrimRight(in.lines[line-1], "\r"))
	if !ok {
		return n.line, n.col, false
	}
	return n.line + line, max(col, 1) + utf8.RuneCountInString(indent), true
}

// childPath appends a key to a path, in brackets if it would be mistaken for
// several.
func childPath(path, key string) string {
	if key == "" || strings.ContainsAny(key, `.[]"' =/`) || strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// keyedPath appends the key of an item to the path of its list, as in
// spec.taints["dedicated:NoSchedule"]. It stays the same when documents merge.
func keyedPath(path, key string) string { return path + "[" + strconv.Quote(key) + "]" }

func itemPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
