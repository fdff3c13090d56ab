package command

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/host"
)

// victimEnv makes the test binary an agent that runs a program until it is killed.
const victimEnv = "EKSNODE_COMMAND_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		d := New(Options{RunDir: dir + "/run", StateDir: dir + "/state", Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
		fmt.Println("at work")
		err := d.Apply(context.Background(), victims(dir))
		fmt.Println("it ended:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func victims(dir string) host.Command {
	return host.Command{Name: "hook/slow", Digest: "d", Args: []string{dir + "/slow", dir}, Timeout: time.Minute}
}

// ended reports whether a process is gone, or only waits for its parent to notice.
func ended(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	state, _ := stat(b)
	return err != nil || state == "Z" || state == "X"
}

// atLast kills a process when the test is over, however it ends.
func atLast(t *testing.T, pid int) {
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
}

func TestAProgramLeadsAGroupOfItsOwn(t *testing.T) {
	b := newBox(t)
	b.apply(t, b.program(t, "group", `cat /proc/$$/stat >"$1/stat"`))
	var pid int
	if _, err := fmt.Sscanf(b.read(t, "stat"), "%d", &pid); err != nil {
		t.Fatal(err)
	}
	if _, group := stat([]byte(b.read(t, "stat"))); group != pid || group == syscall.Getpgrp() {
		t.Errorf("process %d is in group %d, the agent in %d", pid, group, syscall.Getpgrp())
	}
}

func TestTheStateOfAProcessWithAnyName(t *testing.T) {
	for text, want := range map[string]string{
		"12 (sh) S 1 34 34 0 -1": "S 34", "12 (a) Z (b) R 1 34 34": "R 34", "12 (x) Z 1 0 0": "Z 0", "": " 0", "12 (sh": " 0",
	} {
		if state, group := stat([]byte(text)); fmt.Sprint(state, " ", group) != want {
			t.Errorf("%q: %q in %d, want %s", text, state, group, want)
		}
	}
}

func TestWhenTheAgentIsKilledItsProgramDiesAndIsRunAnew(t *testing.T) {
	b := newBox(t)
	c := b.program(t, "slow", `echo ran >>"$1/count"
if [ -e "$1/again" ]; then exit 0; fi
setsid sh -c 'trap "" TERM; while :; do sleep 1; done' &
echo $! >"$1/child"
echo $$ >"$1/leader"
wait`)
	c.Digest = victims(b.dir).Digest
	agent := exec.Command(os.Args[0])
	agent.Env = append(os.Environ(), victimEnv+"="+b.dir)
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "at work\n" {
		t.Fatalf("the agent said %q, %v", line, err)
	}
	leader, child := b.pid(t, "leader"), b.pid(t, "child")
	atLast(t, leader)
	atLast(t, child)
	if err := agent.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait() // it was killed: that is its error
	within(t, "the program dies with the agent", func() bool { return ended(leader) })
	if ended(child) {
		t.Fatal("the child is gone: this tests nothing")
	}
	if b.done(t, c) {
		t.Error("it counts as run")
	}
	if err := os.WriteFile(b.dir+"/again", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	b.apply(t, c)
	within(t, "what was left of the first run is gone", func() bool { return ended(child) })
	if n := b.count(t); n != 2 {
		t.Errorf("it ran %d times", n)
	}
	if !strings.Contains(b.log.String(), "the agent died while this program ran") {
		t.Errorf("log: %s", b.log)
	}
}

func TestForgettingAProgramEndsWhatIsLeftOfIt(t *testing.T) {
	b := newBox(t)
	c := b.counted(t)
	rest := exec.Command("/bin/sh", "-c", "while :; do sleep 1; done")
	rest.Env = []string{markVariable + "=abc"}
	if err := rest.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rest.Process.Kill(); _ = rest.Wait() }()
	p := b.where(c.Name)
	if err := os.MkdirAll(filepath.Dir(p.running), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.running, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen, err := b.Observe(t.Context(), host.Command{Name: c.Name})
	if seen == nil || err != nil {
		t.Errorf("there is something to end, and Observe says %v, %v", seen, err)
	}
	if b.done(t, c) {
		t.Error("it counts as run")
	}
	if err := b.Remove(t.Context(), c.ID()); err != nil {
		t.Fatal(err)
	}
	within(t, "what was left is gone", func() bool { return ended(rest.Process.Pid) })
	if seen, err := b.Observe(t.Context(), host.Command{Name: c.Name}); seen != nil || err != nil {
		t.Errorf("removed it is %v, %v", seen, err)
	}
}

func TestAtTheTimeoutAChildThatHasLeftTheGroupIsKilledToo(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	c := b.program(t, "slow", `setsid sh -c 'while :; do sleep 1; done' >/dev/null 2>&1 & echo $! >"$1/child"; sleep 300`)
	c.Timeout = 2 * time.Second
	if err := b.Apply(t.Context(), c); err == nil {
		t.Fatal("no error")
	}
	child := b.pid(t, "child")
	atLast(t, child)
	within(t, "the child is gone", func() bool { return ended(child) })
}
