package systemd

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
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
	stop    verb = "stop"
)

// bus is what the driver needs of systemd. Every call is bounded by its
// context; Job may take as long as the context lets it, the others answer
// within callBound or fail.
type bus interface {
	// Unit loads a unit, if need be, and describes it. That it is unknown is
	// no error.
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

// privateSocket is where systemd itself listens, for root alone. It is there
// before any message bus runs.
const privateSocket = "/run/systemd/private"

// connection is the bus of a real systemd: its private socket, or the system
// bus where that is not ours to use. It is opened at the first call and again
// whenever it has broken.
type connection struct {
	socket string
	bound  time.Duration // for connecting

	mu       sync.Mutex
	conn     *sd.Conn
	cancel   context.CancelFunc
	watchers map[string][]chan<- struct{}
}

func newConnection() *connection {
	return &connection{socket: privateSocket, bound: connectBound, watchers: map[string][]chan<- struct{}{}}
}

// open returns the connection.
func (c *connection) open(ctx context.Context) (*sd.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && c.conn.Connected() {
		return c.conn, nil
	}
	c.drop()
	// The connection lives as long as the context it is made with, which must
	// outlive the caller's.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	conn, err := c.dial(ctx, life)
	if err != nil {
		cancel()
		return nil, err
	}
	updates, errs := make(chan *sd.PropertiesUpdate, 256), make(chan error, 256)
	conn.SetPropertiesSubscriber(updates, errs)
	go c.dispatch(life, updates, errs)
	c.conn, c.cancel = conn, cancel
	return conn, nil
}

// drop closes what is open; the lock must be held.
func (c *connection) drop() {
	if c.conn != nil {
		c.conn.Close()
		c.cancel()
		c.conn = nil
	}
}

// Close closes the connection. A later call opens it again.
func (c *connection) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
}

// dial connects within the bound. The library has none of its own: a systemd
// that accepts and does not answer would hold it up for ever. When dial gives
// up, ending life lets the attempt end too.
func (c *connection) dial(ctx, life context.Context) (*sd.Conn, error) {
	type answer struct {
		conn *sd.Conn
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		conn, err := sd.NewConnection(func() (*dbus.Conn, error) { return private(life, c.socket) })
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			conn, err = systemBus(life)
		}
		answers <- answer{conn, err}
	}()
	var err error
	select {
	case a := <-answers:
		if a.err == nil {
			return a.conn, nil
		}
		err = a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(c.bound):
		err = fmt.Errorf("no answer within %v", c.bound)
	}
	return nil, fault.New(fault.SystemdGone, goneRemedy, fmt.Errorf("cannot reach systemd: %w", err))
}

// private opens a connection to systemd's own socket, which knows no Hello.
func private(life context.Context, socket string) (*dbus.Conn, error) {
	conn, err := dbus.Dial("unix:path="+socket, dbus.WithContext(life))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func systemBus(life context.Context) (*sd.Conn, error) {
	conn, err := sd.NewSystemConnectionContext(life)
	if err != nil {
		return nil, err
	}
	if err := conn.Subscribe(); err != nil { // unasked, the bus passes no signals on
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// dispatch wakes those who watch a unit, until life ends.
func (c *connection) dispatch(life context.Context, updates <-chan *sd.PropertiesUpdate, errs <-chan error) {
	for {
		select {
		case u := <-updates:
			c.wake(u.UnitName)
		case <-errs: // an update was dropped: someone may have missed one
			c.wake("")
		case <-life.Done():
			return
		}
	}
}

// wake wakes the watchers of a unit, or all.
func (c *connection) wake(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for watched, channels := range c.watchers {
		if name != "" && name != watched {
			continue
		}
		for _, ch := range channels {
			select {
			case ch <- struct{}{}:
			default: // it has not looked at the last one yet
			}
		}
	}
}

// Watch implements bus.
func (c *connection) Watch(ctx context.Context, name string) (<-chan struct{}, error) {
	if _, err := c.open(ctx); err != nil {
		return nil, err
	}
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers[name] = append(c.watchers[name], ch)
	context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		var left []chan<- struct{}
		for _, other := range c.watchers[name] {
			if other != (chan<- struct{})(ch) {
				left = append(left, other)
			}
		}
		c.watchers[name] = left
	})
	return ch, nil
}

// call runs one bounded call and gives its errors their code. A connection that
// turns out to be broken, as all are after systemd has executed itself anew, is
// replaced once: every call may be made twice.
func (c *connection) call(ctx context.Context, bound time.Duration, f func(context.Context, *sd.Conn) error) error {
	inner, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	for again := true; ; again = false {
		conn, err := c.open(ctx)
		if err != nil {
			return err
		}
		err = f(inner, conn)
		switch {
		case err == nil || answered(err):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case inner.Err() != nil:
			return fault.New(fault.SystemdGone, goneRemedy, fmt.Errorf("systemd did not answer within %v", bound))
		case !again:
			return fault.New(fault.SystemdGone, goneRemedy, err)
		}
		c.Close()
	}
}

// answered reports whether an error is what systemd, or this package, said, and
// not the failure to hear of it.
func answered(err error) bool {
	_, said := fault.Find(err)
	return said || errorName(err) != "" || errors.Is(err, errInstall)
}

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

// Unit implements bus.
func (c *connection) Unit(ctx context.Context, name string) (unit, error) {
	var u unit
	err := c.call(ctx, callBound, func(ctx context.Context, conn *sd.Conn) error {
		p, err := conn.GetUnitPropertiesContext(ctx, name)
		if err != nil {
			return err
		}
		u = unit{
			LoadState: text(p["LoadState"]), Active: text(p["ActiveState"]), Sub: text(p["SubState"]),
			FileState: text(p["UnitFileState"]), LoadError: loadError(p["LoadError"]),
		}
		u.NeedReload, _ = p["NeedDaemonReload"].(bool)
		if id, ok := p["InvocationID"].([]byte); ok {
			u.Invocation = hex.EncodeToString(id)
		}
		if !u.known() || !strings.HasSuffix(name, ".service") {
			return nil
		}
		for property, field := range map[string]any{
			"Type": &u.Type, "Result": &u.Result, "NRestarts": &u.Restarts,
			"ExecMainCode": &u.ExecMainCode, "ExecMainStatus": &u.ExecMainStatus,
		} {
			v, err := conn.GetUnitTypePropertyContext(ctx, name, "Service", property)
			if err != nil {
				return err
			}
			if err := v.Value.Store(field); err != nil {
				return fmt.Errorf("cannot understand %s of %s: %w", property, name, err)
			}
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
