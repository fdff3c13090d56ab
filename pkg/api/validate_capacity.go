package api

import (
	"math/big"
	"strings"
)

func (c *checker) cni() {
	const base = "spec.cni"
	cni := c.at("spec", "cni")
	if cni == nil {
		return
	}
	profile := cni.get("profile")
	if !c.choice(profile, base+".profile", cniProfiles()) && !profile.empty() || c.m.rejected[base+".profile"] {
		return // what goes with it is not known
	}
	name := CNIProfile(profile.text())
	usesENIs := name == CNIVPC || name == CNICiliumENI
	enis, own := string(CNIVPC)+" or "+string(CNICiliumENI), string(CNIBridge)+" or "+string(CNIPointToPoint)
	ownNetwork := name == CNIBridge || name == CNIPointToPoint
	for _, option := range []struct {
		name     string
		fits     bool
		profiles string
		why      string
	}{
		{"prefixDelegation", usesENIs, enis, "has no prefixes of ENIs"},
		{"customNetworking", usesENIs, enis, "takes no addresses of ENIs"},
		{"securityGroupsForPods", name == CNIVPC, enis, "has no branch ENIs"},
		{"maxENIs", usesENIs, enis, "attaches no ENIs"},
		{"podCIDRs", ownNetwork, own, "gives pods their addresses itself"},
		{"mtu", ownNetwork, own, "decides the MTU of pods itself"},
		{"masquerade", ownNetwork, own, "decides itself with which address pods leave the node"},
	} {
		n, at := cni.get(option.name), base+"."+option.name
		switch {
		case n == nil || n.kind == boolNode && !n.isTrue() || option.fits:
		case name == "":
			c.fail(n, at, "write profile: "+option.profiles+" beside it", "this has no effect without a profile")
		default:
			c.fail(n, at, "remove it, or correct the profile", "the profile %s at %s %s", name, profile.pos(), option.why)
		}
	}
	if ownNetwork {
		c.podNetwork(cni)
	}
	n := cni.get("maxENIs")
	if n == nil || !usesENIs {
		return
	}
	c.positive(n, base+".maxENIs")
	if n.scalar == "1" && cni.get("customNetworking").isTrue() {
		c.fail(n, base+".maxENIs", "write at least 2", "with custom networking pods get no address of the first ENI, so one ENI leaves none for pods")
	}
}

func (c *checker) reserved() {
	const base = "spec.reserved"
	r := c.at("spec", "reserved")
	if r == nil {
		return
	}
	model := r.get("model")
	known := c.choice(model, base+".model", reservationModels())
	unknown := !known && !model.empty() || c.m.rejected[base+".model"]
	evaluated := known && model.scalar == string(ReservationExpression)
	for _, f := range []struct{ name, unit string }{{"cpu", "millicores"}, {"memory", "MiB"}} {
		n, at := r.get(f.name), base+"."+f.name
		switch {
		case evaluated && n.empty():
			c.missing([]string{"spec", "reserved", f.name}, "the model expression needs one for "+f.unit+", over cpus, memory_mib and max_pods")
		case n.empty(), unknown:
		case !evaluated:
			c.fail(n, at, "write model: expression beside it; quantities for the machine's other daemons belong at spec.reserved.system."+f.name,
				"this is an expression for the model expression only")
		case isQuantity(n.scalar):
			c.fail(n, at, "write the number of "+f.unit+" alone", "%s is a quantity, and this is an expression for %s", quoteName(n.scalar), f.unit)
		default:
			c.expression(n, at, "write a CEL expression for "+f.unit+" over cpus, memory_mib and max_pods", "cpus", "memory_mib", "max_pods")
		}
	}
	for _, keys := range [][]string{{"ephemeralStorage"}, {"system", "cpu"}, {"system", "memory"}, {"system", "ephemeralStorage"}} {
		if n := r.at(keys...); !n.empty() {
			c.quantity(n, base+"."+strings.Join(keys, "."))
		}
	}
}

// isQuantity reports whether a text is a quantity with a unit, and so no number.
func isQuantity(s string) bool {
	_, err := ParseQuantity(s)
	_, number := new(big.Float).SetString(s)
	return err == nil && !number
}

func (c *checker) maxPodsExpression() {
	n := c.at("spec", "kubelet", "maxPodsExpression")
	if n == nil || isBlank(n.scalar) {
		return
	}
	c.expression(n, "spec.kubelet.maxPodsExpression", "write a CEL expression over default_enis, ips_per_eni and max_pods", "default_enis", "ips_per_eni", "max_pods")
}
