package system

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// tree makes a root with files; those below a bin directory can be executed.
func tree(t *testing.T, files map[string]string) rootfs.Root {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.Contains(name, "/bin/") {
			mode = 0o755
		}
		if err := os.WriteFile(p, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return rootfs.At(dir)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// gpuMachine is a p5.48xlarge with its driver loaded, one GPU divided.
func gpuMachine() map[string]string {
	return map[string]string{
		"/dev/nvidia0": "", "/dev/nvidia1": "", "/dev/nvidiactl": "", "/dev/nvidia-uvm": "", "/dev/nvidia-caps/nvidia-cap12": "", "/dev/null": "", "/dev/neuron_x": "",
		"/sys/module/nvidia/version":                                "580.95.05\n",
		"/usr/lib64/libcuda.so.580.95.05":                           "ELF",
		"/usr/lib64/libcuda.so":                                     "for the linker alone",
		"/usr/lib64/libnvidia-ml.so.1":                              "ELF",
		"/usr/lib64/libnvidia-fbc.so.1":                             "for desktops",
		"/usr/lib64/libc.so.6":                                      "ELF",
		"/usr/bin/nvidia-smi":                                       "ELF",
		"/usr/bin/nvidia-ctk":                                       "ELF",
		"/etc/eks/nvidia-open-supported-devices-580.txt":            "# made from supported-gpus.json\n0x2330 NVIDIA H100 80GB HBM3\n0x1EB8 Tesla T4\n",
		"/etc/eks/nvidia-open-supported-devices-570.txt":            "0x1EB8 Tesla T4\n\n",
		"/etc/eks/nvidia-open-supported-devices-x.txt":              "0x2330",
		"/sys/bus/pci/devices/0000:53:00.0/numa_node":               "0\n",
		"/sys/bus/pci/devices/0000:c9:00.0/numa_node":               "1\n",
		"/sys/bus/pci/devices/0000:00:05.0/numa_node":               "-1\n",
		"/proc/driver/nvidia/capabilities/gpu0/mig/gi1/access":      "DeviceFileMinor: 12\nDeviceFileMode: 292\n",
		"/proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci0/access":  "DeviceFileMinor: 13\n",
		"/proc/driver/nvidia/capabilities/gpu0/mig/gi10/access":     "DeviceFileMinor: 93\n",
		"/proc/driver/nvidia/capabilities/gpu0/mig/gi10/ci0/access": "DeviceFileMinor: 94\n",
		"/proc/driver/nvidia/capabilities/gpu0/mig/gi2/access":      "nonsense\n",
		"/proc/driver/nvidia/capabilities/gpu0/mig/gi2/ci0/access":  "DeviceFileMinor: 22\n",
		"/proc/driver/nvidia/capabilities/mig/config":               "DeviceFileMinor: 1\n",
	}
}

func h100s() hardware.Facts {
	return hardware.Facts{PCI: []hardware.PCIDevice{
		{Address: "0000:00:05.0", Vendor: "1d0f", Device: "ec20", Class: "020000"},
		{Address: "0000:53:00.0", Vendor: "10de", Device: "2330", Class: "030200"},
		{Address: "0000:c9:00.0", Vendor: "10de", Device: "2330", Class: "030200"},
	}}
}

func TestAcceleratorsAreSeenWithTheirDrivers(t *testing.T) {
	got, err := Accelerators(tree(t, gpuMachine()), node.AL2023(), h100s())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"nvidiaCTK":true,"driverVersion":"580.95.05",` +
		`"driverFiles":["/usr/bin/nvidia-smi","/usr/lib64/libcuda.so.580.95.05","/usr/lib64/libnvidia-ml.so.1"],` +
		`"deviceNodes":["/dev/nvidia-uvm","/dev/nvidia0","/dev/nvidia1","/dev/nvidiactl"],` +
		`"mig":[{"gpu":0,"gi":1,"ci":0,"giCap":12,"ciCap":13},{"gpu":0,"gi":10,"ci":0,"giCap":93,"ciCap":94}],` +
		`"openDrivers":[{"major":570},{"major":580,"devices":["2330"]}],` +
		`"numaNodes":{"0000:53:00.0":0,"0000:c9:00.0":1}}`
	if s := asJSON(t, got); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestAMachineWithoutAcceleratorsIsNotSearched(t *testing.T) {
	got, err := Accelerators(tree(t, gpuMachine()), node.AL2023(), hardware.Facts{PCI: h100s().PCI[:1]})
	if s := asJSON(t, got); err != nil || s != "{}" {
		t.Errorf("got %s, %v", s, err)
	}
	neuron := hardware.Facts{PCI: []hardware.PCIDevice{{Address: "0000:00:1f.0", Vendor: "1d0f", Device: "7164"}}}
	got, err = Accelerators(tree(t, map[string]string{"/dev/neuron0": "", "/dev/neuron15": "", "/dev/neurons": ""}), node.AL2023(), neuron)
	if s := asJSON(t, got); err != nil || s != `{"deviceNodes":["/dev/neuron0","/dev/neuron15"]}` {
		t.Errorf("got %s, %v", s, err)
	}
}

func TestHugePagesAreCountedForEFA(t *testing.T) {
	root := tree(t, map[string]string{"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "5128\n"})
	for device, want := range map[string]int64{"efa2": 5128, "ec20": 0} {
		got, err := Accelerators(root, node.AL2023(), hardware.Facts{PCI: []hardware.PCIDevice{{Address: "a", Vendor: "1d0f", Device: device}}})
		if err != nil || got.HugePages != want {
			t.Errorf("%s: %+v, %v", device, got, err)
		}
	}
}

func TestADriverBeforeItIsLoadedIsNoProblem(t *testing.T) {
	got, err := Accelerators(tree(t, nil), node.AL2023(), h100s())
	if s := asJSON(t, got); err != nil || s != "{}" {
		t.Errorf("got %s, %v", s, err)
	}
}

func TestWhatCannotBeLookedAtIsAnErrorAndTheRestIsThere(t *testing.T) {
	files := gpuMachine()
	delete(files, "/sys/module/nvidia/version")
	files["/sys/module/nvidia/version/x"] = "a directory"
	got, err := Accelerators(tree(t, files), node.AL2023(), h100s())
	if err == nil || !strings.Contains(err.Error(), "/sys/module/nvidia/version") {
		t.Errorf("error %v", err)
	}
	if !got.NvidiaCTK || len(got.DeviceNodes) == 0 || got.DriverVersion != "" {
		t.Errorf("got %s", asJSON(t, got))
	}
}

func FuzzListedDevices(f *testing.F) {
	f.Add("# x\n0x2330 NVIDIA H100\n\n0X1eb8\n")
	f.Fuzz(func(t *testing.T, text string) {
		for id := range listedDevices(text) {
			if strings.ContainsAny(id, " \n\t") || id != strings.ToLower(id) {
				t.Errorf("device %q", id)
			}
		}
	})
}
