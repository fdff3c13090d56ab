package node

import "strconv"

// Managers is what an earlier kubelet has written down of the CPUs and memory that it
// gave to containers, and what the machine has of them now. It is empty where there is
// nothing written down.
type Managers struct {
	// CPU and Memory are nil where kubelet has written nothing.
	CPU    *CPUManagerState    `json:"cpu,omitempty"`
	Memory *MemoryManagerState `json:"memory,omitempty"`
	// OnlineCPUs are the CPUs that are online, as the kernel lists them: 0-3,8. Only
	// told beside CPU.
	OnlineCPUs string `json:"onlineCPUs,omitempty"`
	// NUMANodes are the nodes with memory, by rising number. Only told beside Memory.
	NUMANodes []NUMAMemory `json:"numaNodes,omitempty"`
}

// CPUManagerState is kubelet's cpu_manager_state.
type CPUManagerState struct {
	// Policy is none or static; empty where the file could not be understood.
	Policy string `json:"policy"`
	// Shared are the CPUs of everybody, and All these and those that containers have
	// to themselves; lists as the kernel writes them, sorted and with ranges.
	Shared string `json:"shared,omitempty"`
	All    string `json:"all,omitempty"`
	// Exclusive is the number of containers with CPUs to themselves.
	Exclusive int `json:"exclusive,omitempty"`
	// Digest is that of the file's content, see host.ContentDigest.
	Digest string `json:"digest"`
}

// MemoryManagerState is kubelet's memory_manager_state.
type MemoryManagerState struct {
	// Policy is None or Static; empty where the file could not be understood.
	Policy string `json:"policy"`
	// Nodes are the NUMA nodes that it knows, by rising number.
	Nodes []NUMAMemory `json:"nodes,omitempty"`
	// Assigned is the number of containers with memory to themselves.
	Assigned int `json:"assigned,omitempty"`
	// BeforeBoot: it was written before the machine started.
	BeforeBoot bool `json:"beforeBoot,omitempty"`
	// Digest is that of the file's content, see host.ContentDigest.
	Digest string `json:"digest"`
}

// NUMAMemory is the memory of a NUMA node in bytes, by the name of the resource:
// memory, hugepages-2Mi.
type NUMAMemory struct {
	Node  int              `json:"node"`
	Total map[string]int64 `json:"total"`
	// Reserved is what is kept from pods; nil of a machine.
	Reserved map[string]int64 `json:"reserved,omitempty"`
}

// HugePagesResource returns the name that Kubernetes has for huge pages of a size:
// hugepages-2Mi.
func HugePagesResource(sizeKiB int64) string {
	unit := "Ki"
	for _, next := range []string{"Mi", "Gi"} {
		if sizeKiB%(1<<10) == 0 {
			sizeKiB, unit = sizeKiB>>10, next
		}
	}
	return "hugepages-" + strconv.FormatInt(sizeKiB, 10) + unit
}
