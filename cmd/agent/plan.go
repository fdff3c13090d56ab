package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/bootstrap"
)

// exitChanges is plan's exit status when there is something to do.
const exitChanges status = 2

func (a *app) planCommand() *cobra.Command {
	var f initFlags
	var machine simulateFlags
	var output string
	var why bool
	cmd := &cobra.Command{
		Use:   "plan [FILE...]",
		Short: "Show what init would do, and do nothing (exit 0: nothing to do, 2: changes, 1: error)",
		Long: `Show what init would do here, or with --as what it would do on a machine that is
not here: then every file is new, and -o diff shows its content. With --against it
shows what changes from another configuration, or from what a node holds whose
saved input (/run/eksnode/input.json) is given. --input decides for that node.
With a pattern, as ec2:m5.* or ec2:*, or with several plugins in --cni (or all), it
prints one line for each machine.

Files are user data as a launch template holds it (plain, MIME, gzip or base64).`,
		RunE: func(cmd *cobra.Command, files []string) error {
			more, err := uris(files)
			if err != nil {
				return err
			}
			f.sources = append(f.sources, more...)
			if machine.isSweep() {
				if why || len(f.only) > 0 {
					return errors.New("cannot use --why or --only for many machines: name one instance type and one --cni")
				}
				return a.sweep(cmd.Context(), machine, f.sources, output)
			}
			printPlan, ok := planPrinters[output]
			if !ok {
				return fmt.Errorf("cannot print a plan as %q: known are text, json and diff", output)
			}
			if err := whyFits(why, output); err != nil {
				return err
			}
			d, err := a.planFor(cmd.Context(), f, machine)
			if err != nil {
				return err
			}
			if err := printPlan(a.stdout, d); err != nil {
				return err
			}
			if why && output == "text" {
				if err := printReasons(a.stdout, d.Reasons); err != nil {
					return err
				}
			}
			if !d.Plan.Empty() {
				return exitChanges
			}
			return nil
		},
	}
	f.bindSources(cmd)
	machine.bind(cmd)
	cmd.Flags().StringVar(&machine.input, "input", "", "decide for the node that has saved this input (/run/eksnode/input.json)")
	cmd.Flags().StringVar(&machine.against, "against", "", "with --as or --input: show the way from this configuration or saved input")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, json or diff")
	cmd.Flags().BoolVar(&why, "why", false, "show where the decided values come from; JSON always has it")
	return cmd
}

// planFor plans for this machine, or for one that is not here.
func (a *app) planFor(ctx context.Context, f initFlags, machine simulateFlags) (bootstrap.Decision, error) {
	if err := machine.check(); err != nil {
		return bootstrap.Decision{}, err
	}
	if machine.asked() {
		return a.simulate(ctx, machine, f.sources, f.only)
	}
	if machine.cni != "" {
		return bootstrap.Decision{}, errors.New("cannot use --cni without --as or --input; for this machine set spec.cni")
	}
	return a.plan(ctx, f)
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
