package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

// join makes one state of what the components want. Resources keep the order in
// which components are asked, but for programs with a stage of their own, whatever
// component wants them: what comes before any configuration is first, what comes
// before kubelet is right before the service of that name, and what waits for a
// Ready node is last. Without such a service what comes before kubelet comes after
// all that is made.
func join(entries []host.Entry, kubelet string) (host.State, error) {
	var first, before, rest, last []host.Entry
	for _, e := range entries {
		c, _ := e.Resource.(host.Command)
		switch c.Stage {
		case host.StagePreConfig:
			first = append(first, e)
		case host.StagePreKubelet:
			before = append(before, e)
		case host.StagePostReady:
			last = append(last, e)
		default:
			rest = append(rest, e)
		}
	}
	at := slices.IndexFunc(rest, func(e host.Entry) bool { return e.Resource.ID() == host.Service{Name: kubelet}.ID() })
	if at < 0 {
		at = len(rest)
	}
	s, err := state(slices.Concat(first, rest[:at], before, rest[at:], last))
	return s, errors.Join(err, swapPlaces(entries))
}

// swapPlaces refuses a swap file in the place of something else that the node has,
// above it, or in a folder of which others read all that is there.
func swapPlaces(entries []host.Entry) error {
	var errs joined
	for _, e := range entries {
		swap, ok := e.Resource.(host.SwapFile)
		if !ok {
			continue
		}
		for _, other := range entries {
			id := other.Resource.ID()
			switch id.Kind {
			case host.KindFile, host.KindDir, host.KindLink:
			default:
				continue
			}
			inFolder := id.Kind == host.KindDir && strings.HasPrefix(swap.Path, id.Name+"/")
			if swap.Path == id.Name || strings.HasPrefix(id.Name, swap.Path+"/") || inFolder {
				errs.add(fault.New(fault.ConfigInvalid, "Choose a path for spec.swap.path in a folder of its own, or leave it out.",
					fmt.Errorf("cannot use spec.swap.path %s: %s of the component %s is there", swap.Path, id, other.Owner)))
				break
			}
		}
	}
	return errs.err()
}

// state adds entries in their order. An error of one owner does not hide those of
// the others.
func state(entries []host.Entry) (host.State, error) {
	var s host.State
	var errs joined
	for len(entries) > 0 {
		owner := entries[0].Owner
		n := slices.IndexFunc(entries, func(e host.Entry) bool { return e.Owner != owner })
		if n < 0 {
			n = len(entries)
		}
		rs := make([]host.Resource, n)
		for i, e := range entries[:n] {
			rs[i] = e.Resource
		}
		if err := s.Add(owner, rs...); err != nil {
			errs.add(fmt.Errorf("cannot decide %s: %w", owner, err))
		}
		entries = entries[n:]
	}
	return s, errs.err()
}
