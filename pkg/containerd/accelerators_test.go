package containerd

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
)

func functions(n int, vendor, device, class string) []hardware.PCIDevice {
	var out []hardware.PCIDevice
	for i := range n {
		out = append(out, hardware.PCIDevice{Address: fmt.Sprintf("%s:%02x:00.0", device, i), Vendor: vendor, Device: device, Class: class})
	}
	return out
}

// accelerated is a machine with a document of the superset and these functions.
func accelerated(runtime bool, pci ...[]hardware.PCIDevice) func(*node.Input) {
	return func(in *node.Input) {
		in.Config.APIVersion = api.APIVersionSuperset
		in.Present.NvidiaRuntime = runtime
		for _, list := range pci {
			in.Hardware.PCI = append(in.Hardware.PCI, list...)
		}
	}
}

// What containerd is told on machines with accelerators: handlers, CDI and limits.
func TestAcceleratedMachines(t *testing.T) {
	a10g, h100, efa := functions(4, "10de", "2237", "030200"), functions(8, "10de", "2330", "030200"), functions(32, "1d0f", "efa2", "020000")
	for _, m := range []struct {
		name   string
		change func(*node.Input)
		modes  []api.NVIDIAMode
	}{
		{"m5.large", accelerated(false), []api.NVIDIAMode{"", "cdi", "runtime"}},
		{"g5.12xlarge", accelerated(true, a10g), []api.NVIDIAMode{"", "cdi", "runtime"}},
		{"g5.12xlarge-without-toolkit", accelerated(false, a10g), []api.NVIDIAMode{"", "cdi"}},
		{"p5.48xlarge", accelerated(true, h100, efa), []api.NVIDIAMode{"", "cdi", "runtime"}},
		{"trn1.32xlarge", accelerated(false, functions(16, "1d0f", "7164", "088000"), functions(8, "1d0f", "efa1", "020000")), []api.NVIDIAMode{""}},
		{"inf2.48xlarge", accelerated(false, functions(12, "1d0f", "7264", "088000")), []api.NVIDIAMode{""}},
	} {
		for _, asked := range m.modes {
			for _, containerd := range []string{"1.7.28", "2.4.1"} {
				name := fmt.Sprintf("%s-%s-%s", m.name, orAuto(asked), containerd)
				t.Run(name, func(t *testing.T) {
					s := decide(t, func(in *node.Input) {
						m.change(in)
						in.Versions.Containerd, in.Versions.Kubelet = version(containerd), version("1.31.0")
						in.Config.Spec.Accelerators.NVIDIA.Mode = asked
					})
					text, err := render(s.Config)
					if err != nil {
						t.Fatal(err)
					}
					limits, err := json.Marshal(at(s.BaseRuntimeSpec, "process", "rlimits"))
					if err != nil {
						t.Fatal(err)
					}
					var b strings.Builder
					for _, r := range s.Why {
						fmt.Fprintf(&b, "%s = %s (%s)\n", r.Setting, r.Value, r.From)
					}
					fmt.Fprintf(&b, "\nrlimits %s\n\n%s", limits, text)
					golden.Assert(t, filepath.Join("testdata", "accelerators", name+".txt"), b.String())
				})
			}
		}
	}
}

func orAuto(m api.NVIDIAMode) string {
	if m == "" {
		return "auto"
	}
	return string(m)
}

func TestMemoryMayBePinnedUnlessALimitIsConfigured(t *testing.T) {
	efa := accelerated(false, functions(1, "1d0f", "efa0", "020000"))
	own := api.Object{"process": map[string]any{"rlimits": []any{map[string]any{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}}}}
	for _, row := range []struct {
		name   string
		change func(*node.Input)
		want   string
	}{
		{"EFA", efa, "unlimited"},
		{"EFA and a document of nodeadm's", func(in *node.Input) { efa(in); in.Config.APIVersion = api.APIVersion }, ""},
		{"neither EFA nor Neuron", accelerated(false), ""},
		{"a limit in spec.ulimits", func(in *node.Input) {
			efa(in)
			in.Config.Spec.Ulimits = map[string]api.Ulimit{"memlock": {Hard: "8388608"}}
		}, "8388608"},
		{"another limit in spec.ulimits", func(in *node.Input) {
			efa(in)
			in.Config.Spec.Ulimits = map[string]api.Ulimit{"core": {Hard: "0"}}
		}, "unlimited"},
		{"limits in the user's own specification", func(in *node.Input) { efa(in); in.Config.Spec.Containerd.BaseRuntimeSpec = own }, ""},
		{"a bus that nobody has seen", func(in *node.Input) {
			efa(in)
			in.Problems = []node.Problem{{Fact: "hardware.pci", Code: fault.FactMissing, Message: "no /sys"}}
		}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, row.change)
			got := ""
			for _, l := range at(s.BaseRuntimeSpec, "process", "rlimits").([]any) {
				if rlimitType(l) == "RLIMIT_MEMLOCK" {
					got = fmt.Sprint(l.(table)["hard"])
				}
			}
			if got == "18446744073709551615" {
				got = "unlimited"
			}
			if got != row.want {
				t.Errorf("memlock %q, want %q", got, row.want)
			}
		})
	}
}

func TestAModeThatCannotBeHadIsRefused(t *testing.T) {
	gpu := functions(1, "10de", "2330", "030200")
	refused(t, func(in *node.Input) {
		accelerated(false, gpu)(in)
		in.Config.Spec.Accelerators.NVIDIA.Mode = api.NVIDIARuntime
	}, fault.ConfigInvalid, "the machine has no /usr/bin/nvidia-container-runtime")
	refused(t, func(in *node.Input) {
		accelerated(true, gpu)(in)
		in.Versions.Containerd = version("1.6.20")
		in.Config.Spec.Accelerators.NVIDIA.Mode = api.NVIDIACDI
	}, fault.ConfigInvalid, "containerd 1.6.20 does not know CDI")
}

// A document of nodeadm's that has the field by some other way means nothing by it.
func TestADocumentOfNodeadmsHasNoModes(t *testing.T) {
	s := decide(t, func(in *node.Input) {
		accelerated(true, functions(1, "10de", "2330", "030200"))(in)
		in.Config.APIVersion = api.APIVersion
		in.Config.Spec.Accelerators.NVIDIA.Mode = api.NVIDIACDI
		in.Versions.Kubelet = version("1.31.0")
	})
	if s.DefaultHandler != "nvidia" || s.CDI || len(s.CDISpecDirs) > 0 {
		t.Errorf("got %+v", s)
	}
}
