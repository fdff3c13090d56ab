package atomicfile

import (
	"bytes"
	"path/filepath"
	"testing"
)

// BenchmarkWrite is one file of a typical size on the file system of TMPDIR,
// with its two syncs: what init pays for each file that changes.
func BenchmarkWrite(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f")
	content := bytes.Repeat([]byte("x"), 4096)
	for b.Loop() {
		if err := Write(path, content, self(0o644)); err != nil {
			b.Fatal(err)
		}
	}
}
