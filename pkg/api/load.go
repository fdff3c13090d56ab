package api

import (
	"slices"
	"time"
)

// Input is one source's bytes.
type Input struct {
	// Name is the name that places refer to; see Decode.
	Name string
	// Raw is what the source holds.
	Raw []byte
}

// Load decodes the inputs, merges their documents in order and validates the
// outcome: a later input wins over an earlier one. now is for certificates; see
// Validate. All problems of all steps are returned, in the order of the inputs and
// of places in them. The result must not be used if [HasErrors].
func Load(inputs []Input, o Options, now time.Time) (Merged, []Problem) {
	var documents []Document
	var problems []Problem
	order := make(map[string]int, len(inputs))
	unread := false // a source's text, or a part of it, could not be read
	for i, in := range inputs {
		docs, ps := Decode(in.Name, in.Raw, o)
		documents = append(documents, docs...)
		problems = append(problems, ps...)
		unread = unread || slices.ContainsFunc(ps, unreadable) || HasErrors(ps) && len(docs) == 0
		if _, ok := order[in.Name]; !ok {
			order[in.Name] = i
		}
	}
	m := Merge(documents)
	for _, p := range Validate(m, now) {
		if unread && (p.Code == CodeMissingField || p.Code == CodeNoNodeConfig) {
			continue // it may be in what could not be read
		}
		problems = append(problems, p)
	}
	sortByInput(problems, order)
	return m, problems
}

// unreadable reports whether a problem hides the rest of a text.
func unreadable(p Problem) bool {
	switch p.Code {
	case CodeTooLarge, CodeBadEncoding, CodeBadMIME, CodeBadSyntax, CodeUnknownVersion:
		return p.Severity == Error
	}
	return false
}
