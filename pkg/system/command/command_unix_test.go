//go:build unix

package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

// box is a driver with its directories, and what it has logged.
type box struct {
	*Driver
	dir string
	log *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newBox(t *testing.T) *box {
	t.Helper()
	dir := t.TempDir()
	log := &lockedBuffer{}
	return &box{dir: dir, log: log, Driver: New(Options{
		RunDir: filepath.Join(dir, "run"), StateDir: filepath.Join(dir, "state"), Grace: 2 * time.Second,
		Getenv: func(name string) string {
			return map[string]string{"HTTPS_PROXY": "http://user:hunter2@proxy:3128", "HOME": "/root"}[name]
		},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})}
}

// program writes a shell script and returns the command that runs it.
func (b *box) program(t *testing.T, name, script string) host.Command {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return host.Command{Name: "hook/" + name, Digest: host.Digest(script), Args: []string{path, b.dir}, Timeout: time.Minute}
}

// counted is a program that leaves a line in the file count each time it runs.
func (b *box) counted(t *testing.T) host.Command {
	return b.program(t, "counted", `echo ran >>"$1/count"`)
}

func (b *box) count(t *testing.T) int {
	t.Helper()
	return strings.Count(b.read(t, "count"), "ran\n")
}

func (b *box) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(content)
}

func (b *box) apply(t *testing.T, c host.Command) {
	t.Helper()
	if err := b.Apply(t.Context(), c); err != nil {
		t.Fatalf("%v\n%s", err, b.log)
	}
}

func (b *box) done(t *testing.T, c host.Command) bool {
	t.Helper()
	seen, err := b.Observe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return host.Satisfies(seen, c)
}

// reboot empties what a boot empties.
func (b *box) reboot(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(b.RunDir); err != nil {
		t.Fatal(err)
	}
}

// within awaits a condition that another process brings about.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestAProgramRunsOnceABootAndAgainWhenItChanged(t *testing.T) {
	b := newBox(t)
	c := b.counted(t)
	if b.done(t, c) {
		t.Error("it counts as run before it ran")
	}
	b.apply(t, c)
	b.apply(t, c)
	if n := b.count(t); n != 1 || !b.done(t, c) {
		t.Errorf("applied twice it ran %d times; done: %v", n, b.done(t, c))
	}
	c.Digest = host.Digest("another")
	if b.done(t, c) {
		t.Error("it counts as run although it has changed")
	}
	b.apply(t, c)
	b.reboot(t)
	b.apply(t, c)
	if n := b.count(t); n != 3 {
		t.Errorf("after a change and a reboot it ran %d times, want 3", n)
	}
}

func TestAProgramThatRunsOnceIsNotRunAfterAReboot(t *testing.T) {
	b := newBox(t)
	c := b.counted(t)
	c.Once = true
	b.apply(t, c)
	b.reboot(t)
	b.apply(t, c)
	if n := b.count(t); n != 1 {
		t.Errorf("it ran %d times", n)
	}
	// One that is now to run at every boot is another program.
	c.Once, c.Digest = false, host.Digest("boot")
	b.apply(t, c)
	b.reboot(t)
	if b.done(t, c) {
		t.Error("what ran in the last boot counts in this one")
	}
}

func TestForgettingAProgramLeavesNoTrace(t *testing.T) {
	for _, once := range []bool{false, true} {
		b := newBox(t)
		c := b.counted(t)
		c.Once = once
		if err := b.Remove(t.Context(), c.ID()); err != nil {
			t.Fatalf("removing what never ran: %v", err)
		}
		b.apply(t, c)
		blank, err := host.Blank(c.ID())
		if err != nil {
			t.Fatal(err)
		}
		if seen, err := b.Observe(t.Context(), blank); seen == nil || err != nil {
			t.Errorf("known by its name alone it is %v, %v", seen, err)
		}
		for range 2 {
			if err := b.Remove(t.Context(), c.ID()); err != nil {
				t.Fatal(err)
			}
		}
		if seen, err := b.Observe(t.Context(), blank); seen != nil || err != nil {
			t.Errorf("removed it is %v, %v", seen, err)
		}
		left, err := filepath.Glob(filepath.Join(b.dir, "*", "commands", "*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left are %v, %v", left, err)
		}
	}
}

