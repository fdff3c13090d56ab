package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

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
	if r.Result == bootstrap.Running && !alive(r.PID) {
		r = abandoned(r)
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

// alive reports whether a process is there. When in doubt it is: a process of
// another user's cannot be asked.
func alive(pid int) bool {
	if pid <= 0 {
		return true // a report from before reports named their process
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return !errors.Is(err, os.ErrProcessDone)
}

// abandoned is the report of a run whose process is gone without a word.
func abandoned(r bootstrap.Report) bootstrap.Report {
	r.Result = bootstrap.Broken
	r.Error = &bootstrap.Failure{
		Code:    fault.Interrupted,
		Message: fmt.Sprintf("the run (process %d) was killed in its phase %s", r.PID, r.Doing),
		Remedy:  "Run `eksnode init` again: it goes on where it was.",
	}
	r.Doing = ""
	return r
}
