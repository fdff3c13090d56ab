package atomicfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAFullDiskKeepsTheOldContentAndIsToldAsSuch(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("this machine does not let root mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "f")
	if err := Write(path, []byte("old"), self(0o644)); err != nil {
		t.Fatal(err)
	}
	err := Write(path, bytes.Repeat([]byte("x"), 1<<20), self(0o644))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v, want ENOSPC", err)
	}
	if got := err.Error(); got != "cannot write "+path+": no space left on device" {
		t.Errorf("message is %q", got)
	}
	if got := read(t, path); got != "old" {
		t.Errorf("content is now %q", got)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left on the full disk: %v", got)
	}
	if err := Write(path, []byte("small"), self(0o644)); err != nil {
		t.Errorf("after the failure: %v", err)
	}
}

func TestAMountPointCannotBeReplacedAndSaysSo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("binding a file needs root")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "hosts")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(path, path, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("this machine does not let root bind a file: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, 0); err != nil {
			t.Error(err)
		}
	})
	if err := Write(path, []byte("new"), self(0o644)); !errors.Is(err, syscall.EBUSY) {
		t.Fatalf("got %v, want EBUSY", err)
	}
	if got := names(t, dir); read(t, path) != "old" || len(got) != 1 {
		t.Errorf("content %q, directory %v", read(t, path), got)
	}
}
