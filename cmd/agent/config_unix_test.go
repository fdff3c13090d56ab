//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestADumpedFileIsForItsOwnerAlone(t *testing.T) {
	out := filepath.Join(t.TempDir(), "new", "dump.json")
	nodeadm("config", "dump", "-c", "file://testdata/valid.yaml", "-o", out).run(t).expect(t, 0, "", "")
	info, err := os.Stat(out)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if got := nodeadm("config", "dump", "-c", "file://testdata/valid.yaml").run(t).stdout; got != read(t, out) {
		t.Errorf("the file holds %s", read(t, out))
	}
	// A file where a folder must be.
	nodeadm("config", "dump", "-c", "file://testdata/valid.yaml", "-o", filepath.Join(out, "x")).run(t).expect(t, 1, "", "cannot write the configuration to")
}