func TestANoteThatIsGarbageMeansRunAgain(t *testing.T) {
	b := newBox(t)
	c := b.counted(t)
	b.apply(t, c)
	if err := os.WriteFile(b.where(c.Name).boot, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.apply(t, c)
	if n := b.count(t); n != 2 {
		t.Errorf("it ran %d times", n)
	}
}

func TestWhatAProgramGets(t *testing.T) {
	b := newBox(t)
	t.Setenv("OF_THE_AGENT", "must not be seen")
	c := b.program(t, "env", `env | sort >"$1/variables"; pwd >"$1/cwd"; cat >"$1/stdin"; echo "$0 $#" >"$1/args"`)
	c.Args = append(c.Args, "two words", "$HOME; rm -rf /")
	c.Env = map[string]string{"EKSNODE_NODE_NAME": "n1", "TOKEN": "two\nlines"}
	b.apply(t, c)
	var names []string
	for line := range strings.Lines(b.read(t, "variables")) {
		if name, _, ok := strings.Cut(line, "="); ok && !slices.Contains([]string{"PWD", "SHLVL", "OLDPWD", "_"}, name) {
			names = append(names, name)
		}
	}
	if want := []string{"EKSNODE_NODE_NAME", "EKSNODE_RUN_MARK", "HTTPS_PROXY", "PATH", "TOKEN"}; !slices.Equal(names, want) {
		t.Errorf("variables %v, want %v", names, want)
	}
	if got := b.read(t, "cwd"); got != "/\n" {
		t.Errorf("it runs in %q", got)
	}
	if got := b.read(t, "stdin"); got != "" {
		t.Errorf("it reads %q", got)
	}
	if got, want := b.read(t, "args"), c.Args[0]+" 3\n"; got != want {
		t.Errorf("arguments %q, want %q", got, want)
	}
}

func TestOutputGoesToTheLogWithoutSecrets(t *testing.T) {
	b := newBox(t)
	c := b.program(t, "talk", `echo "proxy $HTTPS_PROXY"; echo "${HTTPS_PROXY#*//}"; echo "token=$TOKEN" >&2; echo "$KEY"; echo "mode $MODE"; printf 'no end'`)
	c.Env = map[string]string{"TOKEN": "s3cr3t-token", "KEY": "first line of a key\nsecond line of a key", "MODE": "on"}
	b.apply(t, c)
	log := b.log.String()
	for _, secret := range []string{"hunter2", "s3cr3t", "line of a key"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows %s", secret)
		}
	}
	for _, want := range []string{`program=hook/talk line="proxy [redacted]"`, `line="token=[redacted]"`, `line="mode on"`, `line="no end"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	for _, file := range []string{b.where(c.Name).boot} {
		if content, err := os.ReadFile(file); err != nil || strings.Contains(string(content), "s3cr3t") {
			t.Errorf("the note is %s, %v", content, err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the note has %v, %v", info.Mode(), err)
		}
	}
}

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

// pid reads the number that a program has left in a file.
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

func TestAFloodOfOutputIsBounded(t *testing.T) {
	b := newBox(t)
	c := b.program(t, "flood", `echo the first; i=0; while [ $i -lt 12000 ]; do echo "line $i of a flood that nobody will ever read"; i=$((i+1)); done; head -c 100000 /dev/zero | tr '\0' x; echo; echo the last`)
	b.apply(t, c)
	log := b.log.String()
	for _, want := range []string{`line="the first"`, `line="line 0 of`, `line="line 11999 of`, `line="the last"`, "prints too much", "xxx […]"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s", want)
		}
	}
	if n := strings.Count(log, "\n"); n > 9000 {
		t.Errorf("%d lines were logged", n)
	}
}

func TestASecretIsNotShownByTheCutOfALongLine(t *testing.T) {
	log := &lockedBuffer{}
	o := newOutput(slog.New(slog.NewTextHandler(log, nil)), []string{"abcdefghij"})
	for n := lineLimit - 12; n < lineLimit+2; n++ {
		_, _ = o.Write([]byte(strings.Repeat(".", n) + "abcdefghij\n"))
	}
	o.Close()
	if strings.Contains(log.String(), ".a") {
		t.Error("the beginning of the secret is in the log")
	}
}

func TestANoteThatMayNotBeReadSaysSo(t *testing.T) {
	if os.Geteuid() == 0 {
		// root reads everything: a directory in place of the note is not readable either
		b := newBox(t)
		c := b.counted(t)
		if err := os.MkdirAll(b.where(c.Name).boot, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Observe(t.Context(), c); err == nil || !strings.Contains(err.Error(), "cannot tell what has run") {
			t.Errorf("got %v", err)
		}
		return
	}
	b := newBox(t)
	c := b.counted(t)
	b.apply(t, c)
	if err := os.Chmod(b.where(c.Name).boot, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Observe(t.Context(), c); fault.CodeOf(err) != fault.NotRoot {
		t.Errorf("got %v", err)
	}
}
