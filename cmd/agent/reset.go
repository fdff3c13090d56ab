package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/bootstrap"
)

func (a *app) resetCommand() *cobra.Command {
	var yes bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Stop the node, take away what the agent has made, and give back what was there before",
		Long: `Stop kubelet and containerd, take away every file and setting that the agent has
made, and give back what was there before. Pods that run on the node end. The
Node object in the cluster is left: remove it with kubectl delete node.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.needRoot("reset"); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, fmt.Errorf("not done within %s", timeout))
			defer cancel()
			return a.reset(ctx, yes)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it; without it the plan is shown and nothing done")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "bound for everything")
	return cmd
}

func (a *app) reset(ctx context.Context, yes bool) error {
	e, err := a.engine()
	if err != nil {
		return err
	}
	unlock, err := acquire(e.Platform.Layout.RunDir)
	if err != nil {
		return err
	}
	defer unlock()
	if !yes {
		return a.showReset(ctx, e)
	}
	e.Progress = a.progress()
	report, err := e.Reset(ctx)
	a.say(bootstrap.Scope{}, report)
	if err == nil {
		a.log.Info("at its next boot this machine becomes a node again, unless you run: systemctl disable --now eksnode-config eksnode-run")
	}
	return a.said(err)
}

// showReset prints what a reset would do.
func (a *app) showReset(ctx context.Context, e *bootstrap.Engine) error {
	h, closeHost, err := e.Platform.Host(ctx)
	if err != nil {
		return err
	}
	defer closeHost()
	d, err := e.Leave(ctx, h)
	if err != nil {
		return err
	}
	if err := planText(a.stdout, d); err != nil {
		return err
	}
	if d.Plan.Empty() {
		return nil
	}
	return errors.New("cannot reset: not told to; add --yes to do the above")
}
