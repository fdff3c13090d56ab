package winhardware

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/hardware"
)

type question struct{ leaf, subleaf uint32 }

// answers is a processor that answers what is written, and zeros otherwise; not where
// it has no such leaf: there, as Intel's do, it answers all ones.
func answers(xcr0 uint32, known map[question][4]uint32) asker {
	return asker{
		cpuid: func(leaf, subleaf uint32) [4]uint32 {
			if most := known[question{leaf & leafExtended, 0}][eax]; leaf < leafHypervisor && leaf > most || leaf > leafExtended && leaf > most {
				return [4]uint32{^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0)}
			}
			return known[question{leaf, subleaf}]
		},
		xcr0: func() uint32 { return xcr0 },
	}
}

func TestFeaturesAreThoseThatTheSystemLetsProgramsUse(t *testing.T) {
	const avx, osxsave, hypervisor = 1 << 28, 1 << 27, 1 << 31
	modern := map[question][4]uint32{
		{leafBasic, 0}:      {eax: leafStructured},
		{leafFeatures, 0}:   {ecx: avx | osxsave | 1<<20},
		{leafStructured, 0}: {eax: 1, ebx: 1<<16 | 1<<5, edx: 1 << 24},
		{leafStructured, 1}: {eax: 1 << 5},
		{leafExtended, 0}:   {eax: leafExtended + 7}, {leafExtended + 7, 0}: {edx: 1 << 8},
	}
	for name, tt := range map[string]struct {
		p    asker
		want string
	}{
		"all registers saved": {answers(0x600e7, modern), "amx_tile avx avx2 avx512_bf16 avx512f constant_tsc nonstop_tsc sse4_2"},
		"no tiles":            {answers(0xe7, modern), "avx avx2 avx512_bf16 avx512f constant_tsc nonstop_tsc sse4_2"},
		"half of AVX-512's":   {answers(0x67, modern), "avx avx2 constant_tsc nonstop_tsc sse4_2"},
		"no vectors":          {answers(3, modern), "constant_tsc nonstop_tsc sse4_2"},
		"XCR0 may not be asked": {asker{answers(0, map[question][4]uint32{{leafBasic, 0}: {eax: 1}, {leafFeatures, 0}: {ecx: avx | hypervisor}}).cpuid,
			func() uint32 { panic("XGETBV is no instruction here") }}, "hypervisor"},
		"leaves that are not there": {answers(0x600e7, map[question][4]uint32{{leafBasic, 0}: {eax: 1}, {leafFeatures, 0}: {ecx: osxsave}}), ""},
	} {
		got := tt.p.flags()
		slices.Sort(got)
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %q", name, strings.Join(got, " "), tt.want)
		}
	}
}

// signature is the answer of a hypervisor that writes itself so.
func signature(most uint32, name string) [4]uint32 {
	b := append([]byte(name), make([]byte, 12)...)
	return [4]uint32{most, binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])}
}

func TestTheHypervisorIsNamedByItsSignature(t *testing.T) {
	flag := [4]uint32{ecx: 1 << 31}
	for name, tt := range map[string]struct {
		known map[question][4]uint32
		kind  string
		guest bool
	}{
		"none":      {map[question][4]uint32{{0, 0}: {eax: 1}, {leafHypervisor, 0}: signature(1, "rubbish")}, "", false},
		"KVM":       {map[question][4]uint32{{0, 0}: {eax: 1}, {1, 0}: flag, {leafHypervisor, 0}: signature(leafHypervisor+1, "KVMKVMKVM")}, "kvm", true},
		"Xen":       {map[question][4]uint32{{0, 0}: {eax: 1}, {1, 0}: flag, {leafHypervisor, 0}: signature(leafHypervisor+1, "XenVMMXenVMM")}, "xen", true},
		"a guest":   {map[question][4]uint32{{0, 0}: {eax: 1}, {1, 0}: flag, {leafHypervisor, 0}: signature(leafHypervisor+5, "Microsoft Hv"), {leafPrivileges, 0}: {ebx: 1 << 5}}, "hyperv", true},
		"the root":  {map[question][4]uint32{{0, 0}: {eax: 1}, {1, 0}: flag, {leafHypervisor, 0}: signature(leafHypervisor+5, "Microsoft Hv"), {leafPrivileges, 0}: {ebx: 1}}, "", false},
		"unknown":   {map[question][4]uint32{{0, 0}: {eax: 1}, {1, 0}: flag, {leafHypervisor, 0}: signature(leafHypervisor, " lrpepyh  vr")}, "lrpepyh  vr", true},
		"nameless":  {map[question][4]uint32{{0, 0}: {eax: 1}, {1, 0}: flag}, "", true},
		"gibberish": {map[question][4]uint32{{0, 0}: {eax: 1}, {1, 0}: flag, {leafHypervisor, 0}: signature(0, "\xff\xfeKVM")}, "?KVM", true},
	} {
		if kind, guest := answers(0, tt.known).hypervisor(); kind != tt.kind || guest != tt.guest {
			t.Errorf("%s: got %q, %v; want %q, %v", name, kind, guest, tt.kind, tt.guest)
		}
	}
}

// The names are those that hardware chooses from, so that none is lost by a slip.
func TestEveryFeatureIsOfUse(t *testing.T) {
	var all []string
	for _, b := range featureBits() {
		all = append(all, b.name)
	}
	features, level := hardware.NotableFeatures("amd64", all)
	if level != "x86-64-v4" {
		t.Errorf("a processor with all features is of level %q", level)
	}
	for i, name := range all {
		if slices.Contains(features, name) {
			continue
		}
		_, without := hardware.NotableFeatures("amd64", slices.Delete(slices.Clone(all), i, i+1))
		if without == level {
			t.Errorf("%s is neither shown nor needed for a level", name)
		}
	}
}
