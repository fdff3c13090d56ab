// Package image is the driver of container images in containerd's store, in
// the namespace of Kubernetes. It speaks containerd's own interface and not
// the CRI's, so that it can import an archive, name an image and pin it.
//
// An image is there when a record of its name exists whose content for this
// platform is complete, or already unpacked (containerd can be set to discard
// layers after that). The record is the last thing to be made: a crash before
// it leaves content without a name, which containerd collects.
//
// It works with containerd 1.7 and 2.x: all it uses is of containerd 1.0
// (images, content, leases, snapshots, diff), and layers are fetched by the
// client, not by the newer transfer service.
package image

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

// The labels of an image record. The first two are containerd's (its
// documentation, docs/cri/crictl.md and internal/cri/labels): a pinned image is
// spared by kubelet's garbage collection, and a managed one is the CRI's to
// show. The others are ours: on records that this driver has made, and the name
// for whose sake it has.
const (
	labelPinned  = "io.cri-containerd.pinned"
	pinned       = "pinned"
	labelCRI     = "io.cri-containerd.image"
	managedByCRI = "managed"
	labelOurs    = "eksnode.dev/managed"
	labelFor     = "eksnode.dev/for"
)

// Options tell the driver where things are. Ready, Bound, Snapshotter and Log
// have defaults.
type Options struct {
	// Socket is containerd's.
	Socket string
	// Snapshotter is where images are unpacked to that name none: the one that the
	// CRI uses; overlayfs by default, as with containerd on Linux.
	Snapshotter string
	// HostDirs are containerd's registry configuration folders (certs.d), of
	// which the first that knows a host is used, as the CRI does.
	HostDirs []string
	// Credentials returns what a host wants to have that an image is pulled from:
	// its registry, or a mirror in place of that. It is called only when the host
	// asks; nil, or empty answers, mean anonymous.
	Credentials func(ctx context.Context, ref, host string) (user, password string, err error)
	// Proxy chooses the proxy of a request to a registry; nil takes HTTPS_PROXY,
	// HTTP_PROXY and NO_PROXY from the environment.
	Proxy func(*http.Request) (*url.URL, error)
	// Ready is how long containerd may take to answer, 30 s by default. It
	// binds its socket first and reads its whole store after that.
	Ready time.Duration
	// Bound is how long Apply may take in all, 5 minutes by default: an image
	// of a few hundred MiB over a slow line.
	Bound time.Duration
	// Log gets what is waited for and why; nothing is logged by default.
	Log *slog.Logger
}

// Driver looks after host.Image. It holds no connection between calls.
type Driver struct {
	Options
	// connect returns the store that unpacks with a snapshotter; errUnreachable
	// when nobody listens.
	connect func(ctx context.Context, snapshotter string) (store, error)
}

