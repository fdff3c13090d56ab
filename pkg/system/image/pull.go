package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"

	"github.com/eksnode/eksnode/pkg/fault"
)

// Pull implements store.
func (s *containerd) Pull(ctx context.Context, source string, labels map[string]string) (target, error) {
	ctx = listen(ctx, s.Log)
	creds := &credentials{ctx: ctx, source: source, ask: s.Credentials}
	img, err := s.client.Pull(ctx, source,
		client.WithResolver(s.resolver(ctx, creds)),
		client.WithPlatformMatcher(s.platform),
		client.WithPullLabels(labels),
		client.WithPullUnpack,
		client.WithPullSnapshotter(s.Snapshotter),
	)
	if err != nil {
		// What the registry says without credentials matters less than why
		// there were none.
		return target{}, cmp.Or(creds.failed(), explain(ctx, err))
	}
	return img.Target(), nil
}

// resolver asks registries as containerd does for the CRI: by the folders of
// registry configuration, which it reads now.
func (o Options) resolver(ctx context.Context, creds *credentials) remotes.Resolver {
	return docker.NewResolver(docker.ResolverOptions{
		Headers: http.Header{"User-Agent": {"eksnode"}},
		Hosts: config.ConfigureHosts(ctx, config.HostOptions{
			HostDir:      hostDir(o.HostDirs),
			Credentials:  creds.forHost,
			UpdateClient: o.goOut,
		}),
	})
}

// goOut makes a client go by Proxy. Every client of a pull comes by here, those for
// tokens as well as those with certificates of their own, before it is used.
func (o Options) goOut(c *http.Client) error {
	if o.Proxy == nil {
		return nil
	}
	t, ok := c.Transport.(*http.Transport)
	if !ok {
		return fmt.Errorf("internal error: cannot give a proxy to %T", c.Transport)
	}
	t.Proxy = o.Proxy
	return nil
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
	ask    func(ctx context.Context, ref, host string) (user, password string, err error)

	mu  sync.Mutex
	err error
}

// forHost gives credentials to a host that asks for some: the image's own
// registry, or a mirror that hosts.toml puts in its place.
func (c *credentials) forHost(host string) (string, string, error) {
	if c.ask == nil {
		return "", "", nil
	}
	user, password, err := c.ask(c.ctx, c.source, host)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	return user, password, err
}

// failed returns why there were no credentials, nil when there were.
func (c *credentials) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
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
