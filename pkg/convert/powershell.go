package convert

import (
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// powershell reads commands of PowerShell without running anything.
type powershell struct {
	t    text
	src  string
	pos  int
	at   int
	vars map[string]*variable // by lower-case name, without scope
	sh   *shell               // keeps what marks stand for
	out  []psCommand
	cur  psCommand
}

type psCommand struct {
	words []psWord
	line  int
	// assigns is the variable that the command's value goes to.
	assigns string
}

type psWord struct {
	text   string
	quoted bool
}

var powershellTag = lazyregexp.New(`(?is)<powershell>\s*\n?(.*?)(?:</powershell>|$)`)

// powershellBody returns the script in a text and the lines of the text above it,
// and whether the rest of the text holds other tags.
func powershellBody(body string) (script string, above int, rest string) {
	m := powershellTag.FindStringSubmatchIndex(body)
	if m == nil {
		return body, 0, ""
	}
	return body[m[2]:m[3]], strings.Count(body[:m[2]], "\n"), body[:m[0]] + body[m[1]:]
}

func newPowershell() *powershell {
	return &powershell{vars: make(map[string]*variable), sh: newShell()}
}

func (p *powershell) read(t text) {
	p.t, p.src, p.pos, p.at = t, strings.NewReplacer(markOpen, "\ufffd", markClose, "\ufffd").Replace(t.body), 0, 1
	p.cur = psCommand{}
	for p.pos < len(p.src) && p.sh.grown <= maxInput {
		p.step()
	}
	p.end()
}

var psAssignment = lazyregexp.New(`(?i)^(?:\[[\w.\[\]]+\]\s*)?\$(?:\{([^}]*)\}|((?:\w+:)?\w+))[ \t]*(\+?=)[ \t]*`)

func (p *powershell) end() {
	c := p.cur
	p.cur = psCommand{}
	if c.assigns != "" {
		var words []string
		for _, w := range c.words {
			words = append(words, w.text)
		}
		v := &variable{words: []string{strings.Join(words, " ")}, line: c.line}
		if len(c.words) != 1 || !c.words[0].quoted && !plainValue(c.words[0].text) {
			v.words = []string{p.sh.mark("$" + c.assigns)} // an expression
		}
		p.vars[strings.ToLower(c.assigns)] = v
		return
	}
	if len(c.words) > 0 {
		p.out = append(p.out, c)
	}
}

// plainValue reports whether an unquoted word is a value and no expression.
func plainValue(s string) bool { return isNumber(s) || strings.Contains(s, markOpen) }

func (p *powershell) step() {
	rest := p.src[p.pos:]
	switch c := rest[0]; {
	case c == '\n':
		p.pos++
		p.at++
		p.end()
	case c == ' ' || c == '\t' || c == '\r':
		p.pos++
	case strings.HasPrefix(rest, "`\n"):
		p.pos += 2
		p.at++
	case strings.HasPrefix(rest, "<#"):
		p.skipTo("#>")
	case c == '#':
		p.pos += strings.IndexByte(rest+"\n", '\n')
	case c == ';' || c == '|' || c == '{' || c == '}':
		p.pos++
		p.end()
	case c == '&' || c == '(' || c == ')' || c == ',':
		p.pos++
	case c == '>' || strings.HasPrefix(rest, "2>") || strings.HasPrefix(rest, "*>"):
		p.pos += len(rest) - len(strings.TrimLeft(rest, "2*>&1"))
		if p.skipBlanks(); p.pos < len(p.src) && strings.IndexByte("\n;|", p.src[p.pos]) < 0 {
			p.word()
		}
	default:
		if len(p.cur.words) == 0 && p.cur.assigns == "" {
			p.cur.line = p.t.line(p.at)
			if m := psAssignment.FindStringSubmatch(rest); m != nil {
				p.pos += len(m[0])
				p.cur.assigns = psName(m[1] + m[2])
				return
			}
		}
		if w, ok := p.word(); ok {
			p.cur.words = append(p.cur.words, w)
		} else {
			p.pos++
		}
	}
}

// psName is a variable's name without its scope, but for the environment.
func psName(name string) string {
	scope, rest, ok := strings.Cut(name, ":")
	if ok && !strings.EqualFold(scope, "env") {
		return rest
	}
	return name
}

func (p *powershell) skipBlanks() {
	for p.pos < len(p.src) && (p.src[p.pos] == ' ' || p.src[p.pos] == '\t') {
		p.pos++
	}
}

func (p *powershell) skipTo(end string) {
	n := strings.Index(p.src[p.pos:], end)
	if n < 0 {
		n = max(len(p.src)-p.pos-len(end), 0)
	}
	to := min(p.pos+n+len(end), len(p.src))
	p.at += strings.Count(p.src[p.pos:to], "\n")
	p.pos = to
}

// word reads one word. ok is false if there is none.
func (p *powershell) word() (w psWord, ok bool) {
	var b strings.Builder
	from := p.pos
	for p.pos < len(p.src) && p.sh.grown <= maxInput {
		rest := p.src[p.pos:]
		switch c := rest[0]; {
		case strings.HasPrefix(rest, "@'") || strings.HasPrefix(rest, `@"`):
			end := "\n" + rest[1:2] + "@"
			p.pos += 2
			body := p.src[p.pos:]
			p.skipTo(end)
			body, _, _ = strings.Cut(body, end)
			b.WriteString(strings.TrimPrefix(body, "\n"))
			w.quoted = true
		case c == '\'':
			b.WriteString(p.quote('\''))
			w.quoted = true
		case c == '"':
			b.WriteString(p.double())
			w.quoted = true
		case c == '$':
			b.WriteString(p.dollar())
		case c == '`' && len(rest) > 1 && rest[1] != '\n':
			b.WriteByte(rest[1])
			p.pos += 2
		case strings.IndexByte(" \t\r\n;|(){},`", c) >= 0:
			return psWord{b.String(), w.quoted}, p.pos > from
		default:
			b.WriteByte(c)
			p.pos++
		}
	}
	return psWord{b.String(), w.quoted}, p.pos > from
}

// quote reads a string in single quotes, in which two of them stand for one.
func (p *powershell) quote(q byte) string {
	var b strings.Builder
	for p.pos++; p.pos < len(p.src); p.pos++ {
		c := p.src[p.pos]
		if c == q {
			if p.pos++; p.pos >= len(p.src) || p.src[p.pos] != q {
				return b.String()
			}
		}
		if c == '\n' {
			p.at++
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (p *powershell) double() string {
	var b strings.Builder
	p.pos++
	for p.pos < len(p.src) && p.sh.grown <= maxInput {
		switch c := p.src[p.pos]; {
		case c == '"' && strings.HasPrefix(p.src[p.pos:], `""`):
			b.WriteByte('"')
			p.pos += 2
		case c == '"':
			p.pos++
			return b.String()
		case c == '`' && p.pos+1 < len(p.src):
			b.WriteString(psEscape(p.src[p.pos+1]))
			p.pos += 2
		case c == '$':
			b.WriteString(p.dollar())
		default:
			if c == '\n' {
				p.at++
			}
			b.WriteByte(c)
			p.pos++
		}
	}
	return b.String()
}

func psEscape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case '\n':
		return ""
	}
	return string(rune(c))
}

var psVariable = lazyregexp.New(`^\$(?:\{([^}]*)\}|((?:\w+:)?\w+))`)

func (p *powershell) dollar() string {
	rest := p.src[p.pos:]
	if strings.HasPrefix(rest, "$(") {
		from := p.pos
		p.skipTo(")")
		return p.sh.mark(oneLine(p.src[from:p.pos]))
	}
	m := psVariable.FindStringSubmatch(rest)
	if m == nil {
		p.pos++
		return "$"
	}
	p.pos += len(m[0])
	name := psName(m[1] + m[2])
	switch strings.ToLower(name) {
	case "true", "false":
		return name
	case "env:programfiles":
		return `C:\Program Files`
	}
	if v := p.vars[strings.ToLower(name)]; v != nil {
		v.used = true
		p.sh.grown += len(v.words[0])
		return v.words[0]
	}
	return p.sh.mark("$" + name)
}