// New returns the driver. It touches nothing yet.
func New(o Options) *Driver {
	if o.Snapshotter == "" {
		o.Snapshotter = "overlayfs"
	}
	if o.Ready == 0 {
		o.Ready = 30 * time.Second
	}
	if o.Bound == 0 {
		o.Bound = 5 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Driver{Options: o}
	d.connect = func(ctx context.Context, snapshotter string) (store, error) {
		o := d.Options
		o.Snapshotter = cmp.Or(snapshotter, o.Snapshotter)
		return dial(ctx, o)
	}
	return d
}

// errUnreachable is that nobody listens on containerd's socket.
var errUnreachable = errors.New("containerd does not run")

// record is an image as the store has it.
type record struct {
	ref    string
	target target
	labels map[string]string
	// usable says that a container can be made of it, on this platform.
	usable bool
}

// store is what the driver needs of containerd.
type store interface {
	// Get returns the record of a name, nil when there is none.
	Get(ctx context.Context, ref string) (*record, error)
	// Made returns the records that this driver has made for the sake of a name.
	Made(ctx context.Context, ref string) ([]record, error)
	// Name makes or changes the record of a name. A label with an empty value
	// is taken away; other labels stay.
	Name(ctx context.Context, ref string, t target, labels map[string]string) error
	// Import takes the content of an archive in, unpacks it and calls then
	// with the image in it before the content can be collected.
	Import(ctx context.Context, archive io.Reader, ref string, then func(context.Context, target) error) error
	// Pull fetches and unpacks an image under its own name.
	Pull(ctx context.Context, source string, labels map[string]string) (target, error)
	// Unpack makes what containers are made of; what is unpacked stays.
	Unpack(ctx context.Context, ref string) error
	// Delete removes the record of a name. That it is absent is success.
	Delete(ctx context.Context, ref string) error
	Close() error
}

func image(r host.Resource) (host.Image, error) {
	i, ok := r.(host.Image)
	if !ok {
		return i, fmt.Errorf("internal error: the image driver was given %T", r)
	}
	return i, nil
}

// Observe implements host.Driver. While containerd does not run, every image
// is absent: Apply makes sure of it once containerd does.
func (d *Driver) Observe(ctx context.Context, want host.Resource) (host.Resource, error) {
	w, err := image(want)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.Ready)
	defer cancel()
	s, err := d.connect(ctx, w.Snapshotter)
	if errors.Is(err, errUnreachable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.close(s)
	r, err := s.Get(ctx, w.Ref)
	if errors.Is(err, errUnreachable) { // it is just going away
		return nil, nil
	}
	if err != nil || r == nil || !r.usable {
		return nil, err
	}
	return host.Image{Ref: w.Ref, Pinned: r.labels[labelPinned] == pinned}, nil
}

func (d *Driver) close(s store) {
	if err := s.Close(); err != nil {
		d.Log.Warn("cannot close the connection to containerd", "error", err)
	}
}

// Apply implements host.Driver. It waits for containerd, then takes the first
// way that works: the image is there, or it is there under the name of its
// Source, or it is in the Archive, or it can be pulled from Source. The error
// is of code ImageUnavailable and tells what became of each way; DiskFull when
// that was the reason.
func (d *Driver) Apply(ctx context.Context, want host.Resource) error {
	w, err := image(want)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, d.Bound)
	defer cancel()
	s, err := d.wait(bounded, w.Snapshotter)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.New(fault.ImageUnavailable, "See why containerd does not answer: journalctl -u containerd.",
			fmt.Errorf("cannot make sure of image %s: %w", w.Ref, err))
	}
	defer d.close(s)
	err = d.apply(bounded, s, w)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// wait connects as soon as containerd listens.
