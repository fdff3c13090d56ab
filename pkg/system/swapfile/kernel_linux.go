package swapfile

import (
	"errors"
	"math"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kernel is what the driver asks of the kernel.
type Kernel interface {
	// On starts swapping to the file at path, swapon(2).
	On(path string) error
	// Off ends it, swapoff(2). It takes as long as it takes to bring back what is
	// in the file.
	Off(path string) error
	// Filesystem tells what file system an open file is on, by the magic number of
	// statfs(2), and how many bytes are free on it for those who are not root.
	Filesystem(f *os.File) (kind, free int64, err error)
}

// Running is the Kernel of this machine.
type Running struct{}

// On implements Kernel.
func (Running) On(path string) error { return swap(unix.SYS_SWAPON, "swapon", path) }

// Off implements Kernel.
func (Running) Off(path string) error { return swap(unix.SYS_SWAPOFF, "swapoff", path) }

func swap(number uintptr, name, path string) error {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	// The second argument are flags: none, so that the kernel gives it a priority
	// below that of every area before it. swapoff has no second argument.
	if _, _, errno := unix.Syscall(number, uintptr(unsafe.Pointer(p)), 0, 0); errno != 0 {
		return os.NewSyscallError(name, errno)
	}
	return nil
}

// Filesystem implements Kernel.
func (Running) Filesystem(f *os.File) (kind, free int64, err error) {
	var st unix.Statfs_t
	for {
		err = unix.Fstatfs(int(f.Fd()), &st)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return 0, 0, os.NewSyscallError("fstatfs", err)
	}
	free = math.MaxInt64
	if block := uint64(st.Bsize); block > 0 && st.Bavail <= math.MaxInt64/block {
		free = int64(st.Bavail * block)
	}
	return int64(st.Type) & math.MaxUint32, free, nil
}

// The file systems that matter, statfs(2).
const (
	ext4 = unix.EXT4_SUPER_MAGIC
	xfs  = unix.XFS_SUPER_MAGIC
)

// unfit are the file systems that cannot hold a swap file, by their names.
func unfit(kind int64) (name string, yes bool) {
	name, yes = map[int64]string{
		unix.BTRFS_SUPER_MAGIC:     "btrfs",
		unix.OVERLAYFS_SUPER_MAGIC: "overlayfs",
		unix.TMPFS_MAGIC:           "tmpfs",
		unix.RAMFS_MAGIC:           "ramfs",
		unix.NFS_SUPER_MAGIC:       "NFS",
		0x2fc12fc1:                 "ZFS", // OpenZFS, include/sys/fs/zfs.h
	}[kind]
	return name, yes
}
