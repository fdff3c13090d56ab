package convert

import (
	"fmt"
	"slices"
	"strings"
)

// Outcome says what became of one field of the input.
type Outcome string

// The outcomes, the gravest first.
const (
	// Lost is a field that the target cannot express. The output lacks it.
	Lost Outcome = "lost"
	// Needs is a value that the input does not have and the target needs.
	Needs Outcome = "needs"
	// Changed is a field that is in the output and does not mean quite the same there.
	Changed Outcome = "changed"
	// Implied is a field that need not be written: the target does this anyway, or
	// the setting was without effect.
	Implied Outcome = "implied"
	// Translated is a field that means the same in the output.
	Translated Outcome = "translated"
)

// outcomes is the order in which a report is read, and how each is headed.
var outcomes = []struct {
	outcome Outcome
	heading string
}{
	{Lost, "cannot be expressed"},
	{Needs, "needs a value"},
	{Changed, "changed meaning"},
	{Implied, "not needed there"},
	{Translated, "translated"},
}

// Entry says what became of one field. It holds no value of the input that may be
// secret.
type Entry struct {
	Outcome Outcome `json:"outcome"`
	// From is the field of the input as its author knows it: an option, a settings
	// key, a path. It is empty for what the input does not have.
	From string `json:"from,omitempty"`
	// Line is where it stands in the input, from 1. 0 is not known.
	Line int `json:"line,omitempty"`
	// To is the field of the output; of a value that is needed, where it belongs.
	To string `json:"to,omitempty"`
	// Message says why, unless the outcome says all.
	Message string `json:"message,omitempty"`
	// Remedy says what a person can do.
	Remedy string `json:"remedy,omitempty"`
}

// Report says what became of every field of the input.
type Report struct {
	From Format `json:"from"`
	To   Format `json:"to"`
	// Detected says what the format of the input was detected by; empty if it was given.
	Detected string `json:"detected,omitempty"`
	// Entries are ordered by outcome, the gravest first, then as in the input.
	Entries []Entry `json:"entries"`
}

// Lossy reports whether a field of the input is not in the output.
func (r Report) Lossy() bool {
	return slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.Outcome == Lost })
}

// Text is the report as a person reads it.
func (r Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s -> %s", r.From, r.To)
	if r.Detected != "" {
		fmt.Fprintf(&b, " (detected by %s)", r.Detected)
	}
	b.WriteByte('\n')
	for _, o := range outcomes {
		headed := false
		for _, e := range r.Entries {
			if e.Outcome != o.outcome {
				continue
			}
			if !headed {
				fmt.Fprintf(&b, "%s:\n", o.heading)
				headed = true
			}
			b.WriteString(e.text())
		}
	}
	return b.String()
}

func (e Entry) text() string {
	s := "  "
	if e.Line > 0 {
		s += fmt.Sprintf("line %d: ", e.Line)
	}
	switch {
	case e.From == "":
		s += e.To
	case e.To == "" || e.To == e.From:
		s += e.From
	default:
		s += e.From + " -> " + e.To
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	s += "\n"
	if e.Remedy != "" {
		s += "    remedy: " + e.Remedy + "\n"
	}
	return visible(s)
}

// visible replaces control characters, so that no input can move a terminal's
// cursor. Line ends are the report's own.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// sorted orders entries for a report and leaves out repetitions.
func sorted(entries []Entry) []Entry {
	rank := func(o Outcome) int {
		return slices.IndexFunc(outcomes, func(x struct {
			outcome Outcome
			heading string
		}) bool {
			return x.outcome == o
		})
	}
	out := make([]Entry, 0, len(entries))
	seen := make(map[Entry]bool)
	for _, e := range entries {
		e.From, e.To, e.Message = oneLine(e.From), oneLine(e.To), oneLine(e.Message)
		if !seen[e] {
			seen[e] = true
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Entry) int {
		if r := rank(a.Outcome) - rank(b.Outcome); r != 0 {
			return r
		}
		return a.Line - b.Line
	})
	return out
}

// oneLine folds blanks and cuts what is too long for a line of a report.
func oneLine(s string) string {
	const longest = 240
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return s
}
