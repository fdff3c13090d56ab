//go:build unix

package console

import "syscall"

// flags open a terminal without making it ours and without waiting for it.
const flags = syscall.O_NOCTTY | syscall.O_NONBLOCK
