package instancetype

import (
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/hardware"
)

func TestEveryLineOfTheDevicesIsFoundAgain(t *testing.T) {
	last, count := "", 0
	for line := range strings.Lines(devicesTable) {
		name, want, ok := parseDevices(strings.TrimSuffix(line, "\n"))
		if !ok || name <= last {
			t.Errorf("line %q, after %s", line, last)
		}
		if got, found := DevicesOf(name); !found || got != want || want == (Devices{}) {
			t.Errorf("%s: got %+v, %t, want %+v", name, got, found, want)
		}
		if _, known := Limits(name); !known {
			t.Errorf("%s is no known type", name)
		}
		if model := want.Model; model != "" && modelOf(name) != model {
			t.Errorf("%s has %s, package hardware says %q", name, model, modelOf(name))
		}
		last, count = name, count+1
	}
	if count < 600 || !strings.HasSuffix(devicesTable, "\n") {
		t.Errorf("only %d lines: the table has lost some", count)
	}
}

// modelOf returns what package hardware makes of the device of a type's family.
func modelOf(instanceType string) string {
	family, _, _ := strings.Cut(instanceType, ".")
	if d, ok := hardware.GPUOf(family); ok {
		return hardware.Facts{PCI: []hardware.PCIDevice{d}}.GPUs().Model
	}
	d, _ := hardware.NeuronOf(family)
	return hardware.Facts{PCI: []hardware.PCIDevice{d}}.Neuron().Model
}

