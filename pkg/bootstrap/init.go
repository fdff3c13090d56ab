package bootstrap

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// InitOptions say what one init does.
type InitOptions struct {
	Load  LoadOptions
	Scope Scope
	// Timeout bounds everything but what the configuration bounds itself: the timeouts
	// of hooks and of readiness come on top. Zero does not bound.
	Timeout time.Duration
	// Settle bounds the wait for the node to be Ready; zero does not wait.
	Settle time.Duration
	// Configured is called after the configuration has been loaded and facts
	// gathered, before anything is written; it may be nil.
	Configured func(Loaded, node.Input)
}

// Init takes the machine from its configuration to a node: load, gather,
// decide, apply, settle. It may be run again at any time. The report says what
// was done also when it fails, and is published in the store along the way.
func (e *Engine) Init(ctx context.Context, o InitOptions) (Report, error) {
	r := e.begin("init")
	r.recall()
	var loaded Loaded
	err := within(ctx, o.Timeout, 0, func(ctx context.Context) error {
		var err error
		loaded, err = r.load(ctx, o.Load)
		return err
	})
	if err != nil {
		return r.end(err)
	}
	bound := o.Timeout
	if bound > 0 {
		bound += ownBounds(loaded.Merged.Config)
	}
	return r.end(within(ctx, bound, e.Now().Sub(r.report.Started), func(ctx context.Context) error { return r.run(ctx, o, loaded) }))
}

// within runs f under what is left of a bound; zero is none.
func within(ctx context.Context, bound, spent time.Duration, f func(context.Context) error) error {
	if bound > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, bound-spent, fmt.Errorf("not done within %s", bound))
		defer cancel()
	}
	return ended(ctx, f(ctx))
}

// ownBounds is how long the programs and the readiness of a configuration may take by
// what it says itself: who gives a hook an hour means it.
func ownBounds(c api.NodeConfig) time.Duration {
	var sum time.Duration
	for _, h := range c.Spec.Hooks {
		sum += h.Within()
	}
	if c.Spec.Readiness.Asked() {
		sum += c.Spec.Readiness.Within()
	}
	return sum
}

// recorder is a run in progress: the engine, and the report being written.
type recorder struct {
	e      *Engine
	report Report
}

func (e *Engine) begin(command string) *recorder {
	r := &recorder{e: e, report: Report{
		AgentVersion: e.Version, Command: command, PID: e.PID, Platform: e.Platform.Name,
		Started: e.Now(), Result: Running, Phases: []Phase{},
	}}
	return r
}

// end closes the report.
func (r *recorder) end(err error) (Report, error) {
	r.report.Finished, r.report.Doing = r.e.Now(), ""
	r.report.Result, r.report.Error = Done, NewFailure(err)
	if err != nil {
		r.report.Result = Broken
	}
	r.publish()
	return r.report, err
}

// publish writes the report for others to read. That it cannot be written is
// no reason to stop joining a node.
func (r *recorder) publish() {
	if err := r.e.Store.SetStatus(r.report); err != nil {
		r.e.Log.Warn("cannot publish the status", "error", err)
	}
	if r.e.Progress != nil {
		r.e.Progress(r.report)
	}
}

// phase runs one phase and takes its time. detail is evaluated at its end.
func (r *recorder) phase(name string, f func() (detail string, err error)) error {
	r.report.Doing = name
	r.publish()
	start := r.e.Now()
	detail, err := f()
	p := Phase{Name: name, Started: start, Took: r.e.Now().Sub(start), Detail: detail}
	r.report.Phases = append(r.report.Phases, p)
	if err != nil {
		return err
	}
	r.e.Log.Info("phase done", "phase", name, "took", p.Took, "detail", detail)
	return nil
}

// load is the phase that reads the configuration.
func (r *recorder) load(ctx context.Context, o LoadOptions) (Loaded, error) {
	var loaded Loaded
	err := r.phase("load", func() (string, error) {
		var err error
		loaded, err = Load(ctx, r.e.Platform, o)
		r.report.Sources, r.report.ConfigProblems = loaded.Texts, telling(loaded.Problems)
		for _, p := range loaded.Problems {
			r.e.Log.Log(ctx, level(p.Severity), "configuration", "problem", p.String())
		}
		return strings.Join(loaded.Texts, ", "), err
	})
	return loaded, err
}

