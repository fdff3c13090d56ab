package networkd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	service   = "org.freedesktop.network1"
	manager   = dbus.ObjectPath("/org/freedesktop/network1")
	callBound = 25 * time.Second // D-Bus's own default
)

// Conn is a connection to the system bus. It may be used by one goroutine at a time.
type Conn struct{ bus *dbus.Conn }

// Open connects. ctx ends the connection, too.
func Open(ctx context.Context) (*Conn, error) {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("cannot reach systemd-networkd: %w", err)
	}
	return &Conn{bus}, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.bus.Close() }

// Running reports whether systemd-networkd runs. It starts nothing.
func (c *Conn) Running(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	var owned bool
	err := c.bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, service).Store(&owned)
	if err != nil {
		return false, fmt.Errorf("cannot tell whether systemd-networkd runs: %w", err)
	}
	return owned, nil
}

// Reload makes systemd-networkd read its files again, and configure the links whose
// file has changed.
func (c *Conn) Reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	err := c.bus.Object(service, manager).CallWithContext(ctx, service+".Manager.Reload", 0).Err
	if err != nil {
		return fmt.Errorf("cannot make systemd-networkd read its files again: %w", err)
	}
	return nil
}

// Links returns all links, sorted by name.
func (c *Conn) Links(ctx context.Context) ([]Link, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	var all []struct {
		Index int32
		Name  string
		Path  dbus.ObjectPath
	}
	if err := c.bus.Object(service, manager).CallWithContext(ctx, service+".Manager.ListLinks", 0).Store(&all); err != nil {
		return nil, fmt.Errorf("cannot ask systemd-networkd for its links: %w", err)
	}
	var out []Link
	for _, l := range all {
		var state dbus.Variant
		err := c.bus.Object(service, l.Path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, service+".Link", "AdministrativeState").Store(&state)
		if err != nil {
			if ctx.Err() == nil {
				continue // it went while we were asking
			}
			return nil, fmt.Errorf("cannot ask systemd-networkd for the state of %s: %w", l.Name, err)
		}
		admin, _ := state.Value().(string)
		out = append(out, Link{Name: l.Name, Admin: admin})
	}
	slices.SortFunc(out, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
