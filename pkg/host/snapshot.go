package host

import (
	"context"
	"errors"
	"fmt"
)

// Snapshot returns a machine that holds exactly a state, of every kind there is,
// and that cannot be changed: for comparing two decisions without a machine. The
// zero State is an empty machine.
func Snapshot(s State) Host {
	h := Host{}
	for _, k := range Kinds() {
		h[k] = snapshot{s}
	}
	return h
}

// Owning returns the record of an agent that has made all of a state on a machine
// where nothing was before.
func Owning(s State) []Owned {
	return Own(s, nil, nil, nil)
}

type snapshot struct{ state State }

// Observe implements Driver.
func (s snapshot) Observe(_ context.Context, want Resource) (Resource, error) {
	e, ok := s.state.Lookup(want.ID())
	if !ok {
		return nil, nil
	}
	return e.Resource, nil
}

var errSnapshot = errors.New("a snapshot cannot be changed")

// Apply implements Driver: it fails.
func (snapshot) Apply(_ context.Context, want Resource) error {
	return fmt.Errorf("cannot apply %s: %w", want.ID(), errSnapshot)
}

// Remove implements Driver: it fails.
func (snapshot) Remove(_ context.Context, id ID) error {
	return fmt.Errorf("cannot remove %s: %w", id, errSnapshot)
}
