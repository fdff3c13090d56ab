package api

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// parseYAML returns the YAML documents of a text, up to the first syntax error,
// which it reports. JSON is YAML.
func (d *decoder) parseYAML(t *text) (documents []*yaml.Node) {
	defer func() {
		// The parser is other people's code fed with anyone's bytes.
		if recover() != nil {
			d.report.errorf(t, t.pos(1, 0), CodeBadSyntax, "", "simplify it: no anchors, tags or directives are needed",
				"the text is YAML that the parser cannot handle")
		}
	}()
	if n := countDirectives(t.body); n > maxDirectives {
		d.report.errorf(t, t.pos(1, 0), CodeBadSyntax, "", "remove the lines that start with %", "the text has %s", plural(n, "YAML directive"))
		return nil
	}
	dec := yaml.NewDecoder(strings.NewReader(t.body))
	for {
		var y yaml.Node
		err := dec.Decode(&y)
		if errors.Is(err, io.EOF) {
			return documents
		}
		if err != nil {
			d.syntaxError(t, err)
			return documents
		}
		if len(documents) == maxDocuments {
			d.report.errorf(t, t.pos(y.Line, y.Column), CodeTooLarge, "", "", "the text has more than %d YAML documents", maxDocuments)
			return documents
		}
		documents = append(documents, &y)
	}
}

// countDirectives counts the lines that start with a percent sign.
func countDirectives(s string) int {
	n := strings.Count(s, "\n%")
	if strings.HasPrefix(s, "%") {
		n++
	}
	return n
}

// builder turns YAML nodes of one text into nodes.
type builder struct {
	d         *decoder
	t         *text
	values    int // still allowed
	bytes     int // of scalars still allowed, aliases expanded
	expanding []*yaml.Node
	stopped   bool // a limit was hit and reported
}

func (d *decoder) build(t *text, y *yaml.Node) *node {
	b := &builder{d: d, t: t, values: maxValues, bytes: 4 * maxDocumentBytes}
	n := b.node(y, 0)
	if b.stopped {
		return nil
	}
	return n
}

func tooManyValues() string {
	return fmt.Sprintf("there are more than %d values, aliases counted each time", maxValues)
}

func tooDeep() string { return fmt.Sprintf("values are nested more than %d levels deep", maxDepth) }

func (b *builder) stop(y *yaml.Node, remedy, format string, args ...any) *node {
	if !b.stopped {
		b.stopped = true
		b.d.report.errorf(b.t, b.t.pos(y.Line, y.Column), CodeTooLarge, "", remedy, format, args...)
	}
	return nil
}

// node converts one value. What cannot be used is reported and becomes a badNode;
// after a limit was hit the result is nil.
func (b *builder) node(y *yaml.Node, depth int) *node {
	if b.stopped {
		return nil
	}
	if b.values--; b.values < 0 {
		return b.stop(y, "write values out in place of aliases, and fewer of them", "%s", tooManyValues())
	}
	if depth > maxDepth {
		return b.stop(y, "", "%s", tooDeep())
	}
	switch y.Kind {
	case yaml.DocumentNode:
		return b.node(y.Content[0], depth)
	case yaml.AliasNode:
		if y.Alias == nil || slices.Contains(b.expanding, y.Alias) {
			return b.stop(y, "write the value out", "the alias *%s stands inside of what it names", y.Value)
		}
		b.expanding = append(b.expanding, y.Alias)
		n := b.node(y.Alias, depth+1)
		b.expanding = b.expanding[:len(b.expanding)-1]
		return n
	case yaml.ScalarNode:
		return b.scalar(y)
	case yaml.SequenceNode:
		n := b.at(y, listNode)
		for _, c := range y.Content {
			if e := b.node(c, depth+1); e != nil && e.kind != badNode {
				n.items = append(n.items, e)
			}
		}
		return n
	default:
		return b.mapping(y, depth)
	}
}

func (b *builder) at(y *yaml.Node, kind nodeKind) *node {
	return &node{kind: kind, src: b.t, line: y.Line, col: y.Column}
}

