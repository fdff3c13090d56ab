// Package file is the driver of files, directories and symbolic links.
//
// What it may do to a path depends on what is there. A file and a link give
// way to each other, because either can be recorded whole and put back. A
// directory never gives way to anything, and nothing gives way to a directory:
// that is for a person to decide, and the error says so.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// contentLimit bounds how much of a file is read. What stands where the agent
// writes is a configuration file; the largest known, a container runtime's
// configuration with all defaults, has some 20 KiB.
const contentLimit = 8 << 20

// modeBits are the bits of a mode that a wish can have: its kind says the type,
// and fs.FileMode has names of its own for what is 07000 in octal notation.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// Driver looks after host.File, host.Dir and host.Link; it is to be registered
// for all three kinds, because what stood at a path before may be of another
// kind than what is wanted there.
type Driver struct{ root rootfs.Root }

// New returns the driver of the file system under root.
func New(root rootfs.Root) *Driver { return &Driver{root} }

// Observe implements host.Driver. Where something of another kind is at the
// path, that is what it returns: a host.Dir for a wanted file, a host.Link. A
// symbolic link that leads to a directory counts as that directory for a
// wanted host.Dir, since people move state to other disks in this way. A
// device, socket or pipe is an error, as is a file above 8 MiB.
func (d *Driver) Observe(ctx context.Context, want host.Resource) (host.Resource, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name := want.ID().Name
	p, err := d.root.Path(name)
	if err != nil {
		return nil, err
	}
	if _, ok := want.(host.Dir); ok {
		if fi, err := d.root.Stat(name); err == nil && fi.IsDir() {
			return dir(name, fi, want), nil
		}
	}
	fi, err := os.Lstat(p)
	switch {
	case rootfs.Absent(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	switch fi.Mode().Type() {
	case 0:
		return d.observeFile(name, p, want)
	case fs.ModeSymlink:
		target, err := os.Readlink(p)
		if err != nil {
			return nil, err
		}
		return host.Link{Path: name, Target: target}, nil
	case fs.ModeDir:
		return dir(name, fi, want), nil
	}
	return nil, fault.New(fault.WriteFailed, fmt.Sprintf("Find out what made %s and remove it.", name),
		fmt.Errorf("%s is neither file, link nor directory (%s)", name, fi.Mode().Type()))
}

func dir(name string, fi fs.FileInfo, want host.Resource) host.Dir {
	uid, gid := owner(fi, want)
	return host.Dir{Path: name, Mode: fi.Mode() & modeBits, UID: uid, GID: gid}
}

func (d *Driver) observeFile(name, p string, want host.Resource) (host.Resource, error) {
	content, err := rootfs.ReadFile(p, contentLimit)
	if err != nil {
		return nil, err
	}
	fi, err := os.Lstat(p)
	if err != nil {
		return nil, err
	}
	uid, gid := owner(fi, want)
	w, _ := want.(host.File)
	if len(content) == 0 {
		content = w.Content[:0] // nil stays nil: they differ as JSON
	}
	return host.File{Path: name, Content: content, Mode: fi.Mode() & modeBits, UID: uid, GID: gid, Secret: w.Secret}, nil
}

// Apply implements host.Driver. Missing parents are made with mode 0755. It
// writes nothing when what is there satisfies the wish. Errors are of code
// DiskFull or WriteFailed.
func (d *Driver) Apply(ctx context.Context, want host.Resource) error {
	if err := check(want); err != nil {
		return err
	}
	have, err := d.Observe(ctx, want)
	if err != nil || host.Satisfies(have, want) {
		return err
	}
	name := want.ID().Name
	p, err := d.root.Path(name)
	if err != nil {
		return err
	}
	if _, ok := have.(host.Dir); ok {
		if w, ok := want.(host.Dir); ok {
			return d.adjust(w)
		}
		return inTheWay(want, "a directory")
	}
	// Lazy: at every boot the agent compares what is there with what is wanted
	// before it starts a service that reads it, so what a power cut has emptied or
	// taken away is mended. Syncing each of twenty files would cost more than all
	// the rest of a boot's decisions.
	const lazy = true
	switch w := want.(type) {
	case host.File:
		err = atomicfile.Write(p, w.Content, atomicfile.Attr{Mode: w.Mode, UID: w.UID, GID: w.GID, Lazy: lazy})
	case host.Link:
		err = atomicfile.Symlink(p, w.Target, lazy)
	case host.Dir:
		switch have.(type) {
		case host.File:
			return inTheWay(want, "a file")
		case host.Link:
			return inTheWay(want, "a symbolic link that leads to no directory")
		}
		err = atomicfile.Mkdir(p, atomicfile.Attr{Mode: w.Mode, UID: w.UID, GID: w.GID, Lazy: lazy})
	}
	return rootfs.WriteFault(name, err)
}

// check refuses wishes that could never be satisfied: they are bugs.
func check(want host.Resource) error {
	var mode fs.FileMode
	switch w := want.(type) {
	case host.File:
		mode = w.Mode
	case host.Dir:
		mode = w.Mode
	case host.Link:
	default:
		return fmt.Errorf("internal error: the file driver was given %T", want)
	}
	if mode&^modeBits != 0 {
		return fmt.Errorf("internal error: %s is wanted with mode %#o, which has bits beyond fs.ModePerm and fs.ModeSetuid, fs.ModeSetgid, fs.ModeSticky", want.ID(), uint32(mode))
	}
	return nil
}

// adjust gives an existing directory its owner and mode. These are two system
// calls; each makes one attribute what is wanted, and the owner comes first so
// that no one is let in before the directory is theirs.
func (d *Driver) adjust(w host.Dir) error {
	p, err := d.root.Target(w.Path)
	if err != nil {
		return err
	}
	err = chown(p, w.UID, w.GID)
	if err == nil {
		err = os.Chmod(p, w.Mode)
	}
	if err != nil {
		err = fmt.Errorf("cannot set owner and mode of %s: %w", w.Path, errors.Unwrap(err))
	}
	return rootfs.WriteFault(w.Path, err)
}

func inTheWay(want host.Resource, what string) error {
	id := want.ID()
	return fault.New(fault.WriteFailed, fmt.Sprintf("Move %s away if it is not needed, then run eksnode init again.", id.Name),
		fmt.Errorf("cannot put a %s at %s: %s is there", id.Kind, id.Name, what))
}

// Remove implements host.Driver. Only what ID's kind says is removed: a
// directory that took the place of a file stays, and so does a file where a
// link was. A directory goes only when it is empty and no mount point. What is
// left in these ways is no error: it is not ours.
func (d *Driver) Remove(ctx context.Context, id host.ID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := d.root.Path(id.Name)
	if err != nil {
		return err
	}
	fi, err := os.Lstat(p)
	switch {
	case rootfs.Absent(err):
		return nil
	case err != nil:
		return err
	}
	types := map[host.Kind]fs.FileMode{host.KindFile: 0, host.KindLink: fs.ModeSymlink, host.KindDir: fs.ModeDir}
	if t, ok := types[id.Kind]; !ok || t != fi.Mode().Type() {
		return nil
	}
	err = atomicfile.Remove(p)
	if id.Kind == host.KindDir && (inUse(err) || errors.Is(err, syscall.EBUSY)) {
		return nil
	}
	return rootfs.WriteFault(id.Name, err)
}
