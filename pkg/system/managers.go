package system

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/absent"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// Managers tells what an earlier kubelet under root has written down of its CPU and
// memory manager's work, and beside it what the machine has now. The error joins what
// could not be read; what it concerns is left out.
func Managers(root rootfs.Root, l node.Layout) (node.Managers, error) {
	g := managers{accelerators{presence: presence{root: root}}}
	var out node.Managers
	if content, ok := g.content(l.CPUManagerState); ok {
		s := cpuManagerState(content)
		s.Digest = host.ContentDigest(content)
		out.CPU = &s
		if cpus, ok := parseCPUs(g.value("/sys/devices/system/cpu/online")); ok {
			out.OnlineCPUs = string(hardware.CPUSetOf(cpus))
		}
	}
	if content, ok := g.content(l.MemoryManagerState); ok {
		s := memoryManagerState(content)
		s.Digest = host.ContentDigest(content)
		s.BeforeBoot = g.beforeBoot(l.MemoryManagerState)
		out.Memory = &s
		out.NUMANodes = g.numaNodes()
	}
	return out, errors.Join(g.errs...)
}

// managers looks at what kubelet's managers look at.
type managers struct{ accelerators }

func (g *managers) content(name string) ([]byte, bool) {
	if name == "" {
		return nil, false
	}
	content, err := g.root.ReadFile(name, absent.Limit)
	if err != nil && !rootfs.Absent(err) {
		g.errs = append(g.errs, fmt.Errorf("cannot read what kubelet has written down: %w", err))
	}
	return content, err == nil
}

// statLimit bounds /proc/stat, which has a line for each CPU and a number for each
// interrupt.
const statLimit = 16 << 20

// beforeBoot reports whether a file was last written before the machine started.
func (g *managers) beforeBoot(name string) bool {
	fi, err := g.root.Stat(name)
	if err != nil {
		return false
	}
	stat, err := g.root.ReadFile("/proc/stat", statLimit)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(stat)) {
		if text, ok := strings.CutPrefix(line, "btime "); ok {
			seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return err == nil && fi.ModTime().Before(time.Unix(seconds, 0))
		}
	}
	return false
}

// numaNodes are the NUMA nodes as kubelet sees them, through cadvisor: MemTotal of
// each, and its pools of huge pages.
func (g *managers) numaNodes() []node.NUMAMemory {
	const dir = "/sys/devices/system/node"
	var out []node.NUMAMemory
	for _, n := range g.numbered(dir, "node") {
		at := path.Join(dir, "node"+strconv.Itoa(n))
		m := node.NUMAMemory{Node: n, Total: map[string]int64{}}
		for line := range strings.Lines(g.value(path.Join(at, "meminfo"))) {
			if words := strings.Fields(line); len(words) > 3 && words[2] == "MemTotal:" {
				if kib, err := strconv.ParseInt(words[3], 10, 64); err == nil && kib <= math.MaxInt64>>10 {
					m.Total["memory"] = kib << 10
				}
			}
		}
		for _, name := range g.names(path.Join(at, "hugepages")) {
			size, ok := strings.CutPrefix(name, "hugepages-")
			size, okUnit := strings.CutSuffix(size, "kB")
			kib, err := strconv.ParseInt(size, 10, 64)
			count, errCount := strconv.ParseInt(g.value(path.Join(at, "hugepages", name, "nr_hugepages")), 10, 64)
			if ok && okUnit && err == nil && errCount == nil && kib > 0 && count <= math.MaxInt64>>10/kib {
				m.Total[node.HugePagesResource(kib)] = count * kib << 10
			}
		}
		out = append(out, m)
	}
	return out
}

