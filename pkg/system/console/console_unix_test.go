//go:build unix

package console

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A pipe that is full stands for a serial line whose other end is stuck.
func TestAStuckConsoleDoesNotHoldUpItsWriter(t *testing.T) {
	device := filepath.Join(t.TempDir(), "console")
	if err := syscall.Mkfifo(device, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(device, os.O_RDWR, 0) // never reads
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	if err := reader.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for filled := error(nil); filled == nil; {
		_, filled = reader.Write(make([]byte, 4096))
	}
	done := make(chan struct{})
	go func() { Say(device, "hello"); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * bound):
		t.Fatal("still waiting for a stuck console")
	}
}
