package bootstrap

import (
	"context"
	"fmt"
	"time"

	"github.com/eksnode/eksnode/pkg/host"
)

// Taken is a step that has been taken, or tried.
type Taken struct {
	host.Step
	Started time.Time
	Took    time.Duration
	// Err is nil when it went well. A failure that the step tolerates is an error
	// here and does not end the run; see [host.Tolerated].
	Err error
}

// Watch is told how a plan is applied. Each of its functions may be nil.
type Watch struct {
	// Begins is called before a step.
	Begins func(host.Step)
	// Took is called after a step.
	Took func(Taken)
}

// Apply takes the steps of a decision that are in scope, but for those that wait
// until the node is Ready, and stops at the first that fails. Before the first
// write the owned set is widened, so that whatever happens nothing is made that
// nobody remembers; it is narrowed when a whole plan has succeeded.
func (e *Engine) Apply(ctx context.Context, h host.Host, d Decision, scope Scope, w Watch) error {
	owned := host.Own(d.Want, d.Have, d.Owned, func(e host.Entry) bool {
		return !late(e.Resource) && scope.takes(e.Owner, e.Resource.ID(), e.Resource)
	})
	now, _ := split(scope.Filter(d.Plan))
	if err := e.take(ctx, h, d.Owned, owned, now, w); err != nil {
		return err
	}
	if !scope.whole() {
		return nil
	}
	if kept := host.Keep(d.Want, owned); !sameOwned(kept, owned) {
		if err := e.Store.SetOwned(kept); err != nil {
			return classify(fmt.Errorf("cannot record what has been made: %w", err))
		}
	}
	return nil
}

// Finish takes the steps of a decision that are in scope and wait until the node is
// Ready, after Apply has succeeded and the node is.
func (e *Engine) Finish(ctx context.Context, h host.Host, d Decision, scope Scope, w Watch) error {
	before, err := e.Store.Owned() // Apply has changed it
	if err != nil {
		return err
	}
	owned := host.Own(d.Want, d.Have, before, func(e host.Entry) bool {
		return late(e.Resource) && scope.takes(e.Owner, e.Resource.ID(), e.Resource)
	})
	_, afterwards := split(scope.Filter(d.Plan))
	return e.take(ctx, h, before, owned, afterwards, w)
}

// take records what is owned from now on, and takes the steps of a plan.
func (e *Engine) take(ctx context.Context, h host.Host, before, owned []host.Owned, plan host.Plan, w Watch) error {
	if !sameOwned(owned, before) {
		if err := e.Store.SetOwned(owned); err != nil {
			return classify(fmt.Errorf("cannot record what is about to be made: %w", err))
		}
	}
	for _, s := range plan.Steps {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("cannot %s %s: %w", s.Verb, s.ID, context.Cause(ctx))
		}
		if w.Begins != nil {
			w.Begins(s)
		}
		t := Taken{Step: s, Started: e.Now()}
		t.Err = h.Do(ctx, s)
		t.Took = e.Now().Sub(t.Started)
		if w.Took != nil {
			w.Took(t)
		}
		switch {
		case host.Tolerated(t.Err):
			e.Log.Warn("step failed, which is tolerated", "verb", s.Verb, "id", s.ID, "error", t.Err, "took", t.Took)
		case t.Err != nil:
			return classify(t.Err)
		default:
			e.Log.Info("step", "verb", s.Verb, "id", s.ID, "why", s.Why, "took", t.Took)
		}
	}
	return nil
}