// cpuManagerState reads kubelet's cpu_manager_state (pkg/kubelet/cm/cpumanager/state,
// CPUManagerCheckpoint). What is no JSON, or names no policy, has none. Later versions
// keep the same fields once more in a text, which then counts.
func cpuManagerState(content []byte) node.CPUManagerState {
	type checkpoint struct {
		PolicyName    string `json:"policyName"`
		DefaultCPUSet string `json:"defaultCpuSet"`
		Entries       any    `json:"entries"`
		PodEntries    any    `json:"podEntries"`
		Data          string `json:"data"`
	}
	var c checkpoint
	if json.Unmarshal(content, &c) != nil {
		return node.CPUManagerState{}
	}
	if inner := (checkpoint{}); c.Data != "" && json.Unmarshal([]byte(c.Data), &inner) == nil && inner.PolicyName != "" {
		c = inner
	}
	out := node.CPUManagerState{Policy: c.PolicyName}
	shared, ok := parseCPUs(c.DefaultCPUSet)
	all := slices.Clone(shared)
	for _, text := range texts(c.Entries) {
		cpus, okEntry := parseCPUs(text)
		ok = ok && okEntry
		all = append(all, cpus...)
		out.Exclusive++
	}
	for _, text := range texts(c.PodEntries) {
		cpus, okEntry := parseCPUs(text)
		ok = ok && okEntry
		all = append(all, cpus...)
	}
	if ok {
		out.Shared, out.All = string(hardware.CPUSetOf(shared)), string(hardware.CPUSetOf(all))
	}
	return out
}

// texts are the strings in nested objects, in no order.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case map[string]any:
		var out []string
		for _, of := range v {
			out = append(out, texts(of)...)
		}
		return out
	}
	return nil
}

// memoryManagerState reads kubelet's memory_manager_state
// (pkg/kubelet/cm/memorymanager/state, MemoryManagerCheckpoint). What is no JSON, or
// names no policy, has none.
func memoryManagerState(content []byte) node.MemoryManagerState {
	type table struct {
		Total          uint64 `json:"total"`
		SystemReserved uint64 `json:"systemReserved"`
	}
	type checkpoint struct {
		PolicyName   string `json:"policyName"`
		MachineState map[string]struct {
			MemoryMap map[string]table `json:"memoryMap"`
		} `json:"machineState"`
		Entries map[string]map[string]any `json:"entries"`
		Data    string                    `json:"data"`
	}
	var c checkpoint
	if json.Unmarshal(content, &c) != nil {
		return node.MemoryManagerState{}
	}
	if inner := (checkpoint{}); c.Data != "" && json.Unmarshal([]byte(c.Data), &inner) == nil && inner.PolicyName != "" {
		c = inner
	}
	out := node.MemoryManagerState{Policy: c.PolicyName}
	for name, state := range c.MachineState {
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 {
			continue
		}
		m := node.NUMAMemory{Node: n, Total: map[string]int64{}, Reserved: map[string]int64{}}
		for resource, t := range state.MemoryMap {
			m.Total[resource], m.Reserved[resource] = signed(t.Total), signed(t.SystemReserved)
		}
		out.Nodes = append(out.Nodes, m)
	}
	slices.SortFunc(out.Nodes, func(a, b node.NUMAMemory) int { return cmp.Compare(a.Node, b.Node) })
	for _, containers := range c.Entries {
		out.Assigned += len(containers)
	}
	return out
}

func signed(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// mostCPU is the largest number of a CPU that is believed: NR_CPUS of the kernel is
// 8192 at most (arch/x86/Kconfig).
const mostCPU = 1<<16 - 1

// parseCPUs reads a list of CPUs as the kernel and kubelet write it: 0-3,8. Sorted,
// each once.
func parseCPUs(text string) (cpus []int, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, true
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 16)
		b, errB := strconv.ParseUint(last, 10, 16)
		if errA != nil || errB != nil || b < a || b > mostCPU {
			return nil, false
		}
		if len(cpus) > mostCPU {
			return nil, false // nothing that repeats itself so is a list
		}
		for n := a; n <= b; n++ {
			cpus = append(cpus, int(n))
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), true
}
