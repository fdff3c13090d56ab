package api

import (
	"strings"
)

// FieldKind says what a field holds, in words for people.
type FieldKind string

// The kinds of fields.
const (
	ObjectField      FieldKind = "object"
	StringField      FieldKind = "string"
	Base64Field      FieldKind = "base64"
	BoolField        FieldKind = "true or false"
	IntField         FieldKind = "whole number"
	ScalarField      FieldKind = "string or number"
	SecretField      FieldKind = "string (secret)"
	StringsField     FieldKind = "list of strings"
	TOMLField        FieldKind = "string of TOML"
	FreeField        FieldKind = "object, as written"
	BoolMapField     FieldKind = "map to true or false"
	StringMapField   FieldKind = "map to strings"
	ScalarMapField   FieldKind = "map to strings or numbers"
	SecretMapField   FieldKind = "map to strings (secret)"
	EnvironmentField FieldKind = "map of services to variables (secret)"
	ListField        FieldKind = "list of objects"
	MapField         FieldKind = "map to objects"
	IgnoredField     FieldKind = "anything, read past"
)

// Field is one field that a document may have.
type Field struct {
	// Path is where it stands. "[]" is for any item of a list, ".*" for any key of a
	// mapping: spec.taints[].effect, spec.ulimits.*.hard.
	Path string
	// Kind is what it holds.
	Kind FieldKind
	// Keys are the fields of its items by which a list merges. Empty if it does not
	// merge by item.
	Keys []string
	// Merge says what becomes of it when several documents have it. Empty for an
	// object, whose fields merge each by its own rule.
	Merge string
	// Superset is true for what only [APIVersionSuperset] has.
	Superset bool
	// Default is the value that counts if no document gives one. Empty if there is
	// none, or if it depends on the machine.
	Default string
	// DefaultFrom says where the default comes from, or what holds without a value.
	DefaultFrom string
}

// Fields returns all fields in the order of canonical YAML, each before what it
// holds.
func Fields() []Field {
	var out []Field
	defaults := fieldDefaults()
	var walk func(s schema, path string, superset bool)
	walk = func(s schema, path string, superset bool) {
		for _, child := range s.fields {
			at := strings.TrimPrefix(path+"."+child.name, ".")
			f := Field{Path: at, Kind: child.kind(), Keys: child.keys, Merge: child.mergeRule(), Superset: superset || child.superset}
			f.Default, f.DefaultFrom = defaults[at].value, defaults[at].from
			out = append(out, f)
			walk(child, at+child.step(), f.Superset)
		}
	}
	walk(nodeConfigSchema(), "", false)
	return out
}

// step is what stands in a Field.Path between a field and those of its items.
func (s schema) step() string {
	switch s.typ {
	case keyedType, structListType:
		return "[]"
	case structMapType:
		return ".*"
	}
	return ""
}

func (s schema) kind() FieldKind {
	switch s.typ {
	case structType:
		return ObjectField
	case base64Type:
		return Base64Field
	case boolType:
		return BoolField
	case intType:
		return IntField
	case scalarType:
		return ScalarField
	case secretType:
		return SecretField
	case listType, flagsType:
		return StringsField
	case tomlType:
		return TOMLField
	case freeType:
		return FreeField
	case gatesType:
		return BoolMapField
	case stringMapType:
		return StringMapField
	case scalarMapType:
		return ScalarMapField
	case secretMapType:
		return SecretMapField
	case environmentType:
		return EnvironmentField
	case keyedType, structListType:
		return ListField
	case structMapType:
		return MapField
	case ignoredType:
		return IgnoredField
	}
	return StringField // stringType, versionType, valueType
}

// mergeRule says how documents merge in a field; see [Merge].
func (s schema) mergeRule() string {
	switch s.typ {
	case structType, ignoredType:
		return ""
	case versionType:
		return "the superset's wins"
	case boolType:
		return "a later value replaces, false too"
	case intType:
		return "a later value replaces, 0 too"
	case valueType:
		return "a later value replaces, an empty one too"
	case listType, structListType:
		return "a later list replaces, unless it is empty"
	case flagsType:
		return "later entries are appended"
	case freeType:
		return "mappings merge at every depth; lists, scalars and null replace"
	case tomlType:
		return "by key; arrays replace"
	case gatesType:
		return "by gate; a later false replaces, too"
	case stringMapType, scalarMapType, secretMapType:
		return "by key; a later empty value replaces, too"
	case environmentType:
		return "by variable; a later empty value replaces, too"
	case keyedType:
		return "by " + strings.Join(s.keys, " and ")
	case structMapType:
		return "by key"
	}
	return "a later value replaces, unless it is empty" // stringType, base64Type, scalarType, secretType
}

// fieldPath returns the Field.Path of a value's path, and the rest of it that lies
// within a field whose inside has no schema: a key of a mapping, an item of a list.
// ok is false if there is no such field.
func fieldPath(path string) (field, rest string, ok bool) {
	s := nodeConfigSchema()
	for i, key := range segments(path) {
		var child schema
		switch s.typ {
		case structType:
			if child, ok = s.child(key.name); !ok || key.bracket {
				return "", "", false
			}
			field = strings.TrimPrefix(field+"."+child.name, ".")
		case keyedType, structListType, structMapType:
			field, child, ok = field+s.step(), s.element(), true
		default:
			if s.typ == ignoredType {
				return "", "", false
			}
			return field, joinSegments(segments(path)[i:]), true
		}
		s = child
	}
	return field, "", ok
}

// segment is one step of a path.
type segment struct {
	name    string
	raw     string // as written, with its dot or brackets
	bracket bool
}

// segments splits a path as childPath, keyedPath and itemPath put it together.
func segments(path string) []segment {
	var out []segment
	for path != "" {
		if path[0] == '[' {
			end := closing(path)
			out = append(out, segment{strings.Trim(path[1:max(end, 1)], `"`), path[:min(end+1, len(path))], true})
			path = path[min(end+1, len(path)):]
			continue
		}
		dot := len(path) - len(strings.TrimPrefix(path, "."))
		end := len(path)
		if i := strings.IndexAny(path[dot:], ".["); i >= 0 {
			end = dot + i
		}
		if end == 0 {
			end = 1 // a second dot
		}
		out = append(out, segment{path[dot:max(end, dot)], path[:max(end, dot)], false})
		path = path[max(end, dot):]
	}
	return out
}

// closing returns where the bracket that a path starts with closes, or its end.
func closing(path string) int {
	quoted, escaped := false, false
	for i := 1; i < len(path); i++ {
		switch {
		case escaped:
			escaped = false
		case quoted && path[i] == '\\':
			escaped = true
		case path[i] == '"':
			quoted = !quoted
		case path[i] == ']' && !quoted:
			return i
		}
	}
	return len(path) - 1
}

func joinSegments(list []segment) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(s.raw)
	}
	return strings.TrimPrefix(b.String(), ".")
}
