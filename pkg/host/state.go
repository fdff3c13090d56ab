package host

import (
	"fmt"
	"path"
	"strings"
)

// State is what a machine should hold: resources in the order in which they
// are to be made, each with the component that wants it. The zero value is the
// empty state, ready to use.
type State struct {
	entries []Entry
	index   map[ID]int
}

// Entry is one wanted resource and its owner.
type Entry struct {
	// Owner is the name of the component that wants it.
	Owner    string
	Resource Resource
}

// Add appends resources that owner wants, in order. It is an error when
// another resource of the same ID is already wanted, when a path is not
// absolute and clean, or when something that a service reads is declared after
// the service: the plan would start it too early. On error nothing is added.
func (s *State) Add(owner string, rs ...Resource) error {
	next := State{entries: append([]Entry(nil), s.entries...), index: map[ID]int{}}
	for id, i := range s.index {
		next.index[id] = i
	}
	for _, r := range rs {
		if err := next.add(owner, r); err != nil {
			return err
		}
	}
	*s = next
	return nil
}

func (s *State) add(owner string, r Resource) error {
	id := r.ID()
	if err := validName(id); err != nil {
		return fmt.Errorf("cannot add %s for %s: %w", id, owner, err)
	}
	if i, ok := s.index[id]; ok {
		return fmt.Errorf("cannot add %s for %s: %s already owns it", id, owner, s.entries[i].Owner)
	}
	for _, e := range s.entries {
		if svc, ok := e.Resource.(Service); ok && covers(svc.Reads, id) {
			return fmt.Errorf("cannot add %s for %s: %s, declared before it, reads it", id, owner, svc.ID())
		}
	}
	if svc, ok := r.(Service); ok && svc.Running && !svc.Current {
		return fmt.Errorf("cannot add %s for %s: a running service is always wanted current", id, owner)
	}
	s.index[id] = len(s.entries)
	s.entries = append(s.entries, Entry{Owner: owner, Resource: r})
	return nil
}

func validName(id ID) error {
	if id.Name == "" || strings.ContainsAny(id.Name, "\n\x00") {
		return fmt.Errorf("%q is no name", id.Name)
	}
	switch id.Kind {
	case KindFile, KindDir, KindLink, KindSwapFile:
		if !path.IsAbs(id.Name) || path.Clean(id.Name) != id.Name {
			return fmt.Errorf("path %q is not absolute and clean", id.Name)
		}
	}
	return nil
}

// Entries returns the wanted resources in order. The slice is the caller's.
func (s State) Entries() []Entry { return append([]Entry(nil), s.entries...) }

// Lookup returns the wanted resource of an ID.
func (s State) Lookup(id ID) (Entry, bool) {
	i, ok := s.index[id]
	if !ok {
		return Entry{}, false
	}
	return s.entries[i], true
}

// Only returns the part of the state that the named owners want, in the same
// order. Services keep their Reads, so a restart is still owed for them.
func (s State) Only(owners ...string) State {
	keep := map[string]bool{}
	for _, o := range owners {
		keep[o] = true
	}
	out := State{index: map[ID]int{}}
	for _, e := range s.entries {
		if keep[e.Owner] {
			out.index[e.Resource.ID()] = len(out.entries)
			out.entries = append(out.entries, e)
		}
	}
	return out
}

// covers reports whether a change of id is a change of one of reads.
func covers(reads []ID, id ID) bool {
	for _, r := range reads {
		if r == id {
			return true
		}
		if r.Kind != KindDir {
			continue
		}
		switch id.Kind {
		case KindFile, KindDir, KindLink, KindSwapFile:
			if strings.HasPrefix(id.Name, strings.TrimSuffix(r.Name, "/")+"/") {
				return true
			}
		}
	}
	return false
}
