//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/eksnode/eksnode/test/lab/internal/box"
	"github.com/eksnode/eksnode/test/lab/internal/cgroup"
	"github.com/eksnode/eksnode/test/lab/internal/netns"
)

// Component is a long-running program of the lab in the VPC's network namespace, that tests may stop and start.
type Component struct {
	name  string
	args  []string
	env   []string
	log   string
	netns string
	group *cgroup.Tree
	// resolv is bound over /etc/resolv.conf, so that the program asks the VPC's DNS server.
	resolv string
	// ready tells whether the program does its work; it is asked until it returns nil.
	ready func(context.Context) error
	// patience bounds the wait for ready.
	patience time.Duration

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// runScript puts the shell into the lab's cgroup, a mount namespace with the VPC's resolver, and the VPC, and becomes the program.
const runScript = `set -eu
%s
exec unshare --mount --propagation private sh -euc 'mount --bind "$RESOLV" /etc/resolv.conf; exec nsenter --net="$NETNS" "$@"' sh "$@"
`

// Start starts the program and waits until it is ready. Running already is success.
func (c *Component) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd != nil {
		return nil
	}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("cannot start %s: %w", c.name, err)
	}
	defer log.Close()
	cmd := exec.Command("sh", append([]string{"-c", fmt.Sprintf(runScript, c.group.Enter()), "sh"}, c.args...)...)
	cmd.Env = append([]string{"PATH=" + box.Path, "HOME=/nonexistent", "NETNS=" + netns.Path(c.netns), "RESOLV=" + c.resolv}, c.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", c.name, err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log; that it ended is what done says
		close(done)
	}()
	if err := c.waitReady(ctx, done); err != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
		if ctx.Err() != nil { // nobody waits for it any more: nothing is wrong with it
			return fmt.Errorf("cannot start %s: %w", c.name, context.Cause(ctx))
		}
		return fmt.Errorf("cannot start %s: %w; the end of %s:\n%s", c.name, err, c.log, tail(c.log, 10))
	}
	c.cmd, c.done = cmd, done
	return nil
}

func (c *Component) waitReady(ctx context.Context, done <-chan struct{}) error {
	if c.ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	for {
		err := c.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-done:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("it is not ready after %s: %w", c.patience, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop asks the program to end, and kills it when it has not after ten seconds. Stopped already is success.
func (c *Component) Stop(ctx context.Context) error { return c.end(ctx, syscall.SIGTERM) }

// Kill ends the program at once.
func (c *Component) Kill(ctx context.Context) error { return c.end(ctx, syscall.SIGKILL) }

func (c *Component) end(ctx context.Context, sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return nil
	}
	group := -c.cmd.Process.Pid
	if err := syscall.Kill(group, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot stop %s: %w", c.name, err)
	}
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-c.done
	case <-ctx.Done():
		return fmt.Errorf("cannot stop %s: %w", c.name, ctx.Err())
	}
	c.cmd, c.done = nil, nil
	return nil
}

// Restart stops the program and starts it again.
func (c *Component) Restart(ctx context.Context) error {
	return errors.Join(c.Stop(ctx), c.Start(ctx))
}

// Running tells whether the program was started and has not ended.
func (c *Component) Running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return false
	}
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// Log is the file that holds what the program said.
func (c *Component) Log() string { return c.log }

// tail returns the last lines of a file, or why it cannot.
func tail(file string, lines int) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
