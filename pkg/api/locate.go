package api

import (
	"slices"
	"strconv"
	"strings"
)

// Locate gives a problem that somebody else found, such as a decision that was
// refused, its place in the documents: that of the value at its path, or of the
// nearest around it that a document gives. Entries of lists that merge by key may be
// named by their key or by their number. A problem without such a value keeps what
// it has. What must not be shown is hidden in any case.
func (m Merged) Locate(p Problem) Problem {
	if p.Pos.IsZero() {
		n := m.root.nearestAt(pathKeys(p.Path))
		if n != nil && n.src != nil {
			p.Pos = n.pos()
			var r reporter
			r.add(n.src, p)
			return r.problems[0]
		}
	}
	var r reporter
	r.add(nil, p)
	return r.problems[0]
}

// nearestAt returns the value at a path, or the deepest one around it that is there;
// nil if there is none below spec.
func (n *node) nearestAt(keys []string) *node {
	if len(keys) < 2 || keys[0] != "spec" {
		return nil
	}
	n = n.get("spec")
	found := (*node)(nil)
	for _, key := range keys[1:] {
		next := n.get(key)
		if i, err := strconv.Atoi(key); err == nil && next == nil && n != nil && i >= 0 {
			switch {
			case n.keyed && i < len(n.fields):
				next = n.fields[i].value
			case i < len(n.items):
				next = n.items[i]
			}
		}
		if next == nil {
			return found
		}
		n, found = next, next
	}
	return found
}

// pathKeys splits a path into keys, those in brackets without their quotes. What
// does not read as a path ends it.
func pathKeys(path string) []string {
	var keys []string
	for path != "" {
		if !strings.HasPrefix(path, "[") {
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			keys = append(keys, path[:end])
			path = strings.TrimPrefix(path[end:], ".")
			continue
		}
		quoted, err := strconv.QuotedPrefix(path[1:])
		key := quoted
		if err == nil {
			key, err = strconv.Unquote(quoted)
		} else if end := strings.IndexByte(path, ']'); end > 0 {
			quoted, err = path[1:end], nil
			key = quoted
		}
		if err != nil || !strings.HasPrefix(path[1+len(quoted):], "]") {
			break
		}
		keys = append(keys, key)
		path = strings.TrimPrefix(path[len(quoted)+2:], ".")
	}
	return slices.Clip(keys)
}
