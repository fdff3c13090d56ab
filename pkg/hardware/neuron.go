package hardware

import "slices"

// vendorAmazon is the PCI vendor ID of Amazon: of Neuron devices, EFA, ENA and its
// NVMe controllers.
const vendorAmazon = "1d0f"

// Neuron is what the machine has of AWS' machine learning chips.
type Neuron struct {
	// Count of devices; 0 without any.
	Count int `json:"count"`
	// Model is the name that EC2 has for it, as a label value: inferentia2,
	// trainium. Empty without a device.
	Model string `json:"model,omitempty"`
	// Generation is the version of its NeuronCores, 1 to 4 (AWS Neuron documentation,
	// NeuronCore architecture). The first needs a driver of the series 2.21, because
	// later ones have dropped it.
	Generation int `json:"generation,omitempty"`
	// Cores is the number of physical NeuronCores of each device.
	Cores int `json:"cores,omitempty"`
	// Device is the PCI ID of the first one: 1d0f:7264.
	Device string `json:"device,omitempty"`
	// Bound is the number of those that a driver is bound to.
	Bound int `json:"bound,omitempty"`
}

// Neuron counts the Neuron devices on the PCI bus, whether a driver is bound or not.
func (f Facts) Neuron() Neuron {
	var n Neuron
	for _, d := range f.NeuronDevices() {
		if n.Count++; n.Count == 1 {
			m, _ := neuronModel(d)
			n.Model, n.Generation, n.Cores = m.model, m.generation, m.cores
			n.Device = d.Vendor + ":" + d.Device
		}
		if d.Driver != "" {
			n.Bound++
		}
	}
	return n
}

// NeuronDevices returns the Neuron devices in the order of their addresses.
func (f Facts) NeuronDevices() []PCIDevice {
	return f.functions(func(d PCIDevice) bool {
		_, ok := neuronModel(d)
		return ok
	})
}

// NeuronOf returns a Neuron device of an EC2 instance family, as the PCI bus of one
// of its instances shows it, without an address; false for a family that has none or
// is not in the table.
func NeuronOf(family string) (d PCIDevice, ok bool) {
	for _, m := range neuronModels() {
		if slices.Contains(m.families, family) {
			return PCIDevice{Vendor: vendorAmazon, Device: m.devices[0], Class: "088000"}, true
		}
	}
	return PCIDevice{}, false
}

// neuron is one kind of Neuron device.
type neuron struct {
	model             string
	generation, cores int
	devices, families []string
}

// neuronModels are the Neuron devices: the PCI IDs are those of the Neuron driver
// (neuron_device.h), names and cores those of DescribeInstanceTypes (NeuronInfo).
func neuronModels() []neuron {
	return []neuron{
		{"inferentia", 1, 4, []string{"7064", "7065", "7066", "7067"}, []string{"inf1"}},
		{"inferentia2", 2, 2, []string{"7264"}, []string{"inf2"}},
		{"trainium", 2, 2, []string{"7164"}, []string{"trn1", "trn1n"}},
		{"trainium2", 3, 8, []string{"7364"}, []string{"trn2", "trn2u"}},
		{"trainium3", 4, 8, []string{"7564", "7565"}, []string{"trn3"}},
	}
}

func neuronModel(d PCIDevice) (neuron, bool) {
	if d.Vendor == vendorAmazon {
		for _, m := range neuronModels() {
			if slices.Contains(m.devices, d.Device) {
				return m, true
			}
		}
	}
	return neuron{}, false
}

// functions returns the PCI functions that are meant.
func (f Facts) functions(meant func(PCIDevice) bool) []PCIDevice {
	var out []PCIDevice
	for _, d := range f.PCI {
		if meant(d) {
			out = append(out, d)
		}
	}
	return out
}