func (d *Driver) wait(ctx context.Context, snapshotter string) (store, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Ready)
	defer cancel()
	logged := false
	for {
		s, err := d.connect(ctx, snapshotter)
		if !errors.Is(err, errUnreachable) {
			return s, err
		}
		if !logged {
			d.Log.InfoContext(ctx, "waiting for containerd", "socket", d.Socket, "bound", d.Ready, "reason", err)
			logged = true
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("after %v: %w", d.Ready, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *Driver) apply(ctx context.Context, s store, w host.Image) error {
	have, err := s.Get(ctx, w.Ref)
	if err != nil {
		return fmt.Errorf("cannot look at image %s: %w", w.Ref, err)
	}
	labels := map[string]string{labelCRI: managedByCRI, labelPinned: ""}
	if w.Pinned {
		labels[labelPinned] = pinned
	}
	if have != nil && have.usable {
		if have.labels[labelPinned] == labels[labelPinned] {
			return nil
		}
		return s.Name(ctx, w.Ref, have.target, labels)
	}
	labels[labelOurs], labels[labelFor] = "true", w.Ref
	name := func(ctx context.Context, t target) error { return s.Name(ctx, w.Ref, t, labels) }

	var tried []error
	for _, way := range []func(context.Context, store, host.Image, func(context.Context, target) error) error{d.fromSource, d.fromArchive, d.fromRegistry} {
		err := way(ctx, s, w, name)
		if err == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			tried = append(tried, fmt.Errorf("gave up after %v", d.Bound))
			break
		}
		if !errors.Is(err, errNotThere) {
			d.Log.WarnContext(ctx, "image not to be had this way", "image", w.Ref, "error", err)
			tried = append(tried, err)
		}
	}
	return unavailable(w, errors.Join(tried...))
}

// errNotThere is that a way does not exist at all, which needs no mention.
var errNotThere = errors.New("not there")

// unavailable gives the causes their code and the remedy that fits best.
func unavailable(w host.Image, cause error) error {
	err := fmt.Errorf("cannot get image %s: %w", w.Ref, cause)
	// containerd's errors arrive as text.
	if strings.Contains(err.Error(), "no space left on device") {
		return fault.New(fault.DiskFull, "Free space on the file system of /var/lib/containerd, then run eksnode init again.", err)
	}
	if f, ok := fault.Find(cause); ok && f.Remedy != "" {
		return fault.New(fault.ImageUnavailable, f.Remedy, err)
	}
	remedy := "Bake the image into the machine image"
	if w.Archive != "" {
		remedy += fmt.Sprintf(", or put an archive of it at %s", w.Archive)
	}
	if w.Source != "" {
		remedy += fmt.Sprintf(", or open the way to %s", w.Source)
	}
	return fault.New(fault.ImageUnavailable, remedy+".", err)
}

// fromSource gives a second name to what is there under Source's.
func (d *Driver) fromSource(ctx context.Context, s store, w host.Image, name func(context.Context, target) error) error {
	if w.Source == "" {
		return errNotThere
	}
	r, err := s.Get(ctx, w.Source)
	if err != nil {
		return fmt.Errorf("cannot look at image %s: %w", w.Source, err)
	}
	if r == nil || !r.usable {
		return errNotThere
	}
	if err := s.Unpack(ctx, w.Source); err != nil {
		return fmt.Errorf("unpacking %s: %w", w.Source, err)
	}
	return name(ctx, r.target)
}

// fromArchive imports the archive, which may be compressed by gzip.
func (d *Driver) fromArchive(ctx context.Context, s store, w host.Image, name func(context.Context, target) error) error {
	if w.Archive == "" {
		return errNotThere
	}
	f, err := os.Open(w.Archive)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no archive %s", w.Archive)
	}
	if err != nil {
		return fmt.Errorf("cannot read the archive: %w", err)
	}
	defer func() { _ = f.Close() }()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return fmt.Errorf("the archive %s is no file", w.Archive)
	}
	var r io.Reader = f
	if unzipped, err := gzip.NewReader(f); err == nil {
		r = unzipped
	} else if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("cannot read the archive: %w", err)
	}
	d.Log.InfoContext(ctx, "importing image", "image", w.Ref, "archive", w.Archive)
	if err := s.Import(ctx, r, w.Ref, name); err != nil {
		return fmt.Errorf("importing the archive %s: %w", w.Archive, err)
	}
	return nil
}

// pullTries bounds how often a pull is tried when what failed may pass: a
// young instance's network and DNS come up while it boots.
const pullTries = 3

func (d *Driver) fromRegistry(ctx context.Context, s store, w host.Image, name func(context.Context, target) error) error {
	if w.Source == "" {
		return errors.New("no registry reference to pull it from is known")
	}
	labels := map[string]string{labelCRI: managedByCRI, labelOurs: "true", labelFor: w.Ref}
	for try := 1; ; try++ {
		d.Log.InfoContext(ctx, "pulling image", "image", w.Ref, "source", w.Source, "try", try)
		t, err := s.Pull(ctx, w.Source, labels)
		if err == nil {
			return name(ctx, t)
		}
		err = fmt.Errorf("pulling %s: %w", w.Source, err)
		if try == pullTries || permanent(err) {
			return err
		}
		d.Log.WarnContext(ctx, "will try again", "in", time.Duration(try)*time.Second, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(try) * time.Second):
		}
	}
}

// Remove implements host.Driver. It takes away only what the driver itself has
// made: the record of that name, and the one under which it was pulled. While
// containerd does not run, there is nothing to take away, as Observe has it.
func (d *Driver) Remove(ctx context.Context, id host.ID) error {
	ctx, cancel := context.WithTimeout(ctx, d.Ready)
	defer cancel()
	s, err := d.connect(ctx, "")
	if errors.Is(err, errUnreachable) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.close(s)
	made, err := s.Made(ctx, id.Name)
	if err != nil {
		return fmt.Errorf("cannot look for image %s: %w", id.Name, err)
	}
	for _, r := range made {
		if err := s.Delete(ctx, r.ref); err != nil {
			return fmt.Errorf("cannot remove image %s: %w", r.ref, err)
		}
	}
	return nil
}
