package accelerator

import (
	"path"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Name is the component's name.
const Name = "accelerator"

// Component returns the component of GPUs, Neuron devices and EFAs. It must be asked
// before kubelet, which counts huge pages when it starts.
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

// Desired returns the huge pages of EFA, the decision about NVIDIA's kernel module in
// a file, and the specifications of devices or the program that generates them.
func Desired(in node.Input) ([]host.Resource, error) {
	s, err := Decide(in)
	if err != nil {
		return nil, err
	}
	var out []host.Resource
	if s.HugePages != nil {
		out = append(out, *s.HugePages)
	}
	if s.Driver != nil {
		content, err := node.JSON(s.Driver)
		if err != nil {
			return nil, err
		}
		out = append(out, host.File{Path: in.Layout.NvidiaDriverChoice, Content: append(content, '\n'), Mode: 0o644})
	}
	for _, spec := range s.Specs {
		content, err := node.JSON(spec.Spec)
		if err != nil {
			return nil, err
		}
		out = append(out, host.File{Path: spec.Path, Content: append(content, '\n'), Mode: 0o644})
	}
	if s.Generate != nil {
		out = append(out, host.Dir{Path: path.Clean(in.Layout.CDIRunDir), Mode: 0o755}, *s.Generate)
	}
	return out, nil
}
