package systemd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

const (
	// restartsAllowed is how often systemd may restart a unit by itself while
	// we watch before we call it failed: a kubelet that comes before its
	// containerd recovers in one.
	restartsAllowed = 3
	// lookAgain is how often a unit is looked at while nothing is heard of
	// it: signals may be lost when systemd executes itself anew.
	lookAgain = 2 * time.Second
	// journalLines go into the message of a unit that failed.
	journalLines = 20
	// journalBound is how long reading them may take.
	journalBound = 5 * time.Second
)

// managerConfig is where systemd's own configuration is. It takes effect on
// services, DefaultEnvironment above all, only after a reload.
const managerConfig = "/etc/systemd/system.conf"

// Apply implements host.Driver.
//
// A service wanted running is started, or restarted (told to reload, where that is
// enough) when it owes that, and must then be and stay active: with Type=simple a while of Options.Window,
// with other types at once. Unit files are read again before that when systemd
// says that they changed, when it does not know the unit, when a restart is
// owed, when the service reads systemd's own configuration, and before one is stopped
// that shall not run. The debt is
// forgotten only after all this has succeeded.
//
// Errors are of code UnitMissing, UnitFailed (with the last lines of the
// journal), UnitTimeout or SystemdUnreachable.
func (d *Driver) Apply(ctx context.Context, want host.Resource) error {
	w, err := service(want)
	if err != nil {
		return err
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	err = d.apply(ctx, w)
	if _, classified := fault.Find(err); err != nil && !classified && expired(ctx) {
		return fault.New(fault.UnitTimeout, fmt.Sprintf("Look at systemctl status %s and at the load of the machine.", w.Name),
			fmt.Errorf("%s is not as wanted after %v: %w", w.Name, d.Bound, err))
	}
	return err
}

func (d *Driver) apply(ctx context.Context, w host.Service) error {
	u, err := d.bus.Unit(ctx, w.Name)
	if err != nil {
		return err
	}
	owes, err := noted(d.debt(w.Name))
	if err != nil {
		return err
	}
	begin := w.Running && (!u.running() || owes || d.wasIdle(w.Name))
	// One that shall not run may have been masked just now, which systemd does not see by
	// itself: what it has loaded, another unit could still start.
	end := !w.Running && !u.idle()
	if !u.known() && (w.Running || w.Enabled) || begin && (u.NeedReload || owes || readsManagerConfig(w)) || end {
		d.Log.InfoContext(ctx, "reloading unit files", "for", w.Name)
		if err := d.bus.Reload(ctx); err != nil {
			return fmt.Errorf("cannot reload unit files: %w", err)
		}
		if u, err = d.bus.Unit(ctx, w.Name); err != nil {
			return err
		}
	}
	if !w.Running {
		if err := d.stop(ctx, w.Name, u); err != nil {
			return err
		}
	}
	if w.Running || w.Enabled {
		if err := loadable(w.Name, u); err != nil {
			return err
		}
	}
	if err := d.atBoot(ctx, w, u); err != nil {
		return err
	}
	if !begin {
		return nil
	}
	if err := d.begin(ctx, w, u); err != nil {
		return err
	}
	d.setIdle(w.Name, false)
	return unnote(d.debt(w.Name))
}

func readsManagerConfig(w host.Service) bool {
	for _, r := range w.Reads {
		if strings.HasPrefix(r.Name, managerConfig) {
			return true
		}
	}
	return false
}

// loadable returns an error when there is no usable unit file.
func loadable(name string, u unit) error {
	switch u.LoadState {
	case "loaded":
		return nil
	case "not-found":
		return fault.New(fault.UnitMissing, fmt.Sprintf("Install what brings %s, or put its unit file into /etc/systemd/system.", name),
			fmt.Errorf("there is no unit file of %s", name))
	case "masked":
		return fault.New(fault.UnitMissing, fmt.Sprintf("Run systemctl unmask %s.", name), fmt.Errorf("%s is masked", name))
	}
	return fault.New(fault.UnitMissing, fmt.Sprintf("Correct the unit file (systemctl cat %[1]s; systemd-analyze verify %[1]s).", name),
		fmt.Errorf("systemd cannot use the unit file of %s: %s", name, cmp.Or(u.LoadError, u.LoadState)))
}

// atBoot enables what is wanted enabled, and disables what we once enabled.
func (d *Driver) atBoot(ctx context.Context, w host.Service, u unit) error {
	switch {
	case !w.Enabled:
		return d.disable(ctx, w.Name)
	case u.enabled():
		return nil
	}
	return d.enable(ctx, w.Name)
}

// begin starts, restarts or reloads the unit and waits until it stands.
func (d *Driver) begin(ctx context.Context, w host.Service, u unit) error {
	name := w.Name
	// A unit that failed too often in a short time may not be started again
	// until that is forgotten (StartLimitBurst).
	if err := d.bus.ResetFailed(ctx, name); err != nil {
		return err
	}
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, err := d.bus.Watch(watching, name)
	if err != nil {
		return err
	}
	v := start
	switch {
	case w.Reloads && u.running():
		v = reload
	case !u.idle():
		v = restart
	}
	d.Log.InfoContext(ctx, "waiting for unit", "unit", name, "job", v, "bound", d.Bound)
	result, err := d.bus.Job(ctx, v, name)
	if err != nil {
		return d.refused(ctx, v, name, err)
	}
	if v == reload && result != "done" { // it runs on, with what it has
		return fault.New(fault.UnitFailed, fmt.Sprintf("The journal lines name the cause; journalctl -u %s shows more.", name),
			fmt.Errorf("cannot reload %s: the job's result is %s%s", name, result, d.journal(ctx, name)))
	}
	if result != "done" {
		d.Log.WarnContext(ctx, "the job did not succeed", "unit", name, "job", v, "result", result)
	}
	return d.settle(ctx, v, name, result, changes)
}

// refused explains why systemd took no job, or did not end it in time.
func (d *Driver) refused(ctx context.Context, v verb, name string, err error) error {
	switch {
	case expired(ctx):
		return d.timeout(ctx, v, name)
	case isUnknown(err), errorName(err) == "org.freedesktop.systemd1.UnitMasked", errorName(err) == "org.freedesktop.systemd1.LoadFailed":
		return fault.New(fault.UnitMissing, fmt.Sprintf("See systemctl status %s.", name), fmt.Errorf("cannot %s %s: %w", v, name, err))
	case errorName(err) != "":
		return fault.New(fault.UnitFailed, fmt.Sprintf("See systemctl status %s; a machine that is shutting down starts nothing.", name),
			fmt.Errorf("cannot %s %s: %w", v, name, err))
	}
	return err
}

// settle waits until the unit stands or has failed for good. It stands when it
// runs, and where that says little, when the same run of it has lasted for the
// whole window.
func (d *Driver) settle(ctx context.Context, v verb, name, result string, changes <-chan struct{}) error {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	var opened string // the run for which the window was opened
	var window <-chan time.Time
	over := false
	for {
		u, err := d.bus.Unit(ctx, name)
		if err != nil {
			return d.refused(ctx, v, name, err)
		}
		switch {
		case u.running() && (u.settlesAtOnce() || over && u.Invocation == opened):
			return nil
		case u.running() && (window == nil || u.Invocation != opened):
			opened, window, over = u.Invocation, time.After(d.Window), false
		case u.idle(), !u.running() && u.Restarts >= restartsAllowed:
			return d.failure(ctx, v, name, result, u)
		case !u.running():
			window, over = nil, false
		}
		select {
		case <-changes:
		case <-again.C:
		case <-window:
			window, over = nil, true
		case <-ctx.Done():
			return d.refused(ctx, v, name, ctx.Err())
		}
	}
}

// failure describes a unit that failed for good.
func (d *Driver) failure(ctx context.Context, v verb, name, result string, u unit) error {
	var what string
	switch {
	case result == "dependency":
		what = "a unit that it requires failed (systemctl list-dependencies " + name + ")"
	case result == "canceled" && u.idle():
		what = "something else stopped it or cancelled its start"
	case u.Active == "inactive":
		// systemd forgets a unit that ended well as soon as it has; only the
		// journal knows more.
		what = "it ended at once, without an error, or a start condition does not hold"
	default:
		what = fmt.Sprintf("it is %s (%s): %s", u.Active, u.Sub, u.end())
	}
	return fault.New(fault.UnitFailed, fmt.Sprintf("The journal lines name the cause; journalctl -u %s shows more.", name),
		fmt.Errorf("cannot %s %s: %s%s", v, name, what, d.journal(ctx, name)))
}

// timeout describes a unit that did not become active in time.
func (d *Driver) timeout(ctx context.Context, v verb, name string) error {
	state := "unknown"
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalBound)
	defer cancel()
	if u, err := d.bus.Unit(look, name); err == nil {
		state = fmt.Sprintf("%s (%s)", u.Active, u.Sub)
	}
	return fault.New(fault.UnitTimeout, fmt.Sprintf("Look at the journal lines, systemctl status %s and the load of the machine.", name),
		fmt.Errorf("cannot %s %s: not active within %v, its state is %s%s", v, name, d.Bound, state, d.journal(ctx, name)))
}

// journal returns the end of the unit's journal as a block of text that can
// follow a message. It may be asked for after the bound has passed.
func (d *Driver) journal(ctx context.Context, name string) string {
	if err := ctx.Err(); err != nil && !expired(ctx) {
		return "" // the caller wants to be gone
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalBound)
	defer cancel()
	lines, err := d.Journal(ctx, name, journalLines)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "; its journal could not be read in time"
	case err != nil:
		return fmt.Sprintf("; its journal could not be read: %v", err)
	case len(lines) == 0:
		return "; its journal has no lines"
	}
	if len(lines) > journalLines {
		lines = lines[len(lines)-journalLines:]
	}
	return "; its journal ends with:\n  " + strings.Join(lines, "\n  ")
}
