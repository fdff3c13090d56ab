//go:build unix

package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

func TestHowAProgramFails(t *testing.T) {
	b := newBox(t)
	plain := filepath.Join(b.dir, "plain")
	binary := filepath.Join(b.dir, "binary")
	for path, mode := range map[string]os.FileMode{plain: 0o644, binary: 0o755} {
		if err := os.WriteFile(path, []byte("\x00\x01"), mode); err != nil {
			t.Fatal(err)
		}
	}
	named := func(args ...string) host.Command {
		return host.Command{Name: "hook/x", Digest: "d", Args: args, Timeout: time.Minute}
	}
	lost := b.program(t, "lost", "")
	if err := os.WriteFile(lost.Args[0], []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		c    host.Command
		says string
		exit int
	}{
		{"exit code", b.program(t, "seven", "echo password; exit 7"), "failed with exit code 7", 7},
		{"killed", b.program(t, "killed", "kill -9 $$"), "was ended: signal: killed", -1},
		{"missing", named("/no/such/program"), "there is no program /no/such/program", -1},
		{"a directory", named(b.dir), "is no program, but a directory", -1},
		{"not executable", named(plain), "is not executable: its mode is 0644", -1},
		{"no program at all", named(binary), "exec format error", -1},
		{"interpreter missing", lost, "no such file", -1},
		{"relative", named("sh"), "absolute path", -1},
		{"nothing", named(), "absolute path", -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := b.Apply(t.Context(), tt.c)
			failed, ok := errors.AsType[*host.RunError](err)
			if !ok || failed.ExitCode != tt.exit || failed.Tolerated || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %#v (%v), want %q with exit code %d", failed, err, tt.says, tt.exit)
			}
			if fault.CodeOf(err) != fault.HookFailed {
				t.Errorf("code %s", fault.CodeOf(err))
			}
			if strings.Contains(err.Error(), "password") {
				t.Error("the error has the program's output")
			}
			if b.done(t, tt.c) {
				t.Error("a failure counts as a run")
			}
		})
	}
}

func TestAToleratedFailureCountsUntilTheNextBoot(t *testing.T) {
	for _, once := range []bool{false, true} {
		b := newBox(t)
		c := b.program(t, "fails", `echo ran >>"$1/count"; exit 3`)
		c.Tolerate, c.Once = true, once
		err := b.Apply(t.Context(), c)
		failed, ok := errors.AsType[*host.RunError](err)
		if !ok || !host.Tolerated(err) || failed.ExitCode != 3 {
			t.Fatalf("got %v", err)
		}
		if !b.done(t, c) {
			t.Error("it is to be run again in this boot")
		}
		b.reboot(t)
		if b.done(t, c) {
			t.Errorf("once %v: it is not tried again after a reboot", once)
		}
	}
}

func TestAFailureMakesTheLastRunVoid(t *testing.T) {
	b := newBox(t)
	old := b.counted(t)
	b.apply(t, old)
	changed := old
	changed.Digest, changed.Args = host.Digest("changed"), []string{"/bin/sh", "-c", "exit 1"}
	if err := b.Apply(t.Context(), changed); err == nil {
		t.Fatal("no error")
	}
	if b.done(t, old) {
		t.Error("half of something else was done, and the old run still counts")
	}
}

func (b *box) pid(t *testing.T, name string) int {
	t.Helper()
	var pid int
	within(t, name+" is written", func() bool {
		_, err := fmt.Sscanf(b.read(t, name), "%d\n", &pid)
		return err == nil
	})
	return pid
}

func TestAtTheTimeoutTheWholeGroupIsKilled(t *testing.T) {
	for name, script := range map[string]string{
		"one that ends when told":   `sleep 300 & echo $! >"$1/child"; wait`,
		"one that does not":         `trap "" TERM; sleep 300 & echo $! >"$1/child"; while :; do sleep 1; done`,
		"its child does not":        `(trap "" TERM; while :; do sleep 1; done) & echo $! >"$1/child"; sleep 300`,
		"the child holds no output": `sleep 300 >/dev/null 2>&1 & echo $! >"$1/child"; wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			b.Grace = 500 * time.Millisecond
			c := b.program(t, "slow", script)
			c.Timeout = 2 * time.Second
			err := b.Apply(t.Context(), c)
			if fault.CodeOf(err) != fault.HookFailed || !strings.Contains(err.Error(), "ran past its timeout of 2s and was killed") {
				t.Fatalf("got %v", err)
			}
			child := b.pid(t, "child")
			within(t, "the child is gone", func() bool { return ended(child) })
			if b.done(t, c) {
				t.Error("it counts as run")
			}
		})
	}
}

func TestARunThatIsOverEndsItsProgram(t *testing.T) {
	b := newBox(t)
	c := b.program(t, "slow", `echo $$ >"$1/child"; sleep 300`)
	c.Tolerate = true
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	told := errors.New("told to stop")
	result := make(chan error, 1)
	go func() { result <- b.Apply(ctx, c) }()
	child := b.pid(t, "child")
	cancel(told)
	err := <-result
	if !errors.Is(err, told) || host.Tolerated(err) {
		t.Errorf("got %v", err)
	}
	within(t, "the program is gone", func() bool { return ended(child) })
	if b.done(t, c) {
		t.Error("it counts as run")
	}
}

func TestNothingIsRunWhenTheRunIsOverAlready(t *testing.T) {
	b := newBox(t)
	c := b.counted(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Apply(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := b.Remove(ctx, c.ID()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := b.count(t); n != 0 {
		t.Errorf("it ran %d times", n)
	}
}

func TestWhatAProgramLeavesInTheBackgroundDoesNotHoldItUp(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	c := b.program(t, "daemon", `sleep 300 & echo $! >"$1/child"; echo started`)
	b.apply(t, c)
	child := b.pid(t, "child")
	if ended(child) {
		t.Error("what it left was killed")
	}
	if p, err := os.FindProcess(child); err == nil {
		_ = p.Kill()
	}
	if !strings.Contains(b.log.String(), "line=started") {
		t.Errorf("log: %s", b.log)
	}
}
