package host

import (
	"context"
	"fmt"
	"slices"
)

// Driver looks after one kind of resource on one kind of machine. All methods
// may be called again at any time, also after a crash in the middle of a call:
// what they leave behind is the old thing or the new, never half of it.
type Driver interface {
	// Observe returns what is there, in the terms of want, or nil when there
	// is nothing. It never writes. An error means that it could not be seen,
	// which is something else than absent.
	Observe(ctx context.Context, want Resource) (Resource, error)
	// Apply makes the thing as wanted. Doing it twice does it once.
	Apply(ctx context.Context, want Resource) error
	// Remove takes the thing away. That it is absent is success.
	Remove(ctx context.Context, id ID) error
}

// Debtor is a driver whose resources can owe a restart. After Owe, Observe
// says that the resource is not Current until Apply has restarted it, also
// when the agent dies in between.
type Debtor interface {
	Owe(ctx context.Context, id ID) error
}

// Host is a machine: a driver for each kind of resource that it can hold.
type Host map[Kind]Driver

// driver returns the driver for id, or an error that names what this kind of
// machine lacks.
func (h Host) driver(id ID) (Driver, error) {
	d, ok := h[id.Kind]
	if !ok {
		return nil, fmt.Errorf("cannot handle %s: this platform has no resources of kind %q", id, id.Kind)
	}
	return d, nil
}

// Supports returns an error when want holds a kind of resource that this
// machine has no driver for. To be asked before anything is written.
func (h Host) Supports(want State) error {
	for _, e := range want.entries {
		if _, err := h.driver(e.Resource.ID()); err != nil {
			return err
		}
	}
	return nil
}

// Observe looks at every wanted and every owned resource and returns what is
// there; what is absent has no entry. It only reads.
func (h Host) Observe(ctx context.Context, want State, owned []Owned) (map[ID]Resource, error) {
	have := map[ID]Resource{}
	look := func(r Resource) error {
		d, err := h.driver(r.ID())
		if err != nil {
			return err
		}
		seen, err := d.Observe(ctx, r)
		if err != nil {
			return fmt.Errorf("cannot look at %s: %w", r.ID(), err)
		}
		if seen != nil {
			have[r.ID()] = seen
		}
		return nil
	}
	for _, e := range want.entries {
		if err := look(e.Resource); err != nil {
			return nil, err
		}
	}
	for _, o := range owned {
		if _, wanted := want.Lookup(o.ID); wanted {
			continue
		}
		blank, err := o.blank()
		if err != nil {
			return nil, err
		}
		if err := look(blank); err != nil {
			return nil, err
		}
	}
	return have, nil
}

// blank returns the resource by which an owned thing is looked at when nobody
// wants it: its original where there was one, so that the observation is in
// the original's terms.
func (o Owned) blank() (Resource, error) {
	if o.Original.Resource != nil {
		return o.Original.Resource, nil
	}
	return Blank(o.ID)
}

// Do takes one step of a plan.
func (h Host) Do(ctx context.Context, s Step) error {
	d, err := h.driver(s.ID)
	if err != nil {
		return err
	}
	switch s.Verb {
	case Owe:
		debtor, ok := d.(Debtor)
		if !ok {
			return fmt.Errorf("internal error: the driver of %s keeps no restart debt", s.ID)
		}
		err = debtor.Owe(ctx, s.ID)
	case Remove:
		err = d.Remove(ctx, s.ID)
	default:
		err = d.Apply(ctx, s.Want)
	}
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", s.Verb, s.ID, err)
	}
	return nil
}

// Own returns the owned set to record before the first step towards want is
// taken: everything owned so far, and of what is wanted everything that is about
// to be made, which takes tells (nil: all), each new entry with what was there
// before. The order is that of ownership: oldest first.
func Own(want State, have map[ID]Resource, owned []Owned, takes func(Entry) bool) []Owned {
	next := slices.Clone(owned)
	at := map[ID]int{}
	for i, o := range next {
		at[o.ID] = i
	}
	for _, e := range want.entries {
		id := e.Resource.ID()
		i, known := at[id]
		if !known && takes != nil && !takes(e) {
			continue
		}
		if !known {
			i = len(next)
			next = append(next, Owned{ID: id, Original: Stored{original(have[id])}})
			at[id] = i
		}
		next[i].Owner = e.Owner
		next[i].Readers = readers(want, id)
	}
	return next
}

// original is what to give back of something seen: a service is given back
// running or not, never with a debt, and a program has nothing to give back. That
// it ran is always the agent's own note, also when the agent has lost its record.
func original(seen Resource) Resource {
	switch r := seen.(type) {
	case Service:
		r.Current, r.Reads, r.Reloads = true, nil, false
		return r
	case Command:
		return nil
	}
	return seen
}

// Keep returns the part of owned that want still holds: the owned set to
// record after the last step has succeeded.
func Keep(want State, owned []Owned) []Owned {
	return slices.DeleteFunc(slices.Clone(owned), func(o Owned) bool {
		_, wanted := want.Lookup(o.ID)
		return !wanted
	})
}

func readers(want State, id ID) []ID {
	var out []ID
	for _, e := range want.entries {
		if svc, ok := e.Resource.(Service); ok && covers(svc.Reads, id) {
			out = append(out, svc.ID())
		}
	}
	return out
}
