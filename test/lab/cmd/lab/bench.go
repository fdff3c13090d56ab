//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eksnode/eksnode/test/lab"
)

// result is a line of the benchmark's table.
type result struct{ what, budget, measured, verdict string }

// bench measures the product in an instance and prints it beside its budgets.
// It fails when nothing could be measured, never because something was slow.
func bench(flags *flag.FlagSet) func(context.Context, []string) error {
	options := labFlags(flags)
	return func(ctx context.Context, _ []string) error {
		if options.Package == "" {
			return errors.New("cannot measure anything: name the product's package with --package")
		}
		l, err := lab.Start(ctx, *options)
		if err != nil {
			return err
		}
		results, err := measureAll(ctx, l)
		if err := errors.Join(err, l.Close()); err != nil {
			return err
		}
		tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "\nwhat\tbudget\tmeasured\t")
		for _, r := range results {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", r.what, r.budget, r.measured, r.verdict)
		}
		return tw.Flush()
	}
}

const (
	agent   = "/usr/bin/eksnode"
	meter   = "/root/lab"
	undoing = agent + " reset --yes --log-format none"
)

func measureAll(ctx context.Context, l *lab.Lab) ([]result, error) {
	config, err := l.NodeConfig(lab.NodeConfigOptions{})
	if err != nil {
		return nil, err
	}
	i, err := l.Launch(ctx, lab.InstanceSpec{Name: "bench", UserData: []byte(config), PauseArchive: true, VersionFiles: true})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := l.WaitNodeReady(ctx, i.NodeName()); err != nil {
		return nil, err
	}
	if err := i.WaitBooted(ctx); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := i.CopyIn(ctx, self, meter); err != nil {
		return nil, err
	}
	var all []result
	for _, f := range []func(context.Context, *lab.Lab, *lab.Instance) ([]result, error){size, boot, idle, token, configPhase} {
		r, err := f(ctx, l, i)
		if err != nil {
			return nil, err
		}
		all = append(all, r...)
	}
	return all, nil
}

func size(ctx context.Context, _ *lab.Lab, i *lab.Instance) ([]result, error) {
	out, err := i.Run(ctx, "stat", "-c", "%s", agent)
	if err != nil {
		return nil, err
	}
	var bytes float64
	if _, err := fmt.Sscan(out, &bytes); err != nil {
		return nil, err
	}
	return []result{row("binary, stripped", bytes/1e6, 30, "MB")}, nil
}

