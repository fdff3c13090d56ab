//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// patience bounds each thing the demonstration waits for.
const patience = 2 * time.Minute

// demo shows the whole way of one machine: user data, Ready node, pod, phases.
func demo(flags *flag.FlagSet) func(context.Context, []string) error {
	options := labFlags(flags)
	spec := instanceFlags(flags)
	return func(ctx context.Context, _ []string) (err error) {
		s, err := spec()
		if err != nil {
			return err
		}
		if options.Package == "" {
			return errors.New("cannot show anything: name the product's package with --package")
		}
		if err := lab.Build(ctx, *options, []string{s.Kubernetes}, []string{s.Containerd}); err != nil {
			return err
		}
		l, err := lab.Start(ctx, *options)
		if err != nil {
			return err
		}
		defer func() {
			if closeErr := l.Close(); closeErr != nil {
				err = errors.Join(err, closeErr)
			}
			if err != nil {
				err = fmt.Errorf("%w\nlogs, consoles and journals are in %s", err, l.Dir)
			}
		}()
		began := time.Now()
		if s.Name == "" {
			s.Name = "demo"
		}
		s.PauseArchive, s.VersionFiles = true, true // as EKS' own images have them
		if s.UserData == nil {
			config, err := l.NodeConfig(lab.NodeConfigOptions{Containerd: s.Containerd})
			if err != nil {
				return err
			}
			s.UserData = lab.MIME(lab.ShellPart("#!/bin/sh\necho a part that is not for eksnode\n"), lab.NodeConfigPart(config))
		}
		i, err := l.Launch(ctx, s)
		if err != nil {
			return err
		}
		if err := watch(ctx, l, i); err != nil {
			explain(i)
			return err
		}
		l.Progress("node %s is Ready %.1fs after power on", i.NodeName(), time.Since(began).Seconds())
		if err := show(ctx, l, i); err != nil {
			explain(i)
			return err
		}
		return nil
	}
}

// watch tells how far the instance is until its node is Ready.
func watch(ctx context.Context, l *lab.Lab, i *lab.Instance) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := l.WaitNode(ctx, i.NodeName(), "is registered", func(lab.Node) error { return nil }); err != nil {
		return err
	}
	l.Progress("node %s is registered", i.NodeName())
	return l.WaitNodeReady(ctx, i.NodeName())
}

// show prints the node, a pod's log and what the product says of itself.
func show(ctx context.Context, l *lab.Lab, i *lab.Instance) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := l.RunPod(ctx, lab.PodSpec{Name: "hello", Node: i.NodeName()}); err != nil {
		return err
	}
	for _, step := range []struct {
		title string
		run   func() (string, error)
	}{
		{"kubectl get nodes -o wide", func() (string, error) { return l.Kubectl(ctx, "get", "nodes", "-o", "wide") }},
		{"kubectl get pods -A -o wide", func() (string, error) { return l.Kubectl(ctx, "get", "pods", "-A", "-o", "wide") }},
		{"kubectl logs hello", func() (string, error) { return l.PodLog(ctx, "default", "hello") }},
		{"eksnode status", func() (string, error) { return finalStatus(ctx, i) }},
	} {
		out, err := step.run()
		if err != nil {
			return err
		}
		fmt.Printf("\n$ %s\n%s\n", step.title, strings.TrimRight(out, "\n"))
	}
	fmt.Println()
	return nil
}

// finalStatus is what the product says when it is done: it may look at the node a moment after the node is Ready.
func finalStatus(ctx context.Context, i *lab.Instance) (out string, err error) {
	const running = 2 // eksnode status: still running
	waitErr := lab.Wait(ctx, "eksnode is done", func(ctx context.Context) error {
		var failed *lab.CommandError
		if out, err = i.Run(ctx, "eksnode", "status"); errors.As(err, &failed) && failed.Code == running {
			return err
		}
		return nil
	})
	return out, errors.Join(waitErr, err)
}

// explain prints what a person would look at first when the node did not come up.
func explain(i *lab.Instance) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	end := func(lines int, units ...string) string {
		journal, err := i.Journal(ctx, units...)
		if err != nil {
			return err.Error()
		}
		all := strings.Split(strings.TrimSpace(journal), "\n")
		return strings.Join(all[max(0, len(all)-lines):], "\n")
	}
	console := i.Console()
	fmt.Printf("\nthe end of the console:\n%s\n\neksnode's journal:\n%s\n\nthe end of containerd's and kubelet's journal:\n%s\n",
		console[max(0, len(console)-1500):], end(40, "eksnode-config.service", "eksnode-run.service"), end(15, "containerd.service", "kubelet.service"))
}
