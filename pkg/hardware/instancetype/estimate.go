package instancetype

import (
	"fmt"
	"strings"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// Estimate returns ENI limits for an instance type that the table does not know,
// from those that it knows, and says in a phrase which. They are meant as a lower
// bound, since a node with fewer pods than its addresses allow works, and one with
// more does not: the least of
//
//   - the limits of the family's next smaller size, and
//   - the smallest among types of the same size and class; a new generation has
//     not had less than the ones before;
//
// and where there is neither, the smallest among all types of the same size. Types
// on Xen are left out. It is false where there is nothing to compare with, and for a
// type that the table knows.
func Estimate(instanceType string) (hardware.ENILimits, string, bool) {
	if _, known := lookup(instanceType); known {
		return hardware.ENILimits{}, "", false
	}
	return estimate(instanceType)
}

// estimate is [Estimate] as if the table did not know the type.
func estimate(instanceType string) (hardware.ENILimits, string, bool) {
	name, size, ok := strings.Cut(instanceType, ".")
	class, _, named := classOf(name)
	if !ok || !named || size == "" {
		return hardware.ENILimits{}, "", false
	}
	others := func(class string) (hardware.ENILimits, int) {
		return smallest(func(r row, family string) bool {
			_, s, _ := strings.Cut(r.name, ".")
			of, _, _ := classOf(family)
			return r.name != instanceType && s == size && (class == "" || of == class)
		})
	}
	alike, count := others(class)
	smaller, known := nextSmaller(instanceType, name, size)
	switch {
	case known && count > 0:
		return least(smaller.limits, alike), fmt.Sprintf("the least of %s and the %d known types %s*.%s", smaller.name, count, class, size), true
	case known:
		return smaller.limits, smaller.name + ", the next smaller size that is known", true
	case count > 0:
		return alike, fmt.Sprintf("the least of the %d known types %s*.%s", count, class, size), true
	}
	if alike, count = others(""); count > 0 {
		return alike, fmt.Sprintf("the least of the %d known types of the size %s", count, size), true
	}
	return hardware.ENILimits{}, "", false
}

// nextSmaller returns the largest known size of a family that has no more vCPUs than
// size.
func nextSmaller(instanceType, name, size string) (row, bool) {
	want := vcpusOf(size)
	var best row
	for r := range rows() {
		family, _, _ := strings.Cut(r.name, ".")
		if r.name != instanceType && family == name && r.vcpus <= want && r.vcpus > best.vcpus {
			best = r
		}
	}
	return best, best.name != ""
}

// smallest returns the least limits of the types that are meant, less those on Xen,
// and how many there are.
func smallest(meant func(r row, family string) bool) (out hardware.ENILimits, count int) {
	for r := range rows() {
		name, _, _ := strings.Cut(r.name, ".")
		if !meant(r, name) {
			continue
		}
		if f, known := familyOf(name); !known || f.hypervisor == Xen {
			continue
		}
		if count++; count == 1 {
			out = r.limits
		}
		out = least(out, r.limits)
	}
	return out, count
}

func least(a, b hardware.ENILimits) hardware.ENILimits {
	return hardware.ENILimits{MaxENIs: min(a.MaxENIs, b.MaxENIs), IPv4PerENI: min(a.IPv4PerENI, b.IPv4PerENI)}
}
