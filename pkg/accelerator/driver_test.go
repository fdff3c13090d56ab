package accelerator

import (
	"maps"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
)

// gpus puts GPUs on the bus of an instance type.
func gpus(devices ...string) func(*node.Input) {
	return func(in *node.Input) {
		for _, d := range devices {
			in.Hardware.PCI = append(in.Hardware.PCI, of(1, "10de", d, "030200")...)
		}
	}
}

// lists are those of an image, each with the devices that it has.
func lists(drivers ...node.OpenDriver) func(*node.Input) {
	return func(in *node.Input) { in.Present.Accelerators.OpenDrivers = drivers }
}

func asks(driver api.NVIDIADriver) func(*node.Input) {
	return func(in *node.Input) { in.Config.Spec.Accelerators.NVIDIA.Driver = driver }
}

func TestTheDriverFollowsFromTheDevices(t *testing.T) {
	part := func(subsystem string) func(*node.Input) {
		return func(in *node.Input) { in.Hardware.PCI[0].Subsystem = "10de:" + subsystem }
	}
	gsp := map[string]string{"NVreg_EnableGpuFirmware": "0"}
	coherent := map[string]string{"NVreg_CoherentGPUMemoryMode": "driver"}
	for _, row := range []struct {
		name, instance string
		change         func(*node.Input)
		variant        Variant
		branch         int
		options        map[string]string
	}{
		{"K80, which no list knows", "p2.xlarge", gpus("102d"), VariantProprietary, 0, nil},
		{"V100, not in the image's lists", "p3.2xlarge", all(gpus("1db1"), lists(node.OpenDriver{Major: 580})), VariantProprietary, 0, nil},
		{"T4, which runs without its firmware", "g4dn.xlarge", all(gpus("1eb8"), lists(node.OpenDriver{Major: 580, Devices: []string{"1eb8"}})), VariantProprietary, 0, gsp},
		{"T4 where a person asks for open", "g4dn.xlarge", all(gpus("1eb8"), asks("open")), VariantOpen, 0, nil},
		{"T4G", "g5g.xlarge", gpus("1eb4"), VariantProprietary, 0, gsp},
		{"T4 in a rack of one's own", "", gpus("1eb8"), VariantProprietary, 0, gsp},
		{"L4", "g6.xlarge", all(gpus("27b8"), part("16ee")), VariantOpen, 0, nil},
		{"an eighth of an L4", "g6f.large", all(gpus("27b8"), part("1733"), lists(node.OpenDriver{Major: 580, Devices: []string{"27b8"}})), VariantGRID, 0, nil},
		{"half an L4", "gr6f.4xlarge", all(gpus("27b8"), part("1737")), VariantGRID, 0, nil},
		{"H100, in the older list too", "p5.48xlarge", lists(node.OpenDriver{Major: 570, Devices: []string{"2330"}}, node.OpenDriver{Major: 580, Devices: []string{"2330"}}), VariantOpen, 570, nil},
		{"G7, in the newer list alone", "g7.xlarge", all(gpus("2c3a"), lists(node.OpenDriver{Major: 580}, node.OpenDriver{Major: 595, Devices: []string{"2c3a"}})), VariantOpen, 595, nil},
		{"B300, newer than the image's list", "p6-b300.48xlarge", all(gpus("3182"), lists(node.OpenDriver{Major: 570})), VariantOpen, 0, nil},
		{"GB200, of which memory is the driver's", "p6e-gb200.36xlarge", all(gpus("2941"), lists(node.OpenDriver{Major: 580, Devices: []string{"2941"}})), VariantOpen, 580, coherent},
		{"GB200 with a driver that knows no such thing", "p6e-gb200.36xlarge", all(gpus("2941"), lists(node.OpenDriver{Major: 570, Devices: []string{"2941"}})), VariantOpen, 570, nil},
		{"two kinds, of which one is in no list", "", all(gpus("2330", "1db1"), lists(node.OpenDriver{Major: 580, Devices: []string{"2330"}})), VariantProprietary, 0, nil},
		{"H100 where a person asks for the proprietary one", "p5.48xlarge", asks("proprietary"), VariantProprietary, 0, nil},
		{"a device that nobody can read", "", gpus("zzzz"), VariantOpen, 0, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, row.instance, row.change)
			if s.Driver == nil {
				t.Fatal("no decision")
			}
			if s.Driver.Variant != row.variant || s.Driver.Branch != row.branch || !maps.Equal(s.Driver.Options, row.options) || s.Driver.Because == "" {
				t.Errorf("got %+v", *s.Driver)
			}
		})
	}
}

