//go:build linux

// Package e2e_test takes machines from user data to Ready nodes of a real
// control plane, by the product's own package alone, and breaks things on the
// way. It needs root, and the package's path in EKSNODE_DEB.
package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// within bounds a context; what it bounds is awaited, never slept for.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// start starts a lab with the product's package, closed with the test. The
// first start on a machine builds the control plane.
func start(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	o.Package = os.Getenv("EKSNODE_DEB")
	if o.Package == "" {
		t.Fatal("EKSNODE_DEB does not name the package to test: run `make test-lab`")
	}
	return lab.ForTest(within(t, 30*time.Minute), t, o)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// plain is the lab's NodeConfig as plain YAML.
func plain(t testing.TB, l *lab.Lab, o lab.NodeConfigOptions) []byte {
	t.Helper()
	return []byte(must(l.NodeConfig(o))(t))
}

// launch switches an instance on. When the test fails, its report and the end
// of its journal are shown.
func launch(t *testing.T, l *lab.Lab, spec lab.InstanceSpec) *lab.Instance {
	t.Helper()
	i := must(l.Launch(within(t, 10*time.Minute), spec))(t)
	t.Cleanup(func() {
		if t.Failed() {
			explain(t, i)
		}
	})
	return i
}

func explain(t *testing.T, i *lab.Instance) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	journal, err := i.Journal(ctx, "eksnode-config.service", "eksnode-run.service", "containerd.service", "kubelet.service")
	lines := strings.Split(strings.TrimSpace(journal), "\n")
	t.Logf("%s: end of the journal (%v):\n%s", i.Name, err, strings.Join(lines[max(0, len(lines)-60):], "\n"))
	status, err := i.Run(ctx, "cat", "/run/eksnode/status.json")
	t.Logf("%s: status (%v):\n%s", i.Name, err, status)
}

func ready(t *testing.T, l *lab.Lab, i *lab.Instance) lab.Node {
	t.Helper()
	if err := l.WaitNodeReady(within(t, 2*time.Minute), i.NodeName()); err != nil {
		t.Fatal(err)
	}
	return must(l.Node(within(t, 30*time.Second), i.NodeName()))(t)
}

// report is what the tests read of status.json.
type report struct {
	Result string `json:"result"`
	Doing  string `json:"doing"`
	Node   struct {
		Name, NameSource, Cluster string
	} `json:"node"`
	Phases []struct {
		Name string `json:"name"`
		Took int64  `json:"tookNanoseconds"`
	} `json:"phases"`
	Steps []struct {
		Verb string `json:"verb"`
		ID   string `json:"id"`
	} `json:"steps"`
	Findings []struct {
		Check, Status, Code, Seen, Remedy string
	} `json:"findings"`
	Error *struct {
		Code, Message, Remedy string
	} `json:"error"`
}

func status(ctx context.Context, i *lab.Instance) (report, error) {
	var r report
	b, err := i.ReadFile(ctx, "/run/eksnode/status.json")
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	return r, err
}

// awaitStatus waits until the instance's report is as wanted.
func awaitStatus(t *testing.T, i *lab.Instance, d time.Duration, what string, holds func(report) bool) report {
	t.Helper()
	var last report
	err := lab.Wait(within(t, d), i.Name+": "+what, func(ctx context.Context) error {
		r, err := status(ctx, i)
		if err != nil {
			return err
		}
		last = r
		if !holds(r) {
			return fmt.Errorf("the report says %s %s, findings %+v, error %+v", r.Result, r.Doing, r.Findings, r.Error)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func done(r report) bool { return r.Result == "ok" && len(r.Findings) > 0 }

// finding is the first failed check of a report.
func finding(r report) (code, seen, remedy string) {
	for _, f := range r.Findings {
		if f.Status == "failed" {
			return f.Code, f.Seen, f.Remedy
		}
	}
	return "", "", ""
}

// settled waits until the node is Ready and the agent has said so.
func settled(t *testing.T, l *lab.Lab, i *lab.Instance) report {
	t.Helper()
	ready(t, l, i)
	return awaitStatus(t, i, 2*time.Minute, "the agent is done", done)
}

func shell(t *testing.T, i *lab.Instance, script string) string {
	t.Helper()
	return strings.TrimSpace(must(i.Shell(within(t, 2*time.Minute), script))(t))
}

// code runs a command and returns its exit status with what it printed.
func code(t *testing.T, i *lab.Instance, command ...string) (int, string) {
	t.Helper()
	out, err := i.Run(within(t, 3*time.Minute), command[0], command[1:]...)
	if err == nil {
		return 0, out
	}
	failed, ok := errors.AsType[*lab.CommandError](err)
	if !ok {
		t.Fatal(err)
	}
	return failed.Code, failed.Stdout + failed.Stderr
}

// nothingToDo asserts that a plan is empty.
func nothingToDo(t *testing.T, i *lab.Instance) {
	t.Helper()
	if status, out := code(t, i, "eksnode", "plan", "--log-format", "none"); status != 0 {
		t.Errorf("plan exits %d:\n%s", status, out)
	}
}

// fingerprint is every file that the agent owns, with inode, times and content,
// so that a rewrite with the same bytes is seen too.
const fingerprint = `for f in $(grep -o '"id": "file:[^"]*"' /var/lib/eksnode/owned.json | cut -d'"' -f4 | cut -d: -f2- | grep -v ^/run); do stat -c '%n %i %Y %a' $f; sha256sum <$f; done; stat -c '%n %i %Y' /var/lib/eksnode/owned.json`

// pids are the main processes of the daemons.
func pids(t *testing.T, i *lab.Instance) (containerd, kubelet string) {
	t.Helper()
	out := strings.Fields(shell(t, i, "systemctl show -P MainPID containerd.service; systemctl show -P MainPID kubelet.service"))
	return out[0], out[1]
}
