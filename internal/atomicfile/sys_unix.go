//go:build unix

package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

// errLocked is lock's answer when another process, or another open file of
// this one, holds the lock.
const errLocked = syscall.EWOULDBLOCK

// openFilesStay is false: a file that is open can be removed, and only its lock tells
// that its writer lives.
const openFilesStay = false

// lock takes the file's advisory lock without waiting. The kernel gives it
// back when the process dies, which tells a leftover from a write under way.
func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// linked reports whether f still has a name: a sweeper may have taken it
// between its creation and its locking.
func linked(f *os.File) bool {
	fi, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink > 0
}

// openForLock opens without following a link and without waiting for a peer.
func openForLock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

func chown(path string, a Attr) error {
	if a.UID == -1 && a.GID == -1 {
		return nil
	}
	return os.Lchown(path, a.UID, a.GID)
}

// syncDir makes names in dir durable. File systems that cannot sync a
// directory say so with EINVAL or ENOTSUP; nothing can be done about it.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}
