package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// bench is a driver on a temporary root.
type bench struct {
	*Driver
	dir string
}

func on(t *testing.T) bench {
	dir := t.TempDir()
	return bench{New(rootfs.At(dir)), dir}
}

func (b bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b bench) mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(b.path(name), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (b bench) write(t *testing.T, name, content string) {
	t.Helper()
	b.mkdir(t, filepath.Dir(name))
	if err := os.WriteFile(b.path(name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (b bench) link(t *testing.T, name, target string) {
	t.Helper()
	b.mkdir(t, filepath.Dir(name))
	if err := os.Symlink(target, b.path(name)); err != nil {
		t.Fatal(err)
	}
}

func (b bench) content(t *testing.T, name string) string {
	t.Helper()
	c, err := os.ReadFile(b.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(c)
}

func aFile(name, content string) host.File {
	return host.File{Path: name, Content: []byte(content), Mode: 0o644, UID: os.Getuid(), GID: os.Getgid()}
}

func aDir(name string) host.Dir {
	return host.Dir{Path: name, Mode: 0o755, UID: os.Getuid(), GID: os.Getgid()}
}

func TestNothingIsDoneToADirectoryWhereAFileIsWanted(t *testing.T) {
	b := on(t)
	b.write(t, "etc/conf/precious", "x")
	for _, want := range []host.Resource{aFile("/etc/conf", "x"), host.Link{Path: "/etc/conf", Target: "y"}} {
		seen, err := b.Observe(t.Context(), want)
		if _, ok := seen.(host.Dir); !ok || err != nil {
			t.Errorf("%s: seen %T (%v), want a host.Dir", want.ID(), seen, err)
		}
		err = b.Apply(t.Context(), want)
		f, ok := fault.Find(err)
		if !ok || f.Code != fault.WriteFailed || !strings.Contains(f.Remedy, "/etc/conf") || !strings.Contains(err.Error(), "a directory is there") {
			t.Errorf("%s: Apply says %v, fault %+v", want.ID(), err, f)
		}
		if err := b.Remove(t.Context(), want.ID()); err != nil {
			t.Errorf("%s: Remove says %v", want.ID(), err)
		}
	}
	if got := b.content(t, "etc/conf/precious"); got != "x" {
		t.Errorf("the directory's file is now %q", got)
	}
}

func TestNothingIsDoneToAFileWhereADirectoryIsWanted(t *testing.T) {
	b := on(t)
	b.write(t, "etc/file", "precious")
	b.link(t, "etc/dangling", "nowhere")
	for _, name := range []string{"/etc/file", "/etc/dangling"} {
		err := b.Apply(t.Context(), aDir(name))
		if got := fault.CodeOf(err); got != fault.WriteFailed {
			t.Errorf("%s: Apply says %s: %v", name, got, err)
		}
		if err := b.Remove(t.Context(), aDir(name).ID()); err != nil {
			t.Errorf("%s: Remove says %v", name, err)
		}
	}
	if got := b.content(t, "etc/file"); got != "precious" {
		t.Errorf("the file is now %q", got)
	}
	if _, err := os.Readlink(b.path("etc/dangling")); err != nil {
		t.Error(err)
	}
}

func TestAFileAndALinkGiveWayToEachOtherAndCanBePutBack(t *testing.T) {
	b := on(t)
	b.link(t, "etc/resolv.conf", "../run/stub.conf")
	want := aFile("/etc/resolv.conf", "nameserver 169.254.169.253\n")
	original, err := b.Observe(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := original, (host.Link{Path: "/etc/resolv.conf", Target: "../run/stub.conf"}); got != want {
		t.Fatalf("seen %+v, want %+v", got, want)
	}
	if err := b.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(b.path("etc/resolv.conf")); err != nil || !fi.Mode().IsRegular() {
		t.Fatalf("is now %v (%v)", fi.Mode(), err)
	}
	if err := b.Apply(t.Context(), original); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(b.path("etc/resolv.conf")); err != nil || got != "../run/stub.conf" {
		t.Errorf("leads to %q (%v)", got, err)
	}
}

func TestOnlyWhatItsKindSaysIsRemoved(t *testing.T) {
	b := on(t)
	b.write(t, "a", "someone's file where our link was")
	b.link(t, "b", "someone's link where our file was")
	for _, id := range []host.ID{{Kind: host.KindLink, Name: "/a"}, {Kind: host.KindFile, Name: "/b"}} {
		if err := b.Remove(t.Context(), id); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(b.path(id.Name)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestADirectoryThatHoldsSomethingIsLeft(t *testing.T) {
	b := on(t)
	b.write(t, "var/lib/x/f", "")
	if err := b.Remove(t.Context(), aDir("/var/lib/x").ID()); err != nil {
		t.Fatal(err)
	}
	if got := b.content(t, "var/lib/x/f"); got != "" {
		t.Errorf("content is %q", got)
	}
}

func TestADirectoryMayLiveOnAnotherDiskBehindALink(t *testing.T) {
	b := on(t)
	b.mkdir(t, "mnt/disk/kubelet")
	b.link(t, "var/lib/kubelet", "/mnt/disk/kubelet")
	want := aDir("/var/lib/kubelet")
	want.Mode = 0o700
	if err := b.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	seen, err := b.Observe(t.Context(), want)
	if err != nil || !host.Satisfies(seen, want) {
		t.Errorf("seen %+v (%v)", seen, err)
	}
	if fi, err := os.Lstat(b.path("mnt/disk/kubelet")); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the directory on the disk has mode %v (%v)", fi.Mode(), err)
	}
	if err := b.Remove(t.Context(), want.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Readlink(b.path("var/lib/kubelet")); err != nil {
		t.Errorf("the person's link is gone: %v", err)
	}
}

func TestParentsThatAreLinksStayInsideTheRoot(t *testing.T) {
	b := on(t)
	b.mkdir(t, "run")
	b.link(t, "var/run", "/run")
	if err := b.Apply(t.Context(), aFile("/var/run/eksnode/x", "x")); err != nil {
		t.Fatal(err)
	}
	if got := b.content(t, "run/eksnode/x"); got != "x" {
		t.Errorf("content is %q", got)
	}
}

func TestBelowAFileNothingIsSeenAndNothingCanBeMade(t *testing.T) {
	b := on(t)
	b.write(t, "etc/kubernetes", "a file, by mistake")
	want := aFile("/etc/kubernetes/x", "")
	if seen, err := b.Observe(t.Context(), want); seen != nil || err != nil {
		t.Errorf("seen %v (%v)", seen, err)
	}
	if err := b.Apply(t.Context(), want); fault.CodeOf(err) != fault.WriteFailed || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("Apply says %v", err)
	}
	if err := b.Remove(t.Context(), want.ID()); err != nil {
		t.Errorf("Remove says %v", err)
	}
}

func TestAFileTooLongToBeConfigurationIsNotRead(t *testing.T) {
	b := on(t)
	b.write(t, "big", "")
	if err := os.Truncate(b.path("big"), contentLimit+1); err != nil {
		t.Fatal(err)
	}
	if seen, err := b.Observe(t.Context(), aFile("/big", "")); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("seen %T (%v)", seen, err)
	}
}

func TestAModeThatCanNeverBeSeenIsABug(t *testing.T) {
	b := on(t)
	for _, mode := range []fs.FileMode{0o1777, fs.ModeDir | 0o755} {
		err := b.Apply(t.Context(), host.Dir{Path: "/d", Mode: mode})
		if err == nil || !strings.HasPrefix(err.Error(), "internal error: ") {
			t.Errorf("mode %#o: %v", uint32(mode), err)
		}
	}
}

func TestErrorsHideTheTemporaryNameAndKeepTheCause(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	b := on(t)
	b.mkdir(t, "etc")
	if err := os.Chmod(b.path("etc"), 0o555); err != nil {
		t.Fatal(err)
	}
	err := b.Apply(t.Context(), aFile("/etc/x", ""))
	if !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), atomicfile.TempPrefix) {
		t.Errorf("got %v", err)
	}
}
