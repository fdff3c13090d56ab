package api

import (
	"fmt"
	"strconv"
	"strings"
)

// typer brings the nodes of one document into the shape of the schema. Fields that
// do not fit are reported and left out; what remains needs no further checks of
// type.
type typer struct {
	d        *decoder
	t        *text
	rejected map[string]bool
	plain    bool // a document of nodeadm's group, without the superset's fields
}

// reject reports a value and leaves it out.
func (y *typer) reject(n *node, path, remedy, format string, args ...any) *node {
	y.d.report.errorf(y.t, n.pos(), CodeWrongType, path, remedy, format, args...)
	y.rejected[path] = true
	return nil
}

// expected reports a value of the wrong type.
func (y *typer) expected(n *node, path, what, remedy string) *node {
	return y.reject(n, path, remedy, "expected %s, found %s", what, n.found())
}

// found describes a value in messages, with the value where it is short and no
// secret.
func (n *node) found() string {
	if n.secret {
		return n.kind.describe()
	}
	switch n.kind {
	case boolNode:
		return "the boolean " + n.scalar
	case numberNode:
		return "the number " + n.scalar
	case stringNode:
		if n.scalar == "" {
			return "an empty string"
		}
		return "the string " + quoteName(n.scalar)
	case listNode:
		if len(n.items) == 0 {
			return "an empty list"
		}
	}
	return n.kind.describe()
}

// value types one value. nil means that there is none to keep.
func (y *typer) value(n *node, s schema, path string) *node {
	if n.kind == badNode {
		y.rejected[path] = true
		return nil
	}
	if s.typ == ignoredType || n.kind == nullNode {
		return nil
	}
	switch s.typ {
	case structType:
		return y.structure(n, s, path)
	case versionType, stringType, base64Type:
		return y.str(n, path)
	case tomlType:
		if n.kind == objectNode {
			return y.expected(n, path, "a string of TOML", "write \"config: |\" and the TOML below it, indented")
		}
		return y.str(n, path)
	case boolType:
		return y.boolean(n, path)
	case listType, flagsType:
		return y.list(n, s, path)
	case gatesType:
		return y.mapOf(n, s, path, "a mapping of names to true or false", y.boolean)
	case stringMapType:
		return y.mapOf(n, s, path, "a mapping of names to strings", y.str)
	case environmentType:
		return y.environment(n, s, path)
	case valueType:
		return y.str(n, path)
	case intType:
		return y.whole(n, path)
	case scalarType:
		return y.scalar(n, path)
	case secretType:
		return y.str(n.asSecret(), path)
	case scalarMapType:
		return y.mapOf(n, s, path, "a mapping of names to values", y.scalar)
	case secretMapType:
		return y.variables(n.asSecret(), path)
	case structListType:
		return y.structures(n, s, path)
	case keyedType:
		return y.keyed(n, s, path)
	case structMapType:
		return y.mapOf(n, s, path, "a mapping of names to mappings", func(v *node, at string) *node {
			return y.value(v, s.element(), at)
		})
	default: // freeType
		if n.kind != objectNode {
			return y.expected(n, path, "a mapping", shapeRemedy(n, s, path))
		}
		return y.free(n, path)
	}
}

func (y *typer) structure(n *node, s schema, path string) *node {
	if n.kind != objectNode {
		if s.holdsSecrets() {
			n = n.asSecret()
		}
		return y.expected(n, path, "a mapping", shapeRemedy(n, s, path))
	}
	out := *n
	out.fields = nil
	for _, f := range n.fields {
		at := childPath(path, f.name)
		child, ok := s.child(f.name)
		if !ok {
			y.unknown(n, f, s, path)
			continue
		}
		if child.superset && y.plain {
			y.foreign(f, at)
			continue
		}
		if f.value = y.value(f.value, child, at); f.value != nil {
			out.fields = append(out.fields, f)
		}
	}
	return &out
}

func (y *typer) str(n *node, path string) *node {
	switch n.kind {
	case stringNode:
		return n
	case numberNode, boolNode:
		remedy := "put it in quotes"
		if !n.secret {
			remedy += `: "` + n.scalar + `"`
		}
		return y.expected(n, path, "a string", remedy)
	default:
		return y.expected(n, path, "a string", textRemedy(n, path))
	}
}

func (y *typer) boolean(n *node, path string) *node {
	switch {
	case n.kind == boolNode:
		return n
	case n.word:
		return n.wordAsBool()
	case n.kind == stringNode:
		if _, ok := yamlWord(n.scalar); ok {
			return y.expected(n, path, "true or false", "remove the quotes")
		}
	}
	return y.expected(n, path, "true or false", "")
}

// wordAsBool turns an unquoted yes, no, on, off, y or n into its boolean.
func (n *node) wordAsBool() *node {
	out := *n
	truth, _ := yamlWord(n.scalar)
	out.kind, out.word, out.scalar = boolNode, false, fmt.Sprint(truth)
	return &out
}

