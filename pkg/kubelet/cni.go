package kubelet

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
)

const (
	// prefixAddresses are those of a /28, the only IPv4 prefix that an interface can
	// be given; it takes the place of one secondary address (EC2 user guide, "Prefix
	// delegation for Amazon EC2 network interfaces").
	prefixAddresses = 16
	// hostPods are the pods that need no address: of the VPC CNI aws-node and
	// kube-proxy (eni-max-pods.txt), of Cilium its agent and kube-proxy or Envoy.
	hostPods = 2
	// manyCPUs, podsOfFewCPUs and podsOfManyCPUs are the most pods that EKS recommends
	// whatever the addresses: what managed node groups set, and max-pods-calculator.sh
	// of the EKS images (EKS user guide, "Choose an optimal Amazon EC2 node instance
	// type").
	manyCPUs       = 30
	podsOfFewCPUs  = 110
	podsOfManyCPUs = 250
)

// bound is how many pods a network plugin has addresses for.
type bound struct {
	// pods is 0 when addresses are no bound.
	pods int
	// from says where the number comes from, with its arithmetics.
	from string
	// fallback: the limits of the instance type are not known.
	fallback bool
}

// profilePods decides the number of pods for the network plugin that
// spec.cni.profile names: as many as it has addresses for, not more than EKS
// recommends, and not more than the machine's memory bears.
func (d *decider) profilePods() {
	c := d.in.Config.Spec.CNI
	var b bound
	switch c.Profile {
	case api.CNIVPC:
		b = d.eniBound(c, d.vpcPods)
	case api.CNICiliumENI:
		b = d.eniBound(c, d.ciliumPods)
	case api.CNICiliumOverlay, api.CNICalico, api.CNINone:
		b = bound{from: "pods have no addresses of the VPC (profile " + string(c.Profile) + ")"}
		d.withoutEffect(c)
	case api.CNIBridge, api.CNIPointToPoint:
		b = rangeBound(c.PodCIDRs)
		d.withoutEffect(c)
	default:
		d.fail(fault.New(fault.ConfigInvalid, "Set spec.cni.profile to one of vpc-cni, cilium-eni, cilium-overlay, calico, bridge, ptp and none.",
			fmt.Errorf("cannot decide the number of pods: there is no CNI profile %q", c.Profile)))
		return
	}
	d.addressable = b.pods
	pods, from := d.capped(b)
	pods, from = d.bearable(pods, from)
	expression := strings.TrimSpace(d.in.Config.Spec.Kubelet.MaxPodsExpression)
	if expression == "" {
		d.s.MaxPods = pods
		d.because("maxPods", itoa(pods), from)
		return
	}
	if l, source, _ := d.knownLimits(); l != nil {
		d.evaluate(expression, *l, pods, source+"; "+from)
		return
	}
	d.s.MaxPods = pods
	d.because("maxPods", itoa(pods), from)
	d.note("spec.kubelet.maxPodsExpression is not evaluated, because the ENI limits are not known")
}

// eniBound is the bound of a plugin whose pods have addresses of ENIs. In an IPv6
// cluster an interface is given a /80, which has more addresses than a node can have
// pods.
func (d *decider) eniBound(c api.CNI, plugin func(api.CNI, hardware.ENILimits, instancetype.Shape) (int, string)) bound {
	shape := d.shape()
	if c.MaxENIs != nil && *c.MaxENIs < 1 {
		d.fail(fault.New(fault.ConfigInvalid, "Set spec.cni.maxENIs to the MAX_ENI of the network plugin, or leave it out.",
			fmt.Errorf("cannot use spec.cni.maxENIs %d: it is below 1", *c.MaxENIs)))
		return bound{from: "invalid"}
	}
	if services, err := serviceNetwork(d.in.Config.Spec.Cluster.CIDR); err == nil && services.Addr().Is6() {
		if !shape.Hypervisor.Prefixes() {
			d.note("%s is a Xen instance, which has no prefixes: %s gives it no IPv6 addresses for pods, and the node will not become Ready", d.in.Instance.Type, c.Profile)
		}
		if on(c.CustomNetworking) {
			d.note("spec.cni.customNetworking has no effect on the number of pods in an IPv6 cluster")
		}
		return bound{from: "IPv6: one /80 prefix has addresses for all pods"}
	}
	l, source, why := d.knownLimits()
	if l == nil {
		d.note("maxPods is a fallback: %s", source)
		return bound{from: "fallback: " + source, fallback: true}
	}
	if why != "" {
		d.note("maxPods is reckoned from an %s, which may be less than the instance allows: %s", source, why)
	}
	pods, how := plugin(c, *l, shape)
	return bound{pods: pods, from: source + ": " + how}
}

