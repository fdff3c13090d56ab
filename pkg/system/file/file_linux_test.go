package file

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
)

func TestAPipeWhereAFileIsWantedIsAnErrorAtOnce(t *testing.T) {
	b := on(t)
	if err := syscall.Mkfifo(b.path("pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	seen, err := b.Observe(t.Context(), aFile("/pipe", ""))
	if err == nil || !strings.Contains(err.Error(), "neither file, link nor directory") {
		t.Errorf("seen %v (%v)", seen, err)
	}
	if err := b.Apply(t.Context(), aFile("/pipe", "")); fault.CodeOf(err) != fault.WriteFailed {
		t.Errorf("Apply says %v", err)
	}
}

func TestAFullDiskHasItsOwnCode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	b := on(t)
	if err := syscall.Mount("tmpfs", b.dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("this machine does not let root mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(b.dir, 0); err != nil {
			t.Error(err)
		}
	})
	err := b.Apply(t.Context(), aFile("/x", string(bytes.Repeat([]byte("x"), 1<<20))))
	if fault.CodeOf(err) != fault.DiskFull || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %s: %v", fault.CodeOf(err), err)
	}
}

func TestAMountedDirectoryIsLeft(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	b := on(t)
	b.mkdir(t, "mnt")
	if err := syscall.Mount("tmpfs", b.path("mnt"), "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("this machine does not let root mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(b.path("mnt"), 0); err != nil {
			t.Error(err)
		}
	})
	if err := b.Remove(t.Context(), aDir("/mnt").ID()); err != nil {
		t.Errorf("Remove says %v", err)
	}
}
