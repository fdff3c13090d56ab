//go:build unix

package platform

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
)

func TestAFileInThePlaceOfAFolderIsNotTakenForAbsence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	put(t, file, "x")
	if _, err := texts(t, "file://"+filepath.Join(file, "1.yaml")); fault.CodeOf(err) != fault.ConfigUnreadable {
		t.Errorf("got %v", err)
	}
}

func TestADropInThatLeadsNowhereIsSaid(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("none", filepath.Join(dir, "1.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := texts(t, "file://"+dir); fault.CodeOf(err) != fault.ConfigUnreadable {
		t.Errorf("got %v", err)
	}
}

func TestWhatMayNotBeReadIsNotTakenForAbsence(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := filepath.Join(t.TempDir(), "d")
	file := filepath.Join(dir, "1.yaml")
	put(t, file, "x")
	for path, mode := range map[string]os.FileMode{file: 0, dir: 0} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // for the removal
	for _, uri := range []string{"file://" + dir, "file://" + file} {
		if _, err := texts(t, uri); fault.CodeOf(err) != fault.ConfigUnreadable {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
