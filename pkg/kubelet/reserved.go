package kubelet

import (
	"fmt"

	"github.com/eksnode/eksnode/pkg/fault"
)

// The memory that is kept for kubelet and the runtime, in MiB: nodeadm's, from
// measurements of the EKS team that are older than it.
const (
	reservedMemoryBase   = 255
	reservedMemoryPerPod = 11
	// evictionMemory is evictionHard memory.available in config.go.
	evictionMemory = 100
)

// reserve decides kubeReserved.
func (d *decider) reserve() {
	if err := d.in.Require("hardware.cpu"); err != nil {
		d.fail(err)
	} else if d.in.Hardware.CPU.Online < 1 {
		_, err := d.in.Fact("hardware.cpu", "")
		d.fail(err)
	}
	cpus := d.in.Hardware.CPU.Online
	if d.superset() {
		d.reservation(cpus)
		return
	}
	memory := reservedMemory(d.s.MaxPods)
	d.s.Reserved = Reserved{
		CPU:              itoa(reservedCPU(cpus)) + "m",
		Memory:           itoa(memory) + "Mi",
		EphemeralStorage: "1Gi",
	}
	d.because("kubeReserved.cpu", d.s.Reserved.CPU, fmt.Sprintf("%d CPUs: 6%% of the first, 1%% of the second, 0.5%% of the next two, 0.25%% of the others", cpus))
	d.because("kubeReserved.memory", d.s.Reserved.Memory, fmt.Sprintf("%d + %d × %d pods", reservedMemoryBase, reservedMemoryPerPod, d.s.MaxPods))
	d.room(memory)
}

// memoryMiB is the machine's memory; 0 when it is not known, which no other
// decision needs.
func (d *decider) memoryMiB() int { return int(d.in.Hardware.Memory.OnlineBytes >> 20) }

// reservedMemory returns the MiB that are kept for kubelet and the runtime.
func reservedMemory(pods int) int { return reservedMemoryBase + reservedMemoryPerPod*pods }

// room refuses a reservation that kubelet would refuse at its start, when
// nothing would be left for pods, and tells of one that takes the larger part.
// A user who sets kubeReserved has taken that into his own hands.
func (d *decider) room(reserved int) {
	total, huge := d.memoryMiB(), d.hugeMiB()
	remedy, rest := "Lower the number of pods with spec.kubelet.maxPodsExpression, set spec.kubelet.config.kubeReserved, or use a larger instance type.", ""
	if total > 0 && huge > 0 {
		total, rest = max(total-huge, 1), fmt.Sprintf(" beside %d MiB of huge pages", huge)
		remedy = "Ask for fewer huge pages. " + remedy
	}
	_, own := d.in.Config.Spec.Kubelet.Config.Lookup("kubeReserved")
	switch {
	case total == 0 || own:
	case reserved+evictionMemory >= total:
		d.fail(fault.New(fault.ConfigInvalid, remedy,
			fmt.Errorf("cannot reserve memory for %d pods: %d MiB and the eviction threshold of %d MiB leave nothing of %d MiB%s", d.s.MaxPods, reserved, evictionMemory, total, rest)))
	case reserved > total/2:
		d.note("kube-reserved memory of %d MiB for %d pods is more than half of the machine's %d MiB%s", reserved, d.s.MaxPods, total, rest)
	}
}

// reservedCPU returns the millicores that are kept: 6% of the first core, 1% of
// the second, 0.5% of the third and fourth and 0.25% of all others, each band
// cut to a whole number.
func reservedCPU(cpus int) int {
	total := 0
	for _, band := range []struct{ from, to, permyriad int }{
		{0, 1, 600},
		{1, 2, 100},
		{2, 4, 50},
		{4, cpus, 25},
	} {
		if n := min(cpus, band.to) - band.from; n > 0 {
			total += n * 1000 * band.permyriad / 10000
		}
	}
	return total
}