// run is everything after load.
func (r *recorder) run(ctx context.Context, o InitOptions, loaded Loaded) error {
	e := r.e
	r.report.Node.Cluster = loaded.Merged.Config.Spec.Cluster.Name

	// Before the facts are gathered, so that drivers can connect meanwhile.
	h, closeHost, err := e.Platform.Host(ctx)
	if err != nil {
		return err
	}
	closeHost = sync.OnceValue(closeHost)
	defer closeHost()
	var in node.Input
	err = r.phase("gather", func() (string, error) {
		var err error
		in, err = e.Gather(ctx, loaded)
		r.identify(in)
		for _, p := range in.Problems {
			e.Log.Warn("fact missing", "fact", p.Fact, "code", p.Code, "message", p.Message, "remedy", p.Remedy)
		}
		return in.Instance.NodeName, err
	})
	if err != nil {
		return err
	}
	if err := e.Store.SetInput(in); err != nil {
		e.Log.Warn("cannot save the input", "error", err)
	}
	if o.Configured != nil {
		o.Configured(loaded, in)
	}
	d, err := r.converge(ctx, h, in, o.Scope)
	closeHost()
	if err != nil || o.Scope.ConfigOnly {
		return err
	}
	if o.Settle <= 0 || e.Platform.Checks == nil {
		r.leaveOut(d, o.Scope)
		return r.leaveClosed(in)
	}
	if err := r.phase("settle", func() (string, error) { return r.settle(ctx, in, o.Settle) }); err != nil {
		return err
	}
	if err := r.open(ctx, in); err != nil {
		return err
	}
	if err := r.announce(ctx, in); err != nil {
		return err
	}
	return r.finish(ctx, d, o.Scope)
}

// telling returns the remarks that say something about this node: what is merely
// worth knowing while one writes a configuration is in the log alone.
func telling(all []api.Problem) []api.Problem {
	return slices.DeleteFunc(slices.Clone(all), func(p api.Problem) bool { return p.Severity < api.Warning })
}

// level is how loudly a remark about the configuration is logged.
func level(s api.Severity) slog.Level {
	switch s {
	case api.Info:
		return slog.LevelInfo
	case api.Warning:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// identify writes who this node is into the report.
func (r *recorder) identify(in node.Input) {
	r.report.FactProblems = in.Problems
	n := &r.report.Node
	n.Name, n.NameSource = in.Instance.NodeName, in.Instance.NodeNameSource
	n.InstanceID, n.Type, n.Zone = in.Instance.ID, in.Instance.Type, in.Instance.Zone
	n.Kubelet, n.Containerd = in.Versions.Kubelet.String(), in.Versions.Containerd.String()
}

// converge plans and applies.
func (r *recorder) converge(ctx context.Context, h host.Host, in node.Input, scope Scope) (Decision, error) {
	var d Decision
	err := r.phase("plan", func() (string, error) {
		var err error
		d, err = r.e.Decide(ctx, h, in)
		r.report.Notes = d.Notes
		for _, n := range r.report.Notes {
			r.e.Log.Warn("decision", "note", n)
		}
		return fmt.Sprintf("%d steps", len(d.Plan.Steps)), err
	})
	if err != nil {
		return d, err
	}
	r.remember(d.Want)
	return d, r.apply(ctx, h, d, scope)
}

// apply is the phase that changes the machine.
func (r *recorder) apply(ctx context.Context, h host.Host, d Decision, scope Scope) error {
	return r.phase("apply", func() (string, error) {
		err := r.e.Apply(ctx, h, d, scope, r.watch("apply"))
		return fmt.Sprintf("%d steps taken", len(r.report.Steps)), err
	})
}

// Reset takes away everything that the agent has made and gives back what was
// there before.
func (e *Engine) Reset(ctx context.Context) (Report, error) {
	r := e.begin("reset")
	return r.end(ended(ctx, r.reset(ctx)))
}

func (r *recorder) reset(ctx context.Context) error {
	h, closeHost, err := r.e.Platform.Host(ctx)
	if err != nil {
		return err
	}
	defer closeHost()
	var d Decision
	err = r.phase("plan", func() (string, error) {
		d, err = r.e.Leave(ctx, h)
		return fmt.Sprintf("%d steps", len(d.Plan.Steps)), err
	})
	if err != nil {
		return err
	}
	return r.apply(ctx, h, d, Scope{})
}

// Leave decides what a reset does. It only reads.
func (e *Engine) Leave(ctx context.Context, h host.Host) (Decision, error) {
	var d Decision
	var err error
	if d.Owned, err = e.owned(func(host.ID) bool { return true }); err != nil {
		return d, err
	}
	return d, e.compare(ctx, h, &d)
}
