package kubelet

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
)

// What must be left for pods once all is reserved (Kubernetes documentation,
// "Reserve Compute Resources for System Daemons": allocatable is capacity less
// kube-reserved, system-reserved and the hard eviction threshold). kubelet itself only
// refuses when nothing is left; a node with a sliver joins, runs none of the cluster's
// daemons and is always the next to evict. 100 MiB is the eviction threshold once more,
// 100m what kube-proxy alone asks for on EKS; a tenth is room to be of use.
const (
	leastShare  = 10  // percent
	leastMemory = 100 // MiB
	leastCPU    = 100 // millicores
)

// leastPods is the number of pods that is not lowered to save memory: what EKS gives
// the smallest types, t3.nano and its like.
const leastPods = 4

// bearable lowers a number of pods that nobody has set to what the machine's memory
// bears where the reservation grows with it: half of the memory. Addresses without
// end, as in IPv6 clusters and with overlays, would otherwise fill a small machine
// with what is reserved for pods that it has no room for.
func (d *decider) bearable(pods int, from string) (int, string) {
	switch model := d.in.Config.Spec.Reserved.Model; model {
	case "", api.ReservationEKS:
	default:
		return pods, from
	}
	total := d.memoryMiB() - d.hugeMiB() - d.system.memory
	if d.memoryMiB() == 0 {
		return pods, from
	}
	bears := max((total/2-reservedMemoryBase)/reservedMemoryPerPod, min(pods, leastPods))
	if bears >= pods {
		return pods, from
	}
	d.note("maxPods is lowered from %d to %d: what is reserved for each pod would take most of %d MiB of memory", pods, bears, total)
	return bears, fmt.Sprintf("%s; lowered from %d to what %d MiB of memory bear", from, pods, total)
}

// roomForPods refuses a node on which pods would have no room, with the arithmetics.
// A user who sets kubeReserved has taken that into his own hands.
func (d *decider) roomForPods(k kept, cpus int) {
	own := d.in.Config.Spec.Kubelet
	_, inConfig := own.Config.Lookup("kubeReserved")
	_, inFlags := flagValue(own.Flags, "kube-reserved")
	if inConfig || inFlags {
		d.note("kubeReserved of spec.kubelet goes before what spec.reserved asks for, and is not checked")
		return
	}
	systemCPU, systemMemory := d.userSystemReserved()
	more := "spec.reserved.system, or use a larger instance type."
	d.spare(balance{
		what: "memory", unit: "MiB", total: d.memoryMiB(), huge: d.hugeMiB(), kube: k.memory, system: systemMemory, eviction: d.evictionMiB(d.memoryMiB()),
		least: leastMemory, how: k.howMemory, remedy: d.lower("memory") + more,
	})
	d.spare(balance{
		what: "CPU", unit: "m", total: cpus * 1000, kube: k.cpu, system: systemCPU,
		least: leastCPU, how: k.howCPU, remedy: d.lower("cpu") + more,
	})
}

// lower says what to lower besides systemReserved.
func (d *decider) lower(resource string) string {
	switch {
	case d.in.Config.Spec.Reserved.Model == api.ReservationExpression:
		return "Lower what spec.reserved." + resource + " gives, or "
	case d.in.Config.Spec.Reserved.Model == api.ReservationGKE || resource == "cpu":
		return "Lower "
	case d.s.EffectiveMaxPods != d.s.MaxPods:
		return "Lower maxPods in spec.kubelet.config or spec.kubelet.flags, set spec.reserved.model to gke, lower "
	}
	return "Lower the number of pods with spec.kubelet.maxPodsExpression, set spec.reserved.model to gke, lower "
}

// balance is what a machine has of a resource, and what of it pods do not get.
type balance struct {
	what, unit string
	// huge are pages that are memory, but no memory for pods that do not ask for
	// them by their size.
	total, huge, kube, system, eviction, least int
	how, remedy                                string
}

// spare fails when a balance leaves too little, and tells when it leaves the smaller
// half. A total of 0 is not known.
func (d *decider) spare(b balance) {
	if b.total == 0 {
		return
	}
	left := b.total - b.huge - b.kube - b.system - b.eviction
	least := max((b.total-b.huge)*leastShare/100, b.least)
	switch {
	case left < least:
		sum := fmt.Sprintf("%d %s", b.total, b.unit)
		if b.huge > 0 {
			sum += fmt.Sprintf(" − %d huge pages", b.huge)
			b.remedy = "Ask for fewer huge pages. " + b.remedy
		}
		sum += fmt.Sprintf(" − %d kubeReserved (%s)", b.kube, b.how)
		if b.system > 0 {
			sum += fmt.Sprintf(" − %d systemReserved", b.system)
		}
		if b.eviction > 0 {
			sum += fmt.Sprintf(" − %d eviction threshold", b.eviction)
		}
		d.fail(fault.New(fault.ConfigInvalid, b.remedy,
			fmt.Errorf("cannot leave room for pods: of %s, %s = %d %s, and at least %d are needed (%d%%, and not below %d)", b.what, sum, left, b.unit, least, leastShare, b.least)))
	case b.kube+b.system > (b.total-b.huge)/2:
		d.note("%d %s of %s are reserved, more than half of the machine's %d", b.kube+b.system, b.unit, b.what, b.total-b.huge)
	}
}

// hugeMiB is the memory in pools of huge pages. kubelet takes it from what is left
// for pods (MachineInfo in pkg/kubelet/nodestatus).
func (d *decider) hugeMiB() int {
	pools, _ := d.in.HugePages() // the component tuning says what is wrong with them
	var kib int64
	for _, p := range pools {
		kib += p.SizeKiB * p.Count
	}
	return int(kib >> 10)
}

// userSystemReserved returns systemReserved in millicores and MiB. What the user's
// own kubelet configuration has of it goes before spec.reserved.system; what cannot
// be read there is kubelet's to refuse.
func (d *decider) userSystemReserved() (cpu, memory int) {
	cpu, memory = d.system.cpu, d.system.memory
	own := d.in.Config.Spec.Kubelet.Config
	if v, ok := own.Lookup("systemReserved", "cpu"); ok {
		if n, err := millicores(fmt.Sprint(v)); err == nil {
			cpu = n
		}
	}
	if v, ok := own.Lookup("systemReserved", "memory"); ok {
		if n, err := mebibytes(fmt.Sprint(v)); err == nil {
			memory = n
		}
	}
	return cpu, memory
}

// evictionMiB returns the hard eviction threshold of memory, ours or the user's own,
// a quantity or a share.
func (d *decider) evictionMiB(total int) int {
	v, ok := d.in.Config.Spec.Kubelet.Config.Lookup("evictionHard", "memory.available")
	if !ok {
		return evictionMemory
	}
	text := fmt.Sprint(v)
	if share, ok := strings.CutSuffix(text, "%"); ok {
		if percent, err := strconv.ParseFloat(share, 64); err == nil && percent >= 0 && percent <= 100 {
			return int(float64(total) * percent / 100)
		}
		return evictionMemory
	}
	if n, err := mebibytes(text); err == nil {
		return n
	}
	return evictionMemory
}
