package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eksnode/eksnode/pkg/cluster"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

// releaseName is the last of the findings of readiness: that the taint is gone.
const releaseName = "startup-taint"

// open is the phase that takes the startup taint off a node which is Ready, once all
// checks of readiness hold; without such a taint there is no phase. When they do not
// hold in time the taint stays, the run has failed, and the next one goes on.
func (r *recorder) open(ctx context.Context, in node.Input) error {
	gate, err := r.gate(in)
	if err != nil || gate == nil {
		return err
	}
	return r.phase("readiness", func() (string, error) {
		held, err := gate.Held(ctx)
		if err != nil {
			return "", err
		}
		if !held {
			return "the taint " + gate.Taint + " is not there", nil
		}
		times := &stopwatch{now: r.e.Now, start: r.e.Now()}
		if err := r.await(ctx, gate, times); err != nil {
			return times.String(), fmt.Errorf("the startup taint %s stays: %w", gate.Taint, err)
		}
		return times.String(), nil
	})
}

func (r *recorder) gate(in node.Input) (*platform.Readiness, error) {
	if r.e.Platform.Readiness == nil {
		return nil, nil
	}
	return r.e.Platform.Readiness(in)
}

// await waits until the checks hold and the taint is gone. The release stands after
// all checks, so that it is tried only in a look in which every one of them holds;
// one that is refused is tried again, since what is missing can be mended from
// outside meanwhile. Nothing is believed from an earlier look.
func (r *recorder) await(ctx context.Context, gate *platform.Readiness, times *stopwatch) error {
	ctx, cancel := context.WithTimeoutCause(ctx, gate.Within, fmt.Errorf("not ready for pods within %s", gate.Within))
	defer cancel()
	release := health.Check{Name: releaseName, Title: "the startup taint is gone", Run: gate.Release}
	checks := slices.Clone(gate.Checks)
	for _, c := range checks {
		release.After = append(release.After, c.Name)
	}
	checks = append(checks, release)
	for i := range checks {
		checks[i] = times.watch(checks[i])
	}
	settled := r.report.Findings
	findings, err := cluster.Settle(ctx, checks, cluster.Options{
		Now: r.e.Now, Believe: time.Nanosecond,
		Progress: func(fs []health.Finding) {
			r.report.Findings = slices.Concat(settled, fs)
			if w := health.Worst(fs); w.Status == health.Failed {
				r.e.Log.Info("the startup taint stays", "for", w.Check, "code", w.Code, "seen", w.Seen, "remedy", w.Remedy)
			}
			r.publish()
		},
	})
	r.report.Findings = slices.Concat(settled, findings)
	return err
}

// leaveClosed remarks that this run does not take the startup taint away.
func (r *recorder) leaveClosed(in node.Input) error {
	gate, err := r.gate(in)
	if err != nil || gate == nil {
		return err
	}
	note := fmt.Sprintf("the startup taint %s stays: this run does not wait until the node is Ready", gate.Taint)
	r.report.Notes = append(r.report.Notes, note)
	r.e.Log.Warn("decision", "note", note)
	return nil
}

// stopwatch notes how long it took until each check held.
type stopwatch struct {
	now   func() time.Time
	start time.Time

	mu    sync.Mutex
	names []string // in the order in which they came to hold
	after map[string]time.Duration
}

// watch returns the check, observed. One that fails again has not held.
func (s *stopwatch) watch(c health.Check) health.Check {
	run := c.Run
	c.Run = func(ctx context.Context) health.Finding {
		f := run(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		held := slices.Contains(s.names, c.Name)
		switch {
		case f.Status == health.OK && !held:
			if s.after == nil {
				s.after = map[string]time.Duration{}
			}
			s.names, s.after[c.Name] = append(s.names, c.Name), s.now().Sub(s.start)
		case f.Status != health.OK && held:
			s.names = slices.DeleteFunc(s.names, func(n string) bool { return n == c.Name })
		}
		return f
	}
	return c
}

// String lists the checks that hold, with the time after which they did.
func (s *stopwatch) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, name := range s.names {
		out = append(out, fmt.Sprintf("%s after %s", name, s.after[name].Round(time.Millisecond)))
	}
	return strings.Join(out, ", ")
}
