package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"syscall"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// namespace is where kubelet's images are (containerd/internal/cri/constants).
const namespace = "k8s.io"

// target is what a name stands for: an index or a manifest.
type target = ocispec.Descriptor

// containerd is the store of a real containerd.
type containerd struct {
	Options
	client   *client.Client
	platform platforms.MatchComparer
}

// dial connects to containerd and waits until it serves. While it listens and
// does not serve yet, that is until the context ends.
func dial(ctx context.Context, o Options) (store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// The library retries in ever longer steps while nobody listens, and does
	// not tell; so ask the socket first.
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", o.Socket)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	case err != nil:
		return nil, err
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	c, err := client.New(o.Socket, client.WithDefaultNamespace(namespace))
	if err != nil {
		return nil, err
	}
	s := &containerd{o, c, platforms.Default()}
	if _, err := c.Version(ctx); err != nil {
		err = errors.Join(explain(ctx, err), c.Close())
		return nil, fmt.Errorf("containerd does not answer on %s: %w", o.Socket, err)
	}
	return s, nil
}

// explain gives errors that came over the wire the identity which callers ask
// for.
func explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errdefs.IsUnavailable(err):
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	return err
}

// Close implements store.
func (s *containerd) Close() error { return s.client.Close() }

// Get implements store.
func (s *containerd) Get(ctx context.Context, ref string) (*record, error) {
	img, err := s.client.ImageService().Get(ctx, ref)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(ctx, err)
	}
	usable, err := s.usable(ctx, img)
	if err != nil {
		return nil, explain(ctx, err)
	}
	return &record{ref: ref, target: img.Target, labels: img.Labels, usable: usable}, nil
}

// usable reports whether all content is there for this platform, or all of it
// has been unpacked.
func (s *containerd) usable(ctx context.Context, img images.Image) (bool, error) {
	available, _, _, missing, err := images.Check(ctx, s.client.ContentStore(), img.Target, s.platform)
	switch {
	case errdefs.IsNotFound(err): // nothing for this platform
		return false, nil
	case err != nil:
		return false, err
	case !available:
		return false, nil
	case len(missing) == 0:
		return true, nil
	}
	unpacked, err := s.image(img).IsUnpacked(ctx, s.Snapshotter)
	if errdefs.IsNotFound(err) { // even its configuration is missing
		return false, nil
	}
	return unpacked, err
}

func (s *containerd) image(img images.Image) client.Image {
	return client.NewImageWithPlatform(s.client, img, s.platform)
}

// Made implements store.
func (s *containerd) Made(ctx context.Context, ref string) ([]record, error) {
	list, err := s.client.ImageService().List(ctx, fmt.Sprintf("labels.%q==true,labels.%q==%q", labelOurs, labelFor, ref))
	if err != nil {
		return nil, explain(ctx, err)
	}
	var out []record
	for _, img := range list {
		out = append(out, record{ref: img.Name, target: img.Target, labels: img.Labels})
	}
	return out, nil
}

// Name implements store.
func (s *containerd) Name(ctx context.Context, ref string, t target, labels map[string]string) error {
	img := images.Image{Name: ref, Target: t, Labels: labels}
	fields := []string{"target"}
	for label := range labels {
		fields = append(fields, "labels."+label)
	}
	slices.Sort(fields)
	_, err := s.client.ImageService().Update(ctx, img, fields...)
	if errdefs.IsNotFound(err) {
		_, err = s.client.ImageService().Create(ctx, img)
	}
	if err != nil {
		return fmt.Errorf("cannot name the image %s: %w", ref, explain(ctx, err))
	}
	return nil
}

// Delete implements store.
func (s *containerd) Delete(ctx context.Context, ref string) error {
	err := s.client.ImageService().Delete(ctx, ref, images.SynchronousDelete())
	if errdefs.IsNotFound(err) {
		return nil
	}
	return explain(ctx, err)
}

// Unpack implements store.
func (s *containerd) Unpack(ctx context.Context, ref string) error {
	img, err := s.client.ImageService().Get(ctx, ref)
	if err != nil {
		return explain(ctx, err)
	}
	return explain(ctx, s.unpack(ctx, img))
}

func (s *containerd) unpack(ctx context.Context, img images.Image) error {
	i := s.image(img)
	if unpacked, err := i.IsUnpacked(ctx, s.Snapshotter); unpacked || err != nil {
		return err
	}
	return i.Unpack(ctx, s.Snapshotter)
}

// Import implements store.
func (s *containerd) Import(ctx context.Context, r io.Reader, ref string, then func(context.Context, target) error) (err error) {
	ctx = listen(ctx, s.Log)
	// The lease keeps content alive that has no name yet.
	ctx, done, err := s.client.WithLease(ctx)
	if err != nil {
		return explain(ctx, err)
	}
	defer func() { err = errors.Join(err, explain(ctx, done(context.WithoutCancel(ctx)))) }()

	cs := s.client.ContentStore()
	index, err := archive.ImportIndex(ctx, cs, r)
	if err != nil {
		return explain(ctx, err)
	}
	blob, err := content.ReadBlob(ctx, cs, index)
	if err != nil {
		return explain(ctx, err)
	}
	var list ocispec.Index
	if err := json.Unmarshal(blob, &list); err != nil {
		return fmt.Errorf("cannot read its index: %w", err)
	}
	t, err := pick(index, list.Manifests, ref)
	if err != nil {
		return err
	}
	// Let every piece of content refer to what it needs, or that is collected.
	handler := images.SetChildrenLabels(cs, images.FilterPlatforms(images.ChildrenHandler(cs), s.platform))
	if err := images.WalkNotEmpty(ctx, handler, t); err != nil {
		return explain(ctx, err)
	}
	img := images.Image{Name: ref, Target: t}
	usable, err := s.usable(ctx, img)
	if err != nil {
		return explain(ctx, err)
	}
	if !usable {
		return fmt.Errorf("it has no complete image for %s", platforms.Format(platforms.DefaultSpec()))
	}
	if err := s.unpack(ctx, img); err != nil {
		return fmt.Errorf("unpacking: %w", explain(ctx, err))
	}
	return then(ctx, t)
}
