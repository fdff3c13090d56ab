package ec2

import (
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/node"
)

// programs are those that a configuration names by their paths, and the plugins that
// the agent's own pod network needs.
func programs(c api.NodeConfig, l node.Layout) []string {
	paths := cni.Programs(c, l)
	for _, p := range c.Spec.ImageCredentials {
		paths = append(paths, p.Program)
	}
	return paths
}
