package rootfs

import (
	"errors"
	"syscall"
)

// nonblock has no meaning on Windows.
const nonblock = 0

// errorDiskFull is ERROR_DISK_FULL of winerror.h.
const errorDiskFull = syscall.Errno(112)

func full(err error) bool { return errors.Is(err, errorDiskFull) }
