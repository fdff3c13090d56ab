package nvme

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// The number of the call has the size of the structure in it (asm-generic/ioctl.h):
// if one is wrong the kernel refuses all.
func TestTheCommandIsAsLongAsTheKernelHasIt(t *testing.T) {
	if got, want := unsafe.Sizeof(adminCommand{}), uintptr(ioctlAdminCommand>>16&0x3fff); got != want {
		t.Errorf("the command has %d bytes, the call says %d", got, want)
	}
	var c adminCommand
	for _, f := range []struct {
		name      string
		got, want uintptr
	}{
		{"nsid", unsafe.Offsetof(c.namespace), 4}, {"addr", unsafe.Offsetof(c.address), 24},
		{"data_len", unsafe.Offsetof(c.length), 36}, {"cdw10", unsafe.Offsetof(c.cdw10), 40},
		{"timeout_ms", unsafe.Offsetof(c.timeoutMillis), 64},
	} {
		if f.got != f.want {
			t.Errorf("%s is at %d, want %d", f.name, f.got, f.want)
		}
	}
}

func TestAFileThatIsNoControllerRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nvme0"), []byte("no device"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Identify(t.Context(), dir, []hardware.NVMe{{Name: "nvme0"}})
	if !errors.Is(err, syscall.ENOTTY) {
		t.Errorf("a plain file: %v", err)
	}
	if _, err = Identify(t.Context(), dir, []hardware.NVMe{{Name: "nvme1"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
