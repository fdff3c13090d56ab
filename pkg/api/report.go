package api

import (
	"fmt"
)

// reporter collects the problems of one input, at most maxProblems of them.
type reporter struct {
	problems []Problem
	left     int // problems not kept
	leftPos  Pos // where the first of those was
	leftSev  Severity
}

// full reports whether further problems are only counted, so that nothing need be
// worked out about them.
func (r *reporter) full() bool { return len(r.problems) >= maxProblems }

// add keeps a problem about a place in t, with that line as its excerpt. The
// problem's own Pos is used; t only supplies the text and may be nil.
func (r *reporter) add(t *text, p Problem) {
	if r.full() {
		if r.left == 0 {
			r.leftPos = p.Pos
		}
		r.left++
		r.leftSev = max(r.leftSev, p.Severity)
		return
	}
	p.Path, p.Message, p.Remedy = visible(p.Path), hideURLs(visible(p.Message)), visible(p.Remedy)
	if t != nil && p.Line > 0 {
		p.excerpt, p.excerptColumn = excerpt(t.seen(), p.Line, p.Column)
	}
	r.problems = append(r.problems, p)
}

// hideURLs hides the passwords in the URLs of a message. A message may quote a value
// that is a secret only where it belongs: the URL of a proxy in the wrong place.
func hideURLs(s string) string { return secretURL.ReplaceAllString(s, "${1}"+redacted+"@") }

// sayf keeps a problem about a place in t.
func (r *reporter) sayf(t *text, s Severity, at Pos, code Code, path, remedy, format string, args ...any) {
	p := Problem{Severity: s, Code: code, Pos: at, Path: path, Remedy: remedy}
	if !r.full() {
		p.Message = fmt.Sprintf(format, args...)
	}
	r.add(t, p)
}

// errorf keeps an error about a place in t.
func (r *reporter) errorf(t *text, at Pos, code Code, path, remedy, format string, args ...any) {
	r.sayf(t, Error, at, code, path, remedy, format, args...)
}

// warnf keeps a warning about a place in t.
func (r *reporter) warnf(t *text, at Pos, code Code, path, remedy, format string, args ...any) {
	r.sayf(t, Warning, at, code, path, remedy, format, args...)
}

// infof keeps an information about a place in t.
func (r *reporter) infof(t *text, at Pos, code Code, path, remedy, format string, args ...any) {
	r.sayf(t, Info, at, code, path, remedy, format, args...)
}

// done returns the problems in order of place.
func (r *reporter) done() []Problem {
	sortProblems(r.problems)
	if r.left > 0 {
		r.problems = append(r.problems, Problem{
			Severity: r.leftSev, Code: CodeTooManyProblems, Pos: Pos{Source: r.leftPos.Source},
			Message: fmt.Sprintf("%d more problems are not shown", r.left),
			Remedy:  "correct the ones above and check again",
		})
		r.left = 0
	}
	return r.problems
}
