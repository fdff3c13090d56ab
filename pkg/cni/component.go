package cni

import (
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Name is the component's name.
const Name = "network"

// Component returns the component of the machine's network. It must be asked before
// containerd and kubelet, with which the network plugin's work begins.
func Component() node.Component { return node.Component{Name: Name, Desired: Wanted} }

// Wanted returns the mark from which on ENIs that appear belong to the network plugin;
// see [ENI]. It is made when the daemons are started and not before: what comes while
// the machine still boots is systemd-networkd's.
func Wanted(in node.Input) ([]host.Resource, error) {
	return []host.Resource{host.File{Path: in.Layout.RunMarker, Mode: 0o644, RunPhase: true}}, nil
}
