package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

// selinuxLabel is the extended attribute that holds the SELinux context.
const selinuxLabel = "security.selinux"

// labelBytes bounds a context; the kernel limits it to one page.
const labelBytes = 4096

// copyLabel gives the temporary file the SELinux context of the file it is to
// replace, which may have been set by a person. A new file has the context
// that the policy derives from its directory.
func copyLabel(from, to string) error {
	fi, err := os.Lstat(from)
	if err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	label := make([]byte, labelBytes)
	n, err := syscall.Getxattr(from, selinuxLabel, label)
	if err != nil || n == 0 {
		return nil // no SELinux, or no label to keep
	}
	if err := syscall.Setxattr(to, selinuxLabel, label[:n], 0); err != nil && !errors.Is(err, syscall.ENOTSUP) {
		return os.NewSyscallError("setxattr "+selinuxLabel, err)
	}
	return nil
}
