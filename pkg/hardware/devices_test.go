package hardware_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
)

// devices is what is told of a machine's devices, beside its facts, and what it lacks
// of its type.
type devices struct {
	GPUs     hardware.GPUs          `json:"gpus,omitzero"`
	Module   hardware.NVIDIAModule  `json:"nvidiaModule,omitzero"`
	Neuron   hardware.Neuron        `json:"neuron,omitzero"`
	EFAs     int                    `json:"efas"`
	ENAs     int                    `json:"enas"`
	Findings []instancetype.Finding `json:"findings,omitempty"`
}

func devicesOf(f hardware.Facts) devices {
	return devices{
		GPUs: f.GPUs(), Module: f.NVIDIAModule(), Neuron: f.Neuron(), EFAs: len(f.EFAs()), ENAs: len(f.ENAs()),
		Findings: instancetype.Compare(f, f.DMI.ProductName),
	}
}

// Machines without accelerators, EFA and findings have no file.
func TestTheDevicesOfEveryMachineAreTold(t *testing.T) {
	for _, name := range hardware.Machines(t) {
		d := devicesOf(hardware.Inspect(hardware.Machine(t, name), hardware.Arch(t, name)))
		if d.GPUs.Count+d.Neuron.Count+d.EFAs+len(d.Findings) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b, err := json.MarshalIndent(d, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, filepath.Join("testdata", name, "devices.json"), append(b, '\n'))
		})
	}
}

// The machines named after a type and nothing else are whole.
func TestAWholeMachineLacksNothing(t *testing.T) {
	for _, name := range hardware.Machines(t) {
		if _, ok := instancetype.ShapeOf(name); !ok {
			continue
		}
		f := hardware.Inspect(hardware.Machine(t, name), hardware.Arch(t, name))
		for _, x := range instancetype.Compare(f, name) {
			if !x.Remark {
				t.Errorf("%s: %+v", name, x)
			}
		}
	}
}

func TestWhatIsMissingIsAFinding(t *testing.T) {
	for name, want := range map[string]string{
		"p5.48xlarge-seven-gpus": "8 h100 expected of p5.48xlarge, 7 h100 on the PCI bus",
		"g5.xlarge-no-driver":    "the nvidia driver is not bound to 1 of 1 a10g",
	} {
		f := hardware.Inspect(hardware.Machine(t, name), hardware.Arch(t, name))
		got := instancetype.Compare(f, f.DMI.ProductName)
		if len(got) != 1 || got[0].Message != want || got[0].Remedy == "" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// Whatever order the kernel met them in, each disk is what its model says.
func TestDisksAreToldByTheirModel(t *testing.T) {
	f := hardware.Inspect(hardware.Machine(t, "i7ie.12xlarge"), "amd64")
	var got []string
	for _, n := range f.NVMe {
		use := "free"
		for _, d := range n.Disks {
			if d.InUse() {
				use = "in use"
			}
		}
		got = append(got, strings.Join([]string{n.Name, string(n.Kind), n.VolumeID, use}, " "))
	}
	want := []string{
		"nvme0 ebs vol-0123456789abcdef0 in use", "nvme1 instance-store  in use", "nvme2 instance-store  in use",
		"nvme3 instance-store  in use", "nvme4 instance-store  in use", "nvme5 ebs vol-0fedcba9876543210 free",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
