// Package rootfs reads and names paths under a directory that stands for "/",
// so that drivers and probes work on a temporary tree, or on a machine image
// that is mounted somewhere, as they do on the machine itself. Symbolic links
// lead where they would lead if the directory were "/": never out of it.
//
// It guards against mistakes, not against an adversary who swaps directories
// while it looks: the trees that the agent works in belong to root.
package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/eksnode/eksnode/pkg/fault"
)

// maxLinks is how many symbolic links are followed in one path, as Linux does
// (path_resolution(7)).
const maxLinks = 40

// Root is a directory that stands for "/". The zero value is "/" itself.
type Root struct{ dir string }

// At returns the Root of a directory. At("/") and At("") are the machine's own.
func At(dir string) Root {
	if dir == "" || filepath.Clean(dir) == string(filepath.Separator) {
		return Root{}
	}
	return Root{filepath.Clean(dir)}
}

// String returns the directory.
func (r Root) String() string {
	if r.dir == "" {
		return string(filepath.Separator)
	}
	return r.dir
}

// Path returns where name, an absolute path with slashes, is on this machine.
// Links among its parents are followed inside the root; its last element is
// not, and it need not exist.
func (r Root) Path(name string) (string, error) { return r.resolve(name, false) }

// Target is Path with the last element followed as well.
func (r Root) Target(name string) (string, error) { return r.resolve(name, true) }

func (r Root) resolve(name string, last bool) (string, error) {
	if !path.IsAbs(name) {
		return "", fmt.Errorf("path %q is not absolute", name)
	}
	if r.dir == "" && !last {
		return filepath.FromSlash(path.Clean(name)), nil
	}
	at, rest, links := "/", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		element := rest[0]
		rest = rest[1:]
		next := path.Join(at, element) // folds "", "." and, clamped to the root, ".."
		if element == "" || element == "." || element == ".." || len(rest) == 0 && !last {
			at = next
			continue
		}
		target, err := os.Readlink(r.join(next))
		if err != nil { // no link: a directory, a file, or not there (yet)
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolve", Path: name, Err: syscall.ELOOP}
		}
		target = filepath.ToSlash(target)
		if path.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return r.join(at), nil
}

// followed is name for a system call that follows links itself: on the machine's
// own root the kernel does that, without a call for each element of the path.
func (r Root) followed(name string) (string, error) {
	if r.dir == "" && path.IsAbs(name) {
		return filepath.FromSlash(name), nil
	}
	return r.Target(name)
}

func (r Root) join(name string) string {
	return filepath.Join(r.String(), filepath.FromSlash(name))
}

// Lstat describes what is at name, a link as such.
func (r Root) Lstat(name string) (fs.FileInfo, error) {
	p, err := r.Path(name)
	if err != nil {
		return nil, err
	}
	return os.Lstat(p)
}

// Stat describes what name leads to.
func (r Root) Stat(name string) (fs.FileInfo, error) {
	p, err := r.followed(name)
	if err != nil {
		return nil, err
	}
	return os.Stat(p)
}

// ReadFile returns the content of the regular file that name leads to. One
// longer than limit bytes is an error, as is anything else than a regular
// file: a pipe would hold up the reader for ever.
func (r Root) ReadFile(name string, limit int64) ([]byte, error) {
	p, err := r.followed(name)
	if err != nil {
		return nil, err
	}
	return ReadFile(p, limit)
}

// ReadDir returns what is in the directory that name leads to, sorted by name.
func (r Root) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := r.followed(name)
	if err != nil {
		return nil, err
	}
	return os.ReadDir(p)
}

// ReadFile reads a whole regular file on this machine; see Root.ReadFile.
func ReadFile(p string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(p, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if fi, err := f.Stat(); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", p)
	}
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes", p, limit)
	}
	return content, nil
}

// Absent reports whether err, of a look at a path, says that nothing is there:
// it does not exist, or something above it is no directory.
func Absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// WriteFault gives an error of changing name its code and remedy: DiskFull
// when the file system or a quota is exhausted, else WriteFailed.
func WriteFault(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case full(err):
		return fault.New(fault.DiskFull, fmt.Sprintf("Free space on the file system of %s (see df -h and df -i), then run eksnode init again.", name), err)
	case errors.Is(err, syscall.EROFS):
		return fault.New(fault.WriteFailed, fmt.Sprintf("The file system of %s is read-only: mount it read-write.", name), err)
	case errors.Is(err, syscall.EBUSY):
		return fault.New(fault.WriteFailed, fmt.Sprintf("%s is a mount point: unmount it, or change it where it comes from.", name), err)
	}
	return fault.New(fault.WriteFailed, fmt.Sprintf("Look at %s and the directories above it: permissions, attributes (lsattr), SELinux denials (ausearch -m avc).", name), err)
}
