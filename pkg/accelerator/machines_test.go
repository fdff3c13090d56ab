package accelerator

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tags.cncf.io/container-device-interface/pkg/cdi"
	"tags.cncf.io/container-device-interface/pkg/parser"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// print is a whole decision for people.
func print(t *testing.T, in node.Input) []byte {
	t.Helper()
	c := Component()
	resources, err := c.Desired(in)
	var b strings.Builder
	if err != nil {
		fmt.Fprintf(&b, "refused: %v\n", err)
		return []byte(b.String())
	}
	for _, r := range c.Reasons(in) {
		fmt.Fprintf(&b, "%s = %s (%s)\n", r.Setting, r.Value, r.From)
	}
	for _, n := range c.Notes(in) {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for _, r := range resources {
		if f, ok := r.(host.File); ok {
			fmt.Fprintf(&b, "\n%s %04o\n%s", f.ID(), f.Mode.Perm(), f.Content)
			continue
		}
		spec, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n%s %s\n", r.ID(), spec)
	}
	return []byte(b.String())
}

func TestMachines(t *testing.T) {
	on := true
	neuron := func(in *node.Input) { in.Config.Spec.Accelerators.Neuron.CDI = &on }
	for _, m := range machines {
		for _, image := range []struct {
			name  string
			image func(*node.Input)
		}{{"gpu-image", gpuImage}, {"drivers-alone", driverImage}, {"bare-image", func(*node.Input) {}}} {
			for _, asked := range []api.NVIDIAMode{"", api.NVIDIACDI, api.NVIDIARuntime} {
				name := string(asked)
				if asked == "" {
					name = "auto"
				}
				t.Run(strings.Join([]string{m.name, image.name, name}, "/"), func(t *testing.T) {
					in := input(t, m.name, all(image.image, mode(asked), neuron))
					golden.Assert(t, filepath.Join("testdata", m.name, image.name+"-"+name+".txt"), print(t, in))
				})
			}
		}
	}
}

// What the library that containerd uses says about our specifications.
func TestSpecificationsAreThoseOfTheCDILibrary(t *testing.T) {
	on := true
	found := 0
	for _, m := range machines {
		for _, image := range []func(*node.Input){driverImage, all(driverImage, divided), func(*node.Input) {}} {
			s := decide(t, m.name, all(image, mode(api.NVIDIACDI), func(in *node.Input) { in.Config.Spec.Accelerators.Neuron.CDI = &on }))
			for _, spec := range s.Specs {
				found++
				if lowest, err := cdi.MinimumRequiredVersion(spec.Spec); err != nil || lowest != cdiVersion {
					t.Errorf("%s: needs version %s, %v", spec.Path, lowest, err)
				}
				content, err := json.Marshal(spec.Spec)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(t.TempDir(), filepath.Base(spec.Path))
				if err := os.WriteFile(file, content, 0o644); err != nil {
					t.Fatal(err)
				}
				raw, err := cdi.ReadSpec(file, 0)
				if err != nil {
					t.Fatalf("%s: %v", spec.Path, err)
				}
				for _, d := range raw.Devices {
					if _, _, _, err := parser.ParseQualifiedName(raw.Kind + "=" + d.Name); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no specification")
	}
}

// divided has the first GPU divided into two parts, and the second not.
func divided(in *node.Input) {
	if in.Hardware.HasNVIDIA() {
		in.Present.Accelerators.MIG = []node.MIGDevice{{GPU: 0, GI: 1, CI: 0, GICap: 12, CICap: 13}, {GPU: 0, GI: 2, CI: 0, GICap: 21, CICap: 22}}
	}
}

func TestPartsOfAGPUAreDevicesWithTheirCapabilities(t *testing.T) {
	in := input(t, "p5.48xlarge", all(driverImage, divided))
	golden.Assert(t, filepath.Join("testdata", "p5.48xlarge", "divided.txt"), print(t, in))
}
