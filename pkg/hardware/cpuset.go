package hardware

import (
	"fmt"
	"slices"
	"strings"
)

// CPUSet is a set of CPU numbers, written as the kernel and kubelet do: 0-3,8. It
// is sorted and has no overlaps, so equal sets are equal strings; the empty string is
// the empty set. ParseCPUSet makes it.
type CPUSet string

// ParseCPUSet reads a set in the kernel's list format, in any order and with
// overlaps. Numbers go to 65535. White space around it is dropped.
func ParseCPUSet(s string) (CPUSet, error) {
	l, err := parseCPUList(s)
	if err != nil {
		return "", err
	}
	return l.set(), nil
}

// CPUSetOf returns the set of CPU numbers that are given in any order, and maybe more
// than once.
func CPUSetOf(cpus []int) CPUSet {
	l := make(cpuList, 0, len(cpus))
	for _, n := range cpus {
		l = append(l, cpuRange{n, n})
	}
	return l.set()
}

// set writes ranges as a set.
func (l cpuList) set() CPUSet {
	l = slices.Clone(l)
	slices.SortFunc(l, func(a, b cpuRange) int { return a.first - b.first })
	var merged cpuList
	for _, r := range l {
		if n := len(merged); n > 0 && r.first <= merged[n-1].last+1 {
			merged[n-1].last = max(merged[n-1].last, r.last)
			continue
		}
		merged = append(merged, r)
	}
	parts := make([]string, len(merged))
	for i, r := range merged {
		if parts[i] = fmt.Sprint(r.first); r.last > r.first {
			parts[i] = fmt.Sprintf("%d-%d", r.first, r.last)
		}
	}
	return CPUSet(strings.Join(parts, ","))
}

// ranges reads the set back; nothing of a string that is no set.
func (s CPUSet) ranges() cpuList {
	l, err := parseCPUList(string(s))
	if err != nil {
		return nil
	}
	return l
}

// Count is the number of CPUs in the set.
func (s CPUSet) Count() int {
	n := 0
	for _, r := range s.ranges() {
		n += r.last - r.first + 1
	}
	return n
}

// Has reports whether the set holds CPU n.
func (s CPUSet) Has(n int) bool { return s.ranges().has(n) }

// Numbers are the CPUs of the set, in ascending order.
func (s CPUSet) Numbers() []int {
	var out []int
	for _, r := range s.ranges() {
		for n := r.first; n <= r.last; n++ {
			out = append(out, n)
		}
	}
	return out
}

// Minus is the set less the CPUs of another.
func (s CPUSet) Minus(other CPUSet) CPUSet {
	away := other.ranges()
	var left cpuList
	for _, n := range s.Numbers() {
		if !away.has(n) {
			left = append(left, cpuRange{n, n})
		}
	}
	return left.set()
}
