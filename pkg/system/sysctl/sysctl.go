// Package sysctl is the driver of kernel parameters.
package sysctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// valueLimit bounds a value that is read. The kernel gives out one page for
// most; net.ipv4.ip_local_reserved_ports is the longest, at up to 64 KiB.
const valueLimit = 64 << 10

// dir is where the kernel shows its parameters.
const dir = "/proc/sys"

// Driver looks after host.Sysctl.
type Driver struct{ root rootfs.Root }

// New returns the driver of the parameters under /proc/sys of root.
func New(root rootfs.Root) *Driver { return &Driver{root} }

// File returns the path of a key's file under /proc/sys. As in sysctl(8) and
// sysctl.d(5), the first separator decides: when it is a dot, dots separate
// and a slash stands for a dot within a name, so that the interface eth0.100
// is net.ipv4.conf.eth0/100.forwarding; when it is a slash, the key is a path.
func File(key string) (string, error) {
	swapped := key
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		swapped = strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, key)
	}
	for _, name := range strings.Split(swapped, "/") {
		if name == "" || name == "." || name == ".." || strings.ContainsFunc(name, unusual) {
			return "", fmt.Errorf("%q is no name of a kernel parameter", key)
		}
	}
	return dir + "/" + swapped, nil
}

// unusual is true for what no parameter and no interface has in its name.
func unusual(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '\\' }

// Observe implements host.Driver. Runs of white space in the value are folded
// to one blank. A parameter that this kernel does not have is absent.
func (d *Driver) Observe(ctx context.Context, want host.Resource) (host.Resource, error) {
	w, ok := want.(host.Sysctl)
	if !ok {
		return nil, fmt.Errorf("internal error: the sysctl driver was given %T", want)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name, err := File(w.Key)
	if err != nil {
		return nil, err
	}
	b, err := d.root.ReadFile(name, valueLimit)
	switch {
	case rootfs.Absent(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return host.Sysctl{Key: w.Key, Value: strings.Join(strings.Fields(string(b)), " "), AtLeast: w.AtLeast}, nil
}

// Apply implements host.Driver. It looks again afterwards, since the kernel
// may take a value and keep another one.
func (d *Driver) Apply(ctx context.Context, want host.Resource) error {
	have, err := d.Observe(ctx, want)
	if err != nil || host.Satisfies(have, want) {
		return err
	}
	w := want.(host.Sysctl) // Observe has checked it
	if have == nil {
		return d.failed(w, fs.ErrNotExist)
	}
	if err := d.write(w); err != nil {
		return d.failed(w, err)
	}
	have, err = d.Observe(ctx, want)
	if err != nil {
		return err
	}
	if !host.Satisfies(have, want) {
		return d.failed(w, fmt.Errorf("the kernel keeps %q", have.(host.Sysctl).Value))
	}
	return nil
}

// write hands the whole value over in one write, which the kernel takes or
// refuses as one.
func (d *Driver) write(w host.Sysctl) error {
	name, err := File(w.Key)
	if err != nil {
		return err
	}
	p, err := d.root.Target(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(p, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(w.Value + "\n")
	return errors.Join(err, f.Close())
}

func (d *Driver) failed(w host.Sysctl, cause error) error {
	var pe *fs.PathError
	if errors.As(cause, &pe) {
		cause = pe.Err
	}
	remedy := "Check the value against the kernel's documentation, and whether this machine (or container) may set it."
	if errors.Is(cause, fs.ErrNotExist) {
		remedy = "Load the kernel module that brings this parameter (net.bridge.* comes with br_netfilter), or leave the parameter out."
	}
	return fault.New(fault.WriteFailed, remedy, fmt.Errorf("cannot set kernel parameter %s to %q: %w", w.Key, w.Value, cause))
}

// Remove implements host.Driver. A parameter cannot be absent, so it leaves
// the value; the engine gives an original back through Apply.
func (d *Driver) Remove(ctx context.Context, _ host.ID) error { return ctx.Err() }
