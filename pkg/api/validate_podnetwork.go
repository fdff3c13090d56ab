package api

import "net/netip"

// The bounds of what the profiles bridge and ptp can do with. Every IPv6 link carries
// 1280 bytes (RFC 8200, section 5), and a VPC none above 9001 (EC2 user guide, network
// MTU). A range of /29 has addresses for five pods; host-local goes through an IPv4
// range of any size, but of an IPv6 one there is no use for more than a /64.
const (
	lowestMTU, highestMTU        = 1280, 9001
	widestIPv4, widestIPv6       = 8, 48
	narrowestIPv4, narrowestIPv6 = 29, 124
	podCIDRExample               = "write the range in full, as 10.0.64.0/24 or 2001:db8:1:64::/64"
	podCIDRFamiliesExpected      = "write one range, or one of each family"
)

// podNetwork checks what the profiles bridge and ptp need.
func (c *checker) podNetwork(cni *node) {
	const base = "spec.cni"
	if n := cni.get("mtu"); n != nil {
		if mtu := n.integer(); mtu != nil && (*mtu < lowestMTU || *mtu > highestMTU) {
			c.fail(n, base+".mtu", "write 1280 to 9001, or leave it out", "no pod can use an MTU of %s", quoteName(n.scalar))
		}
	}
	ranges := cni.get("podCIDRs").list()
	if len(ranges) == 0 {
		c.missing([]string{"spec", "cni", "podCIDRs"}, "the agent gives pods addresses of these ranges; "+podCIDRFamiliesExpected)
		return
	}
	seen := map[bool]bool{}
	for i, n := range ranges {
		at := itemPath(base+".podCIDRs", i)
		p, err := netip.ParsePrefix(n.text())
		if err != nil || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			c.fail(n, at, podCIDRExample, "%s is no range of addresses", quoteName(n.text()))
			continue
		}
		is4 := p.Addr().Is4()
		narrowest, widest := narrowestIPv6, widestIPv6
		if is4 {
			narrowest, widest = narrowestIPv4, widestIPv4
		}
		switch {
		case p.Masked() != p:
			c.fail(n, at, "write "+p.Masked().String(), "%s has bits behind its prefix", quoteName(n.text()))
		case p.Bits() < widest || p.Bits() > narrowest:
			c.fail(n, at, podCIDRExample, "%s is no range for the pods of one node", quoteName(n.text()))
		case seen[is4]:
			c.fail(n, at, podCIDRFamiliesExpected, "there is a range of this family already")
		}
		seen[is4] = true
		if services, err := netip.ParsePrefix(c.at("spec", "cluster", "cidr").text()); err == nil && services.Overlaps(p) {
			c.fail(n, at, "give pods a range of their own", "%s overlaps the services of the cluster, %s", quoteName(n.text()), services)
		}
	}
}
