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
)

// GPUs is what the machine has of graphics processors.
type GPUs struct {
	// Count of GPUs; 0 without any.
	Count int `json:"count"`
	// Vendor is nvidia or amd; empty without a GPU.
	Vendor string `json:"vendor,omitempty"`
	// Model is the name that EC2 has for it, as a label value: a10g, h100. Empty
	// without a GPU, and for one that is not in the table.
	Model string `json:"model,omitempty"`
	// Device is the PCI ID of the first one: 10de:2237.
	Device string `json:"device,omitempty"`
}

// GPUs counts the graphics processors on the PCI bus, whether a driver is bound
// or not. What is no GPU does not count: the audio function of a graphics card,
// an NVSwitch (class 0680), a Neuron device. EC2 has no instance type with two
// kinds; if there were two, those of the first one's vendor count.
func (f Facts) GPUs() GPUs {
	var g GPUs
	for _, d := range f.PCI {
		vendor := gpuVendor(d)
		if vendor == "" || g.Vendor != "" && vendor != g.Vendor {
			continue
		}
		if g.Count++; g.Count == 1 {
			g.Vendor, g.Device = vendor, d.Vendor+":"+d.Device
			g.Model = gpuModel(g.Device)
		}
	}
	return g
}

// gpuVendor returns whose GPU a PCI function is, or nothing. The classes are
// 0300 VGA controller, 0302 3D controller, 0380 other display controller and
// 1200 processing accelerator (PCI Code and ID Assignment); AMD uses all of
// them, NVIDIA the first two.
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
	}
	return ""
}

// gpu is one kind of GPU of EC2.
type gpu struct {
	// device is its PCI ID, model its name, families the instance families with it.
	device, model string
	families      []string
}

// gpus are the GPUs of EC2's instance types: the device IDs are those of pci.ids,
// the models those of DescribeInstanceTypes (GpuInfo.Name) in lower case and with
// hyphens, which is what Karpenter's label instance-gpu-name holds.
func gpus() []gpu {
	return []gpu{
		{"10de:118a", "k520", []string{"g2"}},
		{"10de:102d", "k80", []string{"p2"}},
		{"10de:13f2", "m60", []string{"g3", "g3s"}},
		{"10de:1db1", "v100", []string{"p3"}},
		{"10de:1db5", "v100", []string{"p3dn"}}, // with 32 GB
		{"10de:1eb8", "t4", []string{"g4dn"}},
		{"10de:1eb4", "t4g", []string{"g5g"}},
		{"10de:2237", "a10g", []string{"g5"}},
		{"10de:20b0", "a100", []string{"p4d"}},
		{"10de:20b2", "a100", []string{"p4de"}},                   // with 80 GB
		{"10de:27b8", "l4", []string{"g6", "gr6", "g6f", "gr6f"}}, // parts of one in the last two
		{"10de:26b9", "l40s", []string{"g6e"}},
		{"10de:2330", "h100", []string{"p5"}},
		{"10de:2335", "h200", []string{"p5e", "p5en"}},
		{"10de:2901", "b200", []string{"p6-b200"}},
		{"10de:3182", "b300", []string{"p6-b300"}},
		{"10de:2941", "gb200", []string{"p6e-gb200"}},
		{"10de:31c2", "gb300", []string{"p6e-gb300"}},
		{"10de:2bb5", "rtx-pro-server-6000", []string{"g7e"}},
		{"10de:2c3a", "rtx-pro-server-4500", []string{"g7"}},
		{"1002:7362", "radeon-pro-v520", []string{"g4ad"}},
	}
}

// gpuModel returns the model of a PCI device, or nothing.
func gpuModel(device string) string {
	for _, g := range gpus() {
		if g.device == device {
			return g.model
		}
	}
	return ""
}

// GPUOf returns a GPU of an EC2 instance family, as the PCI bus of one of its
// instances shows it, without an address. ok is false for a family that has none or
// is not in the table.
func GPUOf(family string) (d PCIDevice, ok bool) {
	for _, g := range gpus() {
		if slices.Contains(g.families, family) {
			vendor, device, _ := strings.Cut(g.device, ":")
			return PCIDevice{Vendor: vendor, Device: device, Class: "030200"}, true
		}
	}
	return PCIDevice{}, false
}
