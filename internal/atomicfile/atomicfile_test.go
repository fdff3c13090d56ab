package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// self leaves the owner as it is.
func self(mode fs.FileMode) Attr { return Attr{Mode: mode, UID: -1, GID: -1} }

// names lists a directory, hidden names too.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWriteReplacesContentAndModeAndLeavesNothingBeside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kubelet.conf")
	if err := os.WriteFile(path, []byte("old and longer"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new"), self(0o640)); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "new" || fi.Mode() != 0o640 {
		t.Errorf("got %q with mode %v, want %q with mode 0640", got, fi.Mode(), "new")
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left in the directory: %v", got)
	}
}

func TestWriteMakesMissingParentsPassable(t *testing.T) {
	root := t.TempDir()
	if err := Write(filepath.Join(root, "a", "b", "secret"), nil, self(0o600)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"a", "a/b"} {
		fi, err := os.Stat(filepath.Join(root, dir))
		if err != nil || fi.Mode().Perm() != 0o755 {
			t.Errorf("%s: mode %v (%v), want 0755", dir, fi.Mode(), err)
		}
	}
}

func TestWriteReplacesALinkAndSparesItsTarget(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "passwd"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, []byte("new"), self(0o644)); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(link); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("link is %v (%v), want a regular file", fi.Mode(), err)
	}
	if got := read(t, target); got != "precious" {
		t.Errorf("the link's target is now %q", got)
	}
}

func TestWriteRefusesADirectoryAndKeepsItsContent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "conf")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	err := Write(path, []byte("x"), self(0o644))
	if err == nil {
		t.Fatal("a file took the place of a directory")
	}
	if strings.Contains(err.Error(), TempPrefix) {
		t.Errorf("the error shows the temporary name: %v", err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left in the directory: %v", got)
	}
}

func TestWriteSaysWhichParentIsNoDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "etc"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := Write(filepath.Join(dir, "etc", "conf"), nil, self(0o644))
	if err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Fatalf("got %v", err)
	}
}

func TestSymlinkReplacesFilesAndLinksButNoDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "link")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"one", "/two"} {
		if err := Symlink(path, target, false); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(path); err != nil || got != target {
			t.Fatalf("link leads to %q (%v), want %q", got, err, target)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Symlink(filepath.Join(dir, "d"), "one", true); err == nil {
		t.Error("a link took the place of a directory")
	}
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("left in the directory: %v", got)
	}
}

func TestMkdirSetsItsModeAndRefusesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "state")
	if err := Mkdir(path, self(0o711)); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(path); err != nil || fi.Mode().Perm() != 0o711 {
		t.Errorf("mode %v (%v), want 0711", fi.Mode(), err)
	}
	if err := Mkdir(path, self(0o700)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v, want fs.ErrExist", err)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("left in the directory: %v", got)
	}
}

func TestRemoveOfWhatIsAbsentSucceeds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := Remove(filepath.Join(dir, "no", "such", "dir")); err != nil {
		t.Errorf("below a missing directory: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Remove(filepath.Join(path, "child")); err != nil {
		t.Errorf("below a file: %v", err)
	}
}

func TestLeftoversOfAKilledRunAreSweptByTheNextWrite(t *testing.T) {
	dir := t.TempDir()
	leave := func(name string) string { return filepath.Join(dir, TempPrefix+name) }
	if err := os.WriteFile(leave("file"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("x", leave("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(leave("dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".other-tmp-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "f"), nil, self(0o644)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(names(t, dir), " "); got != ".other-tmp-1 f" {
		t.Errorf("directory holds %q, want %q", got, ".other-tmp-1 f")
	}
}

// The sweep must not take what another writer is just writing.
func TestConcurrentWritersSeeOnlyWholeFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	contents := [][]byte{bytes.Repeat([]byte("a"), 70000), bytes.Repeat([]byte("b"), 30000)}
	if err := Write(path, contents[0], self(0o644)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, c := range contents {
		for range 4 {
			wg.Go(func() {
				for range 20 {
					if err := Write(path, c, self(0o644)); err != nil {
						t.Error(err)
					}
					got, err := os.ReadFile(path)
					if err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
						t.Errorf("read %d bytes (%v), which nobody wrote", len(got), err)
					}
				}
			})
		}
	}
	wg.Wait()
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left in the directory: %v", got)
	}
}
