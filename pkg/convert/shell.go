package convert

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// Values that only running a script would tell stand in words as a mark: markOpen,
// the index of their name in shell.missing, markClose. Both are characters of
// Unicode's private use area; they are taken out of the input first.
const (
	markOpen  = "\ue000"
	markClose = "\ue001"
)

var marks = lazyregexp.New(markOpen + `([0-9]+)` + markClose)

// shell reads scripts of sh and bash without running anything: it follows
// assignments in the order in which they are written, and collects commands.
type shell struct {
	t    text
	src  string
	pos  int
	at   int // line of pos in the text, from 1
	open []string

	vars    map[string]*variable
	missing []string // what marks stand for
	marked  map[string]int
	facts   map[string]string // references to facts, by mark
	docs    []hereDoc         // here-documents whose text is still to come
	command *command          // the one that is being read
	out     []command
	depth   int // of ${NAME:-…} within each other
	grown   int // bytes of expanded words; bounds what nested expansion can cost
}

// variable is what a script has assigned to a name.
type variable struct {
	words    []string // more than one for an array
	array    bool
	line     int
	exported bool
	used     bool
	inside   string // the construct in which it was assigned
}

// command is a simple command with its words expanded.
type command struct {
	words []string
	lines []int  // of the words, in the input
	line  int    // in the input, 0 if not known
	env   []pair // assignments before the command's name
	// inside names the constructs that the command stands in: if, while, a function.
	inside []string
	// redirected says that its output goes elsewhere.
	redirected bool
	document   int    // lines of its here-document
	in         string // the name of the text
}

type pair struct{ name, value string }

type hereDoc struct {
	end  string
	tabs bool // leading tabs do not count
}

func newShell() *shell {
	return &shell{vars: make(map[string]*variable), marked: make(map[string]int), facts: make(map[string]string)}
}

var errExpansion = errors.New("cannot read the script: its variables expand to too much text")

// read follows one script. Variables stay for the next.
func (s *shell) read(t text) error {
	s.t, s.src, s.pos, s.at, s.open = t, strings.NewReplacer(markOpen, "\ufffd", markClose, "\ufffd").Replace(t.body), 0, 1, nil
	s.begin()
	for s.pos < len(s.src) {
		s.step()
		if s.grown > maxInput {
			return errExpansion
		}
	}
	s.end()
	return nil
}

func (s *shell) begin() {
	s.command = &command{line: s.t.line(s.at), inside: slices.Clone(s.open), in: s.t.name}
}

// end finishes the command that is being read.
func (s *shell) end() {
	c := s.command
	if len(c.words) == 0 { // assignments alone stay
		for _, e := range c.env {
			s.assign(e.name, []string{e.value}, false, false)
		}
	} else {
		s.out = append(s.out, *c)
	}
	s.begin()
}

// step reads one blank, operator, comment or word.
func (s *shell) step() {
	rest := s.src[s.pos:]
	test := len(s.command.words) > 0 && s.command.words[0] == "[[" && s.command.words[len(s.command.words)-1] != "]]"
	switch c := rest[0]; {
	case c == '\n':
		s.pos++
		s.at++
		s.end()
		s.skipHereDocs()
		s.begin()
	case c == ' ' || c == '\t' || c == '\r':
		s.pos++
	case strings.HasPrefix(rest, "\\\n"):
		s.pos += 2
		s.at++
	case c == '#':
		s.pos += strings.IndexByte(rest+"\n", '\n')
	case test && strings.IndexByte("&|<>()", c) >= 0:
		s.pos++ // operators of a test
	case strings.HasPrefix(rest, "((") && len(s.command.words) == 0:
		s.skipTo("))")
	case c == '<' || c == '>' || strings.HasPrefix(rest, "&>"):
		s.redirection()
	case strings.IndexByte(";&|", c) >= 0:
		s.pos += len(rest) - len(strings.TrimLeft(rest, ";&|"))
		s.end()
	case c == '(' && len(s.command.words) == 1 && strings.HasPrefix(strings.ReplaceAll(rest, " ", ""), "()"):
		s.pos += strings.IndexByte(rest, ')') + 1
		s.function(s.command.words[0])
	case c == '(':
		s.pos++
		s.enter("a subshell")
	case c == ')':
		s.pos++
		if s.within("case") {
			s.command.words, s.command.lines = nil, nil // a pattern
			break
		}
		s.end()
		s.leave("a subshell")
	default:
		s.word()
	}
}

func (s *shell) within(construct string) bool {
	return len(s.open) > 0 && s.open[len(s.open)-1] == construct
}

func (s *shell) enter(construct string) {
	if len(s.open) < maxDepth {
		s.open = append(s.open, construct)
	}
	s.begin()
}

func (s *shell) leave(construct string) {
	if s.within(construct) {
		s.open = s.open[:len(s.open)-1]
	}
	s.begin()
}

func (s *shell) function(name string) {
	s.command.words, s.command.lines = nil, nil
	rest := strings.TrimLeft(s.src[s.pos:], " \t\n")
	if strings.HasPrefix(rest, "{") {
		skipped := s.src[s.pos : len(s.src)-len(rest)+1]
		s.pos, s.at = s.pos+len(skipped), s.at+strings.Count(skipped, "\n")
		s.enter("the function " + name)
	}
}

