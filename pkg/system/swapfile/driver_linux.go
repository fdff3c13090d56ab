package swapfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"syscall"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// swapsLimit bounds /proc/swaps: the kernel has at most 32 areas.
const swapsLimit = 256 << 10

// Driver looks after host.SwapFile.
type Driver struct {
	root   rootfs.Root
	kernel Kernel
	log    *slog.Logger
}

// New returns the driver of swap files under root. kernel is [Running], except in
// tests.
func New(root rootfs.Root, kernel Kernel, log *slog.Logger) *Driver {
	return &Driver{root, kernel, log}
}

// thing is what is at the path of a swap file.
type thing struct {
	// at is the path on this machine.
	at string
	// what says what somebody else has there; empty when it is ours or nothing.
	what string
	// file is nil unless it is ours.
	file *host.SwapFile
}

// Observe implements host.Driver. Something of somebody else's at the path is an
// error for a wish (which has a size), and nothing for a look without one.
func (d *Driver) Observe(ctx context.Context, want host.Resource) (host.Resource, error) {
	w, ok := want.(host.SwapFile)
	if !ok {
		return nil, fmt.Errorf("internal error: the driver of swap files was given %T", want)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := d.look(w.Path)
	switch {
	case err != nil:
		return nil, err
	case t.what != "" && w.Bytes > 0:
		return nil, fault.New(fault.WriteFailed, "Choose another spec.swap.path, or move "+w.Path+" away if nobody needs it.",
			fmt.Errorf("cannot make the swap file %s: %s is there, which eksnode has not made", w.Path, t.what))
	case t.file == nil:
		return nil, nil
	}
	return *t.file, nil
}

func (d *Driver) look(name string) (thing, error) {
	at, err := d.root.Path(name)
	if err != nil {
		return thing{}, err
	}
	t := thing{at: at}
	fi, err := os.Lstat(at)
	switch {
	case rootfs.Absent(err):
		return t, nil
	case err != nil:
		return t, err
	case fi.IsDir():
		t.what = "a directory"
	case !fi.Mode().IsRegular():
		t.what = "a link or device"
	}
	if t.what != "" {
		return t, nil
	}
	head, err := firstBytes(at)
	if err != nil {
		return t, err
	}
	if !ours(head) {
		t.what = "a file"
		return t, nil
	}
	active, err := d.active(fi)
	t.file = &host.SwapFile{Path: name, Bytes: fi.Size(), Active: active}
	return t, err
}

// firstBytes reads what tells whose swap file it is.
func firstBytes(at string) ([]byte, error) {
	f, err := os.OpenFile(at, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, headBytes))
}

// active reports whether the kernel swaps to a file, under whatever path it knows
// it.
func (d *Driver) active(file fs.FileInfo) (bool, error) {
	table, err := d.root.ReadFile("/proc/swaps", swapsLimit)
	if rootfs.Absent(err) {
		return false, nil // a kernel without swap
	}
	if err != nil {
		return false, err
	}
	for _, p := range swapFiles(string(table)) {
		if fi, err := d.root.Stat(p); err == nil && os.SameFile(fi, file) {
			return true, nil
		}
	}
	return false, nil
}

// Apply implements host.Driver. Errors are of code DiskFull, ConfigInvalid or
// WriteFailed.
func (d *Driver) Apply(ctx context.Context, want host.Resource) error {
	have, err := d.Observe(ctx, want)
	if err != nil || host.Satisfies(have, want) {
		return err
	}
	w := want.(host.SwapFile) // Observe has checked it
	h, _ := have.(host.SwapFile)
	if have == nil || h.Bytes != w.Bytes {
		return d.make(ctx, w, h)
	}
	at, err := d.root.Path(w.Path)
	if err != nil {
		return err
	}
	if !w.Active {
		return d.off(ctx, w.Path, at)
	}
	err = d.on(w.Path, at)
	if errors.Is(err, syscall.EINVAL) { // a header for another size of page, or a file with holes
		return d.make(ctx, w, h)
	}
	return err
}

// make makes the file anew, in place of h if that has a path, and swaps to it.
func (d *Driver) make(ctx context.Context, w, h host.SwapFile) error {
	at, err := d.root.Path(w.Path)
	if err != nil {
		return err
	}
	m := maker{Driver: d, ctx: ctx, want: w, old: h, at: at}
	if err := m.fill(); err != nil || !w.Active {
		return err
	}
	err = d.on(w.Path, at)
	if errors.Is(err, syscall.EINVAL) && m.preallocated {
		// Some kernels take blocks that were never written for holes; ext4 of
		// Linux 5.7 is one.
		d.log.Info("the kernel does not swap to preallocated blocks", "path", w.Path)
		m.zeros, m.old = true, host.SwapFile{Path: w.Path, Bytes: w.Bytes}
		if err := m.fill(); err != nil {
			return err
		}
		err = d.on(w.Path, at)
	}
	return err
}

// on swaps to a file. The cause can be asked for with errors.Is.
func (d *Driver) on(name, at string) error {
	err := d.kernel.On(at)
	if err == nil || errors.Is(err, syscall.EBUSY) { // EBUSY: it is in use already
		return nil
	}
	remedy := "See the kernel's messages (dmesg) for why it refuses the file."
	switch {
	case errors.Is(err, syscall.EINVAL):
		remedy = "Choose a spec.swap.path on ext4 or XFS; dmesg says what the kernel does not like."
	case errors.Is(err, syscall.EPERM):
		remedy = "Run it as root on the machine itself: a container may not swap, and there are at most 32 areas."
	case errors.Is(err, syscall.ENOSYS):
		remedy = "This kernel has no swap: leave spec.swap.size out."
	}
	return fault.New(fault.WriteFailed, remedy, fmt.Errorf("cannot swap to %s: %w", name, err))
}

// off ends swapping to a file. When ctx ends first, the kernel goes on with it
// and the next look tells how far it came.
func (d *Driver) off(ctx context.Context, name, at string) error {
	done := make(chan error, 1)
	go func() { done <- d.kernel.Off(at) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		return fmt.Errorf("cannot end swapping to %s: %w", name, context.Cause(ctx))
	}
	if err == nil || errors.Is(err, syscall.EINVAL) { // EINVAL: it is not in use
		return nil
	}
	remedy := "See the kernel's messages (dmesg)."
	if errors.Is(err, syscall.ENOMEM) {
		remedy = "What is swapped out does not fit into memory: drain the node or reboot, then run eksnode init again."
	}
	return fault.New(fault.WriteFailed, remedy, fmt.Errorf("cannot end swapping to %s: %w", name, err))
}

// Remove implements host.Driver. What is not ours stays, and is no error.
func (d *Driver) Remove(ctx context.Context, id host.ID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := d.look(id.Name)
	if err != nil || t.file == nil {
		return err
	}
	if t.file.Active {
		if err := d.off(ctx, id.Name, t.at); err != nil {
			return err
		}
	}
	return rootfs.WriteFault(id.Name, atomicfile.Remove(t.at))
}