func TestADriverThatCannotDriveTheGPUsIsRefused(t *testing.T) {
	mustRefuse(t, "p3.2xlarge", all(gpus("1db1"), asks("open")), fault.ConfigInvalid, "older than Turing")
	mustRefuse(t, "p6-b200.48xlarge", all(gpus("2901"), asks("proprietary")), fault.ConfigInvalid, "of Blackwell")
	mustRefuse(t, "p5.48xlarge", asks("nouveau"), fault.ConfigInvalid, "there is no such driver")
	mustRefuse(t, "p5.48xlarge", mode("magic"), fault.ConfigInvalid, "there is no such mode")
	old := func(in *node.Input) { in.Versions.Containerd = version(t, "1.6.20") }
	mustRefuse(t, "p5.48xlarge", all(old, mode("cdi")), fault.ConfigInvalid, "which came with 1.7")
	on := true
	mustRefuse(t, "inf2.48xlarge", all(old, func(in *node.Input) { in.Config.Spec.Accelerators.Neuron.CDI = &on }), fault.ConfigInvalid, "neuron.cdi", "which came with 1.7")
	unknown := func(in *node.Input) {
		in.Problems = []node.Problem{{Fact: "hardware.pci", Code: fault.FactMissing, Message: "no /sys", Remedy: "Mount it."}}
	}
	mustRefuse(t, "p5.48xlarge", all(unknown, mode("cdi")), fault.FactMissing, "no /sys")
	if s := decide(t, "p5.48xlarge", unknown); s.Driver != nil || s.HugePages != nil || s.Generate != nil {
		t.Errorf("decided about a bus that nobody has seen: %+v", s)
	}
}

func TestAnOldContainerdLeavesTheGPUsToNobodyAndSaysSo(t *testing.T) {
	s := decide(t, "g5.12xlarge", func(in *node.Input) { in.Versions.Containerd = version(t, "1.6.20") })
	if len(s.Specs) > 0 || s.Generate != nil || len(s.Notes) != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestADocumentOfNodeadmsChangesNothing(t *testing.T) {
	for _, m := range machines {
		for _, image := range []func(*node.Input){gpuImage, driverImage} {
			in := input(t, m.name, all(image, func(in *node.Input) { in.Config.APIVersion = api.APIVersion }))
			if rs, err := Desired(in); err != nil || len(rs) > 0 || len(reasons(in)) > 0 || len(notes(in)) > 0 {
				t.Errorf("%s: %v, %v", m.name, rs, err)
			}
		}
	}
}

func TestHugePagesOfEFAAreTheUsersWhereHeSaysSo(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*node.Input)
		count  int64
		notes  int
	}{
		{"nothing said", nil, 5128, 0},
		{"none wanted", func(in *node.Input) { in.Config.Spec.HugePages = []api.HugePages{{Size: "2Mi"}} }, 0, 0},
		{"his own on one node", func(in *node.Input) {
			zero := int64(0)
			in.Config.Spec.HugePages = []api.HugePages{{Size: "2Mi", Count: 7, NUMANode: &zero}}
		}, 0, 0},
		{"others beside them", func(in *node.Input) { in.Config.Spec.HugePages = []api.HugePages{{Size: "1Gi", Count: 7}} }, 5128, 0},
		{"by the kernel's parameter", func(in *node.Input) { in.Config.Spec.Sysctls = map[string]string{"vm.nr_hugepages": "7"} }, 0, 0},
		{"others that leave no room", func(in *node.Input) { in.Config.Spec.HugePages = []api.HugePages{{Size: "1Gi", Count: 480}} }, 0, 1},
		{"a machine of 32 GiB", func(in *node.Input) { in.Hardware.Memory.OnlineBytes = 32 << 30 }, 0, 1},
		{"the image has as many", func(in *node.Input) { in.Present.Accelerators.HugePages = 5128 }, 5128, 0},
		{"the image has more", func(in *node.Input) { in.Present.Accelerators.HugePages = 10000 }, 0, 0},
		{"no EFA attached", func(in *node.Input) { in.Hardware.PCI = of(16, "1d0f", "7164", "088000") }, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			in := input(t, "trn1.32xlarge", row.change)
			s, err := Decide(in)
			if err != nil {
				t.Fatal(err)
			}
			var got int64
			if s.HugePages != nil {
				got = s.HugePages.Count
			}
			reads := false
			for _, id := range in.HugePagesReads() {
				reads = reads || s.HugePages != nil && id == s.HugePages.ID()
			}
			if got != row.count || len(s.Notes) != row.notes || reads != (row.count > 0) {
				t.Errorf("%d pages, notes %q, kubelet reads them: %t", got, s.Notes, reads)
			}
		})
	}
}

