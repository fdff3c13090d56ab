// Package fault is the vocabulary of things that go wrong on a node: an error
// with a stable code that documentation, alerts and tests can name, and a
// remedy for the person who must act.
//
// It is pure and imports nothing of the project, so every floor can use it.
package fault

import "errors"

// Code names a kind of failure. Codes are part of the interface: they appear
// in status files, logs and the troubleshooting guide, and never change their
// meaning. They are written like Kubernetes condition reasons.
type Code string

// Fault is an error with a code and a remedy. Its text is the text of Err;
// code and remedy are for those who print it.
type Fault struct {
	// Code is never empty.
	Code Code
	// Remedy says what a person should do, in one sentence; empty when there
	// is nothing to do but wait.
	Remedy string
	// Err is the cause; never nil.
	Err error
}

// New returns err with a code and a remedy. A nil err gives a nil error, so it
// may wrap a result directly.
func New(code Code, remedy string, err error) error {
	if err == nil {
		return nil
	}
	return &Fault{Code: code, Remedy: remedy, Err: err}
}

// Error returns the text of the cause alone.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Find returns the outermost fault in err's tree: the one that knows most
// about what was being attempted. ok is false when err carries none.
func Find(err error) (f *Fault, ok bool) {
	ok = errors.As(err, &f)
	return f, ok
}

// CodeOf returns the code of err's outermost fault, or Internal when it has
// none: an error that nobody classified is ours to fix.
func CodeOf(err error) Code {
	if f, ok := Find(err); ok {
		return f.Code
	}
	return Internal
}