// reserved handles the words that structure a script. It reports whether word was
// one.
func (s *shell) reserved(word string) bool {
	switch word {
	case "if", "while", "until", "for", "case", "select":
		s.enter(word)
		if word == "for" || word == "case" || word == "select" {
			s.skipWords() // a name and words, which are no command
		}
	case "then", "else", "elif", "do", "!", "time":
	case "{":
		s.enter("braces")
	case "fi":
		s.leave("if")
	case "esac":
		s.leave("case")
	case "done":
		for _, loop := range []string{"while", "until", "for", "select"} {
			if s.within(loop) {
				s.leave(loop)
				break
			}
		}
	case "}":
		if len(s.open) > 0 {
			s.leave(s.open[len(s.open)-1])
		}
	default:
		return false
	}
	return true
}

// skipWords reads past the head of a loop or case.
func (s *shell) skipWords() {
	for s.pos < len(s.src) && strings.IndexByte(";\n", s.src[s.pos]) < 0 {
		from := s.pos
		word, _ := s.oneWord()
		if word == "in" && s.within("case") {
			return
		}
		if s.pos == from { // at what ends words
			s.pos++
		}
	}
}

func (s *shell) skipTo(end string) {
	n := strings.Index(s.src[s.pos:], end)
	if n < 0 {
		n = len(s.src) - s.pos - len(end)
	}
	s.at += strings.Count(s.src[s.pos:s.pos+n+len(end)], "\n")
	s.pos += n + len(end)
}

var assignment = lazyregexp.New(`^([A-Za-z_][A-Za-z0-9_]*)(\+?)=`)

// declares are commands whose arguments are assignments.
var declares = []string{"export", "declare", "local", "readonly", "typeset"}

// word reads a word of the command, or an assignment.
func (s *shell) word() {
	c := s.command
	declaring := len(c.words) > 0 && slices.Contains(declares, c.words[0])
	if len(c.words) == 0 || declaring {
		if m := assignment.FindStringSubmatch(s.src[s.pos:]); m != nil {
			s.pos += len(m[0])
			s.assignment(m[1], m[2] == "+", declaring && c.words[0] == "export")
			return
		}
	}
	if len(c.words) == 0 && len(c.env) == 0 {
		c.line = s.t.line(s.at)
	}
	from, line := s.pos, s.at
	words := s.words()
	if raw := s.src[from:s.pos]; len(c.words) == 0 && s.reserved(raw) {
		return
	}
	if declaring && c.words[0] == "export" && len(words) == 1 {
		if v := s.vars[words[0]]; v != nil {
			v.exported = true
			return
		}
	}
	c.words = append(c.words, words...)
	for range words {
		c.lines = append(c.lines, s.t.line(line))
	}
	if s.pos == from { // nothing that is known: leave it behind
		s.pos++
	}
}

func (s *shell) assignment(name string, add, exported bool) {
	line := s.at
	if strings.HasPrefix(s.src[s.pos:], "(") {
		s.pos++
		var words []string
		for s.pos < len(s.src) && s.src[s.pos] != ')' {
			if strings.IndexByte(" \t\n\r", s.src[s.pos]) >= 0 {
				s.at += strings.Count(s.src[s.pos:s.pos+1], "\n")
				s.pos++
				continue
			}
			from := s.pos
			if words = append(words, s.words()...); s.pos == from {
				s.pos++
			}
		}
		s.pos++
		s.assign(name, words, true, add)
		s.vars[name].line, s.vars[name].exported = s.t.line(line), exported
		return
	}
	value, _ := s.oneWord()
	if exported || len(s.command.words) > 0 || add {
		s.assign(name, []string{value}, false, add)
		s.vars[name].line, s.vars[name].exported = s.t.line(line), exported
		return
	}
	s.command.line = s.t.line(line)
	s.command.env = append(s.command.env, pair{name, value})
}

func (s *shell) assign(name string, words []string, array, add bool) {
	old := s.vars[name]
	v := &variable{words: words, array: array, line: s.command.line}
	if len(s.open) > 0 {
		v.inside = s.open[len(s.open)-1]
	}
	if add && old != nil {
		if array {
			v.words = append(slices.Clone(old.words), words...)
		} else {
			v.words = []string{strings.Join(old.words, " ") + strings.Join(words, " ")}
		}
	}
	if old != nil {
		v.exported, v.used = old.exported, old.used && add
	}
	s.vars[name] = v
}

// isProgram reports whether a word runs a program of that name.
func isProgram(word, name string) bool { return path.Base(word) == name }

// unresolved returns what a value would hold if the script were run.
func (s *shell) unresolved(value string) []string {
	var out []string
	for _, m := range marks.FindAllStringSubmatch(value, -1) {
		if i, err := strconv.Atoi(m[1]); err == nil && i < len(s.missing) && !slices.Contains(out, s.missing[i]) {
			out = append(out, s.missing[i])
		}
	}
	return out
}

// mark returns the mark of a value that is not known.
func (s *shell) mark(name string) string {
	i, ok := s.marked[name]
	if !ok {
		i = len(s.missing)
		s.marked[name] = i
		s.missing = append(s.missing, name)
	}
	return markOpen + strconv.Itoa(i) + markClose
}
