// Package drivertest holds the laws that every host.Driver keeps, as one suite
// that runs against any of them: on a temporary root, in memory, and on a real
// machine.
package drivertest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/host"
)

// Case is one driver with something to do for it.
type Case struct {
	// Driver looks after a thing that does not exist yet.
	Driver host.Driver
	// Wants are wishes for one and the same thing, at least one, each
	// different from the one before it.
	Wants []host.Resource
	// Exists says that the thing is there before anyone wants it, as a kernel
	// parameter is.
	Exists bool
	// Removed decides whether what is seen after Remove is right where a thing
	// cannot be made absent; seen is nil when there is nothing. Without it
	// there must be nothing.
	Removed func(seen host.Resource) bool
	// Print tells everything about the thing that any write changes, such as
	// inode and time. Two equal prints mean that nothing was written.
	Print func() (string, error)
	// Bound is how long one call may take before the suite calls it hung;
	// a minute when zero.
	Bound time.Duration
}

// Run tests the laws. make is called once for each law and returns a fresh
// machine; it cleans up after itself through t.Cleanup.
func Run(t *testing.T, make func(t *testing.T) Case) {
	laws := []struct {
		name string
		law  func(*runner)
	}{
		{"WhatNobodyMadeIsAbsent", absent},
		{"AppliedSatisfiesTheWish", applied},
		{"ApplyingTwiceWritesOnce", twice},
		{"ObservingNeverWrites", observing},
		{"AnObservationCanBeStoredAndPutBack", putBack},
		{"RemovedIsGoneAndRemovingAgainSucceeds", removed},
		{"RemovingWhatWasNeverThereSucceeds", neverThere},
		{"ACancelledContextStopsWithoutWriting", cancelled},
		{"ADebtIsSeenUntilItIsPaid", debt},
	}
	for _, l := range laws {
		t.Run(l.name, func(t *testing.T) {
			c := make(t)
			if c.Bound == 0 {
				c.Bound = time.Minute
			}
			l.law(&runner{t, c})
		})
	}
}

// runner calls a driver and fails the test when it errs or hangs.
type runner struct {
	t *testing.T
	Case
}

// within runs f with a context that ends at the bound, and fails when f
// outlives that by as much again.
func (r *runner) within(what string, f func(ctx context.Context) error) error {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), r.Bound)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case <-time.After(2 * r.Bound):
		r.t.Fatalf("%s hangs", what)
		return nil
	}
}

func (r *runner) observe(want host.Resource) host.Resource {
	r.t.Helper()
	var seen host.Resource
	err := r.within("Observe", func(ctx context.Context) (err error) {
		seen, err = r.Driver.Observe(ctx, want)
		return err
	})
	if err != nil {
		r.t.Fatalf("Observe(%s): %v", want.ID(), err)
	}
	return seen
}

func (r *runner) apply(want host.Resource) {
	r.t.Helper()
	if err := r.within("Apply", func(ctx context.Context) error { return r.Driver.Apply(ctx, want) }); err != nil {
		r.t.Fatalf("Apply(%s): %v", text(want), err)
	}
}

func (r *runner) remove(id host.ID) {
	r.t.Helper()
	if err := r.within("Remove", func(ctx context.Context) error { return r.Driver.Remove(ctx, id) }); err != nil {
		r.t.Fatalf("Remove(%s): %v", id, err)
	}
}

func (r *runner) print() string {
	r.t.Helper()
	if r.Print == nil {
		return ""
	}
	p, err := r.Print()
	if err != nil {
		r.t.Fatalf("cannot print the machine: %v", err)
	}
	return p
}

// unchanged runs f and fails when it wrote something.
func (r *runner) unchanged(what string, f func()) {
	r.t.Helper()
	before := r.print()
	f()
	if after := r.print(); after != before {
		r.t.Errorf("%s wrote something\nbefore: %s\nafter:  %s", what, before, after)
	}
}

func absent(r *runner) {
	for _, want := range r.Wants {
		if seen := r.observe(want); (seen != nil) != r.Exists {
			r.t.Errorf("seen before anyone made it: %s; it should be there: %v", text(seen), r.Exists)
		}
	}
}

// applied goes through all wishes and back to the first.
func applied(r *runner) {
	for _, want := range append(append([]host.Resource(nil), r.Wants...), r.Wants[0]) {
		r.apply(want)
		if seen := r.observe(want); !host.Satisfies(seen, want) {
			r.t.Errorf("wanted %s, seen %s", text(want), text(seen))
		}
	}
}

