package api

// Accelerators says how containers get at GPUs and Neuron devices, and which driver
// the machine image's own step is to load. The zero value decides by what is there.
type Accelerators struct {
	// NVIDIA configures GPUs of that maker.
	NVIDIA NVIDIA `json:"nvidia,omitzero"`
	// Neuron is about AWS Inferentia and Trainium.
	Neuron Neuron `json:"neuron,omitzero"`
}

// NVIDIA says how containers get at NVIDIA's GPUs.
type NVIDIA struct {
	// Mode is how devices and driver files come into a container. Empty means
	// [NVIDIAAuto].
	Mode NVIDIAMode `json:"mode,omitempty"`
	// Driver is the kind of kernel module. Empty means [NVIDIADriverAuto].
	Driver NVIDIADriver `json:"driver,omitempty"`
}

// Neuron says how containers get at Neuron devices.
type Neuron struct {
	// CDI has a specification of the devices written, so that containers can ask for
	// aws.amazon.com/neuron by the Container Device Interface. nil is false: AWS's
	// device plugin passes the devices itself.
	CDI *bool `json:"cdi,omitempty"`
}

// NVIDIAMode is how devices and driver files come into a container.
type NVIDIAMode string

const (
	// NVIDIAAuto is the runtime where the machine has it, else CDI.
	NVIDIAAuto NVIDIAMode = "auto"
	// NVIDIACDI is the Container Device Interface: runc stays the default runtime, and
	// containers name devices.
	NVIDIACDI NVIDIAMode = "cdi"
	// NVIDIARuntime is NVIDIA's container runtime as the default one.
	NVIDIARuntime NVIDIAMode = "runtime"
)

// NVIDIADriver is a kind of NVIDIA's kernel module.
type NVIDIADriver string

const (
	// NVIDIADriverAuto follows from the devices.
	NVIDIADriverAuto NVIDIADriver = "auto"
	// NVIDIADriverOpen is the one with open sources: Turing and newer.
	NVIDIADriverOpen NVIDIADriver = "open"
	// NVIDIADriverProprietary is the one without: before Blackwell.
	NVIDIADriverProprietary NVIDIADriver = "proprietary"
)

func nvidiaModes() []string {
	return []string{string(NVIDIAAuto), string(NVIDIACDI), string(NVIDIARuntime)}
}

func nvidiaDrivers() []string {
	return []string{string(NVIDIADriverAuto), string(NVIDIADriverOpen), string(NVIDIADriverProprietary)}
}

func acceleratorsOf(n *node) Accelerators {
	return Accelerators{
		NVIDIA: NVIDIA{
			Mode:   NVIDIAMode(n.at("nvidia", "mode").text()),
			Driver: NVIDIADriver(n.at("nvidia", "driver").text()),
		},
		Neuron: Neuron{CDI: n.at("neuron", "cdi").boolean()},
	}
}

func (e *encoder) accelerators(a Accelerators) *node {
	return e.structure(
		field{name: "nvidia", value: e.structure(
			field{name: "mode", value: e.str(string(a.NVIDIA.Mode))},
			field{name: "driver", value: e.str(string(a.NVIDIA.Driver))},
		)},
		field{name: "neuron", value: e.structure(
			field{name: "cdi", value: optionalBool(a.Neuron.CDI)},
		)},
	)
}

func (c *checker) accelerators() {
	c.choice(c.at("spec", "accelerators", "nvidia", "mode"), "spec.accelerators.nvidia.mode", nvidiaModes())
	c.choice(c.at("spec", "accelerators", "nvidia", "driver"), "spec.accelerators.nvidia.driver", nvidiaDrivers())
}
