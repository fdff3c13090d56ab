package swapfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// stride is how much is written before the context is asked.
const stride = 4 << 20

// maker makes one swap file.
type maker struct {
	*Driver
	ctx  context.Context
	want host.SwapFile
	// old is what it takes the place of; without a path there is nothing.
	old host.SwapFile
	at  string
	// zeros writes the blocks, whatever the file system; preallocated says that
	// this was not done.
	zeros, preallocated bool
}

// fill makes the file, not in use. The old one is whole and in use until the new
// one is whole, unless there is no room for both.
func (m *maker) fill() error {
	page, err := header(os.Getpagesize(), m.want.Bytes)
	if err != nil {
		return fault.New(fault.ConfigInvalid, "Correct spec.swap.size.", fmt.Errorf("cannot make the swap file %s: %w", m.want.Path, err))
	}
	err = atomicfile.Fill(m.at, atomicfile.Attr{Mode: 0o600, UID: -1, GID: -1}, func(f *os.File) error {
		if err := m.room(f); err != nil {
			return err
		}
		if err := m.allocate(f); err != nil {
			return err
		}
		if _, err := f.WriteAt(page, 0); err != nil {
			return err
		}
		// The kernel lets nobody rename anything over a file that it swaps to.
		return m.retire(false)
	})
	if _, ok := fault.Find(err); ok || m.ctx.Err() != nil {
		return err
	}
	return rootfs.WriteFault(m.want.Path, err)
}

// room sees that the file system can hold the file, and whether it can hold both.
func (m *maker) room(f *os.File) error {
	kind, free, err := m.kernel.Filesystem(f)
	if err != nil {
		return err
	}
	if name, yes := unfit(kind); yes {
		return fault.New(fault.ConfigInvalid, "Choose a spec.swap.path on ext4 or XFS, or leave spec.swap.size out and use a swap partition.",
			fmt.Errorf("the file system there is %s, which cannot hold a swap file", name))
	}
	m.preallocated = !m.zeros && (kind == ext4 || kind == xfs)
	if free >= m.want.Bytes {
		return nil
	}
	if m.old.Path != "" && free >= m.want.Bytes-m.old.Bytes {
		return m.retire(true)
	}
	return fault.New(fault.DiskFull, "Ask for less in spec.swap.size, choose a spec.swap.path on a larger file system, or give the volume more room.",
		fmt.Errorf("%d MiB are wanted and %d MiB are free: %w", m.want.Bytes>>20, free>>20, syscall.ENOSPC))
}

// retire ends swapping to the old file, once, and may remove it.
func (m *maker) retire(remove bool) error {
	if m.old.Path == "" {
		return nil
	}
	if m.old.Active {
		if err := m.off(m.ctx, m.old.Path, m.at); err != nil {
			return err
		}
		m.old.Active = false
	}
	if !remove {
		return nil
	}
	m.old.Path = ""
	return os.Remove(m.at)
}

// allocate gives the file all of its blocks.
func (m *maker) allocate(f *os.File) error {
	if m.preallocated {
		err := ignoringInterrupts(func() error { return unix.Fallocate(int(f.Fd()), 0, 0, m.want.Bytes) })
		if !errors.Is(err, syscall.EOPNOTSUPP) { // ext2 and ext3 have the magic number of ext4
			return os.NewSyscallError("fallocate", err)
		}
		m.preallocated = false
	}
	m.log.Info("writing a swap file", "path", m.want.Path, "bytes", m.want.Bytes)
	zeros := make([]byte, stride)
	for left := m.want.Bytes; left > 0; {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		n, err := f.Write(zeros[:min(left, stride)])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

func ignoringInterrupts(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
