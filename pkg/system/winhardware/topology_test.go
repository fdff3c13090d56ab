package winhardware

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// mask is the logical processors of one group.
type mask struct {
	group uint16
	bits  uint64
}

// record builds a record of a relation with its masks; number is the first field of
// a node.
func record(relation, number uint32, masks ...mask) []byte {
	b := binary.LittleEndian.AppendUint32(nil, relation)
	b = binary.LittleEndian.AppendUint32(b, uint32(masksAt+maskSize*len(masks)))
	b = binary.LittleEndian.AppendUint32(b, number)
	b = append(b, make([]byte, groupCountAt-len(b))...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(masks)))
	for _, m := range masks {
		b = binary.LittleEndian.AppendUint64(b, m.bits)
		b = binary.LittleEndian.AppendUint16(b, m.group)
		b = append(b, make([]byte, 6)...)
	}
	return b
}

// server is two sockets with two cores of two threads each; the second socket is in
// another processor group. Between them is a record that nobody reads.
func server() []byte {
	return slices.Concat(
		record(relationCore, 1, mask{0, 0b11}), record(relationCore, 1, mask{0, 0b1100}),
		[]byte{2, 0, 0, 0, 12, 0, 0, 0, 1, 2, 3, 4}, // a cache
		record(relationCore, 1, mask{1, 0b11}), record(relationCore, 1, mask{1, 0b1100}),
		record(relationPackage, 0, mask{0, 0xf}), record(relationPackage, 0, mask{1, 0xf}),
		record(relationNode, 1, mask{1, 0xf}), record(relationNode, 0, mask{0, 0xf}),
	)
}

func TestProcessorsOfSeveralGroupsAreNumberedThrough(t *testing.T) {
	cpu, nodes, err := parseTopology(server())
	if err != nil {
		t.Fatal(err)
	}
	want := hardware.CPU{Online: 8, OnlineSet: "0-3,64-67", Sockets: 2, Cores: 4, ThreadsPerCore: 2}
	if d := cmp.Diff(want, cpu); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
	if d := cmp.Diff([]hardware.NUMANode{{Number: 0, CPUs: "0-3"}, {Number: 1, CPUs: "64-67"}}, nodes); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
}

func TestAMachineOfOneGroupMayHaveNoCountOfThem(t *testing.T) {
	old := record(relationNode, 0, mask{0, 1})
	old[groupCountAt] = 0
	empty := record(relationNode, 1, mask{0, 0})
	_, nodes, err := parseTopology(slices.Concat(record(relationCore, 0, mask{0, 1}), old, empty))
	if d := cmp.Diff([]hardware.NUMANode{{Number: 0, CPUs: "0"}, {Number: 1}}, nodes); d != "" || err != nil {
		t.Errorf("%v, want (-), got (+):\n%s", err, d)
	}
}

func TestTheGroupsOfANodeAddUp(t *testing.T) {
	b := slices.Concat(record(relationCore, 0, mask{0, 1}), record(relationNode, 0, mask{0, 1}), record(relationNode, 0, mask{0, 1}, mask{1, 0b10}))
	_, nodes, err := parseTopology(b)
	if d := cmp.Diff([]hardware.NUMANode{{Number: 0, CPUs: "0,65"}}, nodes); d != "" || err != nil {
		t.Errorf("%v, want (-), got (+):\n%s", err, d)
	}
}

// Windows may answer the question for whole nodes with records of that relation.
func TestNodesInFullAreNodes(t *testing.T) {
	b := slices.Concat(record(relationCore, 0, mask{0, 1}), record(relationNode, 0, mask{0, 1}), record(relationNodeEx, 0, mask{0, 1}, mask{1, 0b10}))
	_, nodes, err := parseTopology(b)
	if d := cmp.Diff([]hardware.NUMANode{{Number: 0, CPUs: "0,65"}}, nodes); d != "" || err != nil {
		t.Errorf("%v, want (-), got (+):\n%s", err, d)
	}
}

