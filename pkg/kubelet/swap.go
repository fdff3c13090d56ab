package kubelet

import (
	"fmt"

	"github.com/eksnode/eksnode/pkg/fault"
)

// The values of memorySwap.swapBehavior.
const (
	limitedSwap = "LimitedSwap"
	noSwap      = "NoSwap"
)

// swap tells kubelet to live with swap. What it accepts depends on its version
// (pkg/features/kube_features.go, NodeSwap; ValidateKubeletConfiguration):
//
//   - before 1.30 memorySwap needs the feature gate NodeSwap, and there is no
//     NoSwap;
//   - since 1.30 the gate is on. It is locked since 1.34 and will go, and kubelet
//     does not start with a gate that it does not know, so it is not set there.
//
// LimitedSwap needs cgroup v2: kubelet does not start with it elsewhere.
func (d *decider) swap() {
	want := d.in.Config.Spec.Swap
	if want.Behavior == "" {
		d.swapWithoutBehavior()
		return
	}
	old := !d.s.Version.AtLeast(1, 30)
	gate, gated := d.in.Config.Spec.Kubelet.Config.Lookup("featureGates", "NodeSwap")
	switch {
	case want.Behavior != limitedSwap && want.Behavior != noSwap:
		d.refuseSwap("Write LimitedSwap or NoSwap.", "kubelet knows no such behavior")
		return
	case !d.s.Version.Known():
		return // which has been said
	case old && want.Behavior == noSwap:
		d.refuseSwap("Take spec.swap out, or use Kubernetes 1.30 or newer.", fmt.Sprintf("kubelet %s does not know it; it came with 1.30", d.s.Version))
		return
	case want.Behavior == limitedSwap && d.in.Hardware.OS.CgroupVersion == 1:
		d.refuseSwap("Use NoSwap, or an image with cgroup v2, such as Amazon Linux 2023.", "the machine has cgroup v1, and kubelet needs v2 for it")
		return
	case gated && gate == false:
		d.refuseSwap("Take featureGates.NodeSwap out of spec.kubelet.config.", "spec.kubelet.config.featureGates switches NodeSwap off, and kubelet does not start with both")
		return
	}
	const from = "spec.swap.behavior"
	d.add(false, from, "failSwapOn")
	d.add(want.Behavior, from, "memorySwap", "swapBehavior")
	if old {
		d.add(true, from, "featureGates", "NodeSwap")
	}
}

// swapWithoutBehavior refuses a swap file with which kubelet would not start.
func (d *decider) swapWithoutBehavior() {
	own, ok := d.in.Config.Spec.Kubelet.Config.Lookup("failSwapOn")
	if d.in.Config.Spec.Swap.Size != "" && (!ok || own != false) {
		d.fail(fault.New(fault.ConfigInvalid, "Set spec.swap.behavior to LimitedSwap, or to NoSwap where pods shall not use it.",
			fmt.Errorf("cannot use spec.swap.size %s alone: kubelet does not start with swap unless spec.swap.behavior allows it", d.in.Config.Spec.Swap.Size)))
	}
}

func (d *decider) refuseSwap(remedy, why string) {
	d.fail(fault.New(fault.ConfigInvalid, remedy, fmt.Errorf("cannot use spec.swap.behavior %s: %s", d.in.Config.Spec.Swap.Behavior, why)))
}
