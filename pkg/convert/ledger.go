package convert

import (
	"cmp"
	"strings"
)

// ledger holds the fields that a half of a conversion was given, and what became
// of each. A field that nobody spoke of is lost: that is what keeps a conversion
// from dropping anything in silence.
type ledger struct {
	fields  []string // paths of leaves, in the input's order
	lines   map[string]int
	entries []Entry
	spoken  map[string]bool
	covered map[string]bool // beginnings of paths that were spoken of
}

func newLedger(tree any, root string, lines map[string]int) *ledger {
	return &ledger{fields: leafPaths(root, tree), lines: lines, spoken: make(map[string]bool), covered: make(map[string]bool)}
}

// say records what became of the field at a path and of all below it.
func (l *ledger) say(o Outcome, from, to, message, remedy string) {
	l.mark(from)
	l.entries = append(l.entries, Entry{Outcome: o, From: from, Line: l.line(from), To: to, Message: message, Remedy: remedy})
}

// mark notes that an entry speaks of the field at a path.
func (l *ledger) mark(path string) {
	l.spoken[path] = true
	for ; path != ""; path = parentPath(path) {
		l.covered[path] = true
	}
}

// around notes that fields of the input were moved before this half, so that what is
// around them is not reported as a whole.
func (l *ledger) around(moved []Entry) {
	for _, e := range moved {
		for p := parentPath(e.From); p != ""; p = parentPath(p) {
			l.covered[p] = true
		}
	}
}

// need records a value that is missing.
func (l *ledger) need(to, message, remedy string) {
	l.entries = append(l.entries, Entry{Outcome: Needs, To: to, Message: message, Remedy: remedy})
}

// has reports whether the input has a field at a path or below it.
func (l *ledger) has(path string) bool {
	for _, f := range l.fields {
		if within(f, path) {
			return true
		}
	}
	return false
}

// line returns where a field or the nearest one around it stands.
func (l *ledger) line(path string) int {
	for p := path; p != ""; p = parentPath(p) {
		if n := l.lines[p]; n > 0 {
			return n
		}
	}
	return 0
}

// rest reports every field that was not spoken of as lost. why gives the reason
// and the remedy for a path.
func (l *ledger) rest(why func(path string) (message, remedy string)) {
	for _, f := range l.fields {
		if l.heard(f) {
			continue
		}
		f = l.widest(f)
		message, remedy := why(f)
		l.say(Lost, f, "", cmp.Or(message, "there is no such setting in the target"), remedy)
	}
}

// widest returns the widest field around a path of which nothing was spoken, but not
// the whole document: a table of which nothing can be expressed is one entry.
func (l *ledger) widest(path string) string {
	for p := parentPath(path); p != "" && !l.covered[p] && strings.ContainsAny(p, ".["); p = parentPath(p) {
		path = p
	}
	return path
}

func (l *ledger) heard(path string) bool {
	for p := path; p != ""; p = parentPath(p) {
		if l.spoken[p] {
			return true
		}
	}
	return false
}

// compose joins the two halves of a conversion: an entry of the second about a
// field that the first made is told about the field it was made of.
func compose(first, second []Entry) []Entry {
	var out []Entry
	used := make([]bool, len(first))
	for _, s := range second {
		made, folded := false, false
		for i, f := range first {
			if f.To == "" || f.Outcome != Translated && f.Outcome != Changed || !within(s.From, f.To) && !within(f.To, s.From) {
				continue
			}
			made, used[i] = true, true
			if f.From == f.To && f.From != s.From && within(f.From, s.From) {
				// The input's field is the one that the second half speaks of.
				if folded {
					continue
				}
				f.From, folded = s.From, true
			}
			out = append(out, Entry{
				Outcome: graver(f.Outcome, s.Outcome), From: f.From, Line: f.Line, To: s.To,
				Message: join(f.Message, s.Message), Remedy: cmp.Or(s.Remedy, f.Remedy),
			})
		}
		if !made {
			out = append(out, s)
		}
	}
	for i, f := range first {
		if !used[i] {
			out = append(out, f)
		}
	}
	return out
}

func graver(a, b Outcome) Outcome {
	for _, o := range []Outcome{Lost, Needs, Changed} {
		if a == o || b == o {
			return o
		}
	}
	return b
}

func join(a, b string) string {
	if a == "" || b == "" || a == b {
		return cmp.Or(a, b)
	}
	return a + "; " + b
}

// within reports whether a path is that of a field or of something inside it.
func within(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return ok && field != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
