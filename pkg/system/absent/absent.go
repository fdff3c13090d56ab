// Package absent is the driver of files that are not to be there: what a service
// wrote, and would not start with any more.
package absent

import (
	"context"
	"fmt"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// Limit bounds the size in bytes of a file that is looked into. kubelet's state of
// its managers has a line for each container; a megabyte would be thousands.
const Limit = 8 << 20

// Driver looks after host.Absent.
type Driver struct{ root rootfs.Root }

// New returns the driver of the files under root.
func New(root rootfs.Root) *Driver { return &Driver{root} }

// Observe implements host.Driver. It returns the wish when no file has the content
// that it names, and nil while one does. A wish without a digest asks for nothing,
// and there is nothing to see for it.
func (d *Driver) Observe(ctx context.Context, want host.Resource) (host.Resource, error) {
	w, err := check(ctx, want)
	if err != nil || w.Digest == "" {
		return nil, err
	}
	there, err := d.there(w)
	if err != nil || there {
		return nil, err
	}
	w.Because = ""
	return w, nil
}

// Apply implements host.Driver: it deletes the file if it still has the content. One
// with another content stays.
func (d *Driver) Apply(ctx context.Context, want host.Resource) error {
	w, err := check(ctx, want)
	if err != nil || w.Digest == "" {
		return err
	}
	there, err := d.there(w)
	if err != nil || !there {
		return err
	}
	p, err := d.root.Path(w.Path)
	if err != nil {
		return err
	}
	return atomicfile.Remove(p)
}

// Remove implements host.Driver. What was deleted does not come back: there is
// nothing to do.
func (d *Driver) Remove(ctx context.Context, _ host.ID) error { return ctx.Err() }

func check(ctx context.Context, want host.Resource) (host.Absent, error) {
	w, ok := want.(host.Absent)
	if !ok {
		return w, fmt.Errorf("internal error: the driver of absent files was given %T", want)
	}
	return w, ctx.Err()
}

// there reports whether the file is there with the content of the wish.
func (d *Driver) there(w host.Absent) (bool, error) {
	content, err := d.root.ReadFile(w.Path, Limit)
	if rootfs.Absent(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot read %s: %w", w.Path, err)
	}
	return host.ContentDigest(content) == w.Digest, nil
}