func TestABrokenAnswerIsAnError(t *testing.T) {
	b := server()
	tooMany := record(relationCore, 0, mask{0, 1})
	tooMany[groupCountAt] = 9
	for name, b := range map[string][]byte{
		"empty": nil, "half a header": b[:5], "half a record": b[:20], "no size": make([]byte, 64), "more groups than fit": tooMany,
		"a core without a place": {0, 0, 0, 0, 8, 0, 0, 0}, "a group beyond all": record(relationCore, 0, mask{60000, 1}), "no core": record(relationPackage, 0, mask{0, 1}),
	} {
		if cpu, _, err := parseTopology(b); err == nil {
			t.Errorf("%s: got %+v", name, cpu)
		}
	}
}

func FuzzTopology(f *testing.F) {
	f.Add(server())
	f.Add(record(relationCore, 0, mask{0, 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		cpu, nodes, err := parseTopology(b)
		if err == nil && (cpu.Cores == 0 || cpu.Online != cpu.OnlineSet.Count()) {
			t.Errorf("%x: %+v", b, cpu)
		}
		for _, n := range nodes {
			if _, err := hardware.ParseCPUSet(string(n.CPUs)); err != nil {
				t.Errorf("%x: %v", b, err)
			}
		}
	})
}

func TestPCIFunctionsAreReadFromTheirIdentifiers(t *testing.T) {
	ena := []string{`PCI\VEN_1D0F&DEV_EC20&SUBSYS_EC201D0F&REV_00`, `PCI\VEN_1D0F&DEV_EC20&SUBSYS_EC201D0F`, `PCI\VEN_1D0F&DEV_EC20&CC_020000`, `PCI\VEN_1D0F&DEV_EC20&CC_0200`}
	got, err := parsePCI(ena, nil, 0, 5<<16, "ENA")
	if want := (hardware.PCIDevice{Address: "0000:00:05.0", Vendor: "1d0f", Device: "ec20", Class: "020000", Driver: "ena"}); got != want || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = parsePCI([]string{`PCI\VEN_10DE&DEV_1EB8&SUBSYS_12A210DE&REV_A1`}, []string{`PCI\VEN_10DE&CC_0302`, `PCI\VEN_10DE`}, 0x1e, 3, "")
	if want := (hardware.PCIDevice{Address: "0000:1e:00.3", Vendor: "10de", Device: "1eb8", Class: "030200"}); got != want || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err = parsePCI(ena, nil, 0x10203, 5<<16, ""); got.Address != "0102:03:05.0" || err != nil {
		t.Errorf("in a segment: got %+v, %v", got, err)
	}
	for name, ids := range map[string][]string{"none": nil, "another bus": {`USB\VEN_10DE&DEV_1EB8&CC_0302`}, "no class": {`PCI\VEN_10DE&DEV_1EB8`}, "no digits": {`PCI\VEN_XXXX&DEV_1EB8&CC_0302`}, "too short": {`PCI\VEN_10D&DEV_1EB8&CC_0302`}} {
		if got, err := parsePCI(ids, nil, 0, 0, ""); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func FuzzPCI(f *testing.F) {
	f.Add(`PCI\VEN_1D0F&DEV_EC20&CC_020000`, uint32(1), uint32(5<<16))
	f.Add(`PCI\CC_&VEN_`, uint32(0), uint32(0))
	f.Fuzz(func(t *testing.T, id string, bus, address uint32) {
		d, err := parsePCI([]string{id}, nil, bus, address, "")
		if err == nil && (len(d.Vendor) != 4 || len(d.Device) != 4 || len(d.Class) != 6 || len(d.Address) != 12 || strings.Trim(d.Vendor+d.Device+d.Class, "0123456789abcdef") != "") {
			t.Errorf("%q: %+v", id, d)
		}
	})
}
