//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/eksnode/eksnode/test/lab/internal/box"
)

// CommandError is how a command in an instance failed.
type CommandError struct {
	Instance, Command string
	// Code is the exit status, -1 when the command was killed or did not start.
	Code           int
	Stdout, Stderr string
	cause          error
}

func (e *CommandError) Error() string {
	text := fmt.Sprintf("cannot run %q in %s: %v", e.Command, e.Instance, e.cause)
	for _, out := range []string{e.Stderr, e.Stdout} {
		if out = strings.TrimSpace(out); out != "" {
			return text + ": " + out
		}
	}
	return text
}

func (e *CommandError) Unwrap() error { return e.cause }

// ID is the instance id.
func (i *Instance) ID() string { return i.EC2.ID() }

// IP is the primary private address.
func (i *Instance) IP() string { return i.nics[0].ipv4 }

// NodeName is the name the cluster's access entry lets the instance register under.
func (i *Instance) NodeName() string {
	if i.lab.options.NodeNaming == InstanceID {
		return i.ID()
	}
	return i.EC2.Instance().PrivateDNSName
}

// Dir is the instance's folder in the run folder.
func (i *Instance) Dir() string { return filepath.Join(i.lab.Dir, "boxes", i.Name) }

// Start switches the instance on. It is for instances launched Off, or after PowerOff or Kill.
func (i *Instance) Start(ctx context.Context) error { return i.box.Start(ctx) }

// Reboot asks the instance's systemd for a reboot and returns when it has booted again.
func (i *Instance) Reboot(ctx context.Context) error {
	if err := i.box.Reboot(ctx); err != nil {
		return err
	}
	return i.WaitBooted(ctx)
}

// PowerOff asks the instance's systemd to shut down and returns when it is off.
func (i *Instance) PowerOff(ctx context.Context) error { return i.box.PowerOff(ctx) }

// Kill cuts the power.
func (i *Instance) Kill(ctx context.Context) error { return i.box.Kill(ctx) }

// Boots is how often the instance was switched on, reboots included.
func (i *Instance) Boots() int { return i.box.Boots() }

// WaitBooted waits until systemd has done all that it does at boot, whether or not some of it failed. ctx bounds it.
func (i *Instance) WaitBooted(ctx context.Context) error {
	return Wait(ctx, i.Name+" has booted", func(ctx context.Context) error {
		out, err := i.Run(ctx, "systemctl", "is-system-running")
		var failed *CommandError
		if errors.As(err, &failed) {
			out = failed.Stdout
		}
		if state := strings.TrimSpace(out); state != "running" && state != "degraded" {
			return fmt.Errorf("its state is %q: %w", state, errors.Join(err))
		}
		return nil
	})
}

// WaitOnline waits until the instance has booted and has an address and a route to the VPC's router; systemd may be done
// before. ctx bounds it.
func (i *Instance) WaitOnline(ctx context.Context) error {
	if err := i.WaitBooted(ctx); err != nil {
		return err
	}
	return Wait(ctx, i.Name+" is online", func(ctx context.Context) error {
		out, err := i.Run(ctx, "ip", "-4", "route", "show", "default")
		if err == nil && out == "" {
			err = errors.New("it has no default route")
		}
		return err
	})
}

// Run runs a command in the instance and returns its standard output. A failure is a [*CommandError].
func (i *Instance) Run(ctx context.Context, name string, args ...string) (string, error) {
	return i.run(ctx, nil, name, args...)
}

// Shell runs a script with sh -eu in the instance and returns its standard output. A failure is a [*CommandError].
func (i *Instance) Shell(ctx context.Context, script string) (string, error) {
	return i.run(ctx, nil, "sh", "-euc", script)
}

