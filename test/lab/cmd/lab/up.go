//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/eksnode/eksnode/test/lab"
)

// up starts a lab and serves the other commands until it is told to end.
func up(flags *flag.FlagSet) func(context.Context, []string) error {
	options := labFlags(flags)
	return func(ctx context.Context, _ []string) (err error) {
		l, err := lab.Start(ctx, *options)
		if err != nil {
			return err
		}
		defer func() {
			if closeErr := l.Close(); err == nil {
				err = closeErr
			}
		}()
		fmt.Printf("lab %s is up: its logs are in %s\nTry, in another terminal: lab launch; lab kubectl get nodes. Ctrl-C ends it.\n", l.ID, l.Dir)
		return serve(ctx, l)
	}
}

// socket is where a lab that "lab up" started listens for the other commands.
func socket(runDir string) string { return filepath.Join(runDir, "control.sock") }

func list(*flag.FlagSet) func(context.Context, []string) error {
	return func(ctx context.Context, _ []string) error {
		labs, err := lab.Labs(ctx)
		if err != nil {
			return err
		}
		for _, l := range labs {
			state := "dead"
			if l.Alive {
				state = "alive"
			}
			fmt.Println(l.ID, state, l.RunDir)
			if !l.Alive {
				continue
			}
			var known info
			if ask(ctx, l.RunDir, http.MethodGet, "/", nil, &known) == nil { // a test's lab answers nobody
				for _, i := range known.Instances {
					fmt.Println(" ", i.Name, i.ID, i.IP, i.State)
				}
			}
		}
		return nil
	}
}

func launch(flags *flag.FlagSet) func(context.Context, []string) error {
	id := flags.String("lab", "", "the lab's id, where several run")
	spec := instanceFlags(flags)
	return func(ctx context.Context, _ []string) error {
		s, err := spec()
		if err != nil {
			return err
		}
		dir, err := running(ctx, *id)
		if err != nil {
			return err
		}
		var i instanceInfo
		if err := ask(ctx, dir, http.MethodPost, "/launch", s, &i); err != nil {
			return err
		}
		fmt.Println(i.Name, i.ID, i.IP, i.NodeName)
		return nil
	}
}

// execute becomes the command, with this terminal.
func execute(flags *flag.FlagSet) func(context.Context, []string) error {
	id := flags.String("lab", "", "the lab's id, where several run")
	return func(ctx context.Context, args []string) error {
		if len(args) < 2 {
			return fmt.Errorf("cannot exec: want an instance and a command")
		}
		known, _, err := inspect(ctx, *id)
		if err != nil {
			return err
		}
		for _, i := range known.Instances {
			if i.Name == args[0] {
				cmd, err := lab.EnterInstance(ctx, i.Leader, args[1], args[2:]...)
				if err != nil {
					return err
				}
				return onTerminal(cmd)
			}
		}
		return fmt.Errorf("cannot exec: no instance %q; see lab list", args[0])
	}
}

func kubectl(flags *flag.FlagSet) func(context.Context, []string) error {
	id := flags.String("lab", "", "the lab's id, where several run")
	return func(ctx context.Context, args []string) error {
		known, _, err := inspect(ctx, *id)
		if err != nil {
			return err
		}
		return onTerminal(exec.CommandContext(ctx, known.Kubectl[0], append(known.Kubectl[1:], args...)...))
	}
}

// onTerminal runs a command with this process' terminal, in its process group, so that Ctrl-C reaches it.
func onTerminal(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exitCode(exit.ExitCode())
	}
	return err
}

func nodeConfig(flags *flag.FlagSet) func(context.Context, []string) error {
	id := flags.String("lab", "", "the lab's id, where several run")
	containerd := flags.String("containerd", lab.DefaultContainerd, "the instance's containerd")
	mime := flags.Bool("mime", false, "as a MIME document")
	return func(ctx context.Context, _ []string) error {
		dir, err := running(ctx, *id)
		if err != nil {
			return err
		}
		var config string
		if err := ask(ctx, dir, http.MethodGet, "/nodeconfig?containerd="+*containerd, nil, &config); err != nil {
			return err
		}
		if *mime {
			config = string(lab.MIME(lab.NodeConfigPart(config)))
		}
		fmt.Print(config)
		return nil
	}
}

// down removes the named labs, or the dead ones, or all.
func down(flags *flag.FlagSet) func(context.Context, []string) error {
	all := flags.Bool("all", false, "living labs too")
	return func(ctx context.Context, ids []string) error {
		labs, err := lab.Labs(ctx)
		if err != nil {
			return err
		}
		named := map[string]bool{}
		for _, id := range ids {
			named[id] = true
		}
		for _, l := range labs {
			if !named[l.ID] && (len(ids) > 0 || l.Alive && !*all) {
				continue
			}
			if l.Alive && ask(ctx, l.RunDir, http.MethodPost, "/down", nil, nil) == nil {
				fmt.Println("lab", l.ID, "takes itself down")
				continue
			}
			if err := lab.Sweep(ctx, l); err != nil {
				return err
			}
			fmt.Println("swept lab", l.ID)
		}
		return nil
	}
}
