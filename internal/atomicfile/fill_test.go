package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFillGivesTheFileItsNameWhenItIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "x")
	err := Fill(path, Attr{Mode: 0o640, UID: -1, GID: -1}, func(f *os.File) error {
		if _, err := os.Lstat(path); err == nil {
			t.Error("the name is there before the content")
		}
		_, err := f.WriteString("content")
		return err
	})
	got, errRead := os.ReadFile(path)
	if err != nil || errRead != nil || string(got) != "content" {
		t.Errorf("got %q (%v, %v)", got, err, errRead)
	}
}

func TestAFailedFillLeavesWhatWasThereAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the source is broken")
	err := Fill(path, Attr{Mode: 0o600, UID: -1, GID: -1}, func(f *os.File) error {
		_, err := f.WriteString("half")
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("now %q (%v)", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v (%v)", entries, err)
	}
}
