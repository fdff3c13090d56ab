package api

import (
	"slices"
	"strings"
	"time"
)

// Input is one source's bytes.
type Input struct {
	// Name is the name that places refer to; see Decode.
	Name string
	// Raw is what the source holds.
	Raw []byte
	// Replaces are paths of fields, as spec.cni, that other inputs say in vain: this
	// one stands for an option of a command line, which takes their place.
	Replaces []string
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
		for j, other := range inputs {
			if j != i {
				docs = withoutFields(docs, other.Replaces)
			}
		}
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

// withoutFields returns documents that lack the fields at some paths.
func withoutFields(docs []Document, paths []string) []Document {
	for i := range docs {
		for _, path := range paths {
			docs[i].root = docs[i].root.without(strings.Split(path, "."))
		}
	}
	return docs
}

// without returns a mapping that lacks the field at a path of keys.
func (n *node) without(keys []string) *node {
	if n == nil || n.field(keys[0]) == nil {
		return n
	}
	out := *n
	out.fields = nil
	for _, f := range n.fields {
		if f.name == keys[0] {
			if len(keys) == 1 {
				continue
			}
			f.value = f.value.without(keys[1:])
		}
		out.fields = append(out.fields, f)
	}
	return &out
}

// unreadable reports whether a problem hides the rest of a text.
func unreadable(p Problem) bool {
	switch p.Code {
	case CodeTooLarge, CodeBadEncoding, CodeBadMIME, CodeBadSyntax, CodeUnknownVersion:
		return p.Severity == Error
	}
	return false
}
