package main

import (
	"cmp"
	"errors"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
)

// refusals are the decisions that components refuse, as problems of the
// configuration: each with the code and the remedy of its fault, and with the place
// of the field that its message speaks of; else of the first text.
func refusals(l bootstrap.Loaded, err error) []api.Problem {
	var out []api.Problem
	for _, e := range leaves(err) {
		p := api.Problem{
			Severity: api.Error, Code: api.Code(fault.CodeOf(e)),
			Message: decisionPrefix.ReplaceAllString(e.Error(), ""),
		}
		if f, ok := fault.Find(e); ok {
			p.Remedy = f.Remedy
		}
		named := ""
		p.Path, named = namedPath(p.Message)
		p.Message = strings.TrimPrefix(p.Message, "cannot use "+named+": ") // the path says so
		if p.Path == "" {
			p.Path = cmp.Or(referringPath(l.Merged, p.Message), givenPath(l.Merged, p.Remedy))
		}
		p = l.Merged.Locate(p)
		if p.Pos.IsZero() && len(l.Texts) > 0 {
			p.Source = l.Texts[0]
		}
		out = append(out, p)
	}
	return out
}

// decisionPrefix is what node.Desired puts before the refusals of a component.
var decisionPrefix = lazyregexp.New(`^cannot decide [a-z-]+: `)

// leaves takes joined errors apart. What wraps several of them is left out: each
// says by itself what it is about.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	for e := err; e != nil; {
		if _, whole := e.(*fault.Fault); whole {
			break // its code and remedy are for all of it
		}
		joined, ok := e.(interface{ Unwrap() []error })
		if !ok {
			e = errors.Unwrap(e)
			continue
		}
		parts := joined.Unwrap()
		if len(parts) == 1 { // a single one keeps what wraps it
			e = parts[0]
			continue
		}
		var out []error
		for _, part := range parts {
			out = append(out, leaves(part)...)
		}
		return out
	}
	return []error{err}
}

// fieldName is a field as messages name it.
var fieldName = lazyregexp.New(`\bspec(?:\.[A-Za-z]+|\[[0-9]+\]|\["[^"]*"\])+`)

// entryName is what messages add in quotes to name an entry of a field.
var entryName = lazyregexp.New(`^(spec\.(?:registries|sysctls|labels|annotations|imageCredentials|hooks|kernelModules|ulimits)) ("[^"]+")`)

// namedPath returns the path of the first field that a message names, or "", and how
// it is written there.
func namedPath(message string) (path, written string) {
	at := fieldName.FindStringIndex(message)
	if at == nil {
		return "", ""
	}
	if m := entryName.FindStringSubmatch(message[at[0]:]); m != nil {
		return m[1] + "[" + m[2] + "]", m[0]
	}
	written = message[at[0]:at[1]]
	return written, written
}

// givenPath returns the path of the first field that a remedy names and that a
// document gives, or "".
func givenPath(m api.Merged, remedy string) string {
	for _, path := range fieldName.FindAllString(remedy, -1) {
		if m.Origin(path) != nil {
			return path
		}
	}
	return ""
}

var factReference = lazyregexp.New(`\$\{[^}]+\}`)

// referringPath returns the path of the first value that refers to the fact of which
// a message speaks, or "".
func referringPath(m api.Merged, message string) string {
	reference := factReference.FindString(message)
	if reference == "" {
		return ""
	}
	for _, l := range m.Leaves() {
		if strings.Contains(l.Origins[0].Value, reference) {
			return l.Path
		}
	}
	return ""
}
