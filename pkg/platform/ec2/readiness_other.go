//go:build !linux

package ec2

import (
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

func (p *place) readiness(node.Input) (*platform.Readiness, error) { return nil, unsupported() }
