package hardware

import (
	"slices"
	"strings"
)

// The vendors of GPUs, by their PCI vendor IDs, as EC2 names them in lower case
// (DescribeInstanceTypes, GpuInfo.Manufacturer).
const (
	vendorNVIDIA = "10de"
	vendorAMD    = "1002"
	vendorHabana = "1da3"
)

// GPUs is what the machine has of graphics processors.
type GPUs struct {
	// Count of GPUs; 0 without any.
	Count int `json:"count"`
	// Vendor is nvidia, amd or habana; empty without a GPU.
	Vendor string `json:"vendor,omitempty"`
	// Model is the name that EC2 has for it, as a label value: a10g, h100. Empty
	// without a GPU, and for one that is not in the table.
	Model string `json:"model,omitempty"`
	// Device is the PCI ID of the first one: 10de:2237.
	Device string `json:"device,omitempty"`
	// Bound is the number of those that a driver is bound to. vfio-pci counts: it,
	// too, is a driver.
	Bound int `json:"bound,omitempty"`
	// MIG is the number of instances that one GPU can be divided into; 0 for a
	// model that cannot be (NVIDIA MIG user guide, Supported GPUs).
	MIG int `json:"mig,omitempty"`
	// NVLink: GPUs of this model are made to be connected to one another. What of it
	// is up only the driver knows.
	NVLink bool `json:"nvLink,omitempty"`
	// NVSwitches on the PCI bus. HGX boards up to Hopper show theirs; those since
	// Blackwell, which are managed through an InfiniBand function, show none.
	NVSwitches int `json:"nvSwitches,omitempty"`
}

// GPUs counts the graphics processors on the PCI bus, whether a driver is bound
// or not. What is no GPU does not count: the audio function of a graphics card,
// an NVSwitch (class 0680), a Neuron device. EC2 has no instance type with two
// kinds; if there were two, those of the first one's vendor count.
func (f Facts) GPUs() GPUs {
	var g GPUs
	for _, d := range f.GPUDevices() {
		if g.Count++; g.Count == 1 {
			g.Vendor, g.Device = gpuVendor(d), d.Vendor+":"+d.Device
			m := gpuOf(g.Device)
			g.Model, g.MIG, g.NVLink = m.model, m.mig, m.nvlink
		}
		if d.Driver != "" {
			g.Bound++
		}
	}
	for _, d := range f.PCI {
		if d.Vendor == vendorNVIDIA && strings.HasPrefix(d.Class, "0680") {
			g.NVSwitches++
		}
	}
	return g
}

// GPUDevices returns the GPUs that [Facts.GPUs] counts, in the order of their
// addresses.
func (f Facts) GPUDevices() []PCIDevice {
	var out []PCIDevice
	for _, d := range f.PCI {
		if vendor := gpuVendor(d); vendor != "" && (len(out) == 0 || vendor == gpuVendor(out[0])) {
			out = append(out, d)
		}
	}
	return out
}

// gpuVendor returns whose GPU a PCI function is, or nothing. The classes are
// 0300 VGA controller, 0302 3D controller, 0380 other display controller and
// 1200 processing accelerator (PCI Code and ID Assignment); AMD uses all of
// them, NVIDIA the first two, Habana the last.
func gpuVendor(d PCIDevice) string {
	if len(d.Class) < 4 {
		return ""
	}
	class := d.Class[:4]
	switch {
	case d.Vendor == vendorNVIDIA && slices.Contains([]string{"0300", "0302"}, class):
		return "nvidia"
	case d.Vendor == vendorAMD && slices.Contains([]string{"0300", "0302", "0380", "1200"}, class):
		return "amd"
	case d.Vendor == vendorHabana && class == "1200":
		return "habana"
	}
	return ""
}

// architecture is a generation of NVIDIA's GPUs, by age.
type architecture int

const (
	noArchitecture architecture = iota // another vendor's, or unknown
	kepler
	maxwell
	volta
	turing // the first with a GPU system processor, which the open kernel module needs
	ampere
	ada
	hopper
	blackwell // the first that only the open kernel module drives
)

// gpu is one kind of GPU of EC2.
type gpu struct {
	// device is its PCI ID, model its name, families the instance families with it.
	device, model string
	families      []string
	architecture  architecture
	// mig is the number of instances that it can be divided into.
	mig    int
	nvlink bool
}

// gpus are the GPUs of EC2's instance types: the device IDs are those of pci.ids and
// of the Linux habanalabs driver, the models those of DescribeInstanceTypes
// (GpuInfo.Name) in lower case and with hyphens, which is what Karpenter's label
// instance-gpu-name holds.
func gpus() []gpu {
	return []gpu{
		{"10de:118a", "k520", []string{"g2"}, kepler, 0, false},
		{"10de:102d", "k80", []string{"p2"}, kepler, 0, false},
		{"10de:13f2", "m60", []string{"g3", "g3s"}, maxwell, 0, false},
		{"10de:1db1", "v100", []string{"p3"}, volta, 0, true},
		{"10de:1db5", "v100", []string{"p3dn"}, volta, 0, true}, // with 32 GB
		{"10de:1eb8", "t4", []string{"g4dn"}, turing, 0, false},
		{"10de:1eb4", "t4g", []string{"g5g"}, turing, 0, false},
		{"10de:2237", "a10g", []string{"g5"}, ampere, 0, false},
		{"10de:20b0", "a100", []string{"p4d"}, ampere, 7, true},
		{"10de:20b2", "a100", []string{"p4de"}, ampere, 7, true},                 // with 80 GB
		{"10de:27b8", "l4", []string{"g6", "gr6", "g6f", "gr6f"}, ada, 0, false}, // parts of one in the last two
		{"10de:26b9", "l40s", []string{"g6e"}, ada, 0, false},
		{"10de:2330", "h100", []string{"p5"}, hopper, 7, true},
		{"10de:2335", "h200", []string{"p5e", "p5en"}, hopper, 7, true},
		{"10de:2901", "b200", []string{"p6-b200"}, blackwell, 7, true},
		{"10de:3182", "b300", []string{"p6-b300"}, blackwell, 7, true},
		{"10de:2941", "gb200", []string{"p6e-gb200"}, blackwell, 7, true},
		{"10de:31c2", "gb300", []string{"p6e-gb300"}, blackwell, 7, true},
		{"10de:2bb5", "rtx-pro-server-6000", []string{"g7e"}, blackwell, 4, false},
		{"10de:2c3a", "rtx-pro-server-4500", []string{"g7"}, blackwell, 2, false},
		{"1002:7362", "radeon-pro-v520", []string{"g4ad"}, noArchitecture, 0, false},
		{"1da3:1000", "gaudi-hl-205", []string{"dl1"}, noArchitecture, 0, false},
		{"1da3:1010", "gaudi-hl-205", nil, noArchitecture, 0, false}, // with its security enabled
	}
}

// gpuOf returns what is known of a PCI device; nothing of one that is not in the
// table.
func gpuOf(device string) gpu {
	for _, g := range gpus() {
		if g.device == device {
			return g
		}
	}
	return gpu{}
}

// GPUOf returns a GPU of an EC2 instance family, as the PCI bus of one of its
// instances shows it, without an address. ok is false for a family that has none or
// is not in the table.
func GPUOf(family string) (d PCIDevice, ok bool) {
	for _, g := range gpus() {
		if slices.Contains(g.families, family) {
			vendor, device, _ := strings.Cut(g.device, ":")
			class := "030200"
			if vendor == vendorHabana {
				class = "120000"
			}
			return PCIDevice{Vendor: vendor, Device: device, Class: class}, true
		}
	}
	return PCIDevice{}, false
}
