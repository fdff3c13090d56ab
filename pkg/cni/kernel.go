package cni

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// bridgeModule makes the kernel show packets between pods on one bridge to the
// firewall, without which a pod cannot reach a service that is itself, or on its node.
const bridgeModule = "br_netfilter"

// kernel is what a profile wants of the kernel, with the files by which it is there
// after a boot. A machine whose profile nobody has named gets what nodeadm gives it,
// which is nothing here.
//
// What a value of spec.sysctls or an item of spec.kernelModules says is left to that.
func kernel(in node.Input) []host.Resource {
	var out []host.Resource
	var settings []host.Sysctl
	for _, s := range parameters(in) {
		if _, asked := in.Config.Spec.Sysctls[s.Key]; asked {
			continue
		}
		if _, asked := in.Config.Spec.Sysctls[strings.ReplaceAll(s.Key, ".", "/")]; asked {
			continue
		}
		settings = append(settings, s)
	}
	if len(settings) > 0 {
		text := head
		for _, s := range settings {
			text += s.Key + " = " + s.Value + "\n"
		}
		out = append(out, host.File{Path: in.Layout.NetworkSysctl, Content: []byte(text), Mode: 0o644})
	}
	for _, s := range settings {
		out = append(out, s)
	}
	if wantsBridgeModule(in) {
		out = append(out, host.File{Path: in.Layout.NetworkModules, Content: []byte(head + bridgeModule + "\n"), Mode: 0o644},
			host.Module{Name: bridgeModule})
	}
	return out
}

// wantsBridgeModule is false where the kernel has it of itself.
func wantsBridgeModule(in node.Input) bool {
	if in.Config.Spec.CNI.Profile != api.CNIBridge || in.Present.BridgeNetfilter && !in.Present.Network.BridgeModuleOurs {
		return false
	}
	return !slices.ContainsFunc(in.Config.Spec.KernelModules, func(m api.KernelModule) bool {
		return strings.ReplaceAll(m.Name, "-", "_") == bridgeModule
	})
}

// parameters are those of the network that depend on its plugin.
func parameters(in node.Input) []host.Sysctl {
	primary := in.Present.Network.Primary
	if strings.ContainsAny(primary, "./") {
		primary = "" // would be more than one part of a name
	}
	switch c := in.Config.Spec.CNI; c.Profile {
	case api.CNIVPC, api.CNICiliumENI:
		// Packets of a pod with an address of another ENI come in here when it speaks
		// with the node, and replies to node ports may leave by another way: a hardened
		// image's strict filter would drop them (VPC CNI, aws-vpc-cni-init).
		if primary != "" {
			return []host.Sysctl{{Key: "net.ipv4.conf." + primary + ".rp_filter", Value: "2"}}
		}
	case api.CNIBridge, api.CNIPointToPoint:
		if !slices.ContainsFunc(c.PodCIDRs, isIPv6) {
			return nil
		}
		out := []host.Sysctl{{Key: "net.ipv6.conf.all.forwarding", Value: "1"}}
		if primary != "" && !in.Present.Network.NetworkdRuns {
			// A kernel that forwards heeds router advertisements only when told so;
			// systemd-networkd hears them itself.
			out = append(out, host.Sysctl{Key: "net.ipv6.conf." + primary + ".accept_ra", Value: "2"})
		}
		return out
	}
	return nil
}

func isIPv6(cidr string) bool {
	p, err := netip.ParsePrefix(cidr)
	return err == nil && p.Addr().Is6()
}

func itoa(n int) string { return strconv.Itoa(n) }
