package api

import (
	"net/netip"
)

// serviceAddresses compares addresses with the cluster's service network, in which
// the cluster's DNS is and nothing else that a machine could ask.
func (c *checker) serviceAddresses() {
	cidr := c.at("spec", "cluster", "cidr")
	services, err := netip.ParsePrefix(cidr.text())
	if err != nil {
		return
	}
	if list := c.at("spec", "kubelet", "config", "clusterDNS"); list != nil {
		for i, n := range list.items {
			addr, err := netip.ParseAddr(n.text())
			// Caches on the node listen on link-local addresses.
			if err != nil || services.Contains(addr) || addr.IsLinkLocalUnicast() || addr.IsLoopback() {
				continue
			}
			c.warn(n, itemPath("spec.kubelet.config.clusterDNS", i),
				"leave clusterDNS out for the tenth address of the service CIDR, where EKS has it; ignore this if pods ask a DNS server outside of the cluster",
				"%s is not in the service CIDR %s at %s", addr, services.Masked(), cidr.pos())
		}
	}
	if list := c.at("spec", "instance", "network", "nameservers"); list != nil {
		for i, n := range list.items {
			addr, err := netip.ParseAddr(n.text())
			if err != nil || !services.Contains(addr) {
				continue
			}
			c.warn(n, itemPath("spec.instance.network.nameservers", i), "give the VPC's resolver, or another one that is no service of the cluster",
				"%s is in the service CIDR %s at %s: the machine cannot ask it before it is a node, and becomes none without DNS", addr, services.Masked(), cidr.pos())
		}
	}
}
