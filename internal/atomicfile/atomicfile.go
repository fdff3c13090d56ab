// Package atomicfile is the one way in which this program changes the file
// system: whoever looks, also after a power cut, sees the old thing or the new
// one, never half of it.
//
// A new thing is made under a temporary name in the same directory, so that
// renaming it never crosses a file system and no other directory (such as a
// /tmp mounted noexec or full) matters. What a killed process leaves behind
// has a recognisable name and is swept by the next write into that directory.
//
// Renaming replaces the inode. It is therefore the wrong way for a file that
// is itself a mount point (as /etc/hosts in a container is): that fails with
// EBUSY and changes nothing.
package atomicfile

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// TempPrefix begins the name of everything that is not finished yet. It begins
// with a dot, and what follows has no extension, so that programs which read
// whole directories (kubelet's drop-ins and static pods, the CNI, systemd,
// sysctl.d) do not take it for theirs.
const TempPrefix = ".eksnode-tmp-"

// tries bounds how often a temporary name is chosen anew after another process
// has swept it in the instant between its creation and its locking.
const tries = 5

// dirMode is that of directories made on the way to a wanted path: anyone may
// pass, whatever the mode of the file in it.
const dirMode fs.FileMode = 0o755

// Attr is what a path gets together with its content.
type Attr struct {
	// Mode holds the permission, setuid, setgid and sticky bits; the umask of
	// the process has no say.
	Mode fs.FileMode
	// UID and GID own the path; -1 leaves the process's own. Not used on Windows.
	UID, GID int
	// Lazy leaves it to the kernel when the content and the name reach stable
	// storage. Whoever looks still sees the old or the new, unless the power
	// fails within seconds: then a file may be empty, and what is new not
	// there. It is for what is compared with its wish at every boot, before
	// anyone reads it.
	Lazy bool
}

// Write makes path a regular file with the given content and attributes. Parent
// directories that are missing are made with mode 0755. A symbolic link at path
// is replaced, never followed. The content and its name are on stable storage
// when Write returns nil, unless the attributes say Lazy.
//
// On an error path is as it was, except when only the last step, syncing the
// directory, failed. The cause can be asked for with errors.Is, ENOSPC among
// others.
func Write(path string, content []byte, a Attr) error {
	dir := filepath.Dir(path)
	if err := prepare(dir, a.Lazy); err != nil {
		return failure("write", path, err)
	}
	f, err := create(dir)
	if err != nil {
		return failure("write", path, err)
	}
	if err := finish(f, path, content, a); err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name()) // the sweep of a later write gets it otherwise
		return failure("write", path, err)
	}
	return failure("write", path, syncNames(dir, a.Lazy))
}

