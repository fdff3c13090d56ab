package kubelet

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/hardware"
)

// cpus is a set of CPUs, sorted.
type cpus []int

// mostCPUs is how many CPUs are believed; NR_CPUS of the kernel is 8192 at most.
const mostCPUs = 1 << 16

// parseCPUs reads a list of CPUs as the kernel and kubelet write it: 0-3,8.
func parseCPUs(text string) (out cpus, ok bool) {
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
		if errA != nil || errB != nil || b < a || len(out) > mostCPUs {
			return nil, false
		}
		for n := a; n <= b; n++ {
			out = append(out, int(n))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), true
}

// String writes the set with ranges.
func (c cpus) String() string { return string(hardware.CPUSetOf(c)) }

func (c cpus) has(n int) bool {
	_, ok := slices.BinarySearch(c, n)
	return ok
}

// holds reports whether all of o is in c, meets whether any of it is.
func (c cpus) holds(o cpus) bool {
	return !slices.ContainsFunc(o, func(n int) bool { return !c.has(n) })
}
func (c cpus) meets(o cpus) bool { return slices.ContainsFunc(o, c.has) }

// without returns the CPUs of c that are not in o.
func (c cpus) without(o cpus) cpus {
	return slices.DeleteFunc(slices.Clone(c), o.has)
}

// bytesOf reads a Kubernetes quantity as bytes, rounded up as Quantity.Value does.
func bytesOf(quantity string) (int64, error) {
	milli, err := api.ParseQuantity(quantity)
	if err != nil {
		return 0, fmt.Errorf("cannot read %q: %w", quantity, err)
	}
	if milli == 0 {
		return 0, nil
	}
	return (milli-1)/1000 + 1, nil
}

func sortedKeys(m map[string]int64) []string { return slices.Sorted(maps.Keys(m)) }
