package cni

import (
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Name is the component's name.
const Name = "network"

// Component returns the component of the machine's network. It must be asked before
// containerd and kubelet, with which the network plugin's work begins.
func Component() node.Component {
	return node.Component{Name: Name, Desired: Wanted, Notes: notes, Reasons: reasons}
}

// Wanted returns what keeps others from the links, routes and rules of the network
// plugin; the agent's own pod network, where the cluster brings none; and the mark
// from which on ENIs that appear belong to the plugin, see [ENI]. The mark is made
// when the daemons are started and not before: what comes while the machine still
// boots is systemd-networkd's.
func Wanted(in node.Input) ([]host.Resource, error) {
	if err := in.Require("present"); err != nil {
		return nil, err
	}
	pods, err := podNetwork(in)
	if err != nil {
		return nil, err
	}
	networkManager, err := networkManagerOff(in)
	if err != nil {
		return nil, err
	}
	out := slices.Concat(netUtilsOff(in), networkManager, networkdPolicy(in), bpf(in), kernel(in), pods)
	return append(out, host.File{Path: in.Layout.RunMarker, Mode: 0o644, RunPhase: true}), nil
}

// notes is what a person may want to know.
func notes(in node.Input) []string {
	var out []string
	n := in.Present.Network
	if others := otherConfigs(in); ownNetwork(in) && len(others) > 0 {
		out = append(out, "spec.cni.profile "+string(in.Config.Spec.CNI.Profile)+" has no effect on the network of pods: "+
			in.Layout.CNIConfigDir+" has "+strings.Join(others, ", ")+" of somebody else's")
	}
	if ownNetwork(in) && missing(in, portmap) {
		out = append(out, "pods have no host ports: "+in.Layout.CNIBinDir+" has no "+portmap)
	}
	if len(n.NMCloudSetup) > 0 {
		out = append(out, "nm-cloud-setup is switched off; the rules and tables that it has made are there until the next boot")
	}
	return out
}

// reasons says where what is decided comes from.
func reasons(in node.Input) []node.Reason {
	if !ownNetwork(in) || len(otherConfigs(in)) > 0 {
		return nil
	}
	c := in.Config.Spec.CNI
	out := []node.Reason{{Setting: "pod network", Value: string(c.Profile) + " " + strings.Join(c.PodCIDRs, " "), From: "spec.cni"}}
	if mtu, from := podMTU(in); mtu > 0 {
		out = append(out, node.Reason{Setting: "pod MTU", Value: itoa(mtu), From: from})
	}
	return out
}
