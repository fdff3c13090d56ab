package systemd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// Options say where the driver keeps its notes and how long it waits. Bound,
// Window, Journal and Log have defaults; the directories have none.
type Options struct {
	// RunDir is emptied at boot; below it, in restart/, are the debts.
	RunDir string
	// StateDir survives reboots; below it, in enabled/, is what we enabled.
	StateDir string
	// Bound is how long starting, restarting or stopping one unit may take,
	// from the call of Apply or Remove; 90 s by default, as systemd's own
	// DefaultTimeoutStartSec.
	Bound time.Duration
	// Window is how long a unit must stay active after its start before that
	// is believed, where systemd calls it active at once (Type=simple, exec
	// and idle); half a second by default, in which a kubelet with a flag that
	// it does not know has exited many times over.
	Window time.Duration
	// Journal returns the last lines of a unit's journal; Journalctl by default.
	Journal func(ctx context.Context, unit string, lines int) ([]string, error)
	// Log gets what is waited for and why; nothing is logged by default.
	Log *slog.Logger
}

// Driver looks after host.Service. It is safe for concurrent use. It connects
// to systemd when it first needs it, and keeps the connection until Close.
type Driver struct {
	Options
	bus bus

	mu sync.Mutex
	// idle has the units which Observe saw not running: when Apply then finds
	// one running, someone else started it in between, perhaps while files it
	// reads were being written.
	idle map[string]bool
}

// New returns the driver. It touches nothing yet.
func New(o Options) *Driver { return newDriver(o, newConnection()) }

func newDriver(o Options, b bus) *Driver {
	if o.Bound == 0 {
		o.Bound = 90 * time.Second
	}
	if o.Window == 0 {
		o.Window = 500 * time.Millisecond
	}
	if o.Journal == nil {
		o.Journal = Journalctl
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Driver{Options: o, bus: b, idle: map[string]bool{}}
}

// Connect begins to connect to systemd, which takes it some milliseconds. That it
// fails is told by the first call that needs it.
func (d *Driver) Connect(ctx context.Context) {
	go func() { _ = d.bus.Open(ctx) }()
}

// Close closes the connection to systemd. The driver can still be used; it
// then connects anew.
func (d *Driver) Close() { d.bus.Close() }

// service checks what a driver is given.
func service(r host.Resource) (host.Service, error) {
	s, ok := r.(host.Service)
	if !ok {
		return s, fmt.Errorf("internal error: the service driver was given %T", r)
	}
	return s, checkName(s.Name)
}

// Observe implements host.Driver. A unit without a unit file is absent, unless
// it still runs.
func (d *Driver) Observe(ctx context.Context, want host.Resource) (host.Resource, error) {
	w, err := service(want)
	if err != nil {
		return nil, err
	}
	owes, err := noted(d.debt(w.Name))
	if err != nil {
		return nil, err
	}
	ours, err := noted(d.enabling(w.Name))
	if err != nil {
		return nil, err
	}
	look := d.bus.State
	if w.Enabled || ours {
		look = d.bus.Unit
	}
	u, err := look(ctx, w.Name)
	if err != nil {
		return nil, err
	}
	d.setIdle(w.Name, !u.running())
	if !u.known() && u.idle() {
		return nil, nil
	}
	return host.Service{
		Name:    w.Name,
		Enabled: u.enabled(),
		Running: u.running(),
		Current: !u.running() || !owes,
	}, nil
}

func (d *Driver) setIdle(name string, idle bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle[name] = idle
}

func (d *Driver) wasIdle(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.idle[name]
}

// Owe implements host.Debtor.
func (d *Driver) Owe(ctx context.Context, id host.ID) error {
	if err := errors.Join(ctx.Err(), checkName(id.Name)); err != nil {
		return err
	}
	return d.note(d.debt(id.Name))
}

// Remove implements host.Driver: it stops the unit, and disables it when it
// was this driver that enabled it. Its unit file is a resource of its own. An
// unknown unit is success.
func (d *Driver) Remove(ctx context.Context, id host.ID) error {
	name := id.Name
	if err := checkName(name); err != nil {
		return err
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	u, err := d.bus.State(ctx, name)
	if err != nil {
		return err
	}
	if err := d.stop(ctx, name, u); err != nil {
		return err
	}
	return d.disable(ctx, name)
}

// bounded bounds one operation; see expired.
func (d *Driver) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d.Bound, errBound)
}

// errBound is why a context ended whose time was ours to set.
var errBound = errors.New("the bound passed")

func expired(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errBound) }

// stop stops a unit and forgets its debt and that it may have failed.
func (d *Driver) stop(ctx context.Context, name string, u unit) error {
	if !u.idle() {
		d.Log.InfoContext(ctx, "stopping", "unit", name, "state", u.Active, "bound", d.Bound)
		result, err := d.bus.Job(ctx, stop, name)
		switch {
		case isUnknown(err):
		case err != nil && expired(ctx):
			return fault.New(fault.UnitTimeout, fmt.Sprintf("See what keeps it: systemctl status %s.", name),
				fmt.Errorf("cannot stop %s: it has not stopped within %v", name, d.Bound))
		case err != nil:
			return err
		case result != "done":
			return fault.New(fault.UnitFailed, fmt.Sprintf("See what happened: journalctl -u %s.", name),
				fmt.Errorf("cannot stop %s: the job's result is %s", name, result))
		}
	}
	if !u.idle() || u.Active == "failed" {
		if err := d.bus.ResetFailed(ctx, name); err != nil {
			return err
		}
	}
	d.setIdle(name, true)
	return unnote(d.debt(name))
}

// enable makes the unit start at boot. The note comes first: a crash in
// between leaves a note too many, which is put right by disabling what is not
// enabled.
func (d *Driver) enable(ctx context.Context, name string) error {
	if err := d.note(d.enabling(name)); err != nil {
		return err
	}
	if err := d.bus.Enable(ctx, name); err != nil {
		if _, classified := fault.Find(err); classified || ctx.Err() != nil {
			return err
		}
		return fault.New(fault.UnitFailed, fmt.Sprintf("Give %s an [Install] section, or do not ask that it starts at boot.", name),
			fmt.Errorf("cannot enable %s: %w", name, err))
	}
	return nil
}

// disable undoes what enable did, if it did.
func (d *Driver) disable(ctx context.Context, name string) error {
	note := d.enabling(name)
	if ours, err := noted(note); err != nil || !ours {
		return err
	}
	d.Log.InfoContext(ctx, "disabling", "unit", name)
	if err := d.bus.Disable(ctx, name); err != nil && !isUnknown(err) {
		return fmt.Errorf("cannot disable %s: %w", name, err)
	}
	return unnote(note)
}

// Notes are empty files named after a unit; see the package comment.

func (d *Driver) debt(name string) string     { return filepath.Join(d.RunDir, "restart", name) }
func (d *Driver) enabling(name string) string { return filepath.Join(d.StateDir, "enabled", name) }

func noted(path string) (bool, error) {
	_, err := os.Lstat(path)
	if rootfs.Absent(err) {
		return false, nil
	}
	return err == nil, err
}

func (d *Driver) note(path string) error {
	if there, err := noted(path); there || err != nil {
		return err
	}
	return rootfs.WriteFault(path, atomicfile.Write(path, nil, atomicfile.Attr{Mode: 0o644, UID: -1, GID: -1}))
}

func unnote(path string) error { return rootfs.WriteFault(path, atomicfile.Remove(path)) }
