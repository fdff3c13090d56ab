package networkmanager

import (
	"context"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	service   = "org.freedesktop.NetworkManager"
	manager   = dbus.ObjectPath("/org/freedesktop/NetworkManager")
	callBound = 25 * time.Second // D-Bus's own default
	// reloadConfig is NM_MANAGER_RELOAD_FLAG_CONF: the configuration, and no connection.
	reloadConfig uint32 = 1
)

// Reload makes NetworkManager read its configuration again, by which it lets go of devices
// that have become unmanaged. Where it does not run there is nothing to do; it starts
// nothing. It takes 25 seconds at most.
func Reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("cannot reach NetworkManager: %w", err)
	}
	defer func() { _ = bus.Close() }() // everything has been said
	return reload(ctx, bus.BusObject(), bus.Object(service, manager))
}

// reload asks the bus whether NetworkManager runs, and tells it.
func reload(ctx context.Context, bus, nm dbus.BusObject) error {
	var runs bool
	if err := bus.CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, service).Store(&runs); err != nil {
		return fmt.Errorf("cannot tell whether NetworkManager runs: %w", err)
	}
	if !runs {
		return nil
	}
	if err := nm.CallWithContext(ctx, service+".Reload", dbus.FlagNoAutoStart, reloadConfig).Err; err != nil {
		return fmt.Errorf("cannot make NetworkManager read its configuration again: %w", err)
	}
	return nil
}