func TestDevicesAreThoseThatEC2Documents(t *testing.T) {
	for name, want := range map[string]Devices{
		"p5.48xlarge":   {EFAs: 32, Disks: 8, DiskGB: 3800, Accelerators: 8, Model: "h100"},
		"p4d.24xlarge":  {EFAs: 4, Disks: 8, DiskGB: 1000, Accelerators: 8, Model: "a100"},
		"g4dn.xlarge":   {Disks: 1, DiskGB: 125, Accelerators: 1, Model: "t4"},
		"g5.48xlarge":   {EFAs: 1, Disks: 2, DiskGB: 3800, Accelerators: 8, Model: "a10g"},
		"g4ad.16xlarge": {Disks: 2, DiskGB: 1200, Accelerators: 4, Model: "radeon-pro-v520"},
		"dl1.24xlarge":  {EFAs: 4, Disks: 4, DiskGB: 1000, Accelerators: 8, Model: "gaudi-hl-205"},
		"inf1.24xlarge": {EFAs: 1, Accelerators: 16, Model: "inferentia"},
		"trn1.32xlarge": {EFAs: 8, Disks: 4, DiskGB: 1900, Accelerators: 16, Model: "trainium"},
		"trn2.48xlarge": {EFAs: 16, Disks: 4, DiskGB: 1900, Accelerators: 16, Model: "trainium2"},
		"i4i.32xlarge":  {EFAs: 1, Disks: 8, DiskGB: 3750},
		"c7gn.16xlarge": {EFAs: 1},
	} {
		if got, ok := DevicesOf(name); !ok || got != want {
			t.Errorf("%s: got %+v, %t, want %+v", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "m5.large", "p5", "p5.48xlarg", "p5.48xlarge 32", "zzz.large", "\n"} {
		if got, ok := DevicesOf(name); ok || got != (Devices{}) {
			t.Errorf("%q has %+v", name, got)
		}
	}
}

// bus repeats a function.
func bus(d hardware.PCIDevice, n int) []hardware.PCIDevice {
	return slices.Repeat([]hardware.PCIDevice{d}, n)
}

func TestOnlyWhatWasLookedForCanBeMissing(t *testing.T) {
	gpu, _ := hardware.GPUOf("p4d")
	gpu.Driver = "nvidia"
	chip, _ := hardware.NeuronOf("trn1")
	ena := hardware.PCIDevice{Vendor: "1d0f", Device: "ec20", Class: "020000", Driver: "ena"}
	efa := hardware.PCIDevice{Vendor: "1d0f", Device: "efa0", Class: "020000", Driver: "efa"}
	nvme := hardware.PCIDevice{Vendor: "1d0f", Device: "cd01", Class: "010802", Driver: "nvme"}
	store := func(bytes int64) hardware.NVMe {
		return hardware.NVMe{Kind: hardware.InstanceStore, Disks: []hardware.Disk{{Bytes: bytes}}}
	}
	whole := hardware.Facts{
		CPU: hardware.CPU{Online: 96}, Memory: hardware.Memory{OnlineBytes: 1152 << 30},
		PCI:  slices.Concat(bus(ena, 4), bus(efa, 4), bus(gpu, 8), bus(nvme, 9)),
		NVMe: append(slices.Repeat([]hardware.NVMe{store(1e12)}, 8), hardware.NVMe{Kind: hardware.EBS}),
	}
	blind := func(probe string, remark bool) []hardware.Problem {
		return []hardware.Problem{{Probe: probe, Message: "permission denied", Remark: remark}}
	}
	for name, row := range map[string]struct {
		machine string
		change  func(*hardware.Facts)
		want    string
	}{
		"a whole p4d":                          {"p4d.24xlarge", func(*hardware.Facts) {}, ""},
		"a type that nobody knows":             {"zz99.large", func(f *hardware.Facts) { *f = hardware.Facts{} }, ""},
		"nothing but a name":                   {"", func(*hardware.Facts) {}, ""},
		"the facts of Detect":                  {"p4d.24xlarge", func(f *hardware.Facts) { f.NVMe = nil }, ""},
		"no NVMe controller on the bus either": {"p4d.24xlarge", func(f *hardware.Facts) { f.NVMe, f.PCI = nil, f.PCI[:16] }, "InstanceStoreMissing: 8 instance store disks expected of p4d.24xlarge, 0 seen"},
		"one disk gone":                        {"p4d.24xlarge", func(f *hardware.Facts) { f.NVMe = f.NVMe[1:] }, "InstanceStoreMissing: 8 instance store disks expected of p4d.24xlarge, 7 seen"},
		"a disk that was given to a virtual machine": {"p4d.24xlarge", func(f *hardware.Facts) { f.NVMe, f.PCI[16].Driver = f.NVMe[1:], "vfio-pci" },
			"NVMeWithoutDriver: the nvme driver is not bound to 1 of 9 NVMe controllers (remark)"},
		"one disk gone and one given away": {"p4d.24xlarge", func(f *hardware.Facts) { f.NVMe, f.PCI[16].Driver = f.NVMe[2:], "vfio-pci" },
			"InstanceStoreMissing: 8 instance store disks expected of p4d.24xlarge, 6 seen"},
		"disks that could not be read": {"p4d.24xlarge", func(f *hardware.Facts) { f.NVMe, f.Problems = f.NVMe[1:], blind("nvme", false) }, ""},
		"a small disk":                 {"p4d.24xlarge", func(f *hardware.Facts) { f.NVMe[3] = store(900e9) }, "InstanceStoreSmall: disks of 1000 GB expected of p4d.24xlarge, one of 900 GB seen"},
		"no GPU at all":                {"p4d.24xlarge", func(f *hardware.Facts) { f.PCI = slices.Concat(f.PCI[:8], f.PCI[16:]) }, "GPUMissing: 8 a100 expected of p4d.24xlarge, 0 a100 on the PCI bus"},
		"a bus that could not be read": {"p4d.24xlarge", func(f *hardware.Facts) { f.PCI, f.Problems = nil, blind("pci", false) }, ""},
		"drivers that could not be told": {"p4d.24xlarge", func(f *hardware.Facts) {
			for i := range f.PCI {
				f.PCI[i].Driver = ""
			}
			f.Problems = blind("pci", true)
		}, ""},
		"an older model": {"p4d.24xlarge", func(f *hardware.Facts) {
			old, _ := hardware.GPUOf("p3")
			old.Driver = "nvidia"
			f.PCI = slices.Concat(f.PCI[:8], bus(old, 8), f.PCI[16:])
		}, "GPUOther: 8 a100 expected of p4d.24xlarge, 8 v100 on the PCI bus"},
		"an ID that is newer than the table": {"p4d.24xlarge", func(f *hardware.Facts) { f.PCI[8].Device = "ffff" }, ""},
		"two GPUs without a driver":          {"p4d.24xlarge", func(f *hardware.Facts) { f.PCI[8].Driver, f.PCI[9].Driver = "", "" }, "GPUWithoutDriver: the nvidia driver is not bound to 2 of 8 a100 (remark)"},
		"some of the EFA interfaces":         {"p4d.24xlarge", func(f *hardware.Facts) { f.PCI = f.PCI[1+4:] }, "EFAFewer: p4d.24xlarge can have 4 EFA interfaces, 3 on the PCI bus (remark)\nENAMissing: an ENA expected of p4d.24xlarge, none on the PCI bus"},
		"an EFA and an ENA without drivers":  {"p4d.24xlarge", func(f *hardware.Facts) { f.PCI[0].Driver, f.PCI[4].Driver = "", "" }, "EFAWithoutDriver: the efa driver is not bound to 1 of 4 EFA (remark)\nENAWithoutDriver: the ena driver is not bound to 1 of 4 ENA (remark)"},
		"CPUs and memory of an enclave": {"p4d.24xlarge", func(f *hardware.Facts) { f.CPU.Online, f.Memory.OnlineBytes = 90, 512<<30 },
			"CPUFewer: 96 CPUs expected of p4d.24xlarge, 90 online (remark)\nMemoryLess: 1179648 MiB of memory expected of p4d.24xlarge, 524288 MiB online (remark)"},
		"CPUs that could not be counted": {"p4d.24xlarge", func(f *hardware.Facts) { f.CPU.Online, f.Problems = 0, blind("cpu", false) }, ""},
		"no EFA on a type with one card": {"g5.12xlarge", func(f *hardware.Facts) {
			a10g, _ := hardware.GPUOf("g5")
			a10g.Driver = "nvidia"
			f.PCI, f.NVMe = append(bus(a10g, 4), ena, nvme), []hardware.NVMe{store(38e11)}
		}, ""},
		"chips gone, and no driver": {"trn1.32xlarge", func(f *hardware.Facts) {
			f.CPU.Online = 128
			f.PCI, f.NVMe = append(bus(chip, 15), slices.Concat(bus(ena, 8), bus(efa, 8))...), slices.Repeat([]hardware.NVMe{store(19e11)}, 4)
		}, "NeuronMissing: 16 trainium expected of trn1.32xlarge, 15 trainium on the PCI bus\nNeuronWithoutDriver: the neuron driver is not bound to 15 of 15 trainium (remark)"},
		"another generation of chips": {"inf2.xlarge", func(f *hardware.Facts) {
			chip := chip
			chip.Driver = "neuron"
			f.PCI, f.NVMe = []hardware.PCIDevice{chip, ena}, nil
		}, "NeuronOther: 1 inferentia2 expected of inf2.xlarge, 1 trainium on the PCI bus"},
		"Xen, where ENA need not be": {"m4.large", func(f *hardware.Facts) { f.PCI, f.NVMe = nil, nil }, ""},
	} {
		f := whole
		f.PCI, f.NVMe = slices.Clone(whole.PCI), slices.Clone(whole.NVMe)
		row.change(&f)
		var got []string
		for _, x := range Compare(f, row.machine) {
			text := string(x.Code) + ": " + x.Message
			if x.Remark {
				text += " (remark)"
			}
			if x.Remedy == "" || x.Expected == "" || x.Seen == "" || strings.Contains(x.Remedy, "%") {
				t.Errorf("%s: %+v", name, x)
			}
			got = append(got, text)
		}
		if strings.Join(got, "\n") != row.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), row.want)
		}
	}
}

func FuzzDevices(f *testing.F) {
	for _, line := range []string{"p5.48xlarge 32 8x3800 8xh100", "c7gn.metal 1 - -", "", "a 0 x x", "a -1 - -", "a 1 0x5 -", "a 1 1x-5 9x"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		name, d, ok := parseDevices(line)
		if ok && (name == "" || d.EFAs < 0 || d.Disks < 0 || (d.Disks > 0) != (d.DiskGB > 0) || (d.Accelerators > 0) != (d.Model != "")) {
			t.Errorf("%q reads as %q, %+v", line, name, d)
		}
	})
}
