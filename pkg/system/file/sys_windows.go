package file

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/eksnode/eksnode/pkg/host"
)

// errorDirNotEmpty is ERROR_DIR_NOT_EMPTY of winerror.h.
const errorDirNotEmpty = syscall.Errno(145)

// owner repeats the wish: owners on Windows are no numbers, and files take
// theirs from the directory.
func owner(_ fs.FileInfo, want host.Resource) (uid, gid int) {
	switch w := want.(type) {
	case host.File:
		return w.UID, w.GID
	case host.Dir:
		return w.UID, w.GID
	}
	return -1, -1
}

func chown(string, int, int) error { return nil }

func inUse(err error) bool { return errors.Is(err, errorDirNotEmpty) }
