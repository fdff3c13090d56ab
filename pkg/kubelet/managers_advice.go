package kubelet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The policies of the topology manager that say where a container runs.
const (
	topologyNone       = "none"
	topologySingleNode = "single-numa-node"
)

// advise says what a person who asks for CPUs or memory near to each other may have
// overlooked. kubelet starts with all of it, or says itself why not.
func (d *decider) advise(cpu, memory string) {
	topology := d.own(topologyNone, "topology-manager-policy", "topologyManagerPolicy")
	reservedCPUs := d.own("", "reserved-cpus", "reservedSystemCPUs")
	if cpu == cpuStatic {
		d.adviseCPUs(reservedCPUs)
	}
	near := d.nearGPUs()
	if topology == topologyNone {
		if cpu == cpuStatic && len(near) > 1 {
			d.note("cpuManagerPolicy is static, and the GPUs are on %d NUMA nodes: with topologyManagerPolicy best-effort or stricter containers get CPUs next to their GPU", len(near))
		}
		return
	}
	if cpu != cpuStatic && memory != memoryStatic {
		d.note("topologyManagerPolicy %s places devices alone: CPUs and memory follow with cpuManagerPolicy static and memoryManagerPolicy Static", topology)
	}
	if topology == topologySingleNode && len(near) > 1 {
		var spread []string
		for _, n := range slices.Sorted(maps.Keys(near)) {
			spread = append(spread, fmt.Sprintf("%d on node %d", near[n], n))
		}
		d.note("topologyManagerPolicy %s admits no pod with GPUs of two NUMA nodes: there are %s", topology, strings.Join(spread, ", "))
	}
}

// adviseCPUs is about CPUs that containers have to themselves.
func (d *decider) adviseCPUs(reservedCPUs string) {
	if reservedCPUs == "" {
		d.note("cpuManagerPolicy is static without reservedSystemCPUs: kubelet keeps the lowest CPUs that %s of CPU need, rounded up, and daemons of the machine still run on all", d.s.Reserved.CPU)
		return
	}
	want, ok := parseCPUs(reservedCPUs)
	if !ok {
		return
	}
	if online := d.in.Hardware.CPU.Online; len(want) >= online && online > 0 {
		d.note("reservedSystemCPUs %s leave pods none of the %d CPUs", reservedCPUs, online)
	}
}

// nearGPUs counts the GPUs by the NUMA node that they are next to, as far as that
// is known.
func (d *decider) nearGPUs() map[int]int {
	near := map[int]int{}
	for _, f := range d.in.Hardware.GPUDevices() {
		if n, ok := d.in.Present.Accelerators.NUMANodes[f.Address]; ok {
			near[n]++
		}
	}
	return near
}