func twice(r *runner) {
	for _, want := range r.Wants {
		r.apply(want)
		r.unchanged("a second Apply", func() { r.apply(want) })
	}
}

func observing(r *runner) {
	for _, want := range r.Wants {
		r.unchanged("Observe", func() { r.observe(want) })
		r.apply(want)
		r.unchanged("Observe", func() { r.observe(want) })
	}
}

// putBack holds what the engine does with an original: it records what was
// seen as JSON and later wants exactly that again.
func putBack(r *runner) {
	first := r.Wants[0]
	r.apply(first)
	recorded, err := json.Marshal(host.Stored{Resource: r.observe(first)})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, want := range r.Wants[1:] {
		r.apply(want)
	}
	var original host.Stored
	if err := json.Unmarshal(recorded, &original); err != nil {
		r.t.Fatal(err)
	}
	r.apply(original.Resource)
	if seen := r.observe(original.Resource); !host.Equal(seen, original.Resource) {
		r.t.Errorf("put back %s, seen %s", recorded, text(seen))
	}
}

func removed(r *runner) {
	want := r.Wants[0]
	r.apply(want)
	r.remove(want.ID())
	r.gone(want.ID())
	r.unchanged("a second Remove", func() { r.remove(want.ID()) })
	r.apply(want)
	if seen := r.observe(want); !host.Satisfies(seen, want) {
		r.t.Errorf("made again after Remove: wanted %s, seen %s", text(want), text(seen))
	}
}

func (r *runner) gone(id host.ID) {
	r.t.Helper()
	blank, err := host.Blank(id)
	if err != nil {
		r.t.Fatal(err)
	}
	seen := r.observe(blank)
	if right := seen == nil || r.Removed != nil && r.Removed(seen); !right {
		r.t.Errorf("after Remove there is %s", text(seen))
	}
}

func neverThere(r *runner) {
	r.unchanged("Remove of nothing", func() { r.remove(r.Wants[0].ID()) })
}

func cancelled(r *runner) {
	want := r.Wants[0]
	call := func(what string, f func(ctx context.Context) error) {
		r.t.Helper()
		var err error
		before := r.print()
		_ = r.within(what, func(context.Context) error {
			ctx, cancel := context.WithCancel(r.t.Context())
			cancel()
			err = f(ctx)
			return nil
		})
		switch {
		case err == nil: // it needed no time, so it could finish
		case !errors.Is(err, context.Canceled):
			r.t.Errorf("%s says %v, which does not tell that it was cancelled", what, err)
		case r.print() != before:
			r.t.Errorf("%s was cancelled and wrote something", what)
		}
	}
	call("Observe", func(ctx context.Context) error { _, err := r.Driver.Observe(ctx, want); return err })
	call("Apply", func(ctx context.Context) error { return r.Driver.Apply(ctx, want) })
	call("Remove", func(ctx context.Context) error { return r.Driver.Remove(ctx, want.ID()) })
}

func debt(r *runner) {
	debtor, ok := r.Driver.(host.Debtor)
	if _, service := r.Wants[0].(host.Service); !ok || !service {
		r.t.Skip("this driver's things cannot owe a restart")
	}
	var want host.Service
	for _, w := range r.Wants {
		if w := w.(host.Service); w.Running {
			want = w
		}
	}
	owe := func() {
		r.t.Helper()
		if err := r.within("Owe", func(ctx context.Context) error { return debtor.Owe(ctx, want.ID()) }); err != nil {
			r.t.Fatalf("Owe: %v", err)
		}
	}
	current := func() bool { s, _ := r.observe(want).(host.Service); return s.Running && s.Current }
	r.apply(want)
	if !current() {
		r.t.Fatal("not current after a start")
	}
	owe()
	r.unchanged("a second Owe", owe)
	if current() {
		r.t.Error("current although it owes a restart")
	}
	before := r.print()
	r.apply(want)
	if !current() {
		r.t.Error("not current after the restart")
	}
	if r.Print != nil && r.print() == before {
		r.t.Error("the debt went away without a restart")
	}
}

// text prints a resource for a test's message.
func text(r host.Resource) string {
	if r == nil {
		return "nothing"
	}
	b, err := json.Marshal(host.Stored{Resource: r})
	if err != nil {
		return err.Error()
	}
	return string(b)
}
