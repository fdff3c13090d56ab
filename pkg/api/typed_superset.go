package api

import (
	"math/big"
	"slices"
	"strings"
)

// foreign reports a field that is known, but not in a document of nodeadm's group.
func (y *typer) foreign(f field, path string) {
	p := Problem{
		Severity: Error, Code: CodeUnknownField, Pos: y.t.pos(f.line, f.col), Path: path,
		Message: "this is a field of " + APIVersionSuperset, Remedy: "write apiVersion: " + APIVersionSuperset,
	}
	if other := plainWay(f.name); other != "" {
		p.Remedy += ", or " + other
	}
	if y.d.options.UnknownFieldsAreWarnings {
		p.Severity = Warning
		p.Message += ", so it is ignored in one of " + APIVersion
	} else {
		y.rejected[path] = true
	}
	y.d.report.add(y.t, p)
}

// plainWay says how nodeadm's group writes what a field of the superset does.
func plainWay(name string) string {
	switch name {
	case "labels":
		return `give labels to the kubelet: spec.kubelet.flags: ["--node-labels=key=value"]`
	case "taints":
		return "write spec.kubelet.config.registerWithTaints, a list of key, value and effect"
	case "registries":
		return "write spec.containerd.config and certs.d"
	case "proxy":
		return "write the variables at spec.instance.environment.default"
	case "nodeName":
		return "write spec.featureGates.InstanceIdNodeName"
	}
	return ""
}

// whole types a whole number of 64 bits.
func (y *typer) whole(n *node, path string) *node {
	i, ok := new(big.Int).SetString(n.scalar, 10)
	switch {
	case n.kind == stringNode && ok:
		return y.expected(n, path, "a whole number", "remove the quotes")
	case n.kind != numberNode:
		return y.expected(n, path, "a whole number", "")
	case !ok:
		return y.expected(n, path, "a whole number", "write it without a fraction or exponent")
	case !i.IsInt64():
		return y.reject(n, path, "", "%s does not fit into 64 bits", n.scalar)
	}
	return n
}

// scalar types a value that is kept as text: a string, number or boolean, whose
// digits stay as they were written.
func (y *typer) scalar(n *node, path string) *node {
	switch n.kind {
	case stringNode:
		return n
	case numberNode, boolNode:
		out := *n
		out.kind = stringNode
		if n.written != "" {
			out.scalar, out.written = n.written, ""
		}
		return &out
	}
	return y.expected(n, path, "a string or number", textRemedy(n, path))
}

// structures types a list of mappings.
func (y *typer) structures(n *node, s schema, path string) *node {
	if n.kind != listNode {
		return y.expectedList(n, s, path)
	}
	out := *n
	out.items = nil
	for i, e := range n.items {
		at := itemPath(path, i)
		if e.kind != objectNode && e.kind != badNode {
			y.expected(e, at, "a mapping", itemRemedy(e, s))
			continue
		}
		if e = y.value(e, s.element(), at); e != nil {
			out.items = append(out.items, e)
		}
	}
	return &out
}

func (y *typer) expectedList(n *node, s schema, path string) *node {
	return y.expected(n, path, "a list of mappings", shapeRemedy(n, s, path))
}

// holdsSecrets reports whether a mapping has a field whose value is a secret, which
// may stand in the mapping's place by a slip.
func (s schema) holdsSecrets() bool {
	return slices.ContainsFunc(s.fields, func(f schema) bool { return f.typ == secretType || f.typ == secretMapType })
}

// keyed types a list of mappings that merge by key. It becomes a mapping of the
// keys to the items, in the order of the list.
func (y *typer) keyed(n *node, s schema, path string) *node {
	if n.kind != listNode {
		return y.expectedList(n, s, path)
	}
	out := *n
	out.kind, out.keyed, out.items = objectNode, true, nil
	index := make(map[string]int, len(n.items))
	for i, e := range n.items {
		if e.kind != objectNode {
			y.expected(e, itemPath(path, i), "a mapping", itemRemedy(e, s))
			continue
		}
		key, missing := itemKey(e, s)
		at := keyedPath(path, key)
		if missing != "" || key == "" {
			at = itemPath(path, i)
		}
		item := y.structure(e, s.element(), at)
		if missing != "" {
			y.withoutKey(e, s, at, missing)
			continue
		}
		if item == nil || !hasKeys(item, s) {
			continue // its key is of a wrong type, which was reported
		}
		f := field{name: key, value: item, line: e.line, col: e.col}
		if first, ok := index[key]; ok {
			y.repeatedItem(e, at, out.fields[first].line)
			out.fields[first] = f
			continue
		}
		index[key] = len(out.fields)
		out.fields = append(out.fields, f)
	}
	return &out
}

// itemKey returns what tells an item of a list from others, or the name of a field
// that is missing for it.
func itemKey(e *node, s schema) (key, missing string) {
	var parts []string
	for _, k := range s.keys {
		v := e.get(k)
		if v.empty() || v.kind == badNode {
			if child, _ := s.child(k); child.typ == intType {
				continue
			}
			return "", k
		}
		parts = append(parts, v.scalar)
	}
	return strings.Join(parts, ":"), ""
}

// hasKeys reports whether a typed item has all fields that its key is made of.
func hasKeys(item *node, s schema) bool {
	_, missing := itemKey(item, s)
	return missing == ""
}

func (y *typer) withoutKey(e *node, s schema, path, name string) {
	at := childPath(path, name)
	if y.rejected[at] {
		return
	}
	v, message := e.get(name), "required, but missing"
	place := e.pos()
	if v != nil && v.kind == stringNode {
		message, place = "required, but empty", v.pos()
	}
	y.d.report.errorf(y.t, place, CodeMissingField, at, keyRemedy(s, name), "%s", message)
	y.rejected[at] = true
}

// repeatedItem reports an item whose key an earlier one of the same list has.
func (y *typer) repeatedItem(e *node, path string, first int) {
	report := y.d.report.errorf
	if y.d.options.UnknownFieldsAreWarnings {
		report = y.d.report.warnf
	}
	report(y.t, e.pos(), CodeDuplicateKey, path, "keep one of them", "this is in the same list twice, first on line %d", y.t.pos(first, 0).Line)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
