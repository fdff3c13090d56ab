package winhardware

import (
	"encoding/binary"
	"strings"
)

// asker asks a processor: CPUID by leaf and subleaf, which answers EAX, EBX, ECX and
// EDX, and XCR0.
type asker struct {
	cpuid func(leaf, subleaf uint32) [4]uint32
	xcr0  func() uint32
}

// The places of an answer.
const (
	eax = iota
	ebx
	ecx
	edx
)

// Leaves of CPUID (Intel SDM volume 2, AMD APM volume 3), and those of hypervisors.
const (
	leafBasic      = 0
	leafFeatures   = 1
	leafStructured = 7
	leafHypervisor = 0x40000000
	leafPrivileges = 0x40000003 // Hyper-V's
	leafExtended   = 0x80000000
)

// bit is a feature by the kernel's name (arch/x86/include/asm/cpufeatures.h).
type bit struct {
	leaf, subleaf uint32
	register      int
	number        int
	name          string
}

// featureBits are what names features, in package hardware's selection of them and in its
// levels. Names of one bit come one behind the other.
func featureBits() []bit {
	const power = leafExtended + 7
	return []bit{
		{leafFeatures, 0, ecx, 0, "pni"}, {leafFeatures, 0, ecx, 5, "vmx"}, {leafFeatures, 0, ecx, 9, "ssse3"}, {leafFeatures, 0, ecx, 12, "fma"}, {leafFeatures, 0, ecx, 13, "cx16"},
		{leafFeatures, 0, ecx, 19, "sse4_1"}, {leafFeatures, 0, ecx, 20, "sse4_2"}, {leafFeatures, 0, ecx, 22, "movbe"}, {leafFeatures, 0, ecx, 23, "popcnt"}, {leafFeatures, 0, ecx, 25, "aes"},
		{leafFeatures, 0, ecx, 26, "xsave"}, {leafFeatures, 0, ecx, 28, "avx"}, {leafFeatures, 0, ecx, 29, "f16c"}, {leafFeatures, 0, ecx, 30, "rdrand"}, {leafFeatures, 0, ecx, 31, "hypervisor"},
		{leafStructured, 0, ebx, 3, "bmi1"}, {leafStructured, 0, ebx, 5, "avx2"}, {leafStructured, 0, ebx, 8, "bmi2"}, {leafStructured, 0, ebx, 16, "avx512f"}, {leafStructured, 0, ebx, 17, "avx512dq"},
		{leafStructured, 0, ebx, 18, "rdseed"}, {leafStructured, 0, ebx, 28, "avx512cd"}, {leafStructured, 0, ebx, 29, "sha_ni"}, {leafStructured, 0, ebx, 30, "avx512bw"}, {leafStructured, 0, ebx, 31, "avx512vl"},
		{leafStructured, 0, ecx, 8, "gfni"}, {leafStructured, 0, ecx, 9, "vaes"}, {leafStructured, 0, ecx, 11, "avx512_vnni"},
		{leafStructured, 0, edx, 22, "amx_bf16"}, {leafStructured, 0, edx, 23, "avx512_fp16"}, {leafStructured, 0, edx, 24, "amx_tile"}, {leafStructured, 0, edx, 25, "amx_int8"},
		{leafStructured, 1, eax, 4, "avx_vnni"}, {leafStructured, 1, eax, 5, "avx512_bf16"},
		{leafExtended + 1, 0, ecx, 0, "lahf_lm"}, {leafExtended + 1, 0, ecx, 2, "svm"}, {leafExtended + 1, 0, ecx, 5, "abm"}, {leafExtended + 1, 0, edx, 26, "pdpe1gb"},
		{power, 0, edx, 8, "constant_tsc"}, {power, 0, edx, 8, "nonstop_tsc"},
	}
}

// flags returns the kernel's names of the features that a processor has and that the
// system lets programs use.
func (a asker) flags() []string {
	most := map[uint32]uint32{leafBasic: a.cpuid(leafBasic, 0)[eax], leafExtended: a.cpuid(leafExtended, 0)[eax]}
	usable := a.saved(most[leafBasic])
	var out []string
	for _, b := range featureBits() {
		if b.leaf > most[b.leaf&leafExtended] || b.subleaf > 0 && b.subleaf > a.cpuid(b.leaf, 0)[eax] {
			continue // what a processor answers to a leaf that it does not have means nothing
		}
		if a.cpuid(b.leaf, b.subleaf)[b.register]>>b.number&1 == 1 && usable(b.name) {
			out = append(out, b.name)
		}
	}
	return out
}

// saved tells whether the system saves the registers that a feature is about, without
// which programs cannot use it.
func (a asker) saved(most uint32) func(feature string) bool {
	const osxsave = 27
	var saves uint32
	if most >= leafFeatures && a.cpuid(leafFeatures, 0)[ecx]>>osxsave&1 == 1 {
		saves = a.xcr0()
	}
	const vectors, tiles = 1<<1 | 1<<2, 1<<17 | 1<<18
	const wide = vectors | 1<<5 | 1<<6 | 1<<7
	return func(feature string) bool {
		var needs uint32
		switch {
		case strings.HasPrefix(feature, "amx"):
			needs = tiles
		case strings.HasPrefix(feature, "avx512"):
			needs = wide
		case strings.HasPrefix(feature, "avx"), feature == "fma", feature == "f16c", feature == "vaes":
			needs = vectors
		}
		return saves&needs == needs
	}
}

// hypervisor names the one below, with its signature where it has no name here; empty
// when there is none. Windows itself is above one as soon as Hyper-V or the security
// that is based on it runs: then it is the partition that makes all others, which the
// privileges tell (Hypervisor Top-Level Functional Specification), and the machine is
// no virtual one.
func (a asker) hypervisor() (kind string, guest bool) {
	const present, createPartitions = 31, 0
	if a.cpuid(leafFeatures, 0)[ecx]>>present&1 == 0 {
		return "", false
	}
	answer := a.cpuid(leafHypervisor, 0)
	var signature []byte
	for _, r := range answer[ebx:] {
		signature = binary.LittleEndian.AppendUint32(signature, r)
	}
	name := strings.Trim(string(signature), "\x00 ")
	if name == "Microsoft Hv" && answer[eax] >= leafPrivileges && a.cpuid(leafPrivileges, 0)[ebx]>>createPartitions&1 == 1 {
		return "", false
	}
	known := map[string]string{"KVMKVMKVM": "kvm", "Microsoft Hv": "hyperv", "XenVMMXenVMM": "xen", "VMwareVMware": "vmware", "VBoxVBoxVBox": "virtualbox", "TCGTCGTCGTCG": "qemu", "bhyve bhyve": "bhyve"}
	if kind = known[name]; kind == "" {
		kind = strings.ToValidUTF8(name, "?")
	}
	return kind, true
}
