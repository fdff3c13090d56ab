// Package command is the driver of programs that are run on the way to a node:
// hooks, and what prepares the disks of the instance.
//
// A program is run at least once. That it ran is noted after it has ended, so one
// during which the agent died is run again, and before that what is left of it is
// ended. Its output goes to the log alone, in which secrets that it got are hidden:
// no error, no report and no note has any of it.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

// Options say where the driver keeps its notes. The directories have no defaults.
type Options struct {
	// RunDir is emptied at boot; below it, in commands/, is what ran in this boot.
	RunDir string
	// StateDir survives reboots; below it, in commands/, is what is run once in the
	// machine's life.
	StateDir string
	// Getenv reads the agent's environment, of which a program gets the proxies;
	// nil is an empty one.
	Getenv func(string) string
	// Grace is how long a program that is told to end may take before it is
	// killed; five seconds by default.
	Grace time.Duration
	// Log gets what programs print; nothing is logged by default.
	Log *slog.Logger
}

// Driver looks after host.Command. Programs are run one at a time.
type Driver struct{ Options }

// New returns the driver. It touches nothing yet.
func New(o Options) *Driver {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Driver{o}
}

// note is what is written down of a program that has run. Mode 0600: a short secret
// could be guessed from the digest.
type note struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// paths of the notes about a program.
type paths struct {
	boot string // it ran in this boot
	once string // it ran on this machine
	// running has the mark of a run that has begun and not ended.
	running string
}

// where returns the paths of a name, in which slashes and what no file can have in
// its name are escaped.
func (d *Driver) where(name string) paths {
	file := url.PathEscape(name)
	return paths{
		boot:    filepath.Join(d.RunDir, "commands", file+".json"),
		once:    filepath.Join(d.StateDir, "commands", file+".json"),
		running: filepath.Join(d.RunDir, "commands", file+".running"),
	}
}

// Observe implements host.Driver. It returns the digest of what ran last, in this
// boot or, for a program that is run once, on this machine. A note that cannot be
// understood is none: the program is run again.
func (d *Driver) Observe(ctx context.Context, want host.Resource) (host.Resource, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, ok := want.(host.Command)
	if !ok {
		return nil, fmt.Errorf("internal error: the driver of programs is asked for %s", want.ID())
	}
	p := d.where(c.Name)
	files := []string{p.boot}
	if c.Once || c.Digest == "" { // or it is only known by its name
		files = []string{p.once, p.boot}
	}
	var seen host.Resource
	for _, file := range files {
		n, ok, err := read(file)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		seen = host.Command{Name: c.Name, Digest: n.Digest}
		if n.Digest == c.Digest {
			break
		}
	}
	if _, err := os.Stat(p.running); seen == nil && c.Digest == "" && err == nil {
		return host.Command{Name: c.Name}, nil // something for Remove to end
	}
	return seen, nil
}

// Apply implements host.Driver: it runs the program, unless that has been done. The
// error is a *host.RunError when the program has failed, with a fault of code
// HookFailed; that it was ended because ctx is over is no failure of the program,
// and is the cause of ctx. A failure that is tolerated counts as a run until the
// next boot.
func (d *Driver) Apply(ctx context.Context, want host.Resource) error {
	seen, err := d.Observe(ctx, want)
	if err != nil || host.Satisfies(seen, want) {
		return err
	}
	c := want.(host.Command) // Observe has seen to it
	p := d.where(c.Name)
	if err := d.endRest(p, c.Name); err != nil {
		return err
	}
	// Half a run of what is wanted now makes the last one void.
	for _, file := range []string{p.boot, p.once} {
		if err := atomicfile.Remove(file); err != nil {
			return err
		}
	}
	failed := d.run(ctx, c, p)
	if failed != nil && !host.Tolerated(failed) {
		return failed
	}
	file := p.boot
	if c.Once && failed == nil {
		file = p.once
	}
	if err := d.write(file, c, file == p.boot); err != nil {
		return fmt.Errorf("cannot note that it ran: %w", err)
	}
	return failed
}

// Remove implements host.Driver: it forgets that the program ran, and ends what is
// left of one during which the agent died.
func (d *Driver) Remove(ctx context.Context, id host.ID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := d.where(id.Name)
	if err := d.endRest(p, id.Name); err != nil {
		return err
	}
	for _, file := range []string{p.boot, p.once} {
		if err := atomicfile.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// endRest ends what is left of a run that was never seen to end.
func (d *Driver) endRest(p paths, name string) error {
	mark, err := os.ReadFile(p.running)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the mark of an earlier run: %w", err)
	}
	n := killMarked(string(mark))
	d.Log.Warn("the agent died while this program ran; it is run anew", "program", name, "processes ended", n)
	return atomicfile.Remove(p.running)
}

func (d *Driver) write(file string, c host.Command, lazy bool) error {
	b, err := json.Marshal(note{c.Name, c.Digest})
	if err != nil {
		return err
	}
	return atomicfile.Write(file, append(b, '\n'), atomicfile.Attr{Mode: 0o600, UID: -1, GID: -1, Lazy: lazy})
}

// read returns a note; ok is false when there is none that can be understood.
func read(file string) (n note, ok bool, err error) {
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return n, false, nil
	case errors.Is(err, fs.ErrPermission):
		return n, false, fault.New(fault.NotRoot, "Run it with sudo.", fmt.Errorf("cannot tell what has run: %w", err))
	case err != nil:
		return n, false, fmt.Errorf("cannot tell what has run: %w", err)
	}
	if json.Unmarshal(b, &n) != nil || n.Digest == "" {
		return note{}, false, nil
	}
	return n, true, nil
}
