// Package instancetype knows the EC2 instance types without asking anybody: their
// ENI limits, so that the number of pods can be decided at boot without an EC2
// call, and their shape, so that a machine can be described by the name of its
// type alone.
//
// The facts are in two files. enilimits.txt has one line a type, sorted by its
// bytes,
//
//	TYPE ENIS IPV4 VCPUS [~]MEMORY [CARDS]
//
// where ENIS is the MaximumNetworkInterfaces of the type's default network card and
// IPV4 its Ipv4AddressesPerInterface, both from EC2's DescribeInstanceTypes over all
// regions; VCPUS and MEMORY (MiB) are its default vCPUs and its memory as the EC2
// instance type guide lists them, family by family; and CARDS is the number of
// network cards where there is more than one (EC2 user guide, "Network cards"). A ~
// marks a memory that is estimated from the type's family.
//
// families.txt has one line a family,
//
//	FAMILY ARCHITECTURE HYPERVISOR ACCELERATOR
//
// with Go's name of the architecture, the hypervisor that the tables of the Amazon
// VPC CNI have for its sizes (those called metal have none), and the maker or kind
// of its accelerators, - for none.
//
// To renew the files, write these columns for every type and every family, sort with
// LC_ALL=C, and run the package's tests, which hold the format. A type that is in
// neither must be asked from EC2; what can be said without that is in [Estimate].
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

//go:embed families.txt
var families string

// Limits returns the ENI limits of an instance type; false when the table does
// not know it. It searches the text as it is, so it costs a few comparisons
// and no memory.
func Limits(instanceType string) (hardware.ENILimits, bool) {
	r, ok := lookup(instanceType)
	return r.limits, ok
}

// All yields every known type with its limits, in the order of the table.
func All() iter.Seq2[string, hardware.ENILimits] {
	return func(yield func(string, hardware.ENILimits) bool) {
		for r := range rows() {
			if !yield(r.name, r.limits) {
				return
			}
		}
	}
}

// row is one line of the table.
type row struct {
	name      string
	limits    hardware.ENILimits
	vcpus     int
	memory    int // MiB
	estimated bool
	cards     int
}

// rows yields the whole table.
func rows() iter.Seq[row] {
	return func(yield func(row) bool) {
		for line := range strings.Lines(table) {
			if r, ok := parse(strings.TrimSuffix(line, "\n")); ok && !yield(r) {
				return
			}
		}
	}
}

// lookup finds one line of the table.
func lookup(instanceType string) (row, bool) {
	r, ok := parse(find(table, instanceType))
	if !ok || r.name != instanceType {
		return row{}, false
	}
	return r, true
}

// find returns the first line of a sorted text whose first word is key or comes
// after it; empty when there is none.
func find(text, key string) string {
	// The smallest offset from which the next whole line is at or after the key.
	at := sort.Search(len(text), func(i int) bool {
		name, _, _ := strings.Cut(lineFrom(text, i), " ")
		return name == "" || name >= key
	})
	return lineFrom(text, at)
}

// lineFrom returns the first line that starts at offset i or later; empty
// after the last.
func lineFrom(text string, i int) string {
	if i > 0 {
		end := strings.IndexByte(text[i-1:], '\n')
		if end < 0 {
			return ""
		}
		i += end
	}
	line, _, _ := strings.Cut(text[i:], "\n")
	return line
}

// parse reads one line of the table.
func parse(line string) (row, bool) {
	f := strings.Split(line, " ")
	if len(f) != 5 && len(f) != 6 {
		return row{}, false
	}
	r := row{name: f[0], cards: 1}
	f[4], r.estimated = strings.CutPrefix(f[4], "~")
	fields := []*int{&r.limits.MaxENIs, &r.limits.IPv4PerENI, &r.vcpus, &r.memory, &r.cards}
	for i, text := range f[1:] {
		n, err := strconv.Atoi(text)
		if err != nil {
			return row{}, false
		}
		*fields[i] = n
	}
	return r, true
}
