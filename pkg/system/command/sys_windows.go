package command

import (
	"os"
	"syscall"
)

// attributes put a program into a process group of its own, so that the agent's
// Ctrl-C does not reach it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// terminate ends a program: Windows asks no console program to end.
func terminate(p *os.Process) error { return p.Kill() }

// kill ends a program. Its children are not reached.
func kill(p *os.Process) error { return p.Kill() }

// alive reports that there are no others: Windows groups no processes like that.
func alive(int) bool { return false }

// killMarked does nothing: Windows does not show the environment of processes.
func killMarked(string) int { return 0 }
