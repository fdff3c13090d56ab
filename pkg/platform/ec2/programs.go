package ec2

import "github.com/eksnode/eksnode/pkg/api"

// programs are those that a configuration names by their paths.
func programs(c api.NodeConfig) []string {
	var paths []string
	for _, p := range c.Spec.ImageCredentials {
		paths = append(paths, p.Program)
	}
	return paths
}