func (i *Instance) run(ctx context.Context, stdin io.Reader, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	code, err := i.box.Run(ctx, stdin, &stdout, &stderr, name, args...)
	if err != nil {
		return stdout.String(), &CommandError{Instance: i.Name, Command: strings.Join(append([]string{name}, args...), " "),
			Code: code, Stdout: stdout.String(), Stderr: stderr.String(), cause: err}
	}
	return stdout.String(), nil
}

// ReadFile reads a file of the running instance.
func (i *Instance) ReadFile(ctx context.Context, path string) ([]byte, error) {
	out, err := i.Run(ctx, "cat", "--", path)
	return []byte(out), err
}

// WriteFile writes a file of the running instance, with its folders; mode is octal, such as "0644".
func (i *Instance) WriteFile(ctx context.Context, path, mode string, content []byte) error {
	const script = `mkdir -p "$(dirname "$1")"; cat >"$1"; chmod "$2" "$1"`
	_, err := i.run(ctx, bytes.NewReader(content), "sh", "-euc", script, "write", path, mode)
	return err
}

// CopyIn copies a file of this machine into the running instance, with its mode.
func (i *Instance) CopyIn(ctx context.Context, from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("cannot copy into %s: %w", i.Name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot copy into %s: %w", i.Name, err)
	}
	const script = `mkdir -p "$(dirname "$1")"; cat >"$1"; chmod "$2" "$1"`
	_, err = i.run(ctx, f, "sh", "-euc", script, "copy", to, fmt.Sprintf("%04o", info.Mode().Perm()))
	return err
}

// CopyOut copies a file of the running instance to this machine.
func (i *Instance) CopyOut(ctx context.Context, from, to string) error {
	content, err := i.ReadFile(ctx, from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, content, 0o644); err != nil {
		return fmt.Errorf("cannot copy out of %s: %w", i.Name, err)
	}
	return nil
}

// Console returns everything that was written to the instance's serial console, of all its boots.
func (i *Instance) Console() string {
	data, err := os.ReadFile(i.box.ConsoleLog())
	if err != nil {
		return "" // nothing was written yet
	}
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}

// WaitConsole waits until the console holds the text. ctx bounds it.
func (i *Instance) WaitConsole(ctx context.Context, text string) error {
	return Wait(ctx, fmt.Sprintf("the console of %s says %q", i.Name, text), func(context.Context) error {
		if console := i.Console(); !strings.Contains(console, text) {
			return fmt.Errorf("its end is %q", console[max(0, len(console)-200):])
		}
		return nil
	})
}

// Journal returns the journal of the current boot, of the named units or of all. An instance that is off gives that of
// its last boot.
func (i *Instance) Journal(ctx context.Context, units ...string) (string, error) {
	args := []string{"--boot"}
	for _, u := range units {
		args = append(args, "--unit="+u)
	}
	var out bytes.Buffer
	err := i.box.Journal(ctx, &out, args...)
	return out.String(), err
}

// Upper is the folder of this machine that holds what the instance wrote over its image: for looking at the disk of an
// instance that is off. A machine with a kernel of its own has none.
func (i *Instance) Upper() string { return i.box.Upper() }

// saveJournal writes the journal of all boots into the instance's folder.
func (i *Instance) saveJournal(ctx context.Context) error {
	if i.box.Boots() == 0 {
		return nil
	}
	f, err := os.Create(filepath.Join(i.Dir(), "journal.log"))
	if err != nil {
		return fmt.Errorf("cannot save the journal of %s: %w", i.Name, err)
	}
	return errors.Join(i.box.Journal(ctx, f), f.Close())
}

// Leader is the process id, on this machine, of the instance's PID 1; 0 while it is off, and of a machine with a kernel
// of its own.
func (i *Instance) Leader() int { return i.box.Leader() }

// EnterInstance prepares a command in the instance whose PID 1 has the process id, which may be one of another
// process' lab; see [Instance.Leader].
func EnterInstance(ctx context.Context, leader int, name string, args ...string) (*exec.Cmd, error) {
	return box.Enter(ctx, leader, name, args...)
}
