package instancetype

import (
	"strconv"
	"strings"
)

// Hypervisor is what stands between an instance and its machine.
type Hypervisor string

const (
	// Nitro instances can have IPv4 and IPv6 prefixes on their interfaces.
	Nitro Hypervisor = "nitro"
	// Xen instances cannot.
	Xen Hypervisor = "xen"
	// Metal instances have no hypervisor. They are on Nitro cards, and have prefixes.
	Metal Hypervisor = "metal"
)

// Prefixes reports whether instances can have prefixes on their interfaces. The
// Amazon VPC CNI and Cilium make the same test: Nitro or bare metal.
func (h Hypervisor) Prefixes() bool { return h != Xen }

// Shape is what an instance type has.
type Shape struct {
	// VCPUs is the number of logical CPUs without CPU options.
	VCPUs int
	// MemoryMiB is the memory as EC2 states it. The kernel sees somewhat less.
	MemoryMiB int
	// Architecture is Go's name for it: amd64, arm64.
	Architecture string
	Hypervisor   Hypervisor
	// Accelerator is the maker or the kind of the accelerators: nvidia, amd, neuron,
	// habana, qualcomm, fpga, media; empty for none.
	Accelerator string
	// NetworkCards is the number of network cards. The ENI limits are those of the
	// default one.
	NetworkCards int
	// Trunking: one interface can be the trunk of branch interfaces, which security
	// groups for pods need.
	Trunking bool
	// Estimated: VCPUs or MemoryMiB are from the type's name, not from EC2.
	Estimated bool
}

// ShapeOf returns the shape of an instance type; false when the table does not know
// it, see [GuessShape].
func ShapeOf(instanceType string) (Shape, bool) {
	r, ok := lookup(instanceType)
	if !ok {
		return Shape{}, false
	}
	name, size, _ := strings.Cut(instanceType, ".")
	f, ok := familyOf(name)
	if !ok {
		return Shape{}, false
	}
	s := Shape{
		VCPUs: r.vcpus, MemoryMiB: r.memory, Architecture: f.architecture, Hypervisor: f.hypervisor,
		Accelerator: f.accelerator, NetworkCards: r.cards, Estimated: r.estimated,
	}
	if isMetal(size) {
		s.Hypervisor = Metal
	}
	s.Trunking = trunks(instanceType, name, s.Hypervisor)
	return s, true
}

// trunks reports whether a type is not known to be without trunking. The types
// without are those on Xen, the T families, and a few single ones (the limits of
// amazon-vpc-resource-controller-k8s, IsTrunkingCompatible). The Amazon VPC CNI, too,
// takes a type that it does not know for one with.
func trunks(instanceType, family string, h Hypervisor) bool {
	if class, _, _ := classOf(family); h == Xen || class == "t" || family == "u-6tb1" {
		return false
	}
	return instanceType != "i4i.large"
}

// GuessShape tells what can be told of a type that the table does not know, from its
// name alone: the size gives the vCPUs, the family or else its class the memory. It
// is false for what is not the name of a type. MemoryMiB and VCPUs are 0 where not
// even a guess can be made; Estimated is always set.
func GuessShape(instanceType string) (Shape, bool) {
	name, size, ok := strings.Cut(instanceType, ".")
	class, rest, named := classOf(name)
	if !ok || size == "" || !named {
		return Shape{}, false
	}
	s := Shape{VCPUs: vcpusOf(size), Architecture: "amd64", Hypervisor: Nitro, NetworkCards: 1, Estimated: true}
	if strings.HasPrefix(rest, "g") {
		s.Architecture = "arm64" // Graviton: the letter behind the generation's number
	}
	perVCPU := memoryOfClass(class)
	if f, known := familyOf(name); known {
		s.Architecture, s.Hypervisor, s.Accelerator = f.architecture, f.hypervisor, f.accelerator
		if ratio := memoryOfFamily(name); ratio > 0 {
			perVCPU = ratio
		}
	}
	s.MemoryMiB = perVCPU * s.VCPUs
	if isMetal(size) {
		s.Hypervisor = Metal
	}
	s.Trunking = trunks(instanceType, name, s.Hypervisor)
	return s, true
}

// family is one line of the families.
type family struct {
	architecture string
	hypervisor   Hypervisor
	accelerator  string
}

func familyOf(name string) (family, bool) {
	f := strings.Split(find(families, name), " ")
	if len(f) != 4 || f[0] != name {
		return family{}, false
	}
	out := family{architecture: f[1], hypervisor: Hypervisor(f[2]), accelerator: f[3]}
	if out.accelerator == "-" {
		out.accelerator = ""
	}
	return out, true
}

func isMetal(size string) bool { return size == "metal" || strings.HasPrefix(size, "metal-") }

// classOf splits a family's name into its class and what stands behind the number
// of its generation: m and gd for m6gd. It is false for a name without a number.
func classOf(family string) (class, rest string, ok bool) {
	at := strings.IndexAny(family, "0123456789")
	if at < 1 {
		return "", "", false
	}
	return family[:at], strings.TrimLeft(family[at:], "0123456789"), true
}

// vcpusOf reads the vCPUs out of a size, as all families since 2016 have them: 1 for
// medium, 2 for large, 4 for each xlarge. It is 0 where the size tells nothing.
func vcpusOf(size string) int {
	switch size {
	case "medium":
		return 1
	case "large":
		return 2
	case "xlarge":
		return 4
	}
	number, ok := strings.CutSuffix(size, "xlarge")
	if !ok {
		if number, ok = strings.CutPrefix(size, "metal-"); ok {
			number, ok = strings.CutSuffix(number, "xl")
		}
	}
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || n > 1000 {
		return 0
	}
	return 4 * n
}

// memoryOfClass returns the MiB for each vCPU that a class has had in all its
// generations; for a class without such a rule the least that any has, c's.
func memoryOfClass(class string) int {
	switch class {
	case "m", "t", "g":
		return 4 << 10
	case "r", "p", "i":
		return 8 << 10
	case "x":
		return 16 << 10
	}
	return 2 << 10
}

// memoryOfFamily returns the least MiB for each vCPU of a family's known sizes.
func memoryOfFamily(name string) int {
	least := 0
	for r := range rows() {
		if f, _, _ := strings.Cut(r.name, "."); f == name && (least == 0 || r.memory/r.vcpus < least) {
			least = r.memory / r.vcpus
		}
	}
	return least
}
