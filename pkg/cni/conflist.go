package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// The agent's own pod network is made of the reference plugins (containernetworking/
// plugins), which EKS images have in /opt/cni/bin.
const (
	hostLocal = "host-local"
	loopback  = "loopback"
	portmap   = "portmap"
	bandwidth = "bandwidth"
	// bridgeLink is the bridge of the pods.
	bridgeLink = "eksnode0"
	// cniVersion is what containerd 1.7 and all later ones speak.
	cniVersion = "1.0.0"
)

// ownNetwork reports whether the configuration asks for the agent's own pod network.
func ownNetwork(in node.Input) bool { return OwnNetwork(in.Config) }

// OwnNetwork reports whether a configuration asks for the agent's own pod network.
func OwnNetwork(c api.NodeConfig) bool {
	return c.Spec.CNI.Profile == api.CNIBridge || c.Spec.CNI.Profile == api.CNIPointToPoint
}

// Programs returns the paths of the plugins of the agent's own pod network, about which
// a decision must know whether they are installed; none without such a network.
func Programs(c api.NodeConfig, l node.Layout) []string {
	if !OwnNetwork(c) {
		return nil
	}
	var out []string
	for _, name := range []string{string(c.Spec.CNI.Profile), hostLocal, loopback, portmap, bandwidth} {
		out = append(out, path.Join(l.CNIBinDir, name))
	}
	return out
}

// missing reports whether a plugin is known not to be installed.
func missing(in node.Input, plugin string) bool {
	there, looked := in.Present.Programs[path.Join(in.Layout.CNIBinDir, plugin)]
	return looked && !there
}

// otherConfigs are the networks that the machine has from somebody else.
func otherConfigs(in node.Input) []string {
	return slices.DeleteFunc(slices.Clone(in.Present.Network.CNIConfigs), func(name string) bool {
		return path.Join(in.Layout.CNIConfigDir, name) == in.Layout.CNIConfig
	})
}

// podNetwork returns the file by which the container runtime connects pods. A runtime
// takes the first file in the order of names, and a node on which two plugins take
// turns loses pods: where somebody else's is there, the agent keeps out.
func podNetwork(in node.Input) ([]host.Resource, error) {
	if !ownNetwork(in) || len(otherConfigs(in)) > 0 {
		return nil, nil
	}
	// One that is not the agent's and has its name is somebody's, too.
	if slices.Contains(in.Present.Network.CNIConfigs, path.Base(in.Layout.CNIConfig)) {
		return nil, fault.New(fault.ConfigInvalid, "Move it away, or set spec.cni.profile to none.",
			fmt.Errorf("cannot write the network of pods: %s is there and not the agent's", in.Layout.CNIConfig))
	}
	c := in.Config.Spec.CNI
	var errs []error
	for _, plugin := range []string{string(c.Profile), hostLocal, loopback} {
		if missing(in, plugin) {
			errs = append(errs, fault.New(fault.BinaryMissing, "Install the reference CNI plugins in the machine image.",
				fmt.Errorf("cannot make the network of pods: there is no %s", path.Join(in.Layout.CNIBinDir, plugin))))
		}
	}
	ranges, routes, err := addresses(c.PodCIDRs)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	content, err := conflist(in, ranges, routes)
	if err != nil {
		return nil, err
	}
	return []host.Resource{host.File{Path: in.Layout.CNIConfig, Content: content, Mode: 0o644}}, nil
}

// What follows is the configuration of the plugins, in the order in which it is
// written (CNI specification 1.0.0, and the plugins' own documentation).
type network struct {
	CNIVersion string   `json:"cniVersion"`
	Name       string   `json:"name"`
	Plugins    []plugin `json:"plugins"`
}

type plugin struct {
	Type         string          `json:"type"`
	Bridge       string          `json:"bridge,omitempty"`
	IsGateway    bool            `json:"isGateway,omitempty"`
	HairpinMode  bool            `json:"hairpinMode,omitempty"`
	ForceAddress bool            `json:"forceAddress,omitempty"`
	IPMasq       bool            `json:"ipMasq,omitempty"`
	MTU          int             `json:"mtu,omitempty"`
	IPAM         *ipam           `json:"ipam,omitempty"`
	SNAT         bool            `json:"snat,omitempty"`
	Capabilities map[string]bool `json:"capabilities,omitempty"`
}

type ipam struct {
	Type   string    `json:"type"`
	Ranges [][]block `json:"ranges"`
	Routes []route   `json:"routes"`
}

type block struct {
	Subnet string `json:"subnet"`
}

type route struct {
	Destination string `json:"dst"`
}

// addresses returns the ranges, one set a family, and the default routes.
func addresses(cidrs []string) (ranges [][]block, routes []route, err error) {
	refuse := func(format string, args ...any) ([][]block, []route, error) {
		return nil, nil, fault.New(fault.ConfigInvalid, "Set spec.cni.podCIDRs to one range of addresses, or one of each family.", fmt.Errorf(format, args...))
	}
	if len(cidrs) == 0 {
		return refuse("cannot give pods addresses: spec.cni.podCIDRs is empty")
	}
	for _, cidr := range cidrs {
		p, err := netip.ParsePrefix(cidr)
		if err != nil || p != p.Masked() {
			return refuse("cannot use %q in spec.cni.podCIDRs: it is no range of addresses", cidr)
		}
		to := route{"0.0.0.0/0"}
		if p.Addr().Is6() {
			to.Destination = "::/0"
		}
		if slices.Contains(routes, to) {
			return refuse("cannot use %q in spec.cni.podCIDRs: there is another range of its family", cidr)
		}
		ranges, routes = append(ranges, []block{{p.String()}}), append(routes, to)
	}
	return ranges, routes, nil
}

// podMTU is that of the pods' interfaces; 0 leaves it to the kernel.
func podMTU(in node.Input) (mtu int, from string) {
	if m := in.Config.Spec.CNI.MTU; m != nil {
		return int(*m), "spec.cni.mtu"
	}
	return in.Present.Network.PrimaryMTU, "the primary interface"
}

// conflist renders the file.
func conflist(in node.Input, ranges [][]block, routes []route) ([]byte, error) {
	c := in.Config.Spec.CNI
	first := plugin{Type: string(c.Profile), IPMasq: c.Masquerade != nil && *c.Masquerade, IPAM: &ipam{hostLocal, ranges, routes}}
	first.MTU, _ = podMTU(in)
	if c.Profile == api.CNIBridge {
		// The bridge has the gateway's address; a pod may reach itself by a service;
		// and a changed range replaces the address that the bridge has from before.
		first.Bridge, first.IsGateway, first.HairpinMode, first.ForceAddress = bridgeLink, true, true, true
	}
	n := network{CNIVersion: cniVersion, Name: "eksnode", Plugins: []plugin{first}}
	if !missing(in, portmap) {
		n.Plugins = append(n.Plugins, plugin{Type: portmap, SNAT: true, Capabilities: map[string]bool{"portMappings": true}})
	}
	// For pods with the annotations kubernetes.io/ingress-bandwidth and egress-bandwidth.
	if in.Present.Programs[path.Join(in.Layout.CNIBinDir, bandwidth)] {
		n.Plugins = append(n.Plugins, plugin{Type: bandwidth, Capabilities: map[string]bool{"bandwidth": true}})
	}
	b, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("cannot write the network of pods: %w", err)
	}
	return append(b, '\n'), nil
}
