package accelerator

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
)

// Variant is one of NVIDIA's kernel modules.
type Variant string

// The variants.
const (
	// VariantOpen has open sources: Turing and newer.
	VariantOpen Variant = "open"
	// VariantProprietary has none: all but Blackwell and newer.
	VariantProprietary Variant = "proprietary"
	// VariantGRID is the open one for parts of a GPU (vGPU).
	VariantGRID Variant = "grid"
)

// Driver is the decision about NVIDIA's kernel module, as it is written down for the
// image's step that loads it.
type Driver struct {
	Variant Variant `json:"variant"`
	// Module is its name in EKS images: nvidia-open, nvidia, nvidia-open-grid.
	Module string `json:"module"`
	// Branch is the branch of the driver whose list has all devices; 0 where no list
	// decided.
	Branch int `json:"branch,omitempty"`
	// Devices are the kinds of GPUs by vendor and device, sorted; Count is how many
	// GPUs there are.
	Devices []string `json:"devices"`
	Count   int      `json:"count"`
	// Options are parameters of the module nvidia.
	Options map[string]string `json:"options,omitempty"`
	// Because says why in one phrase.
	Because string `json:"because"`
}

// coherentSince is the branch of the driver that can keep the memory of a GPU beside a
// Grace CPU to itself (EKS AMI, nvidia-kmod-load).
const coherentSince = 580

// driver decides which of NVIDIA's kernel modules fits the machine.
func (d *decider) driver() {
	if len(d.gpus) == 0 || d.in.Require("hardware.pci") != nil {
		return
	}
	c := &Driver{Count: len(d.gpus), Options: map[string]string{}}
	for _, g := range d.gpus {
		c.Devices = append(c.Devices, g.Vendor+":"+g.Device)
	}
	slices.Sort(c.Devices)
	c.Devices = slices.Compact(c.Devices)
	need := d.in.Hardware.NVIDIAModule()
	if !d.variant(c, need) {
		return
	}
	c.Module = c.Variant.module()
	d.because("NVIDIA driver", string(c.Variant), c.Because)
	if need.FirmwareOff && c.Variant == VariantProprietary {
		d.option(c, "NVreg_EnableGpuFirmware", "0", need.Reason)
	}
	if need.Coherent && (c.Branch == 0 || c.Branch >= coherentSince) {
		d.option(c, "NVreg_CoherentGPUMemoryMode", "driver", "the GPUs share memory with a Grace CPU")
	}
	d.s.Driver = c
}

func (d *decider) option(c *Driver, name, value, from string) {
	c.Options[name] = value
	d.because("NVIDIA driver option "+name, value, from)
}

// variant decides which module. It returns false where the one that was asked for
// cannot drive the GPUs.
func (d *decider) variant(c *Driver, need hardware.NVIDIAModule) bool {
	const field = "spec.accelerators.nvidia.driver"
	switch asked := d.in.Config.Spec.Accelerators.NVIDIA.Driver; asked {
	case "", api.NVIDIADriverAuto:
		d.automatic(c, need)
	case api.NVIDIADriverOpen, api.NVIDIADriverProprietary:
		open := need.Variant != hardware.NVIDIAProprietary
		if need.Only && open != (asked == api.NVIDIADriverOpen) {
			d.fail(refused(asked, "Write auto, or leave it out.", need.Reason))
			return false
		}
		c.Variant, c.Because = Variant(asked), field
		if need.Variant == hardware.NVIDIAOpenGRID {
			c.Variant = VariantGRID // which is the open one
		}
		if need.FirmwareOff && asked == api.NVIDIADriverOpen {
			d.note("%s open: %s", field, need.Reason)
		}
	default:
		d.fail(refused(asked, "Write auto, open or proprietary.", "there is no such driver"))
		return false
	}
	return true
}

func refused(asked api.NVIDIADriver, remedy, why string) error {
	return fault.New(fault.ConfigInvalid, remedy, fmt.Errorf("cannot use spec.accelerators.nvidia.driver %s: %s", asked, why))
}

// automatic decides as the image's own step does (EKS AMI, nvidia-kmod-load): what the
// devices need, and where they leave a choice, the lists of the image.
func (d *decider) automatic(c *Driver, need hardware.NVIDIAModule) {
	lists := d.in.Present.Accelerators.OpenDrivers
	decided := need.FirmwareOff || need.Variant == hardware.NVIDIAOpenGRID
	for _, list := range lists {
		if !decided && d.allIn(list.Devices) {
			c.Variant, c.Branch = VariantOpen, list.Major
			c.Because = fmt.Sprintf("the image's list of driver %d has %s", list.Major, strings.Join(c.Devices, ", "))
			return
		}
	}
	c.Variant, c.Because = variantOf(need.Variant), need.Reason
	if len(lists) > 0 && !decided && !need.Only {
		c.Variant, c.Because = VariantProprietary, "no list of the image has all of "+strings.Join(c.Devices, ", ")
	}
}

// variantOf returns the variant of a module of the images, module the module of a
// variant.
func variantOf(module string) Variant {
	for _, v := range []Variant{VariantOpen, VariantGRID} {
		if v.module() == module {
			return v
		}
	}
	return VariantProprietary
}

func (v Variant) module() string {
	switch v {
	case VariantOpen:
		return hardware.NVIDIAOpen
	case VariantGRID:
		return hardware.NVIDIAOpenGRID
	}
	return hardware.NVIDIAProprietary
}

// allIn reports whether all GPUs are among devices.
func (d *decider) allIn(devices []string) bool {
	for _, g := range d.gpus {
		if !slices.Contains(devices, g.Device) {
			return false
		}
	}
	return true
}
