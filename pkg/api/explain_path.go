package api

import (
	"strconv"
	"strings"
)

// canonical returns the path by which [Leaf.Path] names a value that a person names
// in another way: the entry of a list that merges by key by its number, or a key
// without brackets. It is "" if there is no such value.
func (m Merged) canonical(path string) string {
	for _, whole := range []string{path, "spec." + path} {
		keys := pathKeys(whole)
		if len(keys) < 2 || keys[0] != "spec" {
			continue
		}
		n, at := m.root, ""
		for _, key := range keys {
			if n, at = n.step(key, at); n == nil {
				break
			}
		}
		if n != nil {
			return at
		}
	}
	return ""
}

// step returns what a node holds by a key, which may be the number of an entry, and
// the path of that; nil if there is nothing.
func (n *node) step(key, at string) (*node, string) {
	if f := n.field(key); f != nil {
		if n.keyed {
			return f.value, keyedPath(at, key)
		}
		return f.value, childPath(at, key)
	}
	i, err := strconv.Atoi(key)
	switch {
	case err != nil || n == nil || i < 0:
	case n.keyed && i < len(n.fields):
		return n.fields[i].value, keyedPath(at, n.fields[i].name)
	case !n.keyed && i < len(n.items):
		return n.items[i], itemPath(at, i)
	}
	return nil, ""
}

// entry returns the field of entries, such as spec.ulimits, that the beginning of a
// path names, and the entry that it has not; or nothing.
func (e *explainer) entry(path string) (holder, entry string) {
	for _, whole := range []string{path, "spec." + path} {
		keys := pathKeys(whole)
		for i := 1; i < len(keys); i++ {
			at := strings.Join(keys[:i], ".")
			f, known := e.fields[at]
			if !known || f.Kind == ObjectField || !e.holdsEntries(at) {
				continue
			}
			if n := e.m.root.nearestAt(keys[:i]); n != nil {
				if there, _ := n.step(keys[i], at); there != nil {
					return "", "" // it is a field of the entry that there is not
				}
			}
			return at, keys[i]
		}
	}
	return "", ""
}

// holdsEntries reports whether a field holds entries with names or numbers.
func (e *explainer) holdsEntries(path string) bool {
	s := nodeConfigSchema()
	for _, key := range strings.Split(path, ".") {
		var ok bool
		if s, ok = s.child(key); !ok {
			return false
		}
	}
	switch s.typ {
	case keyedType, structListType, structMapType, stringMapType, scalarMapType, secretMapType, gatesType, environmentType, listType, flagsType:
		return true
	}
	return false
}
