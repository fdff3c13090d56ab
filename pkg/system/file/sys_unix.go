//go:build unix

package file

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/eksnode/eksnode/pkg/host"
)

// owner returns who owns what was found.
func owner(fi fs.FileInfo, _ host.Resource) (uid, gid int) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, -1
	}
	return int(st.Uid), int(st.Gid)
}

func chown(path string, uid, gid int) error { return os.Chown(path, uid, gid) }

// inUse reports whether err says that a directory is not empty; POSIX allows
// either number.
func inUse(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST)
}