func TestNodesThatADriverMadeCountBeforeTheBus(t *testing.T) {
	s := decide(t, "g5.12xlarge", func(in *node.Input) {
		in.Present.Accelerators.DeviceNodes = []string{"/dev/nvidia0", "/dev/nvidia2", "/dev/nvidia3", "/dev/nvidiactl"}
	})
	var names string
	for _, d := range s.Specs[0].Spec.Devices {
		names += d.Name + " "
	}
	if names != "0 2 3 all " {
		t.Errorf("devices %s", names)
	}
	if n := s.Specs[0].Spec.ContainerEdits.DeviceNodes; len(n) != 1 || n[0].Path != "/dev/nvidiactl" {
		t.Errorf("nodes %v", n)
	}
}

func TestWhatCouldNotBeSeenIsSaid(t *testing.T) {
	s := decide(t, "g5.12xlarge", func(in *node.Input) {
		in.Problems = []node.Problem{{Fact: "present.accelerators", Code: fault.FactMissing, Message: "input/output error"}}
	})
	if len(s.Notes) != 2 || !strings.Contains(s.Notes[0], "input/output error") {
		t.Errorf("notes %q", s.Notes)
	}
}

func TestANVSwitchAloneIsNoGPU(t *testing.T) {
	s := decide(t, "", func(in *node.Input) {
		in.Hardware.PCI = []hardware.PCIDevice{{Address: "0000:80:1a.0", Vendor: "10de", Device: "1af1", Class: "068000"}}
	})
	if s.Driver != nil || len(s.Specs) > 0 || len(s.Notes) != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestTheGeneratorRunsAgainWhenTheGPUsChange(t *testing.T) {
	digest := func(change func(*node.Input)) string {
		s := decide(t, "p5.48xlarge", all(gpuImage, mode("cdi"), change))
		if s.Generate == nil {
			t.Fatal("it does not run")
		}
		return s.Generate.Digest
	}
	same := digest(func(*node.Input) {})
	if again := digest(func(*node.Input) {}); again != same {
		t.Error("two digests of one machine")
	}
	for name, change := range map[string]func(*node.Input){
		"another driver":   func(in *node.Input) { in.Present.Accelerators.DriverVersion = "595.1" },
		"a GPU less":       func(in *node.Input) { in.Hardware.PCI = in.Hardware.PCI[1:] },
		"a GPU is divided": divided,
	} {
		if digest(change) == same {
			t.Errorf("%s changes nothing", name)
		}
	}
}
