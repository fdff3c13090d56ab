package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
)

func (a *app) statusCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the last run did, what holds, what does not and the remedy (exit 0: well, 1: failed, 2: still running)",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.status(output) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// exitRunning is status' exit status while a run goes on.
const exitRunning status = 2

func (a *app) status(output string) error {
	e, err := a.engine()
	if err != nil {
		return err
	}
	r, ok, err := e.Store.Status()
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NotRegistered, "Run `eksnode init`, or look at `systemctl status eksnode-config eksnode-run`.",
			fmt.Errorf("cannot show a status: nothing has run since this machine booted"))
	}
	switch output {
	case "text":
		err = printReport(a.stdout, r, a.now())
	case "json":
		err = writeJSON(a.stdout, r)
	default:
		err = fmt.Errorf("cannot print a status as %q: known are text and json", output)
	}
	if err != nil {
		return err
	}
	switch r.Result {
	case bootstrap.Broken:
		return status(1)
	case bootstrap.Running:
		return exitRunning
	}
	return nil
}
