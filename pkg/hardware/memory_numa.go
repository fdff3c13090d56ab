package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	probeNUMA = "numa"
	probeSwap = "swap"
	swaps     = "proc/swaps"
)

// NUMANode is memory and the CPUs that are near to it.
type NUMANode struct {
	Number int `json:"number"`
	// CPUs are those of the node that are online; none for memory on its own.
	CPUs CPUSet `json:"cpus,omitempty"`
	// MemoryBytes is the node's MemTotal; 0 on Windows, which does not tell it.
	MemoryBytes int64 `json:"memoryBytes"`
	// Distances are those to each node in order; 10 is its own (ACPI, SLIT).
	Distances []int `json:"distances,omitempty"`
	// HugePages are the node's part of the pools.
	HugePages []HugePages `json:"hugePages,omitempty"`
}

// lookAtNUMA reads the nodes. One that cannot be read is left out with a problem.
func lookAtNUMA(root fs.FS, f *Facts) []Problem {
	names, err := list(root, nodeDir)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = there(root, "sys/devices/system", nodeDir)
	}
	if err != nil {
		return []Problem{failed(probeNUMA, err)}
	}
	var problems []Problem
	for _, n := range numbered(names, "node") {
		node, err := numaNode(root, n)
		if err != nil {
			problems = append(problems, failed(probeNUMA, err))
			continue
		}
		f.NUMA = append(f.NUMA, node)
	}
	slices.SortFunc(f.NUMA, func(a, b NUMANode) int { return a.Number - b.Number })
	return problems
}

func numaNode(root fs.FS, n numberedName) (NUMANode, error) {
	node := NUMANode{Number: n.number}
	dir := path.Join(nodeDir, n.name)
	text, err := read(root, path.Join(dir, "cpulist"))
	if err != nil {
		return node, err
	}
	if node.CPUs, err = ParseCPUSet(text); err != nil {
		return node, fmt.Errorf("cannot read /%s/cpulist: %w", dir, err)
	}
	if text, err = read(root, path.Join(dir, "meminfo")); err != nil {
		return node, err
	}
	if node.MemoryBytes, err = totalIn(text, "Node "+strconv.Itoa(n.number)+" MemTotal:"); err != nil {
		return node, fmt.Errorf("cannot read /%s/meminfo: %w", dir, err)
	}
	if text, err = read(root, path.Join(dir, "distance")); err != nil {
		return node, err
	}
	for word := range strings.FieldsSeq(text) {
		d, err := strconv.ParseUint(word, 10, 8)
		if err != nil {
			return node, fmt.Errorf("cannot parse /%s/distance: %s is no distance", dir, quote(word))
		}
		node.Distances = append(node.Distances, int(d))
	}
	node.HugePages, err = hugePages(root, dir, path.Join(dir, "hugepages"))
	return node, err
}

// totalIn finds a line of a meminfo by its beginning, and returns its bytes.
func totalIn(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		number, unit, _ := strings.Cut(strings.TrimSpace(value), " ")
		kib, err := strconv.ParseInt(number, 10, 64)
		if err != nil || kib < 0 || kib > math.MaxInt64/1024 || unit != "kB" {
			return 0, fmt.Errorf("%s is no size in kB", quote(strings.TrimSpace(value)))
		}
		return kib * 1024, nil
	}
	return 0, fmt.Errorf("there is no %s", strings.TrimSuffix(name, ":"))
}

// Swap is an area that memory may be moved to.
type Swap struct {
	// Name is a path; Kind is partition or file.
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Bytes is its size.
	Bytes int64 `json:"bytes"`
}

// lookAtSwap reads MemTotal and the areas of swap. A kernel built without swap has
// no such file.
func lookAtSwap(root fs.FS, f *Facts) []Problem {
	var problems []Problem
	total, err := memTotal(root)
	if err != nil {
		problems = append(problems, failed(probeSwap, err))
	}
	f.Memory.TotalBytes = total
	text, err := readOf(root, meminfo, swaps)
	if err == nil && text != "" {
		f.Memory.Swap, err = parseSwaps(text)
	}
	if err != nil {
		problems = append(problems, failed(probeSwap, err))
	}
	return problems
}

// parseSwaps reads /proc/swaps: a heading, then a line an area with its name, type,
// size in KiB, use and priority. Blanks in a name are written \040 (the kernel's
// mm/swapfile.c, seq_file_path).
func parseSwaps(text string) ([]Swap, error) {
	var out []Swap
	for i, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if i == 0 || len(fields) == 0 {
			continue // the heading
		}
		if len(fields) != 5 {
			return nil, fmt.Errorf("cannot parse /%s: %s has %d fields, not 5", swaps, quote(line), len(fields))
		}
		kib, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || kib < 0 || kib > math.MaxInt64/1024 {
			return nil, fmt.Errorf("cannot parse /%s: %s is no size", swaps, quote(fields[2]))
		}
		out = append(out, Swap{Name: printable(fields[0]), Kind: printable(fields[1]), Bytes: kib * 1024})
	}
	return out, nil
}
