//go:build !linux

package ec2

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

// A machine that is no Linux can read and check configuration for this
// platform, and is none of its nodes.
func unsupported() error {
	return fmt.Errorf("cannot make a node of this machine: the platform ec2 needs Linux, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (p *place) gather(context.Context, platform.Question) (node.Input, error) {
	return node.Input{}, unsupported()
}

func (p *place) host(context.Context) (host.Host, func() error, error) {
	return nil, nil, unsupported()
}

func (p *place) checks(node.Input) []health.Check { return nil }

func (p *place) publish(context.Context, node.Input) error { return unsupported() }
