package api

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// text is one decoded text that documents are read from, and the way back from its
// lines to the place that the author sees.
type text struct {
	body   string
	starts []int32 // byte offset of each line

	source string // name for Pos
	part   string // describes the MIME part, or ""
	whole  *text  // the text that this is a plain slice of, or nil
	before int    // lines of whole that come before this text
}

func newText(source, body string) *text {
	return &text{source: source, body: body, starts: lineStarts(body)}
}

// slice returns body[from:to] as a text of its own whose places are those of t.
// from must be the start of a line.
func (t *text) slice(from, to int, part string) *text {
	line, _ := t.lineColumn(from)
	whole, before := t, line-1
	if t.whole != nil {
		whole, before = t.whole, before+t.before
	}
	s := newText(t.source, t.body[from:to])
	s.part, s.whole, s.before = part, whole, before
	return s
}

// pos returns the place of a line and column of this text, both from 1; 0 is
// unknown.
func (t *text) pos(line, column int) Pos {
	p := Pos{Source: t.source, Line: line, Column: column, Part: t.part}
	if t.part != "" {
		p.PartLine = line
	}
	if t.whole != nil && line > 0 {
		p.Line = line + t.before
	}
	return p
}

// posAt returns the place of a byte offset.
func (t *text) posAt(offset int) Pos { return t.pos(t.lineColumn(offset)) }

// lineColumn returns the line and the column, in characters, of a byte offset.
func (t *text) lineColumn(offset int) (line, column int) {
	offset = min(max(offset, 0), len(t.body))
	i := sort.Search(len(t.starts), func(i int) bool { return int(t.starts[i]) > offset }) - 1
	return i + 1, utf8.RuneCountInString(t.body[t.starts[i]:offset]) + 1
}

// line returns a line without its line break; "" if there is no such line.
func (t *text) line(n int) string {
	if n < 1 || n > len(t.starts) {
		return ""
	}
	end := len(t.body)
	if n < len(t.starts) {
		end = int(t.starts[n])
	}
	return trimBreak(t.body[t.starts[n-1]:end])
}

// seen returns the text that Pos.Line of this text's places counts in.
func (t *text) seen() *text {
	if t.whole != nil {
		return t.whole
	}
	return t
}

// lineStarts finds where lines start. What ends a line is what ends it for the
// YAML 1.1 parser: LF, CRLF, CR, NEL, LS and PS.
func lineStarts(s string) []int32 {
	count := 1
	eachBreak(s, func(int) { count++ })
	starts := make([]int32, 1, count)
	eachBreak(s, func(next int) { starts = append(starts, int32(next)) })
	return starts
}

// eachBreak calls visit with the offset after each line break.
func eachBreak(s string, visit func(next int)) {
	for i := 0; i < len(s); {
		n := breakLen(s[i:])
		if i += max(n, 1); n > 0 {
			visit(i)
		}
	}
}

// breakLen returns the length of the line break that s starts with, or 0.
func breakLen(s string) int {
	switch s[0] {
	case '\n':
		return 1
	case '\r':
		if len(s) > 1 && s[1] == '\n' {
			return 2
		}
		return 1
	case 0xc2:
		if strings.HasPrefix(s, "\u0085") {
			return len("\u0085")
		}
	case 0xe2:
		if strings.HasPrefix(s, "\u2028") || strings.HasPrefix(s, "\u2029") {
			return len("\u2028")
		}
	}
	return 0
}

func trimBreak(line string) string {
	return strings.TrimRight(line, "\r\n\u0085\u2028\u2029")
}
