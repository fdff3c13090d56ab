package api

import "time"

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
	unread := false // a source whose text could not be read as a whole
	for i, in := range inputs {
		docs, ps := Decode(in.Name, in.Raw, o)
		documents = append(documents, docs...)
		problems = append(problems, ps...)
		unread = unread || HasErrors(ps) && len(docs) == 0
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
