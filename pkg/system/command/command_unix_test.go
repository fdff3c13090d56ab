//go:build unix

package command

import (
	"bytes"
	"errors"
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

// pid reads the number that a program has left in a file.
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