func (y *typer) list(n *node, s schema, path string) *node {
	if n.kind != listNode {
		return y.expected(n, path, "a list of strings", shapeRemedy(n, s, path))
	}
	out := *n
	out.items = nil
	for i, e := range n.items {
		if e.kind == objectNode && len(e.fields) == 1 {
			remedy := "put the whole item in quotes: without them \": \" makes it a mapping"
			if flag := e.fields[0]; s.typ == flagsType && !strings.HasPrefix(flag.name, "-") && flag.value.plainWord() != "" {
				remedy = "write - " + strconv.Quote("--"+flag.name+"="+flag.value.scalar)
			}
			y.expected(e, itemPath(path, i), "a string", remedy)
			continue
		}
		if e = y.str(e, itemPath(path, i)); e != nil {
			out.items = append(out.items, e)
		}
	}
	return &out
}

func (y *typer) mapOf(n *node, s schema, path, what string, elem func(*node, string) *node) *node {
	if n.kind != objectNode {
		return y.expected(n, path, what, shapeRemedy(n, s, path))
	}
	out := *n
	out.fields = nil
	for _, f := range n.fields {
		at := childPath(path, f.name)
		if f.value.kind == badNode {
			y.rejected[at] = true
			continue
		}
		if f.value = elem(f.value, at); f.value != nil {
			out.fields = append(out.fields, f)
		}
	}
	return &out
}

// environment types services and their variables. A variable without a value is
// the empty string, as in nodeadm.
func (y *typer) environment(n *node, s schema, path string) *node {
	n = n.asSecret()
	return y.mapOf(n, s, path, "a mapping of services to variables", func(vars *node, at string) *node {
		switch vars.kind {
		case nullNode:
			return nil
		case objectNode, listNode:
			return y.variables(vars, at)
		}
		return y.expected(vars, at, "a mapping of variables to values", "write default: or the name of a service above it, which gets the variable")
	})
}

// variables types environment variables, whose values are secret already.
func (y *typer) variables(vars *node, path string) *node {
	return y.mapOf(y.withoutAssignments(vars, path), leaf("", secretMapType), path, "a mapping of variables to values", func(v *node, at string) *node {
		if v.kind == nullNode {
			v.kind = stringNode
		}
		return y.str(v, at)
	})
}

// withoutAssignments leaves out variables whose name holds "=": what follows it is
// a value in the wrong place, which must not show as a name would.
func (y *typer) withoutAssignments(vars *node, path string) *node {
	out := *vars
	out.fields = nil
	for _, f := range vars.fields {
		name, _, wrong := strings.Cut(f.name, "=")
		if !wrong {
			out.fields = append(out.fields, f)
			continue
		}
		y.d.report.errorf(y.t, y.t.pos(f.line, f.col), CodeInvalidValue, path, "write NAME: value",
			"%s is followed by \"=\" and not by a colon", quoteName(name))
	}
	return &out
}

// asSecret returns a copy of a value in which all scalars are secret.
func (n *node) asSecret() *node {
	out := *n
	out.secret = n.kind != objectNode && n.kind != listNode
	out.items, out.fields = nil, nil
	for _, e := range n.items {
		out.items = append(out.items, e.asSecret())
	}
	for _, f := range n.fields {
		f.value = f.value.asSecret()
		out.fields = append(out.fields, f)
	}
	return &out
}

// free keeps a free-form value. Unquoted yes, no, on and off become booleans there
// as they do for nodeadm, since most fields of KubeletConfiguration that are
// written so are meant so; it is told, because the others break.
func (y *typer) free(n *node, path string) *node {
	switch {
	case n.word:
		out := n.wordAsBool()
		y.d.report.warnf(y.t, n.pos(), CodeAmbiguousValue, path, "write "+out.scalar+`, or "`+n.scalar+`" if a string is meant`,
			"the unquoted word %s is read as the boolean %s", n.scalar, out.scalar)
		return out
	case n.kind == listNode:
		out := *n
		out.items = make([]*node, len(n.items))
		for i, e := range n.items {
			out.items[i] = y.free(e, itemPath(path, i))
		}
		return &out
	case n.kind == objectNode:
		out := *n
		out.fields = nil
		for _, f := range n.fields {
			at := childPath(path, f.name)
			if f.value.kind == badNode {
				y.rejected[at] = true
				continue
			}
			f.value = y.free(f.value, at)
			out.fields = append(out.fields, f)
		}
		return &out
	default:
		return n
	}
}

// unknown reports a field that the schema does not have. The field that was meant
// is then not reported as missing as well.
func (y *typer) unknown(parent *node, f field, s schema, path string) {
	var remedy, meant string
	if !y.d.report.full() {
		remedy, meant = suggestField(f.name, path, s, parent, y.plain)
	}
	p := Problem{
		Severity: Error, Code: CodeUnknownField, Pos: y.t.pos(f.line, f.col), Path: path,
		Message: "unknown field " + quoteName(f.name), Remedy: remedy,
	}
	if y.d.options.UnknownFieldsAreWarnings {
		p.Severity = Warning
		p.Message += " is ignored"
	} else if meant != "" {
		y.rejected[meant] = true
	}
	y.d.report.add(y.t, p)
}

// quoteName quotes a name or a short value for a message; a long one is cut.
func quoteName(s string) string {
	const longest = 60
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	if strings.ContainsAny(s, "\n\r") {
		s, _, _ = strings.Cut(s, "\n")
		s = strings.TrimRight(s, "\r") + "…"
	}
	return fmt.Sprintf("%q", s)
}
