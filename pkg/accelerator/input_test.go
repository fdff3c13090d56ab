package accelerator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
)

// of returns n functions of a device.
func of(n int, vendor, device, class string) []hardware.PCIDevice {
	var out []hardware.PCIDevice
	for i := range n {
		out = append(out, hardware.PCIDevice{Address: fmt.Sprintf("%s:%02x:00.0", device, i), Vendor: vendor, Device: device, Class: class})
	}
	return out
}

// machine is an instance type by what is on its PCI bus.
type machine struct {
	name      string
	memoryGiB int64
	pci       [][]hardware.PCIDevice
}

var machines = []machine{
	{"m5.large", 8, nil},
	{"g5.12xlarge", 192, [][]hardware.PCIDevice{of(4, "10de", "2237", "030200")}},
	{"p5.48xlarge", 2048, [][]hardware.PCIDevice{of(8, "10de", "2330", "030200"), of(4, "10de", "22a3", "068000"), of(32, "1d0f", "efa2", "020000")}},
	{"trn1.32xlarge", 512, [][]hardware.PCIDevice{of(16, "1d0f", "7164", "088000"), of(8, "1d0f", "efa1", "020000")}},
	{"inf2.48xlarge", 768, [][]hardware.PCIDevice{of(12, "1d0f", "7264", "088000")}},
}

// input is a machine with a document of the superset, booted from an image without
// anything for accelerators.
func input(t testing.TB, name string, change func(*node.Input)) node.Input {
	t.Helper()
	in := node.Input{Layout: node.AL2023(), Config: api.NodeConfig{APIVersion: api.APIVersionSuperset, Kind: api.Kind}}
	in.Instance.Type = name
	in.Versions.Containerd = version(t, "2.1.4")
	for _, m := range machines {
		if m.name == name {
			in.Hardware.Memory.OnlineBytes = m.memoryGiB << 30
			for _, list := range m.pci {
				in.Hardware.PCI = append(in.Hardware.PCI, list...)
			}
		}
	}
	if change != nil {
		change(&in)
	}
	return in
}

func version(t testing.TB, s string) node.Version {
	t.Helper()
	v, err := node.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// gpuImage is an EKS image for GPUs, its driver loaded.
func gpuImage(in *node.Input) {
	in.Present.NvidiaRuntime = in.Hardware.HasNVIDIA()
	in.Present.Accelerators.NvidiaCTK = in.Hardware.HasNVIDIA()
	if !in.Hardware.HasNVIDIA() {
		return
	}
	in.Present.Accelerators.DriverVersion = "580.95.05"
	in.Present.Accelerators.OpenDrivers = []node.OpenDriver{{Major: 580, Devices: []string{"2237", "2330"}}}
}

// driverImage has NVIDIA's and Neuron's drivers, loaded, and no toolkit.
func driverImage(in *node.Input) {
	a := &in.Present.Accelerators
	gpus := 0
	for _, d := range in.Hardware.PCI {
		if isGPU(d) {
			a.DeviceNodes = append(a.DeviceNodes, fmt.Sprintf("/dev/nvidia%d", gpus))
			gpus++
		}
	}
	for i := range in.Hardware.NeuronDevices() {
		a.DeviceNodes = append(a.DeviceNodes, fmt.Sprintf("/dev/neuron%d", i))
	}
	if gpus > 0 {
		a.DeviceNodes = append(a.DeviceNodes, "/dev/nvidia-modeset", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidiactl")
		a.DriverFiles = []string{"/usr/bin/nvidia-smi", "/usr/lib64/libcuda.so.1", "/usr/lib64/libcuda.so.580.95.05", "/usr/lib64/libnvidia-ml.so.1"}
	}
}

func decide(t testing.TB, name string, change func(*node.Input)) Settings {
	t.Helper()
	s, err := Decide(input(t, name, change))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mustRefuse asserts that there is no decision, with a code, a remedy and all of the
// phrases in the message.
func mustRefuse(t *testing.T, name string, change func(*node.Input), code fault.Code, phrases ...string) {
	t.Helper()
	s, err := Decide(input(t, name, change))
	if err == nil {
		t.Fatalf("it was decided: %+v", s)
	}
	f, ok := fault.Find(err)
	if !ok || f.Code != code || f.Remedy == "" {
		t.Errorf("fault %+v, want code %s and a remedy: %v", f, code, err)
	}
	for _, p := range phrases {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q is not in %q", p, err)
		}
	}
}

func mode(m api.NVIDIAMode) func(*node.Input) {
	return func(in *node.Input) { in.Config.Spec.Accelerators.NVIDIA.Mode = m }
}

func all(changes ...func(*node.Input)) func(*node.Input) {
	return func(in *node.Input) {
		for _, c := range changes {
			c(in)
		}
	}
}
