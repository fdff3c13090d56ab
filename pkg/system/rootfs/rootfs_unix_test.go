//go:build unix

package rootfs

import (
	"path/filepath"
	"syscall"
	"testing"
)

func TestAPipeDoesNotHoldUpItsReader(t *testing.T) {
	r := At(t.TempDir())
	if err := syscall.Mkfifo(filepath.Join(r.String(), "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := r.ReadFile("/pipe", 10); err == nil {
		t.Errorf("read %q from a pipe", got)
	}
}