func (b *builder) mapping(y *yaml.Node, depth int) *node {
	n := b.at(y, objectNode)
	index := make(map[string]int, len(y.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		if key.Kind == yaml.AliasNode && key.Alias != nil {
			key = &yaml.Node{Kind: key.Alias.Kind, Tag: key.Alias.Tag, Value: key.Alias.Value, Line: key.Line, Column: key.Column}
		}
		at := b.t.pos(key.Line, key.Column)
		switch {
		case key.Kind != yaml.ScalarNode:
			b.d.report.errorf(b.t, at, CodeWrongType, "", "write a plain key: value", "a key must be a word, not a list or mapping")
			continue
		case key.Tag == "!!merge":
			merges = append(merges, value)
			continue
		case strings.ContainsRune(key.Value, 0):
			b.d.report.errorf(b.t, at, CodeBadEncoding, "", "remove it", "the key holds a NUL character")
			continue
		}
		b.bytes -= len(key.Value)
		f := field{name: key.Value, value: b.node(value, depth+1), line: key.Line, col: key.Column}
		if first, ok := index[f.name]; ok {
			b.d.duplicate(b.t, at, f.name, n.fields[first].line)
			if old := n.fields[first].value; f.value != nil && b.bothCount(old, f.value) {
				joined := *old
				joined.fields = append(slices.Clip(joined.fields), f.value.fields...)
				n.fields[first].value = &joined
			} else if f.value != nil {
				n.fields[first].value = f.value
			}
			continue
		}
		if f.value != nil {
			index[f.name] = len(n.fields)
			n.fields = append(n.fields, f)
		}
	}
	for _, m := range merges {
		b.mergeKey(n, index, m, depth)
	}
	return n
}

// bothCount reports whether of a mapping that is given twice both halves are read on:
// the document cannot be used, and one half alone would be reported for what only the
// other one has.
func (b *builder) bothCount(old, later *node) bool {
	return !b.d.options.UnknownFieldsAreWarnings && old.kind == objectNode && later.kind == objectNode &&
		!slices.ContainsFunc(later.fields, func(f field) bool { return old.get(f.name) != nil })
}

// duplicate reports a key that its mapping has already, at line first of t.
func (d *decoder) duplicate(t *text, at Pos, name string, first int) {
	report := d.report.errorf
	if d.options.UnknownFieldsAreWarnings {
		report = d.report.warnf
	}
	name, _, _ = strings.Cut(name, "=") // what follows may be a secret
	report(t, at, CodeDuplicateKey, "", "keep one of them; most readers silently take the last",
		"the key %s is written twice in the same mapping, first on line %d", quoteName(name), t.pos(first, 0).Line)
}

// mergeKey adds the fields of a YAML merge key (<<) that the mapping itself does
// not have.
func (b *builder) mergeKey(n *node, index map[string]int, y *yaml.Node, depth int) {
	from := b.node(y, depth+1)
	if from == nil || from.kind == badNode {
		return
	}
	sources := []*node{from}
	if from.kind == listNode {
		sources = from.items
	}
	for _, s := range sources {
		if s.kind != objectNode {
			b.d.report.errorf(b.t, b.t.pos(y.Line, y.Column), CodeWrongType, "", "merge a mapping, or write the fields out",
				"<< merges mappings, but this is %s", s.kind.describe())
			return
		}
		for _, f := range s.fields {
			if _, ok := index[f.name]; !ok {
				index[f.name] = len(n.fields)
				n.fields = append(n.fields, f)
			}
		}
	}
}

// decimalForm are numbers whose spelling means the same outside of YAML, leading
// zeros included.
var decimalForm = lazyregexp.New(`^-?[0-9]+(\.[0-9]*)?$`)

func (b *builder) scalar(y *yaml.Node) *node {
	if b.bytes -= len(y.Value); b.bytes < 0 {
		return b.stop(y, "write values out in place of aliases", "the values are more than %s of text, aliases counted each time", mebibytes(4*maxDocumentBytes))
	}
	at := b.t.pos(y.Line, y.Column)
	n := b.at(y, stringNode)
	n.scalar = y.Value
	switch tag := y.ShortTag(); tag {
	case "!!str", "!!timestamp", "!!merge":
		n.block = y.Style&yaml.LiteralStyle != 0
		_, n.word = yamlWord(y.Value)
		n.word = n.word && y.Style == 0
	case "!!null":
		n.kind, n.scalar = nullNode, ""
	case "!!bool":
		n.kind = boolNode
		truth, ok := yamlWord(y.Value)
		if !ok {
			b.d.report.errorf(b.t, at, CodeWrongType, "", "write true or false", "the tag !!bool does not fit its value")
			return b.at(y, badNode)
		}
		n.scalar = map[bool]string{true: "true", false: "false"}[truth]
	case "!!int", "!!float":
		n.kind = numberNode
		number, ok := jsonNumber(y.Value)
		if !ok {
			b.d.report.errorf(b.t, at, CodeWrongType, "", "write a finite number", "the value is not a number that JSON can hold")
			return b.at(y, badNode)
		}
		n.scalar = number
		if number != y.Value && decimalForm.MatchString(y.Value) {
			n.written = y.Value
		}
	default:
		b.d.report.errorf(b.t, at, CodeWrongType, "", "remove the tag", "the YAML tag %s has no meaning in a NodeConfig", quoteName(y.Tag))
		return b.at(y, badNode)
	}
	if strings.ContainsRune(n.scalar, 0) {
		b.d.report.errorf(b.t, at, CodeBadEncoding, "", "remove it", "the string holds a NUL character")
		return b.at(y, badNode)
	}
	return n
}

// yamlWord returns the boolean that YAML 1.1 takes an unquoted word for.
func yamlWord(s string) (truth, ok bool) {
	switch s {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE":
		return true, true
	case "n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE":
		return false, true
	default:
		return false, false
	}
}

var (
	jsonNumberForm = lazyregexp.New(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	yamlFloatForm  = lazyregexp.New(`^([-+]?)([0-9]*)(?:\.([0-9]*))?([eE][-+]?[0-9]+)?$`)
)

// jsonNumber writes a YAML number as JSON writes it, keeping every digit. It
// returns false for what JSON has no number for.
func jsonNumber(s string) (string, bool) {
	if jsonNumberForm.MatchString(s) {
		return s, true
	}
	s = strings.ReplaceAll(s, "_", "")
	if len(s) < 128 { // base 0 reads 0x, 0o, 0b and the leading 0 of YAML 1.1 octal
		if i, ok := new(big.Int).SetString(strings.TrimPrefix(s, "+"), 0); ok {
			return i.String(), true
		}
	}
	m := yamlFloatForm.FindStringSubmatch(s)
	if m == nil || m[2]+m[3] == "" {
		return "", false
	}
	number := strings.TrimLeft(m[2], "0")
	if number == "" {
		number = "0"
	}
	if m[1] == "-" {
		number = "-" + number
	}
	if m[3] != "" {
		number += "." + m[3]
	}
	return number + m[4], true
}
