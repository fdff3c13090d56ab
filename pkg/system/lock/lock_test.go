package lock

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
)

// holderEnv holds the directory that the test binary, started again by the
// test below, is to lock until it is killed.
const holderEnv = "EKSNODE_LOCK_HOLDER"

func TestTheSecondAgentIsToldWhoIsAtWorkAndGetsItsTurnWhenThatOneIsKilled(t *testing.T) {
	if dir := os.Getenv(holderEnv); dir != "" {
		if _, err := Acquire(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("locked")
		select {}
	}
	dir := filepath.Join(t.TempDir(), "run", "eksnode")
	other := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	other.Env = append(os.Environ(), holderEnv+"="+dir)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the other agent said %q (%v)", line, err)
	}

	_, err = Acquire(dir)
	if got := fault.CodeOf(err); got != fault.AlreadyRunning {
		t.Errorf("got %s: %v", got, err)
	}
	if want := fmt.Sprintf("another eksnode (pid %d) is at work", other.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("message %v does not say %q", err, want)
	}

	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // it was killed: that is its error
	l, err := Acquire(dir)
	if err != nil {
		t.Fatalf("after the other was killed: %v", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "lock")); err != nil || string(got) != fmt.Sprintf("%d\n", os.Getpid()) {
		t.Errorf("the lock is signed %q (%v)", got, err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

func TestAReleasedLockCanBeTakenAgain(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		l, err := Acquire(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Acquire(dir); fault.CodeOf(err) != fault.AlreadyRunning {
			t.Errorf("held by this process: %v", err)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADirectoryThatCannotBeMadeIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(filepath.Join(file, "run")); fault.CodeOf(err) != fault.WriteFailed {
		t.Errorf("got %v", err)
	}
}
