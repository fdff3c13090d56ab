package hardware

import (
	"strings"
	"testing"
)

// functions are PCI functions written as vendor:device:class, with the driver behind
// an equals sign and the subsystem behind a plus.
func functions(ids ...string) []PCIDevice {
	var out []PCIDevice
	for _, id := range ids {
		id, subsystem, _ := strings.Cut(id, "+")
		id, driver, _ := strings.Cut(id, "=")
		f := strings.Split(id, ":")
		out = append(out, PCIDevice{Vendor: f[0], Device: f[1], Class: f[2], Driver: driver, Subsystem: subsystem})
	}
	return out
}

func TestGPUsAreCountedAndNamed(t *testing.T) {
	for name, row := range map[string]struct {
		pci  []PCIDevice
		want GPUs
	}{
		"m5.large":    {functions("1d0f:ec20:020000", "1d0f:8061:010802"), GPUs{}},
		"no PCI":      {nil, GPUs{}},
		"g5.xlarge":   {functions("1d0f:ec20:020000", "10de:2237:030200=nvidia"), GPUs{Count: 1, Vendor: "nvidia", Model: "a10g", Device: "10de:2237", Bound: 1}},
		"g4ad.xlarge": {functions("1002:7362:030000"), GPUs{Count: 1, Vendor: "amd", Model: "radeon-pro-v520", Device: "1002:7362"}},
		"g2.2xlarge, with the emulated VGA of Xen": {functions("1013:00b8:030000", "10de:118a:030000"), GPUs{Count: 1, Vendor: "nvidia", Model: "k520", Device: "10de:118a"}},
		"a graphics card with its audio function":  {functions("10de:13f2:030000", "10de:0fbb:040300"), GPUs{Count: 1, Vendor: "nvidia", Model: "m60", Device: "10de:13f2"}},
		"NVSwitches alone":                         {functions("10de:22a3:068000"), GPUs{NVSwitches: 1}},
		"p4d, one GPU without a driver": {
			functions("10de:20b0:030200=nvidia", "10de:20b0:030200", "10de:1af1:068000=nvidia-nvswitch", "10de:1af1:068000"),
			GPUs{Count: 2, Vendor: "nvidia", Model: "a100", Device: "10de:20b0", Bound: 1, MIG: 7, NVLink: true, NVSwitches: 2},
		},
		"inf2":                               {functions("1d0f:7264:088000"), GPUs{}},
		"a GPU that is newer than the table": {functions("10de:ffff:030200", "10de:ffff:030200"), GPUs{Count: 2, Vendor: "nvidia", Device: "10de:ffff"}},
		"an accelerator of AMD":              {functions("1002:74a1:120000"), GPUs{Count: 1, Vendor: "amd", Device: "1002:74a1"}},
		"dl1":                                {functions("1da3:1000:120000=habanalabs"), GPUs{Count: 1, Vendor: "habana", Model: "gaudi-hl-205", Device: "1da3:1000", Bound: 1}},
		"two vendors":                        {functions("10de:1eb8:030200", "1002:7362:030000=amdgpu", "10de:1eb8:030200"), GPUs{Count: 2, Vendor: "nvidia", Model: "t4", Device: "10de:1eb8"}},
		"a class that cannot be one":         {functions("10de:1eb8:03"), GPUs{}},
	} {
		if got := (Facts{PCI: row.pci}).GPUs(); got != row.want {
			t.Errorf("%s: got %+v, want %+v", name, got, row.want)
		}
	}
	want := GPUs{Count: 8, Vendor: "nvidia", Model: "h100", Device: "10de:2330", Bound: 8, MIG: 7, NVLink: true, NVSwitches: 4}
	if got := Detect(machine(t, "p5.48xlarge"), "amd64").GPUs(); got != want {
		t.Errorf("p5.48xlarge: got %+v, want %+v", got, want)
	}
}

func TestTheGPUsOfEC2(t *testing.T) {
	devices, families := map[string]bool{}, map[string]bool{}
	for _, g := range gpus() {
		if g.model == "" || strings.Trim(g.model, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%q is no label value", g.model)
		}
		if devices[g.device] || len(g.device) != 9 || g.device != strings.ToLower(g.device) {
			t.Errorf("%+v", g)
		}
		if nvidia := strings.HasPrefix(g.device, vendorNVIDIA); nvidia != (g.architecture != noArchitecture) || g.mig > 0 && g.architecture < ampere {
			t.Errorf("%s is of architecture %d with %d MIG instances", g.model, g.architecture, g.mig)
		}
		devices[g.device] = true
		for _, f := range g.families {
			d, ok := GPUOf(f)
			if got := (Facts{PCI: []PCIDevice{d}}).GPUs(); families[f] || !ok || got.Model != g.model || got.Device != g.device || got.Count != 1 {
				t.Errorf("%s has %+v", f, got)
			}
			families[f] = true
		}
	}
	for _, f := range []string{"m5", "inf2", "trn1", "", "g99"} {
		if d, ok := GPUOf(f); ok || d != (PCIDevice{}) {
			t.Errorf("%s has %+v", f, d)
		}
	}
}

func TestTheKernelModuleIsTheOneThatDrivesAllGPUs(t *testing.T) {
	for name, row := range map[string]struct {
		pci  []PCIDevice
		want NVIDIAModule
	}{
		"m5":   {functions("1d0f:ec20:020000"), NVIDIAModule{}},
		"g4ad": {functions("1002:7362:030000"), NVIDIAModule{}},
		"p3": {functions("10de:1db1:030200"), NVIDIAModule{Variant: "nvidia", Only: true,
			Reason: "v100 is older than Turing and has no GPU system processor, which the open module needs"}},
		"g4dn": {functions("10de:1eb8:030200"), NVIDIAModule{Variant: "nvidia", FirmwareOff: true,
			Reason: "t4 is driven without its GPU firmware, which the open module cannot do"}},
		"p5": {functions("10de:2330:030200", "10de:22a3:068000"), NVIDIAModule{Variant: "nvidia-open",
			Reason: "h100 is of Turing or later, for which NVIDIA recommends the open module"}},
		"p6-b200": {functions("10de:2901:030200"), NVIDIAModule{Variant: "nvidia-open", Only: true,
			Reason: "b200 is of Blackwell or later, which the proprietary module does not drive"}},
		"p6e-gb200": {functions("10de:2941:030200"), NVIDIAModule{Variant: "nvidia-open", Only: true, Coherent: true,
			Reason: "gb200 is of Blackwell or later, which the proprietary module does not drive"}},
		"g6": {functions("10de:27b8:030200+10de:16ca"), NVIDIAModule{Variant: "nvidia-open",
			Reason: "l4 is of Turing or later, for which NVIDIA recommends the open module"}},
		"g6f": {functions("10de:27b8:030200+10de:1733"), NVIDIAModule{Variant: "nvidia-open-grid", Only: true,
			Reason: "subsystem 10de:1733 is a part of an L4, which the GRID driver alone drives"}},
		"newer than the table": {functions("10de:ffff:030200"), NVIDIAModule{Variant: "nvidia-open",
			Reason: "PCI device 10de:ffff is not in the table; the newer GPUs need the open module"}},
		"an old card beside a new one": {functions("10de:2901:030200", "10de:13f2:030000"), NVIDIAModule{Variant: "nvidia", Only: true,
			Reason: "m60 is older than Turing and has no GPU system processor, which the open module needs"}},
	} {
		if got := (Facts{PCI: row.pci}).NVIDIAModule(); got != row.want {
			t.Errorf("%s: got %+v, want %+v", name, got, row.want)
		}
	}
}
