package convert

import "strings"

// redirection reads past where a command's input or output goes.
func (s *shell) redirection() {
	rest := s.src[s.pos:]
	operator := rest[:len(rest)-len(strings.TrimLeft(rest, "<>&|"))]
	if operator == "<<<" || !strings.HasPrefix(operator, "<<") {
		s.command.redirected = s.command.redirected || strings.Contains(operator, ">")
		s.pos += len(operator)
		if strings.HasPrefix(s.src[s.pos:], "(") { // <(command), >(command)
			s.skipParentheses()
			return
		}
		s.skipBlanks()
		if strings.HasPrefix(s.src[s.pos:], ">(") || strings.HasPrefix(s.src[s.pos:], "<(") {
			s.pos++
			s.skipParentheses()
			return
		}
		s.oneWord()
		return
	}
	s.pos += 2
	d := hereDoc{}
	if strings.HasPrefix(s.src[s.pos:], "-") {
		d.tabs = true
		s.pos++
	}
	s.skipBlanks()
	d.end, _ = s.oneWord()
	s.docs = append(s.docs, d)
}

func (s *shell) skipBlanks() {
	for s.pos < len(s.src) && (s.src[s.pos] == ' ' || s.src[s.pos] == '\t') {
		s.pos++
	}
}

// skipHereDocs reads past the here-documents that begin at this line.
func (s *shell) skipHereDocs() {
	for _, d := range s.docs {
		lines := 0
		for s.pos < len(s.src) {
			line, _, _ := strings.Cut(s.src[s.pos:], "\n")
			s.pos = min(s.pos+len(line)+1, len(s.src))
			s.at++
			if d.tabs {
				line = strings.TrimLeft(line, "\t")
			}
			if line == d.end {
				break
			}
			lines++
		}
		if len(s.out) > 0 {
			s.out[len(s.out)-1].document += lines
		}
	}
	s.docs = nil
}
