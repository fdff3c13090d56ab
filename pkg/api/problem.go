package api

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Severity says what a problem does to the run.
type Severity int

const (
	// Info tells what was done that may not be obvious.
	Info Severity = iota
	// Warning is likely a mistake; the configuration is still used.
	Warning
	// Error means that the configuration cannot be used.
	Error
)

// String returns "info", "warning" or "error".
func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	default:
		return "error"
	}
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(text []byte) error {
	switch string(text) {
	case "info":
		*s = Info
	case "warning":
		*s = Warning
	case "error":
		*s = Error
	default:
		return fmt.Errorf("cannot read severity %q: known are info, warning, error", text)
	}
	return nil
}

// Code names a class of problems for machines. Codes do not change.
type Code string

// The classes of problems.
const (
	CodeTooLarge           Code = "too-large"
	CodeBadEncoding        Code = "bad-encoding"
	CodeBadMIME            Code = "bad-mime"
	CodeRepairedMIME       Code = "repaired-mime"
	CodeIgnoredPart        Code = "ignored-part"
	CodeMissedPart         Code = "missed-part"
	CodeNoNodeConfig       Code = "no-nodeconfig"
	CodeBadSyntax          Code = "bad-syntax"
	CodeUnknownVersion     Code = "unknown-version"
	CodeSeveralDocuments   Code = "several-documents"
	CodeUnknownField       Code = "unknown-field"
	CodeDuplicateKey       Code = "duplicate-key"
	CodeWrongType          Code = "wrong-type"
	CodeAmbiguousValue     Code = "ambiguous-value"
	CodeMissingField       Code = "missing-field"
	CodeInvalidValue       Code = "invalid-value"
	CodeSuspiciousValue    Code = "suspicious-value"
	CodeConflictingCluster Code = "conflicting-cluster"
	CodeOverriddenSetting  Code = "overridden-setting"
	CodeTooManyProblems    Code = "too-many-problems"
)

// Pos is a place in the text as its author sees it.
type Pos struct {
	// Source names the text: "imds://user-data", "file:///etc/eks/nodeadm.d/10-x.yaml".
	// For a MIME part that was itself encoded it ends in "#part2", and lines count
	// in the decoded part; in every other case they count in the whole source
	// (after whole-body base64 and gzip are undone).
	Source string `json:"source,omitempty"`
	// Line and Column count from 1, columns in characters. 0 means that the place
	// is not known more closely.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Part describes the MIME part, as `part 2, application/node.eks.aws`. Empty if
	// the text is not MIME.
	Part string `json:"part,omitempty"`
	// PartLine counts lines from the start of the part's body, from 1. 0 if there
	// is no part.
	PartLine int `json:"partLine,omitempty"`
}

// IsZero reports whether the place is wholly unknown.
func (p Pos) IsZero() bool { return p == Pos{} }

// String returns source:line:column, as much as is known of it. Schemes that carry
// no meaning to a reader are left out.
func (p Pos) String() string {
	s := shortSource(p.Source)
	if p.Line > 0 {
		if s == "" {
			s = "input"
		}
		s += ":" + strconv.Itoa(p.Line)
		if p.Column > 0 {
			s += ":" + strconv.Itoa(p.Column)
		}
	}
	return s
}

// detail returns the part and the line in it, or nothing.
func (p Pos) detail() string {
	switch {
	case p.Part == "":
		return ""
	case p.PartLine > 0 && !strings.Contains(p.Source, "#part"):
		return p.Part + ", line " + strconv.Itoa(p.PartLine)
	default:
		return p.Part
	}
}

// shortSource leaves out the scheme of a source's name where it says nothing.
func shortSource(name string) string {
	for _, scheme := range []string{"imds://", "file://"} {
		if rest, ok := strings.CutPrefix(name, scheme); ok && rest != "" {
			return rest
		}
	}
	if name == "-" {
		return "standard input"
	}
	return name
}

// Problem is one thing to tell the author of a configuration.
type Problem struct {
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	// Pos is where. It is zero for what is missing altogether.
	Pos
	// Path is the field, as spec.kubelet.config.maxPods, if it is about one.
	Path string `json:"path,omitempty"`
	// Message says what is wrong, without the place. It holds no secret.
	Message string `json:"message"`
	// Remedy says what to do. Empty if the message leaves no question.
	Remedy string `json:"remedy,omitempty"`

	// excerpt is the source line for the renderer, already free of secrets;
	// excerptColumn is where in it the caret goes, from 1.
	excerpt       string
	excerptColumn int
}

// String returns the problem on one line, without the remedy:
//
//	user-data:12:5: error: spec.kubelet.config.maxPods: must be positive [part 2, application/node.eks.aws, line 7]
func (p Problem) String() string {
	var b strings.Builder
	if at := p.Pos.String(); at != "" {
		b.WriteString(at + ": ")
	}
	b.WriteString(p.Severity.String() + ": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if d := p.detail(); d != "" {
		b.WriteString(" [" + d + "]")
	}
	return b.String()
}

// Render writes problems as a person reads them: each with its source line, a
// caret below the column, and the remedy.
func Render(w io.Writer, problems []Problem) error {
	for _, p := range problems {
		if _, err := io.WriteString(w, p.render()); err != nil {
			return fmt.Errorf("cannot write problems: %w", err)
		}
	}
	return nil
}

func (p Problem) render() string {
	var b strings.Builder
	b.WriteString(p.String() + "\n")
	if p.excerpt != "" {
		number := strconv.Itoa(p.Line)
		fmt.Fprintf(&b, "  %s | %s\n", number, p.excerpt)
		if p.excerptColumn > 0 {
			fmt.Fprintf(&b, "  %s | %s^\n", strings.Repeat(" ", len(number)), strings.Repeat(" ", p.excerptColumn-1))
		}
	}
	if p.Remedy != "" {
		b.WriteString("  remedy: " + p.Remedy + "\n")
	}
	return b.String()
}

// HasErrors reports whether any problem is an Error.
func HasErrors(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}

// AsError returns the problems of severity Error as one error, one line each, or
// nil if there is none.
func AsError(problems []Problem) error {
	var errs []error
	for _, p := range problems {
		if p.Severity != Error {
			continue
		}
		text := p.String()
		if p.Remedy != "" {
			text += " (" + p.Remedy + ")"
		}
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// sortProblems orders by place; what has no place comes last. Within one place the
// gravest comes first. The order is total, so equal inputs print equally.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(boolRank(a.Source == ""), boolRank(b.Source == "")),
			cmp.Compare(a.Source, b.Source),
			cmp.Compare(boolRank(a.Code == CodeTooManyProblems), boolRank(b.Code == CodeTooManyProblems)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Message, b.Message),
		)
	})
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sortByInput orders like sortProblems, but sources in the order they were given.
func sortByInput(problems []Problem, order map[string]int) {
	sortProblems(problems)
	rank := func(p Problem) int {
		if p.Source == "" {
			return len(order)
		}
		base, _, _ := strings.Cut(p.Source, "#part")
		return order[base]
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(rank(a), rank(b)) })
}
