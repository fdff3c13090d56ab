package tuning

import (
	"slices"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Name is the component's name.
const Name = "tuning"

// Component returns the component of the machine itself. It must be asked
// first: all services read its environment files, and kubelet the pools of huge
// pages and the swap.
func Component() node.Component {
	return node.Component{Name: Name, Desired: Desired, Notes: notes, Reasons: reasons}
}

// notes and reasons are those of the decision; none when there is no decision.
func notes(in node.Input) []string {
	s, err := Decide(in)
	if err != nil {
		return nil
	}
	return s.Notes
}

func reasons(in node.Input) []node.Reason {
	s, err := Decide(in)
	if err != nil {
		return nil
	}
	return s.Why
}

// Desired returns the kernel's modules, parameters and huge pages with their
// files, the swap file, the environment files, and the configuration of the
// resolver and of the clock.
func Desired(in node.Input) ([]host.Resource, error) {
	s, err := Decide(in)
	if err != nil {
		return nil, err
	}
	// Modules bring parameters, and udev sets those of the file when they come.
	files, modules := moduleResources(s.Modules, in.Layout)
	out := append(files, host.File{Path: in.Layout.SysctlDropIn, Content: sysctlFile(s.Persistent), Mode: 0o644})
	out = append(out, modules...)
	for _, p := range slices.Concat(s.Exact, s.AtLeast) {
		out = append(out, p)
	}
	for _, p := range s.HugePages {
		out = append(out, p)
	}
	// Before anything on the root disk may be in its way, such as a swap file.
	if s.LocalDisks != nil {
		out = append(out, *s.LocalDisks)
	}
	if s.Swap != nil {
		out = append(out, *s.Swap)
	}
	for _, e := range s.Environments {
		out = append(out, e.file())
	}
	out = append(out, resolver(s, in.Layout)...)
	return append(out, s.TimeSync.resources()...), nil
}