// finish fills the temporary file and gives it its name.
func finish(f *os.File, path string, content []byte, a Attr) error {
	if _, err := f.Write(content); err != nil {
		return err
	}
	// Owner before mode: changing the owner clears setuid and setgid.
	if err := chown(f.Name(), a); err != nil {
		return err
	}
	if err := f.Chmod(a.Mode); err != nil {
		return err
	}
	if err := copyLabel(path, f.Name()); err != nil {
		return err
	}
	if !a.Lazy {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if runtime.GOOS == "windows" { // which cannot rename an open file
		if err := f.Close(); err != nil {
			return err
		}
		return os.Rename(f.Name(), path)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	// Only now: closing gives up the lock that keeps a sweeper away. The data
	// is written, so an error of Close has nothing left to tell.
	_ = f.Close()
	return nil
}

// Symlink makes path a symbolic link to target, in place of a file or link
// that may be there; a directory is not replaced. Parents and lazy as in Write.
func Symlink(path, target string, lazy bool) error {
	return replace("link", path, lazy, func(temp string) error { return os.Symlink(target, temp) })
}

// Mkdir makes path a new directory, with its attributes from the first instant
// at which it can be seen. When something is there already, the error is
// fs.ErrExist. Parents as in Write.
func Mkdir(path string, a Attr) error {
	if _, err := os.Lstat(path); err == nil {
		return failure("make directory", path, fs.ErrExist)
	}
	return replace("make directory", path, a.Lazy, func(temp string) error {
		if err := os.Mkdir(temp, 0o700); err != nil {
			return err
		}
		if err := chown(temp, a); err != nil {
			return err
		}
		return os.Chmod(temp, a.Mode)
	})
}

// replace lets build make something under a temporary name and moves it to
// path. Links and directories cannot be locked against a sweeper in another
// process, so a name that vanished is tried anew.
func replace(verb, path string, lazy bool, build func(temp string) error) error {
	dir := filepath.Dir(path)
	if err := prepare(dir, lazy); err != nil {
		return failure(verb, path, err)
	}
	var err error
	for range tries {
		temp := tempName(dir)
		if err = build(temp); err == nil {
			err = os.Rename(temp, path)
		}
		if err == nil {
			return failure(verb, path, syncNames(dir, lazy))
		}
		_ = os.Remove(temp)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return failure(verb, path, err)
}

// Remove unlinks the file, link or empty directory at path and syncs its
// parent. That it is absent is success. Leftovers of killed writes beside it
// are swept.
func Remove(path string) error {
	dir := filepath.Dir(path)
	if err := os.Remove(path); err != nil {
		// A parent that is a file has no children either.
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil
		}
		return failure("remove", path, err)
	}
	sweep(dir)
	return failure("remove", path, syncDir(dir))
}

// syncNames makes the names in a directory durable, unless that is left to the kernel.
func syncNames(dir string, lazy bool) error {
	if lazy {
		return nil
	}
	return syncDir(dir)
}

// prepare makes dir and its missing parents, each durable unless lazy, and
// sweeps it.
func prepare(dir string, lazy bool) error {
	fi, err := os.Stat(dir)
	switch {
	case err == nil && fi.IsDir():
		sweep(dir)
		return nil
	case err == nil:
		return fmt.Errorf("%s: %w", dir, syscall.ENOTDIR)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return err
	}
	if err := prepare(parent, lazy); err != nil {
		return err
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(dir, dirMode); err != nil { // the umask may have narrowed it
		return err
	}
	return syncNames(parent, lazy)
}

// create makes a new temporary file in dir, locked for as long as it is open
// so that no sweeper takes it for a leftover.
func create(dir string) (*os.File, error) {
	for range tries {
		f, err := os.OpenFile(tempName(dir), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		// A file system without locks is one where nothing is swept.
		if !errors.Is(lock(f), errLocked) && linked(f) {
			return f, nil
		}
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	return nil, errors.New("another process keeps removing the temporary file")
}

func tempName(dir string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: documented by crypto/rand
	return filepath.Join(dir, TempPrefix+hex.EncodeToString(b[:]))
}

// sweep removes from dir what killed processes have left. It does its best and
// reports nothing: a leftover is ugly, not wrong.
func sweep(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	names, _ := d.Readdirnames(-1)
	_ = d.Close()
	for _, name := range names {
		if strings.HasPrefix(name, TempPrefix) {
			sweepOne(filepath.Join(dir, name))
		}
	}
}

func sweepOne(path string) {
	fi, err := os.Lstat(path)
	if err != nil {
		return
	}
	if fi.Mode().IsRegular() && !openFilesStay {
		f, err := openForLock(path)
		if err != nil {
			return
		}
		defer func() { _ = f.Close() }()
		if lock(f) != nil {
			return // its writer lives
		}
	}
	_ = os.Remove(path)
}

// failure says what could not be done to path. It hides the temporary name,
// which means nothing to a reader, and keeps the cause for errors.Is.
func failure(verb, path string, err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		if strings.Contains(pe.Path, TempPrefix) || pe.Path == path {
			err = pe.Err
		}
	case errors.As(err, &le):
		err = le.Err
	}
	return fmt.Errorf("cannot %s %s: %w", verb, path, err)
}
