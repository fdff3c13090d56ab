package systemd

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	// journalBytes bounds what is kept of journalctl's output.
	journalBytes = 64 << 10
	// lineBytes bounds one line: kubelet's can be pages long.
	lineBytes = 500
	// syncBound is how long the journal may take to write down what it has
	// been sent; then it is read as it is.
	syncBound = 2 * time.Second
)

// Journalctl returns the last lines of a unit's journal of this boot, oldest
// first, with time, host and process. Lines above 500 bytes are cut.
func Journalctl(ctx context.Context, unit string, lines int) ([]string, error) {
	if err := checkName(unit); err != nil {
		return nil, err
	}
	// The last words of a process that has just died may still be on their way.
	syncing, cancel := context.WithTimeout(ctx, syncBound)
	_ = exec.CommandContext(syncing, "journalctl", "--sync").Run() // best effort
	cancel()

	cmd := exec.CommandContext(ctx, "journalctl", "--unit="+unit, "--lines="+strconv.Itoa(lines),
		"--boot", "--output=short-iso", "--no-pager", "--quiet")
	cmd.WaitDelay = time.Second
	var out, errs tail
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(errs.b))
	}
	var kept []string
	for line := range strings.Lines(string(out.b)) {
		line = strings.ToValidUTF8(strings.TrimRight(line, "\r\n"), "?")
		if len(line) > lineBytes {
			line = strings.ToValidUTF8(line[:lineBytes], "") + "…"
		}
		kept = append(kept, line)
	}
	return kept[max(0, len(kept)-lines):], nil
}

// tail keeps the last bytes of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > journalBytes {
		t.b = t.b[len(t.b)-journalBytes:]
	}
	return len(p), nil
}
