//go:build linux

package lab_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
	"github.com/eksnode/eksnode/test/lab/internal/machine"
)

func TestLabsLiveSideBySideAndLeaveNothing(t *testing.T) {
	ctx := timeout(t)
	before := shared(t)
	labs := make([]*lab.Lab, 2)
	var started sync.WaitGroup
	for n := range labs {
		labs[n] = lab.ForTest(ctx, t, lab.Options{NoControlPlane: true})
		for range 2 {
			started.Go(func() {
				i, err := labs[n].Launch(ctx, lab.InstanceSpec{})
				if err == nil {
					err = i.WaitOnline(ctx)
				}
				if err == nil {
					// What the agent writes into settings that no namespace separates.
					_, err = i.Run(ctx, "sysctl", "-qw", "vm.overcommit_memory=1", "kernel.panic=10", "kernel.panic_on_oops=1")
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	started.Wait()
	for _, l := range labs {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		left, err := machine.Residue(l.ID, l.Dir)
		if err != nil || len(left) > 0 {
			t.Errorf("lab %s left %v (%v)", l.ID, left, err)
		}
		for _, i := range []string{"node1", "node2"} {
			if data, err := os.ReadFile(filepath.Join(l.Dir, "boxes", i, "journal.log")); err != nil || len(data) == 0 {
				t.Errorf("the journal of %s was not kept: %v", i, err)
			}
		}
	}
	for name, value := range shared(t) {
		if before[name] != value {
			t.Errorf("%s was %q and is %q", name, before[name], value)
		}
	}
}

// shared reads a few settings that all boxes share with the machine.
func shared(t *testing.T) map[string]string {
	values := map[string]string{}
	for _, name := range []string{"vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"} {
		data, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			t.Fatal(err)
		}
		values[name] = string(data)
	}
	return values
}

// childVariable makes the test binary a process that starts a lab and waits to be killed.
const childVariable = "EKSNODE_LAB_TEST_CHILD"

func TestLabOfAKilledProcessIsSwept(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		beKilled()
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("the lab makes namespaces and cgroups, so this test must be run by root")
	}
	ctx := timeout(t)
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), childVariable+"=1")
	child.Stderr = t.Output()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var id, dir string
	for lines := bufio.NewScanner(out); id == "" && lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "LAB "); ok {
			id, dir, _ = strings.Cut(rest, " ")
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = child.Wait() // it was killed
	if id == "" {
		t.Fatal("the child started no lab")
	}
	left, err := machine.Residue(id, dir)
	if err != nil || len(left) == 0 {
		t.Fatalf("the dead lab left nothing to sweep: %v", err)
	}
	labs, err := lab.Labs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range labs {
		if l.ID != id {
			continue
		}
		if l.Alive {
			t.Error("the dead lab is said to be alive")
		}
		if err := lab.Sweep(ctx, l); err != nil {
			t.Error(err)
		}
	}
	if left, err := machine.Residue(id, dir); err != nil || len(left) > 0 {
		t.Errorf("after the sweep there is %v (%v)", left, err)
	}
}

// beKilled starts a lab with an instance, tells which, and waits.
func beKilled() {
	ctx := context.Background()
	l, err := lab.Start(ctx, lab.Options{NoControlPlane: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	if _, err := l.Launch(ctx, lab.InstanceSpec{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Printf("\nLAB %s %s\n", l.ID, l.Dir)
	time.Sleep(time.Hour)
}
