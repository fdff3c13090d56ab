//go:build unix && !linux

package command

import "syscall"

// ended reports whether a process is gone.
func ended(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }
