package rootfs

import (
	"io/fs"
	"os"
)

// Attributes returns the root as a file system.
func (r Root) Attributes() fs.FS { return os.DirFS(r.String()) }
