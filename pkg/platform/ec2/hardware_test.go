package ec2

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/node"
)

// inspectedMachine returns what hardware.Inspect sees of one of its own test machines.
func inspectedMachine(t *testing.T, name string) hardware.Facts {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../hardware/testdata", name, "want.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f hardware.Facts
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheStatusSaysWhatTheMachineLacks(t *testing.T) {
	for _, row := range []struct {
		machine, instanceType string
		status                health.Status
		code, seen, remedy    string
	}{
		{"m5.large", "m5.large", health.OK, "", "as a m5.large should be", ""},
		{"p5.48xlarge-seven-gpus", "p5.48xlarge", health.Warning, "GPUMissing", "8 h100 expected of p5.48xlarge, 7 h100 on the PCI bus", "GPUMissing: Stop and start the instance"},
		{"g5.xlarge-no-driver", "g5.xlarge", health.OK, "", "the nvidia driver is not bound to 1 of 1 a10g", ""},
		{"m5.2xlarge-enclave", "m5.2xlarge", health.OK, "", "CPUs expected of m5.2xlarge", ""},
		// The firmware of Xen tells no type: it is the metadata's that counts.
		{"t2.medium", "t2.large", health.OK, "", "MiB of memory expected of t2.large", ""},
	} {
		t.Run(row.machine, func(t *testing.T) {
			f := inspectedMachine(t, row.machine)
			in := node.Input{Instance: node.Instance{Type: row.instanceType}, Hardware: f}
			checks := hardwareChecks(in, func() hardware.Facts { return f })
			if len(checks) != 1 {
				t.Fatalf("%d checks", len(checks))
			}
			got := checks[0].Run(t.Context())
			if got.Status != row.status || string(got.Code) != row.code || !strings.Contains(got.Seen, row.seen) || !strings.Contains(got.Remedy, row.remedy) || (row.remedy == "") != (got.Remedy == "") {
				t.Errorf("got %+v", got)
			}
		})
	}
	for _, elsewhere := range []string{"vmware", "dell-r760", "firecracker-guest", "empty"} {
		in := node.Input{Instance: node.Instance{Type: "p5.48xlarge"}, Hardware: inspectedMachine(t, elsewhere)}
		if got := hardwareChecks(in, nil); len(got) > 0 {
			t.Errorf("%s: the devices of another kind of machine are compared with an instance type's", elsewhere)
		}
	}
}
