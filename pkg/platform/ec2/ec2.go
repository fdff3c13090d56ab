// Package ec2 is the platform of instances in Amazon EC2 whose host is a Linux
// with systemd: Amazon Linux 2023 images made for EKS, and others that bring
// kubelet and containerd.
package ec2

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/eksnode/eksnode/pkg/accelerator"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/awsconfig"
	"github.com/eksnode/eksnode/pkg/aws/ec2"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/containerd"
	"github.com/eksnode/eksnode/pkg/credential"
	"github.com/eksnode/eksnode/pkg/hook"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/kubelet"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
	"github.com/eksnode/eksnode/pkg/tuning"
)

// userData is the URI of the instance's user data.
const userData = "imds://user-data"

// Options are what the platform takes from outside.
type Options struct {
	// Getenv reads the environment: the SDK's variables for endpoints.
	Getenv func(string) string
	// Log hears what is waited for.
	Log *slog.Logger
}

// New returns the platform. It sends nothing; the error is about an endpoint
// in the environment that cannot be one.
func New(o Options) (platform.Platform, error) {
	settings := imds.OptionsFromEnv(o.Getenv)
	settings.Log = o.Log
	client, err := imds.New(settings)
	if err != nil {
		return platform.Platform{}, err
	}
	p := &place{imds: client, metadata: client, layout: layout(o.Getenv), getenv: o.Getenv, log: o.Log}
	p.ec2 = p.askEC2
	return platform.Platform{
		Name:   "ec2",
		Layout: p.layout,
		// The folders come after the user data, so that an image's or an
		// administrator's drop-in wins; the second is nodeadm's.
		DefaultSources: []string{userData, "file:///etc/eks/nodeadm.d", "file:///etc/eksnode/config.d"},
		Source:         p.source,
		Gather:         p.gather,
		Components:     components(),
		Host:           p.host,
		MadeSince:      func() ([]host.Owned, error) { return madeSince(rootfs.At("/"), p.layout) },
		Checks:         p.checks,
		Readiness:      p.readiness,
		Publish:        p.publish,
	}, nil
}

// components are those of an instance, in the order in which they are asked.
func components() []node.Component {
	return []node.Component{hook.Component(), tuning.Component(), cni.Component(), accelerator.Component(), containerd.Component(), credential.Component(), kubelet.Component()}
}

// layout is that of Amazon Linux 2023. nodeadm's variable names an image
// credential provider to use in place of the built-in one.
func layout(getenv func(string) string) node.Layout {
	l := node.AL2023()
	if path := getenv("ECR_CREDENTIAL_PROVIDER_BIN_PATH"); path != "" {
		l.ImageCredentialProvider, l.UseImageCredentialProvider = path, true
	}
	return l
}

// place is what the platform's functions share.
type place struct {
	imds *imds.Client
	// metadata tells who the instance is: imds, or in a simulation what a person
	// says about it.
	metadata interface {
		Identity(context.Context, imds.Need) (imds.Identity, []imds.Problem, error)
	}
	layout node.Layout
	// getenv reads the agent's environment.
	getenv func(string) string
	// out is the way out of the agent itself.
	out route
	log *slog.Logger
	// ec2 opens the EC2 API; a field so that tests can answer in its place.
	ec2 func(ctx context.Context, config api.NodeConfig, region string) (EC2, error)
}

// source opens imds:// URIs. nodeadm ignores what stands after the scheme.
func (p *place) source(uri string) (platform.Source, bool) {
	if !strings.HasPrefix(uri, "imds://") {
		return platform.Source{}, false
	}
	return platform.Source{Name: userData, Read: func(ctx context.Context) ([]platform.Text, error) {
		body, ok, err := p.imds.UserData(ctx)
		if err != nil {
			return nil, fmt.Errorf("cannot read the user data: %w", err)
		}
		if !ok {
			return nil, nil
		}
		return []platform.Text{{Name: userData, Body: body}}, nil
	}}, true
}

func (p *place) askEC2(ctx context.Context, config api.NodeConfig, region string) (EC2, error) {
	cfg, err := awsconfig.Load(ctx, awsconfig.Options{Region: region, IMDS: p.imds, Proxy: proxy(node.Input{Config: config, Instance: node.Instance{Region: region}}), Log: p.log})
	if err != nil {
		return nil, err
	}
	return ec2.New(cfg, ec2.Options{Within: ec2Deadline, Log: p.log}), nil
}
