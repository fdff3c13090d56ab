package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/bootstrap"
)

// exitChanges is plan's exit status when there is something to do.
const exitChanges status = 2

func (a *app) planCommand() *cobra.Command {
	var f initFlags
	var output string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what init would do, and do nothing (exit 0: nothing to do, 2: changes, 1: error)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			printPlan, ok := planPrinters[output]
			if !ok {
				return fmt.Errorf("cannot print a plan as %q: known are text, json and diff", output)
			}
			d, err := a.plan(cmd.Context(), f)
			if err != nil {
				return err
			}
			if err := printPlan(a.stdout, d); err != nil {
				return err
			}
			if !d.Plan.Empty() {
				return exitChanges
			}
			return nil
		},
	}
	f.bindSources(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, json or diff")
	return cmd
}

// plan decides and compares, and only reads.
func (a *app) plan(ctx context.Context, f initFlags) (bootstrap.Decision, error) {
	e, err := a.engine()
	if err != nil {
		return bootstrap.Decision{}, err
	}
	if err := known(e.Platform, f.only); err != nil {
		return bootstrap.Decision{}, err
	}
	loaded, err := bootstrap.Load(ctx, e.Platform, bootstrap.LoadOptions{URIs: f.sources, Stdin: a.stdin, Now: a.now()})
	if err != nil {
		return bootstrap.Decision{}, err
	}
	in, err := e.Gather(ctx, loaded)
	if err != nil {
		return bootstrap.Decision{}, err
	}
	h, closeHost, err := e.Platform.Host(ctx)
	if err != nil {
		return bootstrap.Decision{}, err
	}
	defer closeHost()
	d, err := e.Decide(ctx, h, in)
	d.Plan = bootstrap.Scope{Only: f.only}.Filter(d.Plan)
	return d, err
}
