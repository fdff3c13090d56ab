package node

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

// Accelerators is what the machine shows of its accelerators beside the PCI bus. It
// is looked at only where there are some.
type Accelerators struct {
	// NvidiaCTK: the program at Layout.NvidiaCTK is installed.
	NvidiaCTK bool `json:"nvidiaCTK,omitempty"`
	// DriverVersion is that of NVIDIA's module that is loaded; empty while none is.
	DriverVersion string `json:"driverVersion,omitempty"`
	// DriverFiles are the libraries and programs of NVIDIA's driver that containers
	// use, by their absolute paths, sorted.
	DriverFiles []string `json:"driverFiles,omitempty"`
	// DeviceNodes are the nodes of NVIDIA's and Neuron's drivers, by their absolute
	// paths, sorted. There are none while no driver is loaded.
	DeviceNodes []string `json:"deviceNodes,omitempty"`
	// MIG are the parts into which GPUs are divided, in the order of their numbers.
	MIG []MIGDevice `json:"mig,omitempty"`
	// OpenDrivers are the lists of the image that say which devices NVIDIA's open
	// module drives, the oldest driver first.
	OpenDrivers []OpenDriver `json:"openDrivers,omitempty"`
	// NUMANodes are the NUMA nodes next to GPUs and Neuron devices, by the address of
	// the function, where the firmware tells.
	NUMANodes map[string]int `json:"numaNodes,omitempty"`
	// HugePages is how many huge pages of 2 MiB the kernel has. Only told on a machine
	// with EFA.
	HugePages int64 `json:"hugePages,omitempty"`
}

// MIGDevice is a part of a GPU: a compute instance in a GPU instance.
type MIGDevice struct {
	// GPU is the number of the device node, GI and CI are the numbers of the
	// instances.
	GPU int `json:"gpu"`
	GI  int `json:"gi"`
	CI  int `json:"ci"`
	// GICap and CICap are the minor numbers of the capabilities that give access.
	GICap int `json:"giCap"`
	CICap int `json:"ciCap"`
}

// OpenDriver is a list of the image's.
type OpenDriver struct {
	// Major is the branch of the driver: 580.
	Major int `json:"major"`
	// Devices are those of the machine's device IDs that are in the list, sorted.
	Devices []string `json:"devices,omitempty"`
}

// decides reports whether the agent decides about accelerators beyond what nodeadm
// does. A document of nodeadm's group means what it means to nodeadm.
func (in Input) decides() bool { return in.Config.APIVersion == api.APIVersionSuperset }

// NVIDIA is the decision how containers get at NVIDIA's GPUs. containerd and the
// files for it must agree about it, which is why it is decided here.
type NVIDIA struct {
	// Mode is [api.NVIDIARuntime] or [api.NVIDIACDI]; empty where there is nothing to
	// get at.
	Mode api.NVIDIAMode
	// From says in one phrase why.
	From string
}

// NVIDIA decides how containers get at GPUs. The error is a fault: the mode that was
// asked for needs something that the machine does not have, or the PCI bus could not
// be seen where it matters.
func (in Input) NVIDIA() (NVIDIA, error) {
	asked := api.NVIDIAAuto
	if in.decides() && in.Config.Spec.Accelerators.NVIDIA.Mode != "" {
		asked = in.Config.Spec.Accelerators.NVIDIA.Mode
	}
	runtime, path := in.Present.NvidiaRuntime, in.Layout.NvidiaRuntime
	if !runtime && !in.decides() {
		return NVIDIA{}, nil
	}
	if err := in.Require("hardware.pci"); err != nil {
		if !runtime && asked == api.NVIDIAAuto {
			return NVIDIA{From: err.Error()}, nil
		}
		return NVIDIA{}, err
	}
	switch {
	case !in.Hardware.HasNVIDIA() && runtime:
		return NVIDIA{From: path + " is there, but no NVIDIA device is on the PCI bus"}, nil
	case !in.Hardware.HasNVIDIA():
		return NVIDIA{}, nil
	}
	switch asked {
	case api.NVIDIAAuto:
		return in.nvidia(), nil
	case api.NVIDIARuntime:
		if !runtime {
			return NVIDIA{}, in.noMode(asked, "Use an image with NVIDIA's container toolkit, or write cdi or auto.", "the machine has no "+path)
		}
	case api.NVIDIACDI:
		if why := in.noCDI(); why != "" {
			return NVIDIA{}, in.noMode(asked, "Use containerd 1.7 or newer, or write runtime or auto.", why)
		}
	default:
		return NVIDIA{}, in.noMode(asked, "Write auto, cdi or runtime.", "there is no such mode")
	}
	return NVIDIA{asked, nvidiaMode}, nil
}

// nvidiaMode is where the mode is asked for.
const nvidiaMode = "spec.accelerators.nvidia.mode"

func (in Input) noMode(asked api.NVIDIAMode, remedy, why string) error {
	return fault.New(fault.ConfigInvalid, remedy, fmt.Errorf("cannot use %s %s: %s", nvidiaMode, asked, why))
}

