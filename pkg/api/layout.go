package api

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// The functions of this file look at a text that the YAML parser refused, to find
// the place that a person would point at. They go by layout alone and may find
// nothing; then the parser's own line is reported.

// blockStart matches a line that opens a block of text: "key: |" or "- >2-".
var blockStart = lazyregexp.New(`(^|[:\-] +)(&\S+ +)?[|>][0-9+-]*\s*(#.*)?$`)

// structure calls visit for each line that is part of the document's structure:
// not blank, not a comment, not inside a block of text.
func (t *text) structure(visit func(n, indent int, line string) bool) {
	block := -1 // indentation of the line that opened a block of text
	for n := 1; n <= len(t.starts); n++ {
		line := t.line(n)
		content := strings.TrimLeft(line, " ")
		indent := len(line) - len(content)
		if content == "" || block >= 0 && indent > block {
			continue
		}
		block = -1
		if content[0] == '#' {
			continue
		}
		if !visit(n, indent, line) {
			return
		}
		if blockStart.MatchString(line) {
			block = indent
		}
	}
}

// misindented returns the first line whose indentation fits no mapping or list
// around it, or 0.
func misindented(t *text) (found int) {
	var open []int // indentations of the mappings and lists around the line
	opens := false // the line before can hold deeper ones
	t.structure(func(n, indent int, line string) bool {
		if strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...") {
			open = nil
			return true
		}
		top := len(open)
		for top > 0 && open[top-1] > indent {
			top--
		}
		popped := top < len(open)
		open = open[:top]
		fits := top > 0 && open[top-1] == indent
		if !fits && (popped || top > 0 && !opens) {
			found = n
			return false
		}
		if !fits {
			open = append(open, indent)
		}
		content := line[indent:]
		for strings.HasPrefix(content, "- ") {
			rest := strings.TrimLeft(content[2:], " ")
			indent += len(content) - len(rest)
			content = rest
			open = append(open, indent)
		}
		trimmed := strings.TrimRight(content, " ")
		opens = strings.HasSuffix(trimmed, ":") || trimmed == "-" || strings.Contains(content, " #") ||
			!strings.Contains(content, ": ") || strings.ContainsAny(content, "[{\"'&")
		return true
	})
	return found
}

// bracket is an open bracket of a flow list or mapping.
type bracket struct {
	char      rune
	line, col int
}

// unbalanced finds the first bracket that closes nothing or the wrong one, or the
// innermost one that is never closed. message is "" if all is in order.
func unbalanced(t *text) (line, col int, message string) {
	var open []bracket
	var quote rune // the quotes around where we are, or 0
	t.structure(func(n, _ int, s string) bool {
		var before rune = '\n' // the last character that is not blank
		escaped, comment := false, false
		for i, r := range s {
			at := utf8.RuneCountInString(s[:i]) + 1
			switch {
			case comment:
			case escaped:
				escaped = false
			case quote == '"' && r == '\\':
				escaped = true
			case quote != 0:
				if r == quote {
					quote = 0
				}
			case r == '#' && (i == 0 || s[i-1] == ' '):
				comment = true
			case (r == '"' || r == '\'') && strings.ContainsRune("\n:-,[{", before):
				quote = r
			case r == '[' || r == '{':
				if len(open) > 0 || strings.ContainsRune("\n:-,", before) {
					open = append(open, bracket{r, n, at})
				}
			case (r == ']' || r == '}') && len(open) > 0:
				last := open[len(open)-1]
				if (r == ']') != (last.char == '[') {
					line, col = n, at
					message = "\"" + string(r) + "\" does not close the \"" + string(last.char) + "\" before it"
					return false
				}
				open = open[:len(open)-1]
			}
			if !unicode.IsSpace(r) {
				before = r
			}
		}
		return true
	})
	if message == "" && len(open) > 0 {
		last := open[len(open)-1]
		return last.line, last.col, "this \"" + string(last.char) + "\" is not closed"
	}
	return line, col, message
}

// find returns the place of the first match of a pattern's first group in the
// structure of a text, or 0.
func find(t *text, pattern *lazyregexp.Regexp) (line, col int) {
	t.structure(func(n, _ int, s string) bool {
		if m := pattern.FindStringSubmatchIndex(s); m != nil {
			line, col = n, utf8.RuneCountInString(s[:m[2]])+1
			return false
		}
		return true
	})
	return line, col
}

// controlCharacter returns the place of the first character that YAML forbids in
// a text, or 0.
func controlCharacter(t *text) (line, col int) {
	i := strings.IndexFunc(t.body, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f || r > 0x7f && r < 0xa0 && r != 0x85 || r == 0xfffe || r == 0xffff
	})
	if i < 0 {
		return 0, 0
	}
	return t.lineColumn(i)
}
