package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/platform"
	"github.com/eksnode/eksnode/pkg/system/console"
)

// defaultTimeout bounds init; a node that takes longer is usually replaced by what launched it.
const defaultTimeout = 15 * time.Minute

// initFlags are those of init; plan shares the first two.
type initFlags struct {
	sources []string
	only    []string
	phase   string
	timeout time.Duration
	settle  time.Duration
}

func (f *initFlags) bindSources(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.sources, "config-source", "c", nil,
		"where configuration comes from, lowest precedence first: imds://user-data, file://PATH (file or folder) or -; repeatable (default: the platform's)")
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "components to look after, all when not given: hooks, tuning, network, accelerator, containerd, credential, kubelet")
}

func (a *app) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make this machine a node: load, gather, plan, apply, and wait until it is Ready",
		Long: `Make this machine a node. It may be run again at any time: what is already as it
should be is not touched, and only services whose inputs have changed restart.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.init(cmd.Context(), f) },
	}
	f.bindSources(cmd)
	cmd.Flags().StringVar(&f.phase, "phase", "all", "config writes configuration and leaves services alone; run does the rest; all does both")
	cmd.Flags().DurationVar(&f.timeout, "timeout", defaultTimeout, "bound for everything but hooks and readiness, whose own timeouts come on top")
	cmd.Flags().DurationVar(&f.settle, "settle", 10*time.Minute, "bound for the wait until the node is Ready; 0 does not wait")
	return cmd
}

// scope translates --only and --phase.
func (f initFlags) scope() (bootstrap.Scope, error) {
	switch f.phase {
	case "config":
		return bootstrap.Scope{Only: f.only, ConfigOnly: true}, nil
	case "run", "all", "":
		// The run phase is the whole plan: what the config phase has already
		// made is no longer in it, and what changed since is.
		return bootstrap.Scope{Only: f.only}, nil
	}
	return bootstrap.Scope{}, fmt.Errorf("cannot do phase %q: known are config, run and all", f.phase)
}

func (a *app) init(ctx context.Context, f initFlags) error {
	scope, err := f.scope()
	if err != nil {
		return err
	}
	if err := a.needRoot("init"); err != nil {
		return err
	}
	return a.bootstrap(ctx, bootstrap.InitOptions{
		Load:    bootstrap.LoadOptions{URIs: f.sources, Stdin: a.stdin, Now: a.now()},
		Scope:   scope,
		Timeout: f.timeout,
		Settle:  f.settle,
	})
}

// bootstrap runs init under the lock, within its bound, and says the verdict
// where it is looked for: journal, console and status file.
func (a *app) bootstrap(ctx context.Context, o bootstrap.InitOptions) error {
	e, err := a.engine()
	if err != nil {
		return err
	}
	if err := known(e.Platform, o.Scope.Only); err != nil {
		return err
	}
	unlock, err := acquire(e.Platform.Layout.RunDir)
	if err != nil {
		return err
	}
	defer unlock()
	e.Progress = a.progress()
	report, err := e.Init(ctx, o)
	a.say(o.Scope, report)
	return a.said(err)
}

// known returns an error when a name in only is that of no component: a run
// that does nothing must not pass for one that had nothing to do.
func known(p platform.Platform, only []string) error {
	var names []string
	for _, c := range p.Components {
		names = append(names, c.Name)
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("cannot look after component %q: known are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// said is what is left to tell of an error that the log has told: nothing but
// the exit status, unless there is no log.
func (a *app) said(err error) error {
	if err != nil && a.logFormat != "none" {
		return status(1)
	}
	return err
}

// say writes the verdict into the log and as one line on the console, where
// `aws ec2 get-console-output` shows it to someone who cannot log in.
func (a *app) say(scope bootstrap.Scope, r bootstrap.Report) {
	line := verdict(r, scope.ConfigOnly, a.now())
	if r.Result == bootstrap.Broken {
		a.log.Error(line)
	} else {
		a.log.Info(line)
	}
	if !scope.ConfigOnly || r.Result == bootstrap.Broken {
		console.Say(a.console, line)
	}
}
