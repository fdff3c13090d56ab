package convert

import (
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// wordEnd are the characters that end a word outside of quotes.
const wordEnd = " \t\r\n;&|<>()"

// oneWord reads a word where the shell does not split what variables expand to:
// after "=" and after redirections.
func (s *shell) oneWord() (string, bool) {
	words := s.expand(false)
	return strings.Join(words, " "), len(words) > 0
}

// words reads one word of the script, which may be none or several to a command: the
// shell splits what an unquoted variable expands to.
func (s *shell) words() []string { return s.expand(true) }

// expansion is a word that is being read.
type expansion struct {
	done   []string
	cur    strings.Builder
	begun  bool // cur is a word even if it is empty
	splits bool
}

func (e *expansion) add(text string) {
	e.cur.WriteString(text)
	e.begun = true
}

// split adds what an unquoted variable expands to.
func (e *expansion) split(text string) {
	fields := strings.Fields(text)
	if !e.splits || len(fields) == 0 {
		if text != "" && !e.splits {
			e.add(text)
		}
		return
	}
	if strings.ContainsAny(text[:1], " \t\n") {
		e.flush()
	}
	for i, f := range fields {
		if i > 0 {
			e.flush()
		}
		e.add(f)
	}
	if strings.ContainsAny(text[len(text)-1:], " \t\n") {
		e.flush()
	}
}

func (e *expansion) flush() {
	if e.begun {
		e.done = append(e.done, e.cur.String())
	}
	e.cur.Reset()
	e.begun = false
}

func (s *shell) expand(splits bool) []string {
	e := &expansion{splits: splits}
	for s.pos < len(s.src) && s.grown <= maxInput {
		c := s.src[s.pos]
		switch {
		case c == '\\':
			s.backslash(e)
		case c == '\'':
			s.single(e)
		case c == '"':
			s.double(e)
		case c == '$' && strings.HasPrefix(s.src[s.pos:], "$'"):
			s.pos++ // escapes of $'…' stay as they are written, but for the common ones
			s.single(e)
		case c == '$' || c == '`':
			value, _ := s.dollar()
			s.grown += len(strings.Join(value, " "))
			e.split(strings.Join(value, " "))
		case strings.IndexByte(wordEnd, c) >= 0:
			e.flush()
			return e.done
		default:
			e.add(s.src[s.pos : s.pos+1])
			s.pos++
			if d := s.src[s.pos-1]; d >= '0' && d <= '9' && s.pos < len(s.src) && strings.IndexByte("<>", s.src[s.pos]) >= 0 && e.cur.Len() == 1 {
				return e.done // the 2 of 2>&1
			}
		}
	}
	e.flush()
	return e.done
}

func (s *shell) backslash(e *expansion) {
	s.pos++
	switch {
	case s.pos >= len(s.src):
	case s.src[s.pos] == '\n':
		s.pos++
		s.at++
	default:
		e.add(s.src[s.pos : s.pos+1])
		s.pos++
	}
}

func (s *shell) single(e *expansion) {
	s.pos++
	n := strings.IndexByte(s.src[s.pos:], '\'')
	if n < 0 {
		n = len(s.src) - s.pos // an open quote goes to the end
	}
	e.add(s.src[s.pos : s.pos+n])
	s.at += strings.Count(s.src[s.pos:s.pos+n], "\n")
	s.pos = min(s.pos+n+1, len(s.src))
}

func (s *shell) double(e *expansion) {
	s.pos++
	e.add("")
	for s.pos < len(s.src) && s.src[s.pos] != '"' && s.grown <= maxInput {
		switch c := s.src[s.pos]; {
		case c == '\\' && s.pos+1 < len(s.src):
			switch next := s.src[s.pos+1]; next {
			case '\n':
				s.at++
			case '$', '`', '"', '\\':
				e.add(s.src[s.pos+1 : s.pos+2])
			default:
				e.add(s.src[s.pos : s.pos+2])
			}
			s.pos += 2
		case c == '$' || c == '`':
			value, separate := s.dollar()
			s.grown += len(strings.Join(value, " "))
			if separate && e.splits { // "${A[@]}" is one word an element
				for i, v := range value {
					if i > 0 {
						e.flush()
					}
					e.add(v)
				}
				break
			}
			e.add(strings.Join(value, " "))
		default:
			if c == '\n' {
				s.at++
			}
			e.add(s.src[s.pos : s.pos+1])
			s.pos++
		}
	}
	s.pos = min(s.pos+1, len(s.src))
}

var (
	plainName = lazyregexp.New(`^\$([A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])`)
	braced    = lazyregexp.New(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(\[[@*]\])?\}`)
	defaulted = lazyregexp.New(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(:?)([-+=?])`)
)

