package containerd

import (
	"path"
	"strings"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Name is the component's name.
const Name = "containerd"

// Component returns containerd's component. It must be asked after tuning,
// whose environment files containerd reads, and before kubelet, which needs
// containerd and the sandbox image.
func Component() node.Component {
	return node.Component{Name: Name, Desired: Desired, Notes: notes, Reasons: reasons}
}

// reasons returns those of the decision; none when there is no decision.
func reasons(in node.Input) []node.Reason {
	s, err := Decide(in)
	if err != nil {
		return nil
	}
	return s.Why
}

// notes returns the remarks of the decision; none when there is no decision.
func notes(in node.Input) []string {
	s, err := Decide(in)
	if err != nil {
		return nil
	}
	return s.Notes
}

// Desired returns the files that containerd reads, the running containerd, and
// the sandbox image.
func Desired(in node.Input) ([]host.Resource, error) {
	s, err := Decide(in)
	if err != nil {
		return nil, err
	}
	l := in.Layout
	config := host.File{Path: l.ContainerdConfig, Mode: 0o644, Secret: s.Secret}
	if s.Secret {
		config.Mode = 0o600
	}
	if config.Content, err = render(s.Config); err != nil {
		return nil, err
	}
	spec := host.File{Path: l.BaseRuntimeSpec, Mode: 0o644}
	if spec.Content, err = node.JSON(s.BaseRuntimeSpec); err != nil {
		return nil, err
	}
	var out []host.Resource
	for _, dir := range l.RegistryConfigDirs {
		out = append(out, host.Dir{Path: dir, Mode: 0o755})
	}
	for _, r := range s.Registries {
		out = append(out, r.resources()...)
	}
	if !in.Present.RuntimeSlice {
		out = append(out, host.File{Path: path.Join(l.UnitDir, l.RuntimeSlice), Content: sliceUnit(), Mode: 0o644})
	}
	reads := []host.Resource{spec, config}
	switch {
	case !in.Present.ContainerdUnit:
		reads = append(reads, host.File{Path: path.Join(l.UnitDir, l.ContainerdUnit), Content: unit(l), Mode: 0o644})
	case !in.Present.RuntimeSlice:
		reads = append(reads, host.File{Path: l.ContainerdSliceDropIn, Content: sliceDropIn(l), Mode: 0o644})
	}
	if s.SOCI {
		soci, err := sociResources(in)
		if err != nil {
			return nil, err
		}
		out = append(out, soci...)
		reads = append(reads, host.File{Path: l.ContainerdSOCIDropIn, Content: sociDropIn(l), Mode: 0o644})
	}
	out = append(out, reads...)
	service := host.Service{Name: l.ContainerdUnit, Running: true, Current: true}
	for _, r := range reads {
		service.Reads = append(service.Reads, r.ID())
	}
	service.Reads = append(service.Reads, in.EnvironmentReads(l.ContainerdUnit)...)
	return append(out, service, s.Sandbox), nil
}

// sociResources are the SOCI snapshotter's configuration and the running
// snapshotter, which containerd needs at its start.
func sociResources(in node.Input) ([]host.Resource, error) {
	l := in.Layout
	text, err := sociConfig(l)
	if err != nil {
		return nil, err
	}
	config := host.File{Path: l.SOCIConfig, Content: text, Mode: 0o644}
	service := host.Service{Name: l.SOCIUnit, Running: true, Current: true, Reads: []host.ID{config.ID()}}
	service.Reads = append(service.Reads, in.EnvironmentReads(l.SOCIUnit)...)
	return []host.Resource{config, service}, nil
}

// unitHead begins every unit file of ours.
const unitHead = "# Written by eksnode. For changes use a drop-in.\n"

func lines(ls ...string) []byte { return []byte(unitHead + strings.Join(ls, "\n") + "\n") }

// sliceUnit is the slice of containerd and kubelet, whose resources are
// accounted together (kubelet's --runtime-cgroups).
func sliceUnit() []byte {
	return lines(
		"[Unit]",
		"Description=Kubernetes node agent and container runtime",
		"Before=slices.target",
	)
}

func sliceDropIn(l node.Layout) []byte {
	return lines("[Service]", "Slice="+l.RuntimeSlice)
}

// sociDropIn starts the snapshotter with containerd, which otherwise would fail
// to find it.
func sociDropIn(l node.Layout) []byte {
	return lines("[Unit]", "Requires="+l.SOCIUnit, "After="+l.SOCIUnit)
}

// unit is containerd.service for images that bring none. It is not sandboxed:
// all containers are its children, and would be in the same box.
func unit(l node.Layout) []byte {
	return lines(
		"[Unit]",
		"Description=Container runtime",
		"Documentation=https://containerd.io",
		"Wants=modprobe@overlay.service",
		"After=network.target local-fs.target dbus.service modprobe@overlay.service",
		"",
		"[Service]",
		"Type=notify",
		"Slice="+l.RuntimeSlice,
		"ExecStart="+l.Containerd+" --config "+l.ContainerdConfig,
		"# Containers outlive containerd: they are in groups of their own, and only",
		"# containerd itself is stopped with the unit.",
		"Delegate=true",
		"KillMode=process",
		"Restart=always",
		"RestartSec=5",
		"OOMScoreAdjust=-999",
		"TasksMax=infinity",
		"LimitNPROC=infinity",
		"LimitCORE=infinity",
		"# The hard limit of the base runtime specification.",
		"LimitNOFILE=1048576",
		"",
		"[Install]",
		"WantedBy=multi-user.target",
	)
}
