//go:build unix

package kmod

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestExecKeepsTheBeginningOfWhatAProgramSays(t *testing.T) {
	t.Setenv("MODPROBE_OPTIONS", "--show-depends")
	stderr, err := Exec(t.Context(), "/bin/sh", "-c", `echo "options: $MODPROBE_OPTIONS" >&2; i=0; while [ $i -lt 400 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 3`)
	if err == nil || !strings.HasPrefix(stderr, "options: \nline 0\n") || len(stderr) != stderrLimit {
		t.Errorf("got %d bytes (%v): %q", len(stderr), err, stderr)
	}
}

func TestExecEndsAProgramWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if stderr, err := Exec(ctx, "/bin/sh", "-c", "exec sleep 600"); err == nil {
		t.Errorf("it ended by itself: %q", stderr)
	}
}
