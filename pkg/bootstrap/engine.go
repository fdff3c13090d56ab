package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"syscall"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

// Engine runs the way from configuration to a node. Its fields are set by the
// command and not changed afterwards; one run at a time.
type Engine struct {
	Platform platform.Platform
	Store    *Store
	Log      *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// Version and PID are those of the agent's process, for reports.
	Version string
	PID     int
	// Progress is called with the report whenever something in it has changed
	// that a person would like to see. It may be nil.
	Progress func(Report)
}

// Decision is what the machine should hold, what it holds, and the way there.
type Decision struct {
	Input node.Input
	Want  host.State
	Have  map[host.ID]host.Resource
	Owned []host.Owned
	Plan  host.Plan
	// Notes are what the components remark about it, Reasons where the values come
	// from that they have decided.
	Notes   []string
	Reasons []node.Reason
}

// Gather collects the facts for a configuration.
func (e *Engine) Gather(ctx context.Context, l Loaded) (node.Input, error) {
	owned, err := e.Store.Owned()
	if err != nil {
		return node.Input{}, err
	}
	return e.Platform.Gather(ctx, platform.Question{Config: l.Merged.Config, Owned: owned, Log: e.Log})
}

// Decide asks the components and compares with the machine. It only reads.
func (e *Engine) Decide(ctx context.Context, h host.Host, in node.Input) (Decision, error) {
	d := Decision{Input: in, Notes: node.Notes(in, e.Platform.Components), Reasons: node.Reasons(in, e.Platform.Components)}
	var err error
	if d.Want, err = node.Desired(in, e.Platform.Components); err != nil {
		return d, err
	}
	// What was made beside the runs and is wanted is the agent's own, and not what was
	// there before. What is not wanted is left: it may have come since the facts were had.
	d.Owned, err = e.owned(func(id host.ID) bool { _, wanted := d.Want.Lookup(id); return wanted })
	if err != nil {
		return d, err
	}
	return d, e.compare(ctx, h, &d)
}

// owned returns what the agent has made, and of what it has made beside its runs what is
// asked for.
func (e *Engine) owned(also func(host.ID) bool) ([]host.Owned, error) {
	owned, err := e.Store.Owned()
	if err != nil || e.Platform.MadeSince == nil {
		return owned, err
	}
	since, err := e.Platform.MadeSince()
	if err != nil {
		return nil, err
	}
	for _, o := range since {
		if also(o.ID) && !slices.ContainsFunc(owned, func(known host.Owned) bool { return known.ID == o.ID }) {
			owned = append(owned, o)
		}
	}
	return owned, nil
}

// compare observes the machine and makes the plan for d.Want.
func (e *Engine) compare(ctx context.Context, h host.Host, d *Decision) error {
	if err := h.Supports(d.Want); err != nil {
		return err
	}
	var err error
	if d.Have, err = h.Observe(ctx, d.Want, d.Owned); err != nil {
		return classify(err)
	}
	d.Plan = host.Diff(d.Want, d.Have, d.Owned)
	return nil
}

// sameOwned reports whether two records say the same, so that a run which
// changes nothing writes nothing.
func sameOwned(a, b []host.Owned) bool {
	return slices.EqualFunc(a, b, func(x, y host.Owned) bool {
		return x.ID == y.ID && x.Owner == y.Owner && slices.Equal(x.Readers, y.Readers) &&
			host.Equal(x.Original.Resource, y.Original.Resource)
	})
}

// ended gives an error that came because ctx is over a code that says so. An
// error that someone has classified keeps its code: it knows more.
func ended(ctx context.Context, err error) error {
	if _, classified := fault.Find(err); classified || err == nil || ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	if !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.New(fault.TimedOut, "See in the phases what took so long; --timeout gives it longer.", err)
	}
	return fault.New(fault.Interrupted, "Run it again: it goes on where it was.", err)
}

// classify gives an error that no driver has classified the code that its
// cause deserves.
func classify(err error) error {
	if _, ok := fault.Find(err); ok {
		return err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fault.New(fault.DiskFull, "Free space on that filesystem and run again; nothing was half-written.", err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fault.New(fault.WriteFailed, "See the cause: a read-only filesystem, permissions or SELinux; nothing was half-written.", err)
	}
	return err
}
