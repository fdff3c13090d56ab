package image

import (
	"context"
	"errors"
	"net/http"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"

	"github.com/eksnode/eksnode/pkg/fault"
)

// Pull implements store.
func (s *containerd) Pull(ctx context.Context, source string, labels map[string]string) (target, error) {
	creds := credentials{ctx: ctx, source: source, ask: s.Credentials}
	resolver := docker.NewResolver(docker.ResolverOptions{
		Headers: http.Header{"User-Agent": {"eksnode"}},
		Hosts: config.ConfigureHosts(ctx, config.HostOptions{
			HostDir:     hostDir(s.HostDirs),
			Credentials: creds.forHost,
		}),
	})
	img, err := s.client.Pull(ctx, source,
		client.WithResolver(resolver),
		client.WithPlatformMatcher(s.platform),
		client.WithPullLabels(labels),
		client.WithPullUnpack,
		client.WithPullSnapshotter(s.Snapshotter),
	)
	if err != nil {
		// What the registry says without credentials matters less than why
		// there were none.
		return target{}, errors.Join(creds.err, explain(ctx, err))
	}
	return img.Target(), nil
}

// hostDir finds the folder of a registry host in the first root that has one.
func hostDir(roots []string) func(string) (string, error) {
	return func(host string) (string, error) {
		for _, root := range roots {
			dir, err := config.HostDirFromRoot(root)(host)
			if err == nil || !errdefs.IsNotFound(err) {
				return dir, err
			}
		}
		return "", errdefs.ErrNotFound
	}
}

// credentials asks for those of one image, and remembers why there are none.
type credentials struct {
	ctx    context.Context
	source string
	ask    func(ctx context.Context, ref string) (user, password string, err error)
	err    error
}

// forHost gives credentials to the image's own registry alone: a mirror named
// in a hosts.toml is someone else, who has no claim to them.
func (c *credentials) forHost(host string) (string, string, error) {
	if c.ask == nil || !c.owns(host) {
		return "", "", nil
	}
	user, password, err := c.ask(c.ctx, c.source)
	c.err = err
	return user, password, err
}

func (c *credentials) owns(host string) bool {
	named, err := reference.ParseNormalizedNamed(c.source)
	if err != nil {
		return false
	}
	registry, err := docker.DefaultHost(reference.Domain(named))
	return err == nil && (host == registry || host == reference.Domain(named))
}

// permanent reports whether trying again is in vain: the registry has decided.
func permanent(err error) bool {
	if f, ok := fault.Find(err); ok { // of Credentials, which has tried itself
		return f.Code == fault.ECRDenied || f.Code == fault.CredentialsAbsent
	}
	var status remoteerrors.ErrUnexpectedStatus
	if errors.As(err, &status) {
		return status.StatusCode >= 400 && status.StatusCode < 500 &&
			status.StatusCode != http.StatusTooManyRequests && status.StatusCode != http.StatusRequestTimeout
	}
	return errdefs.IsNotFound(err) || errors.Is(err, docker.ErrInvalidAuthorization) || errdefs.IsInvalidArgument(err)
}
