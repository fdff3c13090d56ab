package kubelet

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/eksnode/eksnode/pkg/fault"
)

// network decides the cluster's DNS address and the node's own, both of the
// family of the service network.
func (d *decider) network() {
	cidr := d.in.Config.Spec.Cluster.CIDR
	services, err := serviceNetwork(cidr)
	if err != nil {
		d.fail(err)
		return
	}
	dns, err := clusterDNS(services)
	if err != nil {
		d.fail(err)
		return
	}
	d.s.ClusterDNS = dns.String()
	d.because("clusterDNS", d.s.ClusterDNS, "tenth address of the service network "+services.String())
	d.nodeIP(services.Addr().Is6())
}

func serviceNetwork(cidr string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(cidr)
	if err == nil && p.Addr().Is4In6() {
		err = errors.New("an IPv4 network written as IPv6")
	}
	if err != nil {
		return p, fault.New(fault.ConfigInvalid, "Set spec.cluster.cidr to the cluster's service network, as `aws eks describe-cluster` prints it under kubernetesNetworkConfig.",
			fmt.Errorf("cannot use spec.cluster.cidr %q: %w", cidr, err))
	}
	return p.Masked(), nil
}

// clusterDNS returns the tenth address of the service network, where EKS puts
// the service kube-dns.
//
// nodeadm replaces what stands behind the last dot or before the slash, which
// gives an address outside of the network for 172.20.5.128/25; for networks
// that end at a dot the two are equal.
func clusterDNS(services netip.Prefix) (netip.Addr, error) {
	addr := services.Addr()
	for range 10 {
		addr = addr.Next()
	}
	if !services.Contains(addr) {
		return netip.Addr{}, fault.New(fault.ConfigInvalid, "Set spec.cluster.cidr to the cluster's service network; EKS makes none smaller than /24.",
			fmt.Errorf("cannot find the cluster's DNS address: the service network %s has no tenth address", services))
	}
	return addr, nil
}

// nodeIP picks the first address of the family. The primary interface may have
// several, and kubelet takes one of a family.
func (d *decider) nodeIP(six bool) {
	fact, family, addresses := "instance.privateIPv4", "IPv4", d.in.Instance.PrivateIPv4
	if six {
		fact, family, addresses = "instance.ipv6", "IPv6", d.in.Instance.IPv6
	}
	if len(addresses) == 0 {
		d.fact(fact, "")
		return
	}
	first := d.fact(fact, addresses[0])
	addr, err := netip.ParseAddr(first)
	if err == nil && (addr.Is6() != six || addr.Is4In6() || addr.Zone() != "") {
		err = errors.New("it is no plain " + family + " address")
	}
	if err != nil {
		d.fail(fault.New(fault.FactMissing, "", fmt.Errorf("cannot use %s %q as the node's address: %w", fact, first, err)))
		return
	}
	d.s.NodeIP = addr.String()
	from := "the " + family + " address of the primary interface"
	if len(addresses) > 1 {
		from = fmt.Sprintf("the first of %d %s addresses of the primary interface", len(addresses), family)
	}
	d.because("nodeIP", d.s.NodeIP, from)
}
