package kubelet

import (
	"fmt"
	"strings"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// The policies of kubelet's managers, as its configuration has them.
const (
	cpuStatic    = "static"
	memoryStatic = "Static"
)

// managers decides which state of kubelet's CPU and memory manager has to go, and
// gives advice about their policies. kubelet does not start with a state that was
// written under another policy, or for another machine ("please drain this node and
// delete the CPU manager checkpoint file"; pkg/kubelet/cm/cpumanager/policy_static.go
// and memorymanager/policy_static.go, validateState). Containers that have CPUs or
// memory to themselves are given others when kubelet has started.
func (d *decider) managers() {
	m := d.in.Present.Managers
	if err := d.in.Require("present.managers"); err != nil {
		d.note("if kubelet does not start with what its CPU or memory manager has written down, nobody sees it beforehand: %v", err)
	}
	cpu := d.own("none", "cpu-manager-policy", "cpuManagerPolicy")
	memory := d.own("None", "memory-manager-policy", "memoryManagerPolicy")
	if s := m.CPU; s != nil {
		d.stale(d.in.Layout.CPUManagerState, s.Digest, d.staleCPUs(*s, cpu), s.Exclusive, "CPUs")
	}
	if s := m.Memory; s != nil {
		d.stale(d.in.Layout.MemoryManagerState, s.Digest, d.staleMemory(*s, memory), s.Assigned, "memory")
	}
	d.advise(cpu, memory)
}

// stale has the state go for a reason; none keeps it.
func (d *decider) stale(path, digest, why string, containers int, what string) {
	if why == "" {
		return
	}
	d.s.Stale = append(d.s.Stale, host.Absent{Path: path, Digest: digest, Because: why})
	d.because(path, "deleted", why)
	if containers > 0 {
		d.note("%s of %d containers are forgotten with %s: those that still run are given others", what, containers, path)
	}
}

// own returns a setting of kubelet's as the user has it in flags, of which the last
// counts and which are laid over all else, or in the configuration; fallback is
// kubelet's own default.
func (d *decider) own(fallback, flag string, path ...string) string {
	if g := occurrences(d.userWords(), flag); len(g) > 0 && g[len(g)-1].value != "" {
		return g[len(g)-1].value
	}
	if v, ok := d.in.Config.Spec.Kubelet.Config.Lookup(path...); ok {
		if text := fmt.Sprint(v); v != nil && text != "" {
			return text
		}
	}
	return fallback
}

// staleCPUs says why kubelet would not start with a state of its CPU manager; empty
// when nothing speaks against it.
func (d *decider) staleCPUs(s node.CPUManagerState, policy string) string {
	switch {
	case s.Policy == "":
		return "kubelet cannot read it"
	case s.Policy != policy:
		return fmt.Sprintf("it is of the policy %s, and cpuManagerPolicy is %s", s.Policy, policy)
	case policy != cpuStatic || s.All == "":
		return "" // nothing was given away yet, or nothing that is understood
	}
	online, ok := parseCPUs(d.in.Present.Managers.OnlineCPUs)
	reserved, okReserved := parseCPUs(d.own("", "reserved-cpus", "reservedSystemCPUs"))
	all, okAll := parseCPUs(s.All)
	shared, okShared := parseCPUs(s.Shared)
	if !ok || !okReserved || !okAll || !okShared || len(online) == 0 {
		return ""
	}
	if d.strictReservation() {
		if len(reserved) == 0 {
			return "" // which of them kubelet keeps is its own choice
		}
		if shared.meets(reserved) {
			return fmt.Sprintf("everybody has CPUs that are reserved now: %s are shared, %s reserved", s.Shared, reserved)
		}
		online = online.without(reserved)
	} else if !shared.holds(reserved) {
		return fmt.Sprintf("containers have CPUs to themselves that are reserved now: %s are shared, %s reserved", s.Shared, reserved)
	}
	if !all.holds(online) || !online.holds(all) {
		return fmt.Sprintf("it has the CPUs %s, and the machine %s", s.All, online)
	}
	return ""
}

// strictReservation reports whether reserved CPUs are kept from all pods
// (cpuManagerPolicyOptions, strict-cpu-reservation).
func (d *decider) strictReservation() bool {
	const option = "strict-cpu-reservation"
	if g := occurrences(d.userWords(), "cpu-manager-policy-options"); len(g) > 0 {
		return strings.Contains(g[len(g)-1].value, option+"=true")
	}
	v, _ := d.in.Config.Spec.Kubelet.Config.Lookup("cpuManagerPolicyOptions", option)
	return fmt.Sprint(v) == "true"
}

// staleMemory says why kubelet would not start with a state of its memory manager;
// empty when nothing speaks against it.
func (d *decider) staleMemory(s node.MemoryManagerState, policy string) string {
	switch {
	case s.Policy == "":
		return "kubelet cannot read it"
	case s.Policy != policy:
		return fmt.Sprintf("it is of the policy %s, and memoryManagerPolicy is %s", s.Policy, policy)
	case policy != memoryStatic || len(s.Nodes) == 0:
		return ""
	}
	if why := d.otherMemory(s); why != "" {
		return why
	}
	if why := d.otherPools(s); why != "" {
		return why
	}
	return d.otherReservation(s)
}

// otherMemory compares the memory of NUMA nodes, to the byte as kubelet does. It is a
// little different after many a reboot. Within a boot it is left alone: what kubelet
// has accepted would be deleted again and again where memory comes and goes.
func (d *decider) otherMemory(s node.MemoryManagerState) string {
	nodes := d.in.Present.Managers.NUMANodes
	if !s.BeforeBoot || len(nodes) == 0 {
		return ""
	}
	for _, was := range s.Nodes {
		is, ok := numaNode(nodes, was.Node)
		if !ok {
			return fmt.Sprintf("it has NUMA node %d, and the machine has not", was.Node)
		}
		for _, resource := range sortedKeys(was.Total) {
			if now, ok := is.Total[resource]; !ok || now != was.Total[resource] {
				return fmt.Sprintf("it has %d bytes of %s on NUMA node %d, and the machine %d", was.Total[resource], resource, was.Node, now)
			}
		}
	}
	return ""
}

// otherPools reports pools of huge pages which will have another size when kubelet
// starts than they had.
func (d *decider) otherPools(s node.MemoryManagerState) string {
	pools, err := d.in.HugePages()
	if err != nil {
		return ""
	}
	if p, _ := d.in.EFAHugePages(); p != nil {
		pools = append(pools, *p)
	}
	for _, p := range pools {
		resource, had, has := node.HugePagesResource(p.SizeKiB), int64(0), int64(0)
		for _, was := range s.Nodes {
			if is, ok := numaNode(d.in.Present.Managers.NUMANodes, was.Node); ok && (p.NUMANode < 0 || p.NUMANode == was.Node) {
				had += was.Total[resource]
				has += is.Total[resource]
			}
		}
		if want := p.Count * p.SizeKiB << 10; want != has && want != had {
			return fmt.Sprintf("it has %d bytes of %s, and %d are wanted", had, resource, want)
		}
	}
	return ""
}

// otherReservation compares the memory that is kept from pods, where the
// configuration says how much. Flags are not looked into.
func (d *decider) otherReservation(s node.MemoryManagerState) string {
	list, ok := d.in.Config.Spec.Kubelet.Config.Lookup("reservedMemory")
	items, okList := list.([]any)
	if !ok || !okList || len(occurrences(d.userWords(), "reserved-memory")) > 0 {
		return ""
	}
	want := map[string]int64{}
	for _, item := range items {
		entry, _ := item.(map[string]any)
		limits, _ := entry["limits"].(map[string]any)
		for resource, quantity := range limits {
			n, err := bytesOf(fmt.Sprint(quantity))
			if err != nil {
				return "" // kubelet will say so
			}
			want[fmt.Sprintf("%v %s", entry["numaNode"], resource)] += n
		}
	}
	for _, was := range s.Nodes {
		for _, resource := range sortedKeys(was.Reserved) {
			if now := want[fmt.Sprintf("%d %s", was.Node, resource)]; now != was.Reserved[resource] {
				return fmt.Sprintf("it keeps %d bytes of %s on NUMA node %d from pods, and reservedMemory %d", was.Reserved[resource], resource, was.Node, now)
			}
		}
	}
	return ""
}

func numaNode(all []node.NUMAMemory, n int) (node.NUMAMemory, bool) {
	for _, m := range all {
		if m.Node == n {
			return m, true
		}
	}
	return node.NUMAMemory{}, false
}
