package hardware

import (
	"strings"
	"testing"
)

func functions(ids ...string) []PCIDevice {
	var out []PCIDevice
	for _, id := range ids {
		f := strings.Split(id, ":")
		out = append(out, PCIDevice{Vendor: f[0], Device: f[1], Class: f[2]})
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
		"g5.xlarge":   {functions("1d0f:ec20:020000", "10de:2237:030200"), GPUs{1, "nvidia", "a10g", "10de:2237"}},
		"g4ad.xlarge": {functions("1002:7362:030000"), GPUs{1, "amd", "radeon-pro-v520", "1002:7362"}},
		"g2.2xlarge, with the emulated VGA of Xen": {functions("1013:00b8:030000", "10de:118a:030000"), GPUs{1, "nvidia", "k520", "10de:118a"}},
		"a graphics card with its audio function":  {functions("10de:13f2:030000", "10de:0fbb:040300"), GPUs{1, "nvidia", "m60", "10de:13f2"}},
		"NVSwitches alone":                         {functions("10de:22a3:068000"), GPUs{}},
		"inf2":                                     {functions("1d0f:7264:088000"), GPUs{}},
		"a GPU that is newer than the table":       {functions("10de:ffff:030200", "10de:ffff:030200"), GPUs{2, "nvidia", "", "10de:ffff"}},
		"an accelerator of AMD":                    {functions("1002:74a1:120000"), GPUs{1, "amd", "", "1002:74a1"}},
		"two vendors":                              {functions("10de:1eb8:030200", "1002:7362:030000", "10de:1eb8:030200"), GPUs{2, "nvidia", "t4", "10de:1eb8"}},
		"a class that cannot be one":               {functions("10de:1eb8:03"), GPUs{}},
	} {
		if got := (Facts{PCI: row.pci}).GPUs(); got != row.want {
			t.Errorf("%s: got %+v, want %+v", name, got, row.want)
		}
	}
	if got, want := Detect(machine(t, "p5.48xlarge"), "amd64").GPUs(), (GPUs{8, "nvidia", "h100", "10de:2330"}); got != want {
		t.Errorf("p5.48xlarge: got %+v, want %+v", got, want)
	}
}

func TestTheGPUsOfEC2(t *testing.T) {
	devices, families := map[string]bool{}, map[string]bool{}
	for _, g := range gpus() {
		if g.model == "" || strings.Trim(g.model, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%q is no label value", g.model)
		}
		if devices[g.device] || len(g.device) != 9 || g.device != strings.ToLower(g.device) || len(g.families) == 0 {
			t.Errorf("%+v", g)
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
