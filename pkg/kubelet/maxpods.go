package kubelet

import (
	"fmt"
	"math"
	"strings"

	"github.com/eksnode/eksnode/internal/cel"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
)

// fallbackPods is the number of pods for an instance type of which nobody
// knows the limits: what the EKS documentation recommends for small machines,
// and nodeadm's fallback.
const fallbackPods = 110

// pods decides the number of pods, and the number that counts in the end, which the
// user may have set elsewhere.
func (d *decider) pods() {
	d.systemReserve()
	if d.in.Config.Spec.CNI.Profile == "" {
		d.nodeadmPods()
	} else {
		d.profilePods()
	}
	d.effectivePods()
}

// nodeadmPods decides the number of pods as nodeadm does: as many as the VPC CNI has
// addresses for in its default mode, or what the user's expression makes of that.
func (d *decider) nodeadmPods() {
	limits, source := d.limits()
	expression := strings.TrimSpace(d.in.Config.Spec.Kubelet.MaxPodsExpression)
	switch {
	case limits == nil:
		from := "fallback: " + source
		if d.superset() {
			d.s.MaxPods, from = d.bearable(fallbackPods, from)
		} else {
			d.s.MaxPods = d.fallback()
		}
		d.because("maxPods", itoa(d.s.MaxPods), from)
		d.note("maxPods is %d, a fallback: %s", d.s.MaxPods, source)
		if expression != "" {
			d.note("spec.kubelet.maxPodsExpression is not evaluated, because the ENI limits are not known")
		}
	case expression == "":
		d.s.MaxPods = podsOf(*limits)
		d.because("maxPods", itoa(d.s.MaxPods), fmt.Sprintf("%s: %d ENIs × (%d−1) + 2", source, limits.MaxENIs, limits.IPv4PerENI))
	default:
		d.evaluate(expression, *limits, podsOf(*limits), source)
	}
}

// fallback is fallbackPods, or on a machine too small to reserve memory for so
// many, what half of its memory allows: a node of an unknown type must join too.
func (d *decider) fallback() int {
	total := d.memoryMiB()
	if total == 0 || reservedMemory(fallbackPods)+evictionMemory < total {
		return fallbackPods
	}
	return max(1, (total/2-reservedMemoryBase)/reservedMemoryPerPod)
}

// podsOf is the formula of the VPC CNI without prefixes: the first address of
// each interface is the interface's own, and two pods use the host's network
// (aws-node and kube-proxy).
func podsOf(l hardware.ENILimits) int { return l.MaxENIs*(l.IPv4PerENI-1) + 2 }

// limits returns the ENI limits of the instance type and where they come from,
// or nil and why they are not known.
func (d *decider) limits() (*hardware.ENILimits, string) {
	t := d.in.Instance.Type
	if l, ok := instancetype.Limits(t); ok {
		return &l, "ENI table " + t
	}
	if l := d.in.Instance.Limits; l != nil && l.MaxENIs > 0 && l.IPv4PerENI > 0 {
		return l, "EC2's limits of " + t
	}
	for _, fact := range []string{"instance.type", "instance.limits"} {
		if err := d.in.Require(fact); err != nil {
			return nil, err.Error()
		}
	}
	if t == "" {
		return nil, "the instance type is not known"
	}
	return nil, "the ENI limits of " + t + " are neither in the table nor told by EC2"
}

// evaluate decides the number of pods by spec.kubelet.maxPodsExpression, with
// nodeadm's variables. standard is the number that it replaces.
func (d *decider) evaluate(text string, l hardware.ENILimits, standard int, source string) {
	pods, err := cel.Int(text, map[string]int64{
		"default_enis": int64(l.MaxENIs),
		"ips_per_eni":  int64(l.IPv4PerENI),
		"max_pods":     int64(standard),
	})
	if err == nil && (pods < 1 || pods > math.MaxInt32) {
		err = fmt.Errorf("the result %d is not between 1 and %d", pods, math.MaxInt32)
	}
	if err != nil {
		d.fail(fault.New(fault.ConfigInvalid, "Correct spec.kubelet.maxPodsExpression; its variables are default_enis, ips_per_eni and max_pods, all int.",
			fmt.Errorf("cannot evaluate spec.kubelet.maxPodsExpression %q for %d ENIs of %d addresses: %w", text, l.MaxENIs, l.IPv4PerENI, err)))
		return
	}
	d.s.MaxPods = int(pods)
	d.because("maxPods", itoa(d.s.MaxPods), fmt.Sprintf("spec.kubelet.maxPodsExpression with default_enis=%d, ips_per_eni=%d, max_pods=%d (%s)", l.MaxENIs, l.IPv4PerENI, standard, source))
}