// knownLimits returns the ENI limits of the instance type and where they come from;
// nil and why they are not known. With an estimate comes why there is nothing better.
//
// What EC2 has answered goes before the estimate: it is exact, and was asked for
// already.
func (d *decider) knownLimits() (l *hardware.ENILimits, source, why string) {
	l, source = d.limits()
	if l != nil {
		return l, source, ""
	}
	e, from, ok := instancetype.Estimate(d.in.Instance.Type)
	if !ok {
		return nil, source, ""
	}
	return &e, "estimate for " + d.in.Instance.Type + " (" + from + ")", source
}

// vpcPods is the number of pods of the Amazon VPC CNI: the first address of each
// interface is the interface's own, and each other place holds an address or a
// prefix.
func (d *decider) vpcPods(c api.CNI, l hardware.ENILimits, shape instancetype.Shape) (int, string) {
	enis, how := interfaces(c, l, shape)
	if on(c.SecurityGroupsForPods) {
		if shape.Trunking {
			enis, how = enis-1, how+" − 1 trunk"
		} else {
			d.note("spec.cni.securityGroupsForPods has no effect: %s cannot have a trunk interface", d.in.Instance.Type)
		}
	}
	addresses, how := d.addresses(c, enis, how, l, shape)
	return addresses + hostPods, how + fmt.Sprintf(" + %d", hostPods)
}

// ciliumPods is the number of pods of Cilium's ENI mode. Its primary addresses are
// not used for pods either (use-primary-address is off by default). Two addresses go
// to the node itself, for cilium_host and cilium-health, and at least two pods are
// on the host's network, so nothing is added.
func (d *decider) ciliumPods(c api.CNI, l hardware.ENILimits, shape instancetype.Shape) (int, string) {
	enis, how := interfaces(c, l, shape)
	if on(c.SecurityGroupsForPods) {
		d.note("spec.cni.securityGroupsForPods has no effect with the profile %s", c.Profile)
	}
	addresses, how := d.addresses(c, enis, how, l, shape)
	return max(addresses, hostPods), how + fmt.Sprintf(" − %d of Cilium's own + %d", hostPods, hostPods)
}

// interfaces returns how many interfaces the plugin may use, and how that was
// reckoned.
func interfaces(c api.CNI, l hardware.ENILimits, shape instancetype.Shape) (int, string) {
	enis, how := l.MaxENIs, fmt.Sprintf("%d ENIs", l.MaxENIs)
	if shape.NetworkCards > 1 {
		how += fmt.Sprintf(" on the default one of %d network cards", shape.NetworkCards)
	}
	if c.MaxENIs != nil && *c.MaxENIs < int64(enis) {
		enis, how = int(*c.MaxENIs), fmt.Sprintf("%d by maxENIs of %s", *c.MaxENIs, how)
	}
	if on(c.CustomNetworking) {
		enis, how = enis-1, how+" − 1 by customNetworking"
	}
	return enis, how
}

