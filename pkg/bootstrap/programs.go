package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Outcome is how a program has ended.
type Outcome string

// Outcomes.
const (
	// Succeeded is exit code 0.
	Succeeded Outcome = "ok"
	// Failed ended the run.
	Failed Outcome = "failed"
	// Tolerated is a failure that did not end the run, and is not tried again before
	// the next boot.
	Tolerated Outcome = "tolerated"
	// Ended is a program that was ended because the run was over.
	Ended Outcome = "ended"
)

// ProgramRun is one run of a hook, or of another program on the way to a node. It
// has nothing of what the program printed.
type ProgramRun struct {
	// Name is unique: hook/warm-cache, local-disks.
	Name string `json:"name"`
	// Stage is empty for a program with a place of its own among other steps.
	Stage   host.Stage    `json:"stage,omitempty"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"tookNanoseconds"`
	Outcome Outcome       `json:"outcome"`
	// ExitCode is -1 for a program that was killed or could not be started.
	ExitCode int `json:"exitCode"`
}

// publishBound is how long the API server may take to hear about a node that is
// Ready, tries included.
const publishBound = 30 * time.Second

// recall takes over what programs did earlier in this boot: the configuration phase
// and the run phase are two runs, and a person asks about both.
func (r *recorder) recall() {
	if last, ok, err := r.e.Store.Status(); err == nil && ok {
		r.report.Programs = last.Programs
	}
}

// remember drops what is known of programs that nobody wants any more.
func (r *recorder) remember(want host.State) {
	r.report.Programs = slices.DeleteFunc(r.report.Programs, func(p ProgramRun) bool {
		_, wanted := want.Lookup(host.Command{Name: p.Name}.ID())
		return !wanted
	})
}

// watch writes into the report how the plan is applied in a phase.
func (r *recorder) watch(phase string) Watch {
	return Watch{
		Begins: func(s host.Step) {
			if s.Verb == host.Run {
				r.report.Doing = phase + ": " + s.ID.Name
				r.publish()
			}
		},
		Took: func(t Taken) {
			if t.Err == nil || host.Tolerated(t.Err) {
				r.report.Steps = append(r.report.Steps, StepTaken{t.Verb, t.ID, t.Why, t.Took})
			}
			if t.Verb == host.Run {
				r.ran(t)
				r.report.Doing = phase
				r.publish()
			}
		},
	}
}

// ran records the run of a program, in place of what was known of it.
func (r *recorder) ran(t Taken) {
	run := ProgramRun{Name: t.ID.Name, Started: t.Started, Took: t.Took, Outcome: Succeeded}
	if c, ok := t.Want.(host.Command); ok {
		run.Stage = c.Stage
	}
	if t.Err != nil {
		run.Outcome, run.ExitCode = Ended, -1
	}
	if failed, ok := errors.AsType[*host.RunError](t.Err); ok {
		run.Outcome, run.ExitCode = Failed, failed.ExitCode
		if failed.Tolerated {
			run.Outcome = Tolerated
			r.warn(t.Err)
		}
	}
	r.report.Programs = slices.DeleteFunc(r.report.Programs, func(p ProgramRun) bool { return p.Name == run.Name })
	r.report.Programs = append(r.report.Programs, run)
}

// warn records an error that does not end the run.
func (r *recorder) warn(err error) {
	r.report.Warnings = append(r.report.Warnings, *NewFailure(err))
}

// announce tells the cluster what the node itself cannot say when it registers. A
// node that is Ready takes pods: that it lacks a label does not make it a failed one.
func (r *recorder) announce(ctx context.Context, in node.Input) error {
	if r.e.Platform.Publish == nil {
		return nil
	}
	return r.phase("publish", func() (string, error) {
		bound, cancel := context.WithTimeoutCause(ctx, publishBound, fmt.Errorf("not done within %s", publishBound))
		defer cancel()
		err := r.e.Platform.Publish(bound, in)
		if err == nil {
			return "", nil
		}
		if ctx.Err() != nil {
			return "", err
		}
		r.e.Log.Warn("cannot publish labels and annotations on the node; the next run tries again", "error", err)
		r.warn(err)
		return "failed", nil
	})
}

// finish is the phase of what waits until the node is Ready; without any such step
// there is no phase.
func (r *recorder) finish(ctx context.Context, d Decision, scope Scope) error {
	_, afterwards := split(scope.Filter(d.Plan))
	if afterwards.Empty() {
		return nil
	}
	return r.phase("post-ready", func() (string, error) {
		h, closeHost, err := r.e.Platform.Host(ctx)
		if err != nil {
			return "", err
		}
		defer closeHost()
		err = r.e.Finish(ctx, h, d, scope, r.watch("post-ready"))
		return fmt.Sprintf("%d programs", len(afterwards.Steps)), err
	})
}

// leaveOut remarks that this run does not learn whether the node is Ready.
func (r *recorder) leaveOut(d Decision, scope Scope) {
	_, afterwards := split(scope.Filter(d.Plan))
	for _, s := range afterwards.Steps {
		note := fmt.Sprintf("%s is not run: this run does not wait until the node is Ready", s.ID.Name)
		r.report.Notes = append(r.report.Notes, note)
		r.e.Log.Warn("decision", "note", note)
	}
}
