package aws

import (
	"context"
	"slices"
	"sync"
)

// journal is a log of exchanges that can be waited on. An exchange is in it from its beginning, so that nobody who saw its
// effect can miss it, and its entry is completed as it goes on. The log grows until it is reset.
type journal[T any] struct {
	mu      sync.Mutex
	entries []*T
	changed chan struct{} // closed and replaced at every change
}

func newJournal[T any]() *journal[T] {
	return &journal[T]{changed: make(chan struct{})}
}

// begin adds an entry and returns the function that replaces it.
func (j *journal[T]) begin(entry T) (replace func(T)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := &entry
	j.entries = append(j.entries, kept)
	j.notify()
	return func(entry T) {
		j.mu.Lock()
		defer j.mu.Unlock()
		*kept = entry
		j.notify()
	}
}

// notify wakes those who wait. The caller holds j.mu.
func (j *journal[T]) notify() {
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal[T]) all() []T {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]T, len(j.entries))
	for i, e := range j.entries {
		out[i] = *e
	}
	return out
}

func (j *journal[T]) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = nil
}

// wait returns the first entry that match accepts, now or when there is one.
func (j *journal[T]) wait(ctx context.Context, match func(T) bool) (T, error) {
	for {
		j.mu.Lock()
		changed := j.changed
		j.mu.Unlock()
		entries := j.all()
		if i := slices.IndexFunc(entries, match); i >= 0 {
			return entries[i], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			var none T
			return none, context.Cause(ctx)
		}
	}
}