// addresses returns how many addresses for pods so many interfaces have.
func (d *decider) addresses(c api.CNI, enis int, how string, l hardware.ENILimits, shape instancetype.Shape) (int, string) {
	if enis < 1 {
		enis = 0
		d.note("no interface of %s is left for addresses of pods", d.in.Instance.Type)
	}
	if strings.Contains(how, "−") {
		how = "(" + how + ")"
	}
	n, how := enis*(l.IPv4PerENI-1), fmt.Sprintf("%s × (%d−1)", how, l.IPv4PerENI)
	switch {
	case !on(c.PrefixDelegation):
	case shape.Hypervisor.Prefixes():
		n, how = n*prefixAddresses, how+fmt.Sprintf(" × %d", prefixAddresses)
	default:
		d.note("spec.cni.prefixDelegation has no effect: %s is a Xen instance, which has no prefixes; its pods get secondary addresses", d.in.Instance.Type)
	}
	return n, how
}

// capped holds a bound to what EKS recommends for so many CPUs.
func (d *decider) capped(b bound) (int, string) {
	cpus := d.shape().VCPUs
	most := podsOfFewCPUs
	if cpus > manyCPUs {
		most = podsOfManyCPUs
	}
	if b.fallback {
		return fallbackPods, b.from // who does not know the type gets no more than this
	}
	if b.pods > 0 && b.pods <= most {
		return b.pods, b.from
	}
	of := fmt.Sprintf("%d for %d vCPUs, the limit above %d being %d", most, cpus, manyCPUs, podsOfManyCPUs)
	if most == podsOfManyCPUs {
		of = fmt.Sprintf("%d for %d vCPUs, the limit up to %d being %d", most, cpus, manyCPUs, podsOfFewCPUs)
	}
	if b.pods == 0 {
		return most, b.from + "; " + of
	}
	return most, fmt.Sprintf("%s = %d, at most %s", b.from, b.pods, of)
}

// shape returns what the instance type has. For a type that the table does not know
// it is a guess, corrected by what the machine itself shows.
func (d *decider) shape() instancetype.Shape {
	s, known := instancetype.ShapeOf(d.in.Instance.Type)
	if !known {
		s, _ = instancetype.GuessShape(d.in.Instance.Type)
		if d.in.Hardware.DMI.SysVendor == "Xen" {
			s.Hypervisor, s.Trunking = instancetype.Xen, false
		}
	}
	if online := d.in.Hardware.CPU.Online; online > 0 && (!known || s.Estimated) {
		s.VCPUs = online
	}
	return s
}

// rangeBound is the bound of pods with addresses of the node's own IPv4 range, of which
// the network's, the node's and the broadcast address are none of theirs. Pods on the
// host's network need none. An IPv6 range has addresses for all pods.
func rangeBound(cidrs []string) bound {
	for _, cidr := range cidrs {
		p, err := netip.ParsePrefix(cidr)
		if err != nil || !p.Addr().Is4() || p.Bits() > 30 {
			continue // that there is none to use is the network's to say
		}
		n := 1<<(32-p.Bits()) - 3
		return bound{pods: n + hostPods, from: fmt.Sprintf("%d addresses of %s + %d", n, cidr, hostPods)}
	}
	return bound{from: "pods have addresses of the node's own range"}
}

// withoutEffect tells of settings that mean nothing to a plugin without addresses of
// the VPC.
func (d *decider) withoutEffect(c api.CNI) {
	var names []string
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"customNetworking", on(c.CustomNetworking)},
		{"maxENIs", c.MaxENIs != nil},
		{"prefixDelegation", on(c.PrefixDelegation)},
		{"securityGroupsForPods", on(c.SecurityGroupsForPods)},
	} {
		if s.set {
			names = append(names, "spec.cni."+s.name)
		}
	}
	if len(names) > 0 {
		d.note("%s without effect: pods have no addresses of the VPC with the profile %s", strings.Join(names, ", "), c.Profile)
	}
}

func on(b *bool) bool { return b != nil && *b }
