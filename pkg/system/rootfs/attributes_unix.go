//go:build unix

package rootfs

import (
	"io"
	"io/fs"
	"os"
	"syscall"
)

// dirFS is what os.DirFS promises.
type dirFS interface {
	fs.StatFS
	fs.ReadFileFS
	fs.ReadDirFS
	fs.ReadLinkFS
}

// Attributes returns the root as a file system for probes that read very many
// small files, as sysfs is made of. It is os.DirFS, but for what Open costs: the
// files of package os are made to be waited for, which takes four more system
// calls each, and a machine has hundreds of memory blocks. Unlike Root's other
// methods it follows links out of the root.
func (r Root) Attributes() fs.FS { return attributes{os.DirFS(r.String()).(dirFS), r} }

type attributes struct {
	dirFS
	root Root
}

// Open implements fs.FS.
func (a attributes) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	fd, err := retried(func() (int, error) {
		return syscall.Open(a.root.join(name), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &attribute{fd, name, a}, nil
}

// attribute is an open file, one descriptor and no more.
type attribute struct {
	fd   int
	name string
	of   attributes
}

// Read implements fs.File.
func (f *attribute) Read(b []byte) (int, error) {
	n, err := retried(func() (int, error) { return syscall.Read(f.fd, b) })
	switch {
	case err != nil:
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: err}
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Stat implements fs.File.
func (f *attribute) Stat() (fs.FileInfo, error) { return f.of.Stat(f.name) }

// Close implements fs.File.
func (f *attribute) Close() error { return syscall.Close(f.fd) }

// retried makes a system call again that a signal has interrupted; the runtime
// sends itself some.
func retried(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return n, err
		}
	}
}
