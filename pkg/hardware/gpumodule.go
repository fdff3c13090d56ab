package hardware

import (
	"fmt"
	"slices"
	"strings"
)

// The variants of NVIDIA's kernel module, by the names that the EKS images have for
// them.
const (
	NVIDIAOpen        = "nvidia-open"
	NVIDIAOpenGRID    = "nvidia-open-grid"
	NVIDIAProprietary = "nvidia"
)

// NVIDIAModule is which of NVIDIA's kernel modules a machine needs, and how it is to
// be loaded.
type NVIDIAModule struct {
	// Variant is one of NVIDIAOpen, NVIDIAOpenGRID and NVIDIAProprietary; empty
	// without a GPU of NVIDIA's.
	Variant string `json:"variant,omitempty"`
	// Only: no other variant drives these GPUs. Without it the variant is the better
	// one, and another works.
	Only bool `json:"only,omitempty"`
	// FirmwareOff: to be loaded with NVreg_EnableGpuFirmware=0, so that the GPU's own
	// processor stays out of it.
	FirmwareOff bool `json:"firmwareOff,omitempty"`
	// Coherent: to be loaded with NVreg_CoherentGPUMemoryMode=driver by drivers since
	// 580, because the GPU's memory is part of the processor's.
	Coherent bool `json:"coherent,omitempty"`
	// Reason is one sentence for the person who asks why.
	Reason string `json:"reason,omitempty"`
}

// NVIDIAModule tells the kernel module for the GPUs on the PCI bus. The rules are
// those of the EKS images for Amazon Linux 2023 (nvidia-kmod-load): a part of an L4
// needs the GRID variant of the open module; T4, T4g and A10G get the proprietary
// one without firmware; all others the open one, which NVIDIA supports since Turing
// and requires since Blackwell (NVIDIA driver installation guide, Kernel Modules).
// One older GPU among others decides for all, because there is one module. A GPU
// that is not in the table is taken for one newer than it.
func (f Facts) NVIDIAModule() NVIDIAModule {
	var models []gpu
	grid := ""
	for _, d := range f.PCI {
		if gpuVendor(d) != "nvidia" {
			continue
		}
		id := d.Vendor + ":" + d.Device
		g := gpuOf(id)
		if g.device == "" {
			g = gpu{device: id, architecture: blackwell}
		}
		models = append(models, g)
		if isPartOfL4(d) {
			grid = d.Subsystem
		}
	}
	if len(models) == 0 {
		return NVIDIAModule{}
	}
	oldest := slices.MinFunc(models, func(a, b gpu) int { return int(a.architecture) - int(b.architecture) })
	m := nvidiaModule(oldest, grid)
	m.Coherent = slices.ContainsFunc(models, func(g gpu) bool { return strings.HasPrefix(g.model, "gb") })
	return m
}

func nvidiaModule(oldest gpu, grid string) NVIDIAModule {
	switch {
	case oldest.architecture < turing:
		return NVIDIAModule{Variant: NVIDIAProprietary, Only: true, Reason: fmt.Sprintf(
			"%s is older than Turing and has no GPU system processor, which the open module needs", oldest.model)}
	case grid != "":
		return NVIDIAModule{Variant: NVIDIAOpenGRID, Only: true, Reason: fmt.Sprintf(
			"subsystem %s is a part of an L4, which the GRID driver alone drives", grid)}
	case slices.Contains([]string{"t4", "t4g", "a10g"}, oldest.model):
		return NVIDIAModule{Variant: NVIDIAProprietary, FirmwareOff: true, Reason: fmt.Sprintf(
			"%s is driven without its GPU firmware, which the open module cannot do", oldest.model)}
	case oldest.model == "":
		return NVIDIAModule{Variant: NVIDIAOpen, Reason: fmt.Sprintf(
			"PCI device %s is not in the table; the newer GPUs need the open module", oldest.device)}
	case oldest.architecture >= blackwell:
		return NVIDIAModule{Variant: NVIDIAOpen, Only: true, Reason: fmt.Sprintf(
			"%s is of Blackwell or later, which the proprietary module does not drive", oldest.model)}
	}
	return NVIDIAModule{Variant: NVIDIAOpen, Reason: fmt.Sprintf(
		"%s is of Turing or later, for which NVIDIA recommends the open module", oldest.model)}
}

// isPartOfL4 reports whether a function is a part of an L4 as g6f and gr6f have it:
// the subsystems are L4-3Q, L4-6Q and L4-12Q.
func isPartOfL4(d PCIDevice) bool {
	return d.Vendor == vendorNVIDIA && d.Device == "27b8" &&
		slices.Contains([]string{"10de:1733", "10de:1735", "10de:1737"}, d.Subsystem)
}
