//go:build unix && !linux

package command

import "syscall"

// attributes put a program into a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killMarked does nothing: this system does not show the environment of processes.
func killMarked(string) int { return 0 }

// alive reports whether a process group has a process.
func alive(group int) bool { return syscall.Kill(-group, 0) != syscall.ESRCH }