// dollar reads an expansion. separate says that its values are words of their own
// within double quotes.
func (s *shell) dollar() (values []string, separate bool) {
	rest := s.src[s.pos:]
	if m := plainName.FindStringSubmatch(rest); m != nil {
		s.pos += len(m[0])
		return s.value(m[1]), false
	}
	if m := braced.FindStringSubmatch(rest); m != nil {
		s.pos += len(m[0])
		return s.value(m[1]), m[2] == "[@]"
	}
	if m := defaulted.FindStringSubmatch(rest); m != nil {
		return s.orElse(m), false
	}
	from := s.pos
	switch {
	case strings.HasPrefix(rest, "$("):
		s.pos++
		s.skipParentheses()
		return []string{s.substitution(strings.TrimSuffix(s.src[from+2:s.pos], ")"))}, false
	case rest[0] == '`':
		s.pos++
		s.skipTo("`")
		return []string{s.substitution(strings.TrimSuffix(s.src[from+1:s.pos], "`"))}, false
	case strings.HasPrefix(rest, "${"):
		s.skipTo("}")
	default:
		s.pos++
		return []string{"$"}, false
	}
	return []string{s.mark(oneLine(s.src[from:s.pos]))}, false
}

// programOf is the first word of a command. The others may hold secrets.
func programOf(command string) string {
	fields := strings.FieldsFunc(command, func(r rune) bool { return strings.ContainsRune(" \t\n;|&()`", r) })
	if len(fields) == 0 {
		return ""
	}
	return fields[0]
}

// orElse is ${NAME:-word} and its kin, whose word is expanded as well.
func (s *shell) orElse(m []string) []string {
	name, colon, operator := m[1], m[2] == ":", m[3]
	from := s.pos
	if s.depth++; s.depth > maxDepth {
		s.skipTo("}")
		return []string{s.mark("${" + name + "…}")}
	}
	defer func() { s.depth-- }()
	s.pos += len(m[0])
	inner := *s // reads the word without what is around it
	inner.src, inner.pos = s.untilBrace(), 0
	word := inner.braceWord()
	s.missing, s.marked, s.grown = inner.missing, inner.marked, inner.grown
	s.at += strings.Count(s.src[from:s.pos], "\n")
	v := s.vars[name]
	set := v != nil && (!colon || strings.Join(v.words, " ") != "")
	if v != nil {
		v.used = true
	}
	switch operator {
	case "+":
		if set {
			return []string{word}
		}
		return []string{""}
	case "?":
		return s.value(name)
	default:
		if set {
			return v.words
		}
		return []string{word}
	}
}

// untilBrace returns what comes before the closing brace, and goes past it.
func (s *shell) untilBrace() string {
	from, depth := s.pos, 0
	for ; s.pos < len(s.src); s.pos++ {
		switch s.src[s.pos] {
		case '\\':
			s.pos++
		case '{':
			depth++
		case '}':
			if depth--; depth < 0 {
				s.pos++
				return s.src[from : s.pos-1]
			}
		}
	}
	s.pos = len(s.src)
	return s.src[from:]
}

// braceWord expands a whole text, in which blanks end nothing.
func (s *shell) braceWord() string {
	var b strings.Builder
	for s.pos < len(s.src) && s.grown <= maxInput {
		if strings.IndexByte(wordEnd, s.src[s.pos]) >= 0 {
			b.WriteByte(s.src[s.pos])
			s.pos++
			continue
		}
		word, _ := s.oneWord()
		b.WriteString(word)
	}
	return b.String()
}

// value is what a name expands to. What the script has not assigned is not known.
func (s *shell) value(name string) []string {
	v := s.vars[name]
	if v == nil {
		return []string{s.mark("$" + name)}
	}
	v.used = true
	return v.words
}

// skipParentheses reads past a command in parentheses, nested ones and quotes
// within it.
func (s *shell) skipParentheses() {
	depth := 0
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case '\n':
			s.at++
		case '\\':
			s.pos++
		case '\'':
			n := strings.IndexByte(s.src[s.pos+1:], '\'')
			if n < 0 {
				n = len(s.src) - s.pos - 1
			}
			s.at += strings.Count(s.src[s.pos+1:s.pos+1+n], "\n")
			s.pos += n + 1
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				s.pos++
				return
			}
		}
		s.pos++
	}
	s.pos = len(s.src)
}
