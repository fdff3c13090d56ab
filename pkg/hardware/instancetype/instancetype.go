// Package instancetype knows the ENI limits of the EC2 instance types without
// asking anybody, so that the number of pods can be decided at boot without an
// EC2 call.
//
// The facts are in enilimits.txt: one line a type, sorted by its bytes,
//
//	TYPE ENIS IPV4
//
// where ENIS is the MaximumNetworkInterfaces of the type's default network
// card and IPV4 its Ipv4AddressesPerInterface, both from EC2's
// DescribeInstanceTypes over all regions. To renew the file, write these three
// for every type, sort with LC_ALL=C, and run the package's tests, which hold
// the format. A type that is not in it must be asked from EC2.
package instancetype

import (
	_ "embed"
	"iter"
	"sort"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/hardware"
)

//go:embed enilimits.txt
var table string

// Limits returns the ENI limits of an instance type; false when the table does
// not know it. It searches the text as it is, so it costs a few comparisons
// and no memory.
func Limits(instanceType string) (hardware.ENILimits, bool) {
	// The smallest offset from which the next whole line is at or after the type.
	at := sort.Search(len(table), func(i int) bool {
		name, _, _ := strings.Cut(lineFrom(i), " ")
		return name == "" || name >= instanceType
	})
	name, limits, ok := parse(lineFrom(at))
	if !ok || name != instanceType {
		return hardware.ENILimits{}, false
	}
	return limits, true
}

// lineFrom returns the first line that starts at offset i or later; empty
// after the last.
func lineFrom(i int) string {
	if i > 0 {
		end := strings.IndexByte(table[i-1:], '\n')
		if end < 0 {
			return ""
		}
		i += end
	}
	line, _, _ := strings.Cut(table[i:], "\n")
	return line
}

// parse reads one line of the table.
func parse(line string) (string, hardware.ENILimits, bool) {
	f := strings.Split(line, " ")
	if len(f) != 3 {
		return "", hardware.ENILimits{}, false
	}
	enis, errE := strconv.Atoi(f[1])
	addresses, errA := strconv.Atoi(f[2])
	return f[0], hardware.ENILimits{MaxENIs: enis, IPv4PerENI: addresses}, errE == nil && errA == nil
}

// All yields every known type with its limits, in the order of the table.
func All() iter.Seq2[string, hardware.ENILimits] {
	return func(yield func(string, hardware.ENILimits) bool) {
		for line := range strings.Lines(table) {
			name, limits, ok := parse(strings.TrimSuffix(line, "\n"))
			if ok && !yield(name, limits) {
				return
			}
		}
	}
}
