package nvme

import (
	"os"
	"runtime"
	"testing"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// realEnv says that this machine has NVMe controllers, and that the test is root.
const realEnv = "EKSNODE_NVME_TESTS"

func TestRealControllersSayWhatSysfsSays(t *testing.T) {
	if os.Getenv(realEnv) == "" {
		t.Skipf("%s is not set: this machine need not have NVMe controllers", realEnv)
	}
	there := hardware.Inspect(os.DirFS("/"), runtime.GOARCH).NVMe
	if len(there) == 0 {
		t.Fatal("no controllers")
	}
	said, err := Identify(t.Context(), "/dev", there)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range there {
		got := said[c.Name]
		if got.Serial != c.Serial || got.Model != c.Model || got.Serial == "" || got.Model == "" || got.VendorID == 0 || got.Firmware == "" {
			t.Errorf("%s says %+v, sysfs %+v", c.Name, got, c)
		}
	}
}
