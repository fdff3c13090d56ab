package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/platform"
)

// root builds the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "eksnode",
		Short:         "Turn this machine into a Ready node of an EKS cluster, and say why when it is not",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			log, err := newLogger(a.stderr, a.logFormat)
			a.log = log
			return err
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.PersistentFlags().StringVar(&a.logFormat, "log-format", "text", "format of the log on standard error: text, json or none")
	root.PersistentFlags().StringVar(&a.platform, "platform", "", "kind of place this machine is in; told by the machine image when not given")
	root.AddCommand(
		a.initCommand(), a.planCommand(), a.statusCommand(), a.configCommand(), a.hardwareCommand(),
		a.tokenCommand(), a.credentialProviderCommand(), a.resetCommand(), a.runCommand(), a.eniCommand(), a.versionCommand(),
	)
	return root
}

func newLogger(w io.Writer, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: forJournal})), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	case "none":
		return slog.New(slog.DiscardHandler), nil
	}
	return nil, fmt.Errorf("cannot log as %q: known are text, json and none", format)
}

// forJournal leaves out the time, which the journal and the console add.
func forJournal(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}

// engine returns the engine for the platform that was told.
func (a *app) engine() (*bootstrap.Engine, error) {
	p, err := a.pickPlatform()
	if err != nil {
		return nil, err
	}
	return &bootstrap.Engine{
		Platform: p, Store: bootstrap.NewStore(p.Layout), Log: a.log, Now: a.now, Version: version, PID: os.Getpid(),
	}, nil
}

// pickPlatform returns the platform named by the flag, else by the machine
// image, else EC2.
func (a *app) pickPlatform() (platform.Platform, error) {
	name := a.platform
	if name == "" {
		var err error
		if name, err = imagePlatform(os.DirFS("/")); err != nil {
			return platform.Platform{}, err
		}
	}
	return a.open(a, name)
}

// needRoot returns a fault when the command is not run by root.
func (a *app) needRoot(verb string) error {
	if a.euid == 0 {
		return nil
	}
	const noUsers = -1 // what Windows says, where sudo would not help
	if a.euid == noUsers {
		return fault.New(fault.NotRoot, "Run it on the Linux node itself; `eksnode plan --as` and `eksnode config` work here.",
			fmt.Errorf("cannot %s: not started as root, whom Windows does not have: eksnode makes nodes of Linux machines alone", verb))
	}
	return fault.New(fault.NotRoot, "Run it with sudo.", fmt.Errorf("cannot %s: not started as root", verb))
}
