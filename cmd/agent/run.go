package main

import (
	"fmt"
	"runtime/debug"

	sdnotify "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/daemon"
)

// daemonCollection is the garbage collector's percentage in the daemon, Go's own: it lives
// long and shares the machine, so that its memory counts, and not the moment.
const daemonCollection = 100

// runCommand is what eksnode.service runs: the daemon.
func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Watch this node for as long as it lives: the daemon",
		Long: `Watch this node for as long as it lives. Network interfaces that are attached or
detached are looked after at once, with udev or without.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.getenv("GOGC") == "" {
				debug.SetGCPercent(daemonCollection)
			}
			enis, err := a.enis(cmd)
			if err != nil {
				return err
			}
			every, err := sdnotify.SdWatchdogEnabled(false)
			if err != nil {
				return fmt.Errorf("cannot tell how often systemd wants a sign of life: %w", err)
			}
			daemon.Run(cmd.Context(), []daemon.Watch{
				{Name: "network interfaces", Run: enis.Watch},
			}, daemon.Options{Log: a.log, Notify: a.notify, Watchdog: every})
			return nil
		},
	}
}

// notify tells systemd, where it asked to be told.
func (a *app) notify(state string) {
	if _, err := sdnotify.SdNotify(false, state); err != nil {
		a.log.Warn("systemd cannot be told", "state", state, "error", err)
	}
}
