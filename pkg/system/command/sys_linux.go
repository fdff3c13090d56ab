package command

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// attributes put a program into a process group of its own, and let it die with the
// agent. Its children do not get that signal; killMarked finds them.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killMarked kills all processes with a mark in their environment, also those that
// have left the group of the program, and returns how many. It is for a run of which
// nothing else is known any more; a process that has taken another environment, or
// has overwritten its own, is not found.
func killMarked(mark string) (n int) {
	if mark == "" {
		return 0
	}
	variable := []byte(markVariable + "=" + mark)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// A handle first, so that what is killed is what was looked at, and not
		// another process that has got its number.
		p, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err == nil && contains(env, variable) && p.Kill() == nil {
			n++
		}
		_ = p.Release()
	}
	return n
}

// alive reports whether a process group has a process that still runs. The dead ones
// that nobody has waited for do not count: where process 1 is no init, they stay.
func alive(group int) bool {
	if syscall.Kill(-group, 0) == syscall.ESRCH {
		return false
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return true
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // gone meanwhile
		}
		if state, of := stat(b); of == group && state != "Z" && state != "X" {
			return true
		}
	}
	return false
}

// stat returns a process's state and its group from the text of /proc/PID/stat,
// proc(5): number, name in brackets, which may hold anything, state, parent, group.
func stat(b []byte) (state string, group int) {
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 3 {
		return "", 0
	}
	group, _ = strconv.Atoi(fields[2]) // 0 is no group of ours
	return fields[0], group
}

// contains reports whether an environment, as proc(5) shows it, has a variable.
func contains(env, variable []byte) bool {
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(v, variable) {
			return true
		}
	}
	return false
}
