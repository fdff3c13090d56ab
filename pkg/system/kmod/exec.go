package kmod

import (
	"context"
	"os/exec"
	"time"
)

// stderrLimit bounds what is kept of standard error: enough for a few lines.
const stderrLimit = 2 << 10

// Exec is the Runner of a real machine. The program gets no environment but a
// path: modprobe(8) would take options from it, and install commands of
// modprobe.d(5) run a shell.
func Exec(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.WaitDelay = time.Second // for what its children keep open
	var stderr head
	cmd.Stderr = &stderr
	err := cmd.Run()
	return string(stderr), err
}

// head keeps the beginning of what is written to it.
type head []byte

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), stderrLimit-len(*h))]...)
	return len(p), nil
}
