package nvme

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// volume is what the controller of an EBS volume says.
func volume(serial, name string) []byte {
	page := make([]byte, hardware.NVMeIdentifySize)
	page[0], page[1] = 0x0f, 0x1d
	copy(page[4:], serial)
	copy(page[24:], "Amazon Elastic Block Store              ")
	copy(page[3072:], name)
	return page
}

func TestEveryControllerIsAskedByItsDeviceFile(t *testing.T) {
	files := map[string][]byte{
		"/dev/nvme0": volume("vol0123456789abcdef0", "/dev/xvda"),
		"/dev/nvme2": make([]byte, 12),
	}
	ask := func(file string) ([]byte, error) {
		if page, ok := files[file]; ok {
			return page, nil
		}
		return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrPermission}
	}
	got, err := identify(t.Context(), "/dev", []hardware.NVMe{{Name: "nvme0"}, {Name: "nvme1"}, {Name: "nvme2"}, {Name: "../sda"}, {}}, ask)
	want := map[string]hardware.NVMeIdentity{"nvme0": {
		VendorID: 0x1d0f, Model: "Amazon Elastic Block Store", Serial: "vol0123456789abcdef0",
		Kind: hardware.EBS, VolumeID: "vol-0123456789abcdef0", BlockDevice: "xvda",
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
	if !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("got %v", err)
	}
	for _, text := range []string{
		"cannot ask NVMe controller nvme1: open /dev/nvme1: permission denied",
		"cannot ask NVMe controller nvme2: cannot read what the NVMe controller says: 12 bytes, want 4096",
		`cannot ask NVMe controller "../sda": no name of a device`,
		`cannot ask NVMe controller "": no name of a device`,
	} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
}

func TestNobodyIsAskedWhenTheTimeIsUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := identify(ctx, "/dev", []hardware.NVMe{{Name: "nvme0"}}, func(string) ([]byte, error) {
		t.Error("asked all the same")
		return nil, nil
	})
	if len(got) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAMachineWithoutControllersIsNoError(t *testing.T) {
	if got, err := Identify(t.Context(), t.TempDir(), nil); len(got) != 0 || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
