package tuning

import (
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Name is the component's name.
const Name = "tuning"

// Component returns the component of the machine itself. It must be asked
// first: all services read its environment files.
func Component() node.Component { return node.Component{Name: Name, Desired: Desired} }

// Desired returns the kernel parameters with their file, the environment files
// and the resolver's configuration.
func Desired(in node.Input) ([]host.Resource, error) {
	s, err := Decide(in)
	if err != nil {
		return nil, err
	}
	out := []host.Resource{host.File{Path: in.Layout.SysctlDropIn, Content: sysctlFile(s.Exact), Mode: 0o644}}
	for _, p := range append(append([]host.Sysctl(nil), s.Exact...), s.AtLeast...) {
		out = append(out, p)
	}
	for _, e := range s.Environments {
		out = append(out, e.file())
	}
	return append(out, resolver(s, in.Layout)...), nil
}
