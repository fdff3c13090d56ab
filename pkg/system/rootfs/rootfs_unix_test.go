//go:build unix

package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
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

// The machine's own root goes another way than other roots, to the same end.
func TestLooksAtTheMachinesOwnRootFollowLinks(t *testing.T) {
	other := tree(t, "d/", "d/f", "d/g", "to-d -> d", "d/to-f -> f", "loop -> loop")
	for _, row := range []struct {
		name string
		root Root
		at   string
	}{{"a root of its own", other, "/"}, {"the machine's own", At("/"), other.String()}} {
		t.Run(row.name, func(t *testing.T) {
			name := func(of string) string { return path.Join(row.at, of) }
			if fi, err := row.root.Stat(name("to-d/to-f")); err != nil || !fi.Mode().IsRegular() {
				t.Errorf("Stat: %v (%v)", fi, err)
			}
			if _, err := row.root.ReadFile(name("to-d/to-f"), 10); err != nil {
				t.Errorf("ReadFile: %v", err)
			}
			if got, err := row.root.ReadDir(name("to-d")); err != nil || len(got) != 3 || got[0].Name() != "f" {
				t.Errorf("ReadDir: %v (%v)", got, err)
			}
			if _, err := row.root.Stat(name("loop")); err == nil || Absent(err) {
				t.Errorf("a loop: %v, want an error that does not count as absent", err)
			}
			for what, err := range map[string]error{
				"nothing there": second(row.root.Stat(name("d/none"))), "below a file": second(row.root.ReadDir(name("d/f/x"))),
			} {
				if !Absent(err) {
					t.Errorf("%s: %v, want something that counts as absent", what, err)
				}
			}
			if _, err := row.root.Stat("d"); err == nil || Absent(err) {
				t.Errorf("a relative name: %v", err)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestAttributesAreWhatDirFSShows(t *testing.T) {
	r := tree(t, "d/", "d/empty", "to-d -> d", "gone -> nowhere")
	long := strings.Repeat("a line\n", 1000)
	if err := os.WriteFile(filepath.Join(r.String(), "d/long"), []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	got, want := r.Attributes(), os.DirFS(r.String())
	read := func(of fs.FS, name string) string {
		f, err := of.Open(name)
		if err != nil {
			return fmt.Sprint("cannot open: ", errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid))
		}
		text, err := io.ReadAll(f)
		if errClose := f.Close(); errClose != nil {
			t.Errorf("close %s: %v", name, errClose)
		}
		fi, errStat := fs.Stat(of, name)
		if errStat != nil {
			t.Errorf("stat %s: %v", name, errStat)
			return ""
		}
		return fmt.Sprint(string(text), errors.Is(err, syscall.EISDIR), fi.Mode(), fi.Size())
	}
	for _, name := range []string{"d/long", "to-d/long", "d/empty", "d", "gone", "none", "d/long/x", "../d", "/d", ""} {
		if g, w := read(got, name), read(want, name); g != w {
			t.Errorf("%q: got %.60q, want %.60q", name, g, w)
		}
	}
	list := func(of fs.FS) (out []string) {
		entries, err := fs.ReadDir(of, "to-d")
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			out = append(out, e.Name())
		}
		return out
	}
	if g, w := list(got), list(want); !slices.Equal(g, w) || len(g) != 2 {
		t.Errorf("directory: got %q, want %q", g, w)
	}
	if to, err := fs.ReadLink(got, "to-d"); err != nil || to != "d" {
		t.Errorf("link: %q (%v)", to, err)
	}
}
