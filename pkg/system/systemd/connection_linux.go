package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/eksnode/eksnode/pkg/fault"
)

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

// Open implements bus.
func (c *connection) Open(ctx context.Context) error {
	_, err := c.open(ctx)
	return err
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