// nvidia decides by what is there, on a machine with an NVIDIA device.
func (in Input) nvidia() NVIDIA {
	path := in.Layout.NvidiaRuntime
	if in.Present.NvidiaRuntime {
		return NVIDIA{api.NVIDIARuntime, path + " is there, and an NVIDIA device is on the PCI bus"}
	}
	from := "an NVIDIA device is on the PCI bus, and there is no " + path
	if why := in.noCDI(); why != "" {
		return NVIDIA{From: from + "; " + why}
	}
	return NVIDIA{api.NVIDIACDI, from}
}

// noCDI says why containerd does not know the Container Device Interface: it came
// with containerd 1.7 (docs/cri/config.md there, enable_cdi). Empty when it does.
func (in Input) noCDI() string {
	if v := in.Versions.Containerd; v.Known() && !v.AtLeast(1, 7) {
		return "containerd " + v.String() + " does not know CDI, which came with 1.7"
	}
	return ""
}

// NeuronCDI reports whether Neuron devices are described for CDI. The error is a
// fault: it was asked for, and containerd does not know CDI.
func (in Input) NeuronCDI() (bool, error) {
	on := in.Config.Spec.Accelerators.Neuron.CDI
	if !in.decides() || on == nil || !*on {
		return false, nil
	}
	if err := in.Require("hardware.pci"); err != nil {
		return false, err
	}
	if len(in.Hardware.NeuronDevices()) == 0 {
		return false, nil
	}
	if why := in.noCDI(); why != "" {
		return false, fault.New(fault.ConfigInvalid, "Use containerd 1.7 or newer, or take it out.",
			fmt.Errorf("cannot use spec.accelerators.neuron.cdi: %s", why))
	}
	return true, nil
}

// CDI reports whether containers name devices by CDI in a way that the configuration
// asks for. It is false where NVIDIA or NeuronCDI refuses.
func (in Input) CDI() bool {
	nvidia, _ := in.NVIDIA()
	neuron, _ := in.NeuronCDI()
	return nvidia.Mode == api.NVIDIACDI || neuron
}

// PinnedMemory says in one phrase which devices of the machine let processes pin
// memory for them to read and write: EFA and Neuron. Empty when there are none, when
// the PCI bus could not be seen, and where the agent does not decide about it.
//
// Memory that is pinned counts against the limit memlock, which is 8 MiB for what
// systemd starts (systemd-system.conf(5), DefaultLimitMEMLOCK); AWS has it unlimited
// for EFA (EC2 User Guide, "Get started with EFA and MPI").
func (in Input) PinnedMemory() string {
	if !in.decides() || in.Require("hardware.pci") != nil {
		return ""
	}
	var on []string
	if n := len(in.Hardware.EFAs()); n > 0 {
		on = append(on, fmt.Sprintf("%d EFA", n))
	}
	if n := len(in.Hardware.NeuronDevices()); n > 0 {
		on = append(on, fmt.Sprintf("%d Neuron", n))
	}
	if len(on) == 0 {
		return ""
	}
	return strings.Join(on, " and ") + " on the PCI bus"
}

// Huge pages for EFA: 5128 pages of 2 MiB, as AWS's installer of EFA allocates them
// and pods on EKS ask for them (EKS User Guide, "Run machine learning training on
// Amazon EKS with Elastic Fabric Adapter"). libfabric takes its buffers from them.
const (
	efaPages       = 5128
	efaPageKiB     = 2048
	efaMemoryShare = 4 // the pool takes no more than a quarter of the memory
)

// EFAHugePages returns the pool that EFA wants, or nil, and why in one phrase. A size
// of 2Mi in spec.hugePages, 0 pages too, or vm.nr_hugepages in spec.sysctls is the user's
// own decision, and a larger pool that is there stays. The component accelerator declares the pool.
func (in Input) EFAHugePages() (pool *host.HugePages, why string) {
	if !in.decides() || in.Require("hardware.pci", "hardware.memory") != nil || len(in.Hardware.EFAs()) == 0 {
		return nil, ""
	}
	pools, err := in.HugePages()
	if err != nil {
		return nil, "" // which tuning says
	}
	if _, own := in.Config.Spec.Sysctls["vm.nr_hugepages"]; own {
		return nil, ""
	}
	if slices.ContainsFunc(pools, func(p host.HugePages) bool { return p.SizeKiB == efaPageKiB }) {
		return nil, ""
	}
	if have := in.Present.Accelerators.HugePages; have > efaPages {
		return nil, "" // somebody has thought of it
	}
	const size = int64(efaPages) * efaPageKiB << 10
	left := in.Hardware.Memory.OnlineBytes
	for _, p := range pools {
		left -= p.Count * p.SizeKiB << 10
	}
	if left < size*efaMemoryShare {
		return nil, fmt.Sprintf("EFA is not given its %d huge pages of 2 MiB: they are more than a quarter of the %d MiB of memory that are left", int64(efaPages), left>>20)
	}
	return &host.HugePages{SizeKiB: efaPageKiB, NUMANode: -1, Count: efaPages},
		fmt.Sprintf("%d EFA on the PCI bus; as AWS's installer of EFA allocates", len(in.Hardware.EFAs()))
}
