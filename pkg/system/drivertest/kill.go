package drivertest

import (
	"bufio"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// victimEnv holds the directory in which the test binary, started again by
// Killed, is to work until it is killed.
const victimEnv = "EKSNODE_DRIVERTEST_VICTIM"

// Killed tests that a process which is killed at any moment leaves nothing
// half done. It runs work, over and over, in another process: this test binary,
// in which the calling test runs up to its call of Killed. That process is
// killed at a random moment, look judges what is left in dir, and so on for
// the given number of rounds.
func Killed(t *testing.T, rounds int, work func(dir string) error, look func(dir string) error) {
	t.Helper()
	if dir := os.Getenv(victimEnv); dir != "" {
		victim(dir, work)
	}
	dir := t.TempDir()
	for round := range rounds {
		killOne(t, dir)
		if err := look(dir); err != nil {
			t.Fatalf("after kill %d: %v", round+1, err)
		}
	}
}

func victim(dir string, work func(dir string) error) {
	_, _ = os.Stdout.WriteString("at work\n")
	for {
		if err := work(dir); err != nil {
			_, _ = os.Stdout.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
	}
}

func killOne(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "at work\n" {
		t.Fatalf("the victim said %q (%v)", line, err)
	}
	time.Sleep(rand.N(10 * time.Millisecond)) // any moment will do
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if line, _ := lines.ReadString('\n'); line != "" {
		t.Fatalf("the victim failed before it was killed: %s", line)
	}
	_ = cmd.Wait() // it was killed: that is its error
}