// boot reads how the boot went from the agent's own report: its own time is
// what is left of the run phase when starting services is taken away.
func boot(ctx context.Context, _ *lab.Lab, i *lab.Instance) ([]result, error) {
	b, err := i.ReadFile(ctx, "/run/eksnode/status.json")
	if err != nil {
		return nil, err
	}
	var r struct {
		Phases []struct {
			Name string
			Took time.Duration `json:"tookNanoseconds"`
		}
		Steps []struct {
			Verb string
			Took time.Duration `json:"tookNanoseconds"`
		}
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	var own, services time.Duration
	for _, p := range r.Phases {
		if p.Name != "settle" {
			own += p.Took
		}
	}
	for _, s := range r.Steps {
		if s.Verb == "start" || s.Verb == "restart" {
			services += s.Took
		}
	}
	return []result{
		row("run phase up to kubelet started, own time", ms(own-services), 150, "ms"),
		{"  starting containerd and kubelet", "-", fmt.Sprintf("%.0f ms", ms(services)), ""},
	}, nil
}

// idleTime is how long the daemon is looked at while nothing happens; the kernel counts its time in ticks of 10 ms.
const idleTime = 30 * time.Second

// idle measures the daemon. Its unit's control group knows nothing that the kernel does not say of the process.
func idle(ctx context.Context, _ *lab.Lab, i *lab.Instance) ([]result, error) {
	const script = `pid=$(systemctl show --property=MainPID --value eksnode); rss=$(awk '/^VmRSS/ {print $2}' /proc/$pid/status)
before=$(awk '{print $14 + $15}' /proc/$pid/stat); sleep %d; after=$(awk '{print $14 + $15}' /proc/$pid/stat); echo $rss $((after - before))`
	out, err := i.Shell(ctx, fmt.Sprintf(script, int(idleTime.Seconds())))
	if err != nil {
		return nil, err
	}
	var kib, ticks float64
	if _, err := fmt.Sscan(out, &kib, &ticks); err != nil {
		return nil, fmt.Errorf("cannot measure the daemon: %q: %w", out, err)
	}
	return []result{
		row("daemon, idle, memory", kib/1024, 30, "MiB"),
		row("daemon, idle, of a core", ticks/100/idleTime.Seconds()*100, 0.1, "%"),
	}, nil
}

func token(ctx context.Context, l *lab.Lab, i *lab.Instance) ([]result, error) {
	s, err := inside(ctx, i, nil, agent, "token", "--cluster-name", l.Cluster.Name, "--region", "us-west-2")
	if err != nil {
		return nil, err
	}
	return []result{row("token, warm", ms(s.Wall), 30, "ms"), row("token, memory", mib(s.RSS), 25, "MiB")}, nil
}

func configPhase(ctx context.Context, _ *lab.Lab, i *lab.Instance) ([]result, error) {
	command := []string{agent, "init", "--phase", "config", "--log-format", "none"}
	prepare := []string{"--before", undoing}
	warm, err := inside(ctx, i, prepare, command...)
	if err != nil {
		return nil, err
	}
	if _, err := i.Shell(ctx, undoing); err != nil {
		return nil, err
	}
	i.EC2.ResetRequests()
	if _, err := i.Run(ctx, command[0], command[1:]...); err != nil {
		return nil, err
	}
	requests, tokens := 0, 0
	for _, r := range i.EC2.Requests() {
		requests++
		if r.Method == "PUT" {
			tokens++
		}
	}
	out := []result{
		row("config phase, warm", ms(warm.Wall), 22, "ms"), row("config phase, CPU", ms(warm.CPU), 15, "ms"),
		row("config phase, memory", mib(warm.RSS), 25, "MiB"),
		row("metadata requests before kubelet starts", float64(requests), 8, ""), row("metadata tokens", float64(tokens), 1, ""),
	}
	cold, err := coldConfigPhase(ctx, i, append(prepare, "--runs", "3", "--cold", agent), command)
	return append(out, cold...), err
}

// coldConfigPhase limits what may be read of the disk that the agent is on, as
// from a volume that is still being fetched.
func coldConfigPhase(ctx context.Context, i *lab.Instance, prepare, command []string) ([]result, error) {
	const limit = 10 << 20 // bytes a second
	var st unix.Stat_t
	if err := unix.Stat(i.Dir(), &st); err != nil {
		return nil, err
	}
	// The daemon runs the same file, and its pages would stay in memory.
	if _, err := i.Run(ctx, "systemctl", "stop", "eksnode"); err != nil {
		return nil, err
	}
	device := fmt.Sprintf("%d:%d %d", unix.Major(st.Dev), unix.Minor(st.Dev), limit)
	s, err := inside(ctx, i, append(prepare, "--read-limit", device), command...)
	if err != nil {
		return nil, err
	}
	return []result{row("config phase, cold, disk limited to 10 MB/s", s.Wall.Seconds(), 2.2, "s")}, nil
}

// inside measures a command in the instance.
func inside(ctx context.Context, i *lab.Instance, flags []string, command ...string) (sample, error) {
	args := append([]string{"measure"}, flags...)
	out, err := i.Run(ctx, meter, append(append(args, "--"), command...)...)
	if err != nil {
		return sample{}, err
	}
	var s sample
	return s, json.Unmarshal([]byte(out), &s)
}

func row(what string, measured, budget float64, unit string) result {
	verdict := "ok"
	if measured > budget {
		verdict = "over"
	}
	return result{what, strings.TrimSpace(fmt.Sprintf("%g %s", budget, unit)), strings.TrimSpace(fmt.Sprintf("%.4g %s", measured, unit)), verdict}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mib(b int64) float64 { return float64(b) / (1 << 20) }
