package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlTree reads a TOML text as a free-form tree, with the lines of its keys.
func tomlTree(t text) (tree map[string]any, lines map[string]int, err error) {
	defer func() {
		if recover() != nil { // the parser is other people's code
			tree, lines, err = nil, nil, errors.New("cannot parse TOML: the parser cannot handle this text")
		}
	}()
	if deepest(t.body) > maxDepth {
		return nil, nil, fmt.Errorf("cannot parse TOML: values are nested more than %d deep", maxDepth)
	}
	if err := toml.Unmarshal([]byte(t.body), &tree); err != nil {
		var de *toml.DecodeError
		if errors.As(err, &de) {
			line, column := de.Position()
			return nil, nil, fmt.Errorf("cannot parse TOML: line %d, column %d: %s", max(t.line(line), line), column, strings.TrimPrefix(de.Error(), "toml: "))
		}
		return nil, nil, fmt.Errorf("cannot parse TOML: %s", strings.TrimPrefix(err.Error(), "toml: "))
	}
	tree, _ = plain(tree).(map[string]any)
	return tree, tomlLines(t), nil
}

// deepest is a bound of how deep brackets and dots nest in a text.
func deepest(body string) int {
	depth, most := 0, 0
	for _, line := range strings.Split(body, "\n") {
		key, _, _ := strings.Cut(line, "=")
		most = max(most, strings.Count(key, ".")/4) // dots may be part of quoted keys
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			most = max(most, depth)
		}
	}
	return most
}

// plain turns values of the TOML parser into those of a free-form tree.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = plain(e)
		}
		return v
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
		return v
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float64:
		return json.Number(strconv.FormatFloat(v, 'g', -1, 64))
	case string, bool:
		return v
	default:
		return fmt.Sprint(v) // dates and times
	}
}

// tomlLines returns the line of every key of a text that parses.
func tomlLines(t text) map[string]int {
	lines := make(map[string]int)
	p := &unstable.Parser{}
	p.Reset([]byte(t.body))
	table := ""
	counts := make(map[string]int) // of arrays of tables
	for p.NextExpression() {
		e := p.Expression()
		line, offset := 0, 0
		path := ""
		if e.Kind == unstable.KeyValue {
			path = table
		}
		for it := e.Key(); it.Next(); {
			if path = childPath(path, string(it.Node().Data)); counts[path] > 0 && (e.Kind == unstable.Table || !it.IsLast()) {
				path = itemPath(path, counts[path]-1)
			}
			offset = int(it.Node().Raw.Offset)
		}
		line = t.line(1 + strings.Count(t.body[:min(offset, len(t.body))], "\n"))
		switch e.Kind {
		case unstable.ArrayTable:
			counts[path]++
			table = itemPath(path, counts[path]-1)
			path = table
		case unstable.Table:
			table = path
		}
		lines[path] = line
	}
	return lines
}
