package systemd

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/eksnode/eksnode/pkg/fault"
)

// verb is a job that systemd can be asked for.
type verb string

const (
	start   verb = "start"
	restart verb = "restart"
	reload  verb = "reload"
	stop    verb = "stop"
)

// bus is what the driver needs of systemd. Every call is bounded by its
// context; Job may take as long as the context lets it, the others answer
// within callBound or fail.
type bus interface {
	// Open connects, as otherwise the first call does.
	Open(ctx context.Context) error
	// State loads a unit, if need be, and returns its LoadState, ActiveState
	// and SubState. That it is unknown is no error.
	State(ctx context.Context, name string) (unit, error)
	// Unit is State with everything else of the unit, at several times the
	// cost: some milliseconds for one that is not in memory.
	Unit(ctx context.Context, name string) (unit, error)
	// Reload reads all unit files and the manager's configuration again.
	Reload(ctx context.Context) error
	// ResetFailed forgets that the unit failed, and how often it was started.
	ResetFailed(ctx context.Context, name string) error
	// Job asks for a job, in place of what may be queued for the unit, and
	// waits for its result: done, failed, timeout, dependency, canceled, ….
	Job(ctx context.Context, v verb, name string) (result string, err error)
	// Enable and Disable make and remove the links by which a unit starts at boot.
	Enable(ctx context.Context, name string) error
	Disable(ctx context.Context, name string) error
	// Watch returns a channel that holds a value after the unit has changed,
	// until the context ends.
	Watch(ctx context.Context, name string) (<-chan struct{}, error)
	Close()
}

const (
	// connectBound is how long systemd may take to accept a connection. It
	// does nothing else at that moment than read a few hundred bytes.
	connectBound = 10 * time.Second
	// callBound is how long a call may take; 25 s is D-Bus's own default.
	callBound = 25 * time.Second
	// reloadBound is how long reading all unit files again may take: generators
	// run, each of which systemd itself grants 90 s.
	reloadBound = 90 * time.Second
)

const goneRemedy = "Check that systemd is PID 1 and answers (systemctl status); /run/systemd/private must exist."

// Reload implements bus.
func (c *connection) Reload(ctx context.Context) error {
	return c.call(ctx, reloadBound, func(ctx context.Context, conn *sd.Conn) error { return conn.ReloadContext(ctx) })
}

// ResetFailed implements bus.
func (c *connection) ResetFailed(ctx context.Context, name string) error {
	err := c.call(ctx, callBound, func(ctx context.Context, conn *sd.Conn) error { return conn.ResetFailedUnitContext(ctx, name) })
	if isUnknown(err) { // not loaded: nothing to forget
		return nil
	}
	return err
}

// errInstall is that a unit cannot be enabled.
var errInstall = errors.New("its unit file has no [Install] section")

// Enable implements bus.
func (c *connection) Enable(ctx context.Context, name string) error {
	return c.call(ctx, callBound, func(ctx context.Context, conn *sd.Conn) error {
		install, _, err := conn.EnableUnitFilesContext(ctx, []string{name}, false, false)
		if err == nil && !install {
			err = errInstall
		}
		return err
	})
}

// Disable implements bus.
func (c *connection) Disable(ctx context.Context, name string) error {
	return c.call(ctx, callBound, func(ctx context.Context, conn *sd.Conn) error {
		_, err := conn.DisableUnitFilesContext(ctx, []string{name}, false)
		return err
	})
}

// Job implements bus.
func (c *connection) Job(ctx context.Context, v verb, name string) (string, error) {
	results := make(chan string, 1)
	var conn *sd.Conn
	err := c.call(ctx, callBound, func(ctx context.Context, opened *sd.Conn) (err error) {
		conn = opened
		switch v {
		case start:
			_, err = conn.StartUnitContext(ctx, name, "replace", results)
		case restart:
			_, err = conn.RestartUnitContext(ctx, name, "replace", results)
		case reload:
			_, err = conn.ReloadOrRestartUnitContext(ctx, name, "replace", results)
		case stop:
			_, err = conn.StopUnitContext(ctx, name, "replace", results)
		default:
			err = fmt.Errorf("internal error: no job is called %q", v)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case r := <-results:
			return r, nil
		case <-ctx.Done():
			return "", ctx.Err()
		case <-tick.C:
			if !conn.Connected() { // the result will never arrive
				return "", fault.New(fault.SystemdGone, goneRemedy, fmt.Errorf("systemd closed the connection while %s was about to %s", name, v))
			}
		}
	}
}

// State implements bus.
func (c *connection) State(ctx context.Context, name string) (unit, error) {
	var u unit
	err := c.call(ctx, callBound, func(ctx context.Context, conn *sd.Conn) error {
		list, err := conn.ListUnitsByNamesContext(ctx, []string{name})
		if err != nil {
			return err
		}
		if len(list) != 1 {
			return fmt.Errorf("systemd lists %d units of the name %s", len(list), name)
		}
		u = unit{LoadState: list[0].LoadState, Active: list[0].ActiveState, Sub: list[0].SubState}
		return nil
	})
	return u, err
}

// Unit implements bus.
func (c *connection) Unit(ctx context.Context, name string) (unit, error) {
	var u unit
	// All in one call: systemd reads the files of a unit that it does not keep
	// in memory anew for each.
	err := c.call(ctx, callBound, func(ctx context.Context, conn *sd.Conn) error {
		p, err := conn.GetAllPropertiesContext(ctx, name)
		if err != nil {
			return err
		}
		u = unit{
			LoadState: text(p["LoadState"]), LoadError: loadError(p["LoadError"]),
			Active: text(p["ActiveState"]), Sub: text(p["SubState"]), FileState: text(p["UnitFileState"]),
			Type: text(p["Type"]), Result: text(p["Result"]),
		}
		u.NeedReload, _ = p["NeedDaemonReload"].(bool)
		u.ExecMainCode, _ = p["ExecMainCode"].(int32)
		u.ExecMainStatus, _ = p["ExecMainStatus"].(int32)
		u.Restarts, _ = p["NRestarts"].(uint32)
		if id, ok := p["InvocationID"].([]byte); ok {
			u.Invocation = hex.EncodeToString(id)
		}
		return nil
	})
	return u, err
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// loadError reads a pair of an error's name and its text.
func loadError(v any) string {
	if pair, ok := v.([]any); ok && len(pair) == 2 {
		return text(pair[1])
	}
	return ""
}

// errorName returns the D-Bus name of an error that systemd answered.
func errorName(err error) string {
	var e dbus.Error
	if errors.As(err, &e) {
		return e.Name
	}
	return ""
}

// isUnknown reports whether systemd said that there is no such unit.
func isUnknown(err error) bool {
	return errorName(err) == "org.freedesktop.systemd1.NoSuchUnit"
}
