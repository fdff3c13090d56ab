package winhardware

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// The relations in the answer of GetLogicalProcessorInformationEx that are read
// (winnt.h, LOGICAL_PROCESSOR_RELATIONSHIP).
const (
	relationCore    = 0
	relationNode    = 1
	relationPackage = 3
	relationNodeEx  = 6
)

const (
	// A record begins with its relation and its size, four bytes each. In those
	// that are read, the number of groups is at 30 and the first mask at 32.
	recordHeader = 8
	groupCountAt = 30
	masksAt      = 32
	// A GROUP_AFFINITY is a mask of 64 bits, the number of the group, and padding.
	maskSize  = 16
	groupSize = 64 // logical processors of a group, at most
	maxGroup  = 1023
)

// parseTopology reads answers of GetLogicalProcessorInformationEx on 64-bit Windows,
// one behind the other. Logical processors are numbered as kubelet does on Windows: 64
// a group, group by group. Records of one node add up, since Windows Server 2022 tells
// only its first group unless it is asked for nodes alone, in records of either
// relation (SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX).
func parseTopology(b []byte) (hardware.CPU, []hardware.NUMANode, error) {
	var cpu hardware.CPU
	sets := map[int]hardware.CPUSet{}
	var online []string
	for len(b) > 0 {
		if len(b) < recordHeader {
			return cpu, nil, errors.New("cannot read processors: the answer breaks off within a record")
		}
		relation, size := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		if size < recordHeader || uint64(size) > uint64(len(b)) {
			return cpu, nil, fmt.Errorf("cannot read processors: a record of %d bytes in %d", size, len(b))
		}
		record := b[:size]
		b = b[size:]
		if relation != relationCore && relation != relationNode && relation != relationNodeEx && relation != relationPackage {
			continue
		}
		set, err := processors(record)
		if err != nil {
			return cpu, nil, err
		}
		switch relation {
		case relationCore:
			cpu.Cores++
			cpu.ThreadsPerCore = max(cpu.ThreadsPerCore, set.Count())
			online = append(online, string(set))
		case relationPackage:
			cpu.Sockets++
		case relationNode, relationNodeEx:
			number := int(binary.LittleEndian.Uint32(record[recordHeader:]))
			if sets[number], err = union(sets[number], set); err != nil {
				return cpu, nil, err
			}
		}
	}
	if cpu.Cores == 0 {
		return cpu, nil, errors.New("cannot read processors: the answer holds none")
	}
	set, err := hardware.ParseCPUSet(strings.Join(online, ","))
	if err != nil {
		return cpu, nil, err
	}
	cpu.OnlineSet, cpu.Online = set, set.Count()
	var nodes []hardware.NUMANode
	for _, number := range slices.Sorted(maps.Keys(sets)) {
		nodes = append(nodes, hardware.NUMANode{Number: number, CPUs: sets[number]})
	}
	return cpu, nodes, nil
}

// union is the set of the CPUs in either.
func union(a, b hardware.CPUSet) (hardware.CPUSet, error) {
	if a == "" || b == "" {
		return a + b, nil
	}
	return hardware.ParseCPUSet(string(a + "," + b))
}

// processors reads the masks of a record. Before Windows Server 2022 the number of
// groups of a node is zero, and there is one.
func processors(record []byte) (hardware.CPUSet, error) {
	if len(record) < masksAt+maskSize {
		return "", fmt.Errorf("cannot read processors: a record of %d bytes has no place for processors", len(record))
	}
	groups := max(int(binary.LittleEndian.Uint16(record[groupCountAt:])), 1)
	if len(record) < masksAt+groups*maskSize {
		return "", fmt.Errorf("cannot read processors: a record of %d bytes has no place for %d groups", len(record), groups)
	}
	var numbers []string
	for i := range groups {
		m := record[masksAt+i*maskSize:]
		mask, group := binary.LittleEndian.Uint64(m), int(binary.LittleEndian.Uint16(m[8:]))
		if group > maxGroup {
			return "", fmt.Errorf("cannot read processors: there is no group %d", group)
		}
		for ; mask != 0; mask &= mask - 1 {
			numbers = append(numbers, strconv.Itoa(group*groupSize+bits.TrailingZeros64(mask)))
		}
	}
	if len(numbers) == 0 {
		return "", nil // a node with memory alone
	}
	return hardware.ParseCPUSet(strings.Join(numbers, ","))
}

// parsePCI makes a function of what the PCI bus driver says of it: identifiers such
// as PCI\VEN_1D0F&DEV_EC20&SUBSYS_EC201D0F&REV_00, and the compatible ones, of which
// one has the class: PCI\CC_020000. bus has the segment above its lowest eight bits
// (PCI_SEGMENT_BUS_NUMBER); address is the device in the upper 16 bits and the
// function in the lower.
func parsePCI(hardwareIDs, compatibleIDs []string, bus, address uint32, service string) (hardware.PCIDevice, error) {
	d := hardware.PCIDevice{
		Address: fmt.Sprintf("%04x:%02x:%02x.%x", bus>>8&0xffff, bus&0xff, address>>16&0x1f, address&0x7),
		Driver:  strings.ToLower(service),
	}
	for _, id := range slices.Concat(hardwareIDs, compatibleIDs) {
		rest, ok := strings.CutPrefix(strings.ToUpper(id), `PCI\`)
		if !ok {
			continue
		}
		for field := range strings.SplitSeq(rest, "&") {
			key, value, _ := strings.Cut(field, "_")
			switch {
			case strings.Trim(value, "0123456789ABCDEF") != "":
			case key == "VEN" && len(value) == 4 && d.Vendor == "":
				d.Vendor = strings.ToLower(value)
			case key == "DEV" && len(value) == 4 && d.Device == "":
				d.Device = strings.ToLower(value)
			case key == "CC" && (len(value) == 6 || len(value) == 4) && len(value) > len(d.Class):
				d.Class = strings.ToLower(value)
			}
		}
	}
	if d.Vendor == "" || d.Device == "" || d.Class == "" {
		return d, fmt.Errorf("cannot read PCI function %s: no vendor, device and class in its identifiers", d.Address)
	}
	if len(d.Class) == 4 {
		d.Class += "00"
	}
	return d, nil
}
