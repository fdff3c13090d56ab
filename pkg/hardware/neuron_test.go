package hardware

import "testing"

func TestNeuronDevicesAreCountedByGeneration(t *testing.T) {
	for name, row := range map[string]struct {
		pci  []PCIDevice
		want Neuron
	}{
		"m5":                                {functions("1d0f:ec20:020000"), Neuron{}},
		"a GPU":                             {functions("10de:7264:030200"), Neuron{}},
		"inf1, of several IDs":              {functions("1d0f:7064:088000=neuron", "1d0f:7067:088000=neuron"), Neuron{Count: 2, Model: "inferentia", Generation: 1, Cores: 4, Device: "1d0f:7064", Bound: 2}},
		"inf2, the driver without one card": {functions("1d0f:7264:088000=neuron", "1d0f:7264:088000"), Neuron{Count: 2, Model: "inferentia2", Generation: 2, Cores: 2, Device: "1d0f:7264", Bound: 1}},
		"trn1":                              {functions("1d0f:7164:088000"), Neuron{Count: 1, Model: "trainium", Generation: 2, Cores: 2, Device: "1d0f:7164"}},
		"trn2":                              {functions("1d0f:7364:088000"), Neuron{Count: 1, Model: "trainium2", Generation: 3, Cores: 8, Device: "1d0f:7364"}},
		"trn3":                              {functions("1d0f:7565:088000"), Neuron{Count: 1, Model: "trainium3", Generation: 4, Cores: 8, Device: "1d0f:7565"}},
	} {
		if got := (Facts{PCI: row.pci}).Neuron(); got != row.want {
			t.Errorf("%s: got %+v, want %+v", name, got, row.want)
		}
	}
}

func TestEveryNeuronFamilyHasItsDevice(t *testing.T) {
	for _, m := range neuronModels() {
		for _, family := range m.families {
			d, ok := NeuronOf(family)
			if got := (Facts{PCI: []PCIDevice{d}}).Neuron(); !ok || got.Model != m.model || got.Count != 1 {
				t.Errorf("%s has %+v, %t", family, got, ok)
			}
		}
	}
	for _, family := range []string{"", "m5", "p5", "inf", "inf9"} {
		if d, ok := NeuronOf(family); ok || d != (PCIDevice{}) {
			t.Errorf("%s has %+v", family, d)
		}
	}
}

func TestEFAAndENAAreToldApart(t *testing.T) {
	f := Facts{PCI: functions("1d0f:efa0:020000", "1d0f:ec20:020000", "1d0f:efa3:020000=efa", "1d0f:0ec2:020000", "1d0f:8061:010802", "15b3:efa0:020000")}
	if got := f.EFAs(); len(got) != 2 || got[0].Device != "efa0" || got[1].Driver != "efa" {
		t.Errorf("EFA: %+v", got)
	}
	if got := f.ENAs(); len(got) != 2 || got[0].Device != "ec20" || got[1].Device != "0ec2" {
		t.Errorf("ENA: %+v", got)
	}
}
