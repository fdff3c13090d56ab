//go:build linux

// Package netns makes network namespaces and opens sockets inside them, so that one
// lab process can serve and dial in a namespace it does not live in.
package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is where iproute2 keeps named namespaces.
const Dir = "/run/netns"

// Path of a named namespace's file.
func Path(name string) string { return Dir + "/" + name }

// Add makes a named namespace with its loopback device up.
func Add(ctx context.Context, name string) error {
	if err := IP(ctx, "netns", "add", name); err != nil {
		return err
	}
	return IP(ctx, "-n", name, "link", "set", "lo", "up")
}

// Delete removes a named namespace; its absence is success. Devices in it go with it
// once no process is left inside.
func Delete(ctx context.Context, name string) error {
	if _, err := os.Stat(Path(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return IP(ctx, "netns", "delete", name)
}

// List names the namespaces that begin with prefix.
func List(prefix string) ([]string, error) {
	entries, err := os.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list network namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// IP runs iproute2's ip with the arguments.
func IP(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot run ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Do runs f on a thread that is inside the namespace. Goroutines that f starts are not;
// sockets that f makes stay in the namespace for as long as they live.
func Do(name string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		// The thread ends with the goroutine if it cannot be led home, because a locked
		// thread is never given to another goroutine.
		runtime.LockOSThread()
		home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			result <- fmt.Errorf("cannot open own network namespace: %w", err)
			return
		}
		defer unix.Close(home)
		there, err := unix.Open(Path(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			result <- fmt.Errorf("cannot open network namespace %s: %w", name, err)
			return
		}
		defer unix.Close(there)
		if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("cannot enter network namespace %s: %w", name, err)
			return
		}
		err = f()
		if back := unix.Setns(home, unix.CLONE_NEWNET); back == nil {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}

// Listen opens a listener inside the namespace. The address must be numeric.
func Listen(name, network, address string) (net.Listener, error) {
	var l net.Listener
	err := Do(name, func() (err error) {
		l, err = net.Listen(network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s in %s: %w", address, name, err)
	}
	return l, nil
}

// Dialer returns a DialContext function whose connections start inside the namespace.
// Addresses must be numeric: names would be looked up outside.
func Dialer(name string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var c net.Conn
		err := Do(name, func() (err error) {
			var d net.Dialer
			c, err = d.DialContext(ctx, network, address)
			return err
		})
		return c, err
	}
}
