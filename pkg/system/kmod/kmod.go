// Package kmod is the driver of kernel modules.
//
// It loads and never unloads. A module that is no longer wanted may by now be
// used by something that has no count in the kernel (a firewall rule, a mount
// that comes back, a container's network), and unloading it could cut the node
// off. It stays until the next boot, at which nothing asks for it any more.
package kmod

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

const (
	// builtinLimit bounds modules.builtin, which has some 20 KiB in
	// distributions' kernels.
	builtinLimit = 4 << 20
	// smallLimit bounds files of one word.
	smallLimit = 4 << 10
	// bound is how long loading one module may take. Drivers that probe hardware
	// need seconds.
	bound = time.Minute
)

// modprobes are the places of modprobe(8), and moduleDirs those of the modules:
// distributions with a merged /usr have both names, others one.
func modprobes() []string {
	return []string{"/sbin/modprobe", "/usr/sbin/modprobe", "/usr/bin/modprobe", "/bin/modprobe"}
}

func moduleDirs() []string { return []string{"/lib/modules", "/usr/lib/modules"} }

// Runner runs a program to its end and returns what it wrote to standard error.
// It ends it when ctx is done.
type Runner func(ctx context.Context, program string, args ...string) (stderr string, err error)

// Driver looks after host.Module.
type Driver struct {
	root  rootfs.Root
	run   Runner
	bound time.Duration
}

// New returns the driver of the modules of the kernel whose files are under root.
// run is [Exec], except in tests.
func New(root rootfs.Root, run Runner) *Driver { return &Driver{root, run, bound} }

// Observe implements host.Driver. A module that is built into the kernel counts as
// loaded; one that is being loaded, or unloaded, does not.
func (d *Driver) Observe(ctx context.Context, want host.Resource) (host.Resource, error) {
	w, err := check(ctx, want)
	if err != nil {
		return nil, err
	}
	name := canonical(w.Name)
	loaded, err := d.loaded(name)
	if err == nil && !loaded {
		loaded, err = d.builtin(name)
	}
	if err != nil || !loaded {
		return nil, err
	}
	return w, nil
}

func check(ctx context.Context, want host.Resource) (host.Module, error) {
	w, ok := want.(host.Module)
	if !ok {
		return w, fmt.Errorf("internal error: the module driver was given %T", want)
	}
	if err := ctx.Err(); err != nil {
		return w, err
	}
	const longest = 55 // MODULE_NAME_LEN of the kernel is 56, with a zero byte
	if w.Name == "" || len(w.Name) > longest || w.Name[0] == '-' || strings.ContainsFunc(w.Name, foreign) {
		return w, fmt.Errorf("%q is no name of a kernel module", w.Name)
	}
	return w, nil
}

func foreign(r rune) bool {
	return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// canonical returns a name as the kernel shows it: it takes dashes for underscores.
func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// loaded looks into /sys/module. The kernel has a directory there also for a
// built-in module with parameters; it has no initstate.
func (d *Driver) loaded(name string) (bool, error) {
	dir := path.Join("/sys/module", name)
	fi, err := d.root.Stat(dir)
	switch {
	case rootfs.Absent(err):
		return false, nil
	case err != nil:
		return false, err
	case !fi.IsDir():
		return false, nil
	}
	state, err := d.root.ReadFile(path.Join(dir, "initstate"), smallLimit)
	if rootfs.Absent(err) {
		return true, nil
	}
	return strings.TrimSpace(string(state)) == "live", err
}

// builtin looks into modules.builtin, which lists paths: kernel/net/bridge/br_netfilter.ko.
func (d *Driver) builtin(name string) (bool, error) {
	release, err := d.release()
	if err != nil {
		return false, err
	}
	for _, dir := range moduleDirs() {
		list, err := d.root.ReadFile(path.Join(dir, release, "modules.builtin"), builtinLimit)
		if rootfs.Absent(err) {
			continue
		}
		if err != nil {
			return false, err
		}
		for line := range strings.Lines(string(list)) {
			if canonical(strings.TrimSuffix(path.Base(strings.TrimSpace(line)), ".ko")) == name {
				return true, nil
			}
		}
	}
	return false, nil
}

// release is what uname -r prints; nothing where the kernel does not tell it.
func (d *Driver) release() (string, error) {
	b, err := d.root.ReadFile("/proc/sys/kernel/osrelease", smallLimit)
	if rootfs.Absent(err) {
		return "", nil
	}
	return path.Base(strings.TrimSpace(string(b))), err
}

// Apply implements host.Driver. Errors are of code BinaryMissing or WriteFailed.
func (d *Driver) Apply(ctx context.Context, want host.Resource) error {
	have, err := d.Observe(ctx, want)
	if err != nil || have != nil {
		return err
	}
	name := want.(host.Module).Name // Observe has checked it
	program, err := d.program()
	if err != nil {
		return fmt.Errorf("cannot load kernel module %s: %w", name, err)
	}
	if err := d.modprobe(ctx, program, name); err != nil {
		return err
	}
	have, err = d.Observe(ctx, want)
	if err == nil && have == nil {
		return failed(name, "Name the module itself and not an alias: `modprobe --resolve-alias "+name+"` tells it.",
			errors.New("modprobe is content, but the kernel shows no such module"))
	}
	return err
}

// program returns where modprobe is.
func (d *Driver) program() (string, error) {
	for _, name := range modprobes() {
		fi, err := d.root.Stat(name)
		switch {
		case rootfs.Absent(err):
		case err != nil:
			return "", err
		case fi.Mode().IsRegular() && fi.Mode().Perm()&0o111 != 0:
			// Not where a link leads: that is kmod(8), which goes by the name it is called by.
			return d.root.Path(name)
		}
	}
	return "", fault.New(fault.BinaryMissing, "Install the package kmod, or use a machine image that loads the module itself.",
		errors.New("the machine has no modprobe in /sbin, /usr/sbin or /usr/bin"))
}

// modprobe waits no longer than the bound, also for a process that the kernel does
// not let go: a driver's probe can hang where no signal reaches it.
func (d *Driver) modprobe(ctx context.Context, program, name string) error {
	limited, cancel := context.WithTimeout(ctx, d.bound)
	defer cancel()
	type result struct {
		stderr string
		err    error
	}
	done := make(chan result, 1)
	go func() {
		stderr, err := d.run(limited, program, "--", name)
		done <- result{stderr, err}
	}()
	var r result
	select {
	case r = <-done:
		if r.err == nil {
			return nil
		}
	case <-limited.Done():
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("cannot load kernel module %s: %w", name, context.Cause(ctx))
	case limited.Err() != nil:
		return failed(name, "See the kernel's messages (dmesg) for what the module waits for.", fmt.Errorf("modprobe has not ended after %s", d.bound))
	case r.stderr != "":
		r.err = fmt.Errorf("modprobe: %w: %s", r.err, oneLine(r.stderr))
	default:
		r.err = fmt.Errorf("modprobe: %w", r.err)
	}
	release, err := d.release()
	if err != nil || release == "" {
		release = "that runs"
	}
	return failed(name, "Correct the name or the parameters in spec.kernelModules, or install the package that brings the module for the kernel "+release+"; dmesg may say more.", r.err)
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.TrimSpace(s), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func failed(name, remedy string, cause error) error {
	return fault.New(fault.WriteFailed, remedy, fmt.Errorf("cannot load kernel module %s: %w", name, cause))
}

// Remove implements host.Driver. It leaves the module loaded; see the package.
func (d *Driver) Remove(ctx context.Context, _ host.ID) error { return ctx.Err() }
