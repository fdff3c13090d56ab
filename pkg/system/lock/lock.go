// Package lock sees to it that one agent at a time changes a machine.
package lock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
)

// errHeld is what tryLock returns when another process holds the lock.
var errHeld = errors.New("another process holds it")

// Lock is held until Release, or until the process ends in whatever way: the
// kernel gives it back, so a killed agent never locks out the next one.
type Lock struct{ f *os.File }

// Acquire takes the lock of the run directory, without waiting. Its file is
// dir/lock and holds the process id of who has it. When someone else does, the
// error is of code AlreadyRunning and names that process. The directory is
// made when it is missing.
func Acquire(dir string) (*Lock, error) {
	path := filepath.Join(dir, "lock")
	fail := func(err error) error { return fmt.Errorf("cannot take the lock %s: %w", path, err) }
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.New(fault.WriteFailed, fmt.Sprintf("Make sure that %s is a directory which root can write to.", dir), fail(err))
	}
	f, err := open(path)
	if err == nil {
		err = tryLock(f)
	}
	if errors.Is(err, errHeld) {
		who := holder(path)
		closeQuietly(f)
		return nil, fault.New(fault.AlreadyRunning, "Wait for it to end; `eksnode status` shows what it is doing.",
			fail(fmt.Errorf("%s is at work on this machine", who)))
	}
	if err == nil {
		err = sign(f)
	}
	if err != nil {
		closeQuietly(f)
		return nil, fault.New(fault.WriteFailed, fmt.Sprintf("Make sure that %s is a directory which root can write to.", dir), fail(err))
	}
	return &Lock{f}, nil
}

// Release gives the lock back. The file stays: removing it would let two
// processes lock two files of one name.
func (l *Lock) Release() error {
	if err := l.f.Close(); err != nil {
		return fmt.Errorf("cannot release the lock %s: %w", l.f.Name(), err)
	}
	return nil
}

// sign writes our process id. It is for people: the lock itself is the kernel's.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder names the process that has signed the file.
func holder(path string) string {
	b, err := os.ReadFile(path)
	pid, atoi := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || atoi != nil {
		return "another eksnode"
	}
	return fmt.Sprintf("another eksnode (pid %d)", pid)
}

func closeQuietly(f *os.File) {
	if f != nil {
		_ = f.Close() // another error is being reported
	}
}
