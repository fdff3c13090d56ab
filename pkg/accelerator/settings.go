package accelerator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	cdi "tags.cncf.io/container-device-interface/specs-go"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Settings is everything that is decided about accelerators: plain data, from which
// the files follow without another decision.
type Settings struct {
	// Driver is the kernel module for NVIDIA's GPUs; nil without one, and where the
	// agent does not decide.
	Driver *Driver `json:"driver,omitempty"`
	// Specs are the descriptions of devices that the agent writes itself.
	Specs []Spec `json:"specs,omitempty"`
	// Generate runs NVIDIA's own generator; nil where it is not to be run.
	Generate *host.Command `json:"generate,omitempty"`
	// HugePages is the pool for EFA; nil for none.
	HugePages *host.HugePages `json:"hugePages,omitempty"`
	// Why tells where the values come from, Notes what a person may want to know and
	// nothing else would say.
	Why   []node.Reason `json:"why,omitempty"`
	Notes []string      `json:"notes,omitempty"`
}

// Spec is a CDI specification and its file.
type Spec struct {
	Path string    `json:"path"`
	Spec *cdi.Spec `json:"spec"`
}

// Decide decides everything about accelerators. It returns all that is wrong with
// the input at once, each as a fault.
func Decide(in node.Input) (Settings, error) {
	if in.Config.APIVersion != api.APIVersionSuperset {
		return Settings{}, nil
	}
	d := decider{in: in}
	d.hugePages()
	for _, f := range in.Hardware.PCI {
		if isGPU(f) {
			d.gpus = append(d.gpus, f)
		}
	}
	if err := in.Require("present.accelerators"); err != nil {
		d.note("not everything about the accelerators could be seen: %v", err)
	}
	d.driver()
	d.nvidia()
	d.neuron()
	if len(d.errs) > 0 {
		return Settings{}, errors.Join(d.errs...)
	}
	return d.s, nil
}

// decider gathers settings and the reasons why there are none.
type decider struct {
	in   node.Input
	s    Settings
	errs []error
	// gpus are NVIDIA's, in the order of their addresses.
	gpus []hardware.PCIDevice
}

func (d *decider) fail(err error) {
	if err != nil {
		d.errs = append(d.errs, err)
	}
}

func (d *decider) because(setting, value, from string) {
	d.s.Why = append(d.s.Why, node.Reason{Setting: setting, Value: value, From: from})
}

func (d *decider) note(format string, args ...any) {
	d.s.Notes = append(d.s.Notes, fmt.Sprintf(format, args...))
}

// isGPU reports whether a function is a GPU of NVIDIA's: class 0300 or 0302, as the
// image's own step tells (EKS AMI, nvidia-kmod-load). Not an NVSwitch.
func isGPU(d hardware.PCIDevice) bool {
	return d.Vendor == "10de" && (strings.HasPrefix(d.Class, "0300") || strings.HasPrefix(d.Class, "0302"))
}

func (d *decider) hugePages() {
	pool, why := d.in.EFAHugePages()
	switch {
	case pool != nil:
		d.s.HugePages = pool
		d.because("huge pages "+pool.ID().Name, strconv.FormatInt(pool.Count, 10), why)
	case why != "":
		d.note("%s", why)
	}
}

// nvidia decides how NVIDIA's GPUs are described.
func (d *decider) nvidia() {
	const field = "spec.accelerators.nvidia.mode"
	n, err := d.in.NVIDIA()
	if err != nil {
		d.fail(err)
		return
	}
	switch asked := d.in.Config.Spec.Accelerators.NVIDIA.Mode; {
	case n.Mode == api.NVIDIARuntime:
		d.because("NVIDIA devices in containers", string(n.Mode), n.From)
		return
	case n.Mode == "" && asked != "" && asked != api.NVIDIAAuto:
		d.note("%s %s has no effect: no NVIDIA device is on the PCI bus", field, asked)
		return
	case n.Mode == "" && len(d.gpus) > 0:
		d.note("containers do not see the GPUs: %s", n.From)
		return
	case n.Mode == "":
		return
	}
	d.because("NVIDIA devices in containers", string(n.Mode), n.From)
	if len(d.gpus) == 0 {
		d.note("no GPU is described: what there is of NVIDIA's on the PCI bus is none")
		return
	}
	if d.in.Present.Accelerators.NvidiaCTK {
		d.generate()
		return
	}
	d.describeNVIDIA()
}

// neuron decides whether Neuron devices are described.
func (d *decider) neuron() {
	on, err := d.in.NeuronCDI()
	if err != nil {
		d.fail(err)
		return
	}
	asked := d.in.Config.Spec.Accelerators.Neuron.CDI
	switch {
	case on:
		d.describeNeuron()
	case asked != nil && *asked:
		d.note("spec.accelerators.neuron.cdi has no effect: no Neuron device is on the PCI bus")
	}
}
