package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML returns the root of the first document, or nil if there is none.
func parseYAML(body string) (*yaml.Node, error) {
	docs, err := parseYAMLDocuments(body)
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	return docs[0], nil
}

// parseYAMLDocuments returns the roots of all documents.
func parseYAMLDocuments(body string) (docs []*yaml.Node, err error) {
	defer func() {
		if recover() != nil { // the parser is other people's code
			docs, err = nil, errors.New("the YAML parser cannot handle this text")
		}
	}()
	dec := yaml.NewDecoder(strings.NewReader(body))
	for {
		var doc yaml.Node
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return docs, nil
		case err != nil:
			return nil, fmt.Errorf("cannot parse YAML: %w", err)
		}
		if len(docs) == maxDepth {
			return nil, fmt.Errorf("cannot parse YAML: there are more than %d documents", maxDepth)
		}
		if len(doc.Content) > 0 {
			docs = append(docs, doc.Content[0])
		}
	}
}

// maxValues bounds the tree of a document, which aliases could make any size.
const maxValues = 100_000

// yamlTree turns a document into a free-form tree and the lines of its paths.
func yamlTree(root *yaml.Node, path string, before int) (tree any, lines map[string]int, err error) {
	b := &yamlBuilder{lines: make(map[string]int), before: before}
	tree = b.value(root, path, 0)
	return tree, b.lines, b.err
}

type yamlBuilder struct {
	lines  map[string]int
	before int // lines of the input above the document; -1 for none known
	count  int
	err    error
}

func (b *yamlBuilder) note(path string, line int) {
	if b.before >= 0 {
		b.lines[path] = b.before + line
	}
}

func (b *yamlBuilder) value(n *yaml.Node, path string, depth int) any {
	if b.count++; b.count > maxValues || depth > maxDepth {
		b.err = errors.New("cannot read YAML: there are too many values, or they are nested too deep")
		return nil
	}
	b.note(path, n.Line)
	switch n.Kind {
	case yaml.AliasNode:
		return b.value(n.Alias, path, depth+1)
	case yaml.MappingNode:
		out := make(map[string]any)
		for i := 0; i+1 < len(n.Content) && b.err == nil; i += 2 {
			key, at := n.Content[i].Value, childPath(path, n.Content[i].Value)
			if _, twice := out[key]; twice {
				b.err = fmt.Errorf("cannot read YAML: the key %q is there twice, at line %d", key, n.Content[i].Line)
			}
			if key == "<<" && n.Content[i].Tag == "!!merge" {
				b.err = fmt.Errorf("cannot read YAML: merge keys (<<) are not read, at line %d", n.Content[i].Line)
			}
			out[key] = b.value(n.Content[i+1], at, depth+1)
			b.note(at, n.Content[i].Line)
		}
		return out
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for i, e := range n.Content {
			if b.err == nil {
				out = append(out, b.value(e, itemPath(path, i), depth+1))
			}
		}
		return out
	default:
		return scalar(n)
	}
}

// scalar turns a scalar into its free-form value.
func scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return json.Number(strconv.FormatInt(i, 10))
		}
	case "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value)
		}
	}
	return n.Value
}

// stringOf is a scalar as text; ok is false for mappings, lists and null.
func stringOf(v any) (s string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}

// at returns the value at a path of keys.
func at(tree any, keys ...string) any {
	for _, k := range keys {
		m, _ := tree.(map[string]any)
		tree = m[k]
	}
	return tree
}
