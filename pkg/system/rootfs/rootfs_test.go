package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
)

// tree makes a root with directories (ending in a slash), links ("from -> to")
// and empty files.
func tree(t *testing.T, things ...string) Root {
	t.Helper()
	dir := t.TempDir()
	for _, thing := range things {
		var err error
		from, to, isLink := strings.Cut(thing, " -> ")
		p := filepath.Join(dir, from)
		switch {
		case isLink:
			err = os.Symlink(to, p)
		case strings.HasSuffix(thing, "/"):
			err = os.MkdirAll(p, 0o755)
		default:
			err = os.WriteFile(p, nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return At(dir)
}

func TestLinksLeadWhereTheyWouldInARealRoot(t *testing.T) {
	r := tree(t,
		"run/", "etc/", "usr/lib/", "var/",
		"var/run -> /run", "lib -> usr/lib", "etc/up -> ../../../../run", "etc/passwd -> /etc/shadow",
		"etc/chain -> up", "self -> .", "usr/lib/back -> /lib",
	)
	for _, row := range []struct{ name, in, path, target string }{
		{"plain", "/etc/hosts", "/etc/hosts", "/etc/hosts"},
		{"the root itself", "/", "/", "/"},
		{"absolute link among the parents", "/var/run/x", "/run/x", "/run/x"},
		{"relative link among the parents", "/lib/systemd/system", "/usr/lib/systemd/system", "/usr/lib/systemd/system"},
		{"link that climbs too high", "/etc/up/x", "/run/x", "/run/x"},
		{"last element stays a link", "/etc/passwd", "/etc/passwd", "/etc/shadow"},
		{"link to a link", "/etc/chain/x", "/run/x", "/run/x"},
		{"dots in the name", "/etc/./../var/run/../etc/x", "/etc/x", "/etc/x"},
		{"link to its own directory", "/self/self/etc", "/etc", "/etc"},
		{"there and back", "/lib/back/back/x", "/usr/lib/x", "/usr/lib/x"},
		{"below what is missing", "/no/such/thing", "/no/such/thing", "/no/such/thing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := r.Path(row.in)
			if want := filepath.Join(r.String(), row.path); err != nil || got != want {
				t.Errorf("Path = %q (%v), want %q", got, err, want)
			}
			got, err = r.Target(row.in)
			if want := filepath.Join(r.String(), row.target); err != nil || got != want {
				t.Errorf("Target = %q (%v), want %q", got, err, want)
			}
		})
	}
}

func TestALoopOfLinksEnds(t *testing.T) {
	r := tree(t, "a -> b", "b -> a")
	if _, err := r.Path("/a/x"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("got %v, want ELOOP", err)
	}
}

func TestARelativeNameIsRefused(t *testing.T) {
	if got, err := At("/").Path("etc/hosts"); err == nil {
		t.Errorf("got %q", got)
	}
}

func TestTheMachinesOwnRootChangesNoName(t *testing.T) {
	for _, dir := range []string{"", "/"} {
		if got, err := At(dir).Path("/etc/./hosts"); err != nil || got != filepath.FromSlash("/etc/hosts") {
			t.Errorf("At(%q): %q (%v)", dir, got, err)
		}
	}
}

func TestReadFileRefusesWhatIsTooLongOrNoFile(t *testing.T) {
	r := tree(t, "d/", "f", "to-f -> /f")
	if err := os.WriteFile(filepath.Join(r.String(), "f"), []byte("12345"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := r.ReadFile("/to-f", 5); err != nil || string(got) != "12345" {
		t.Errorf("got %q (%v)", got, err)
	}
	if _, err := r.ReadFile("/f", 4); err == nil || !strings.Contains(err.Error(), "longer than 4 bytes") {
		t.Errorf("too long: %v", err)
	}
	if _, err := r.ReadFile("/d", 5); err == nil {
		t.Error("a directory was read")
	}
	if _, err := r.ReadFile("/f/x", 5); !Absent(err) {
		t.Errorf("below a file: %v, want something that counts as absent", err)
	}
}

func TestWriteFaultsNameWhatAPersonMustMend(t *testing.T) {
	for _, row := range []struct {
		cause  error
		code   fault.Code
		remedy string
	}{
		{syscall.ENOSPC, fault.DiskFull, "df -h"},
		{syscall.EROFS, fault.WriteFailed, "read-only"},
		{syscall.EBUSY, fault.WriteFailed, "mount point"},
		{fs.ErrPermission, fault.WriteFailed, "SELinux"},
	} {
		err := WriteFault("/etc/x", fmt.Errorf("cannot write /etc/x: %w", row.cause))
		f, ok := fault.Find(err)
		if !ok || f.Code != row.code || !strings.Contains(f.Remedy, row.remedy) || !strings.Contains(f.Remedy, "/etc/x") {
			t.Errorf("%v: got %+v", row.cause, f)
		}
		if !errors.Is(err, row.cause) {
			t.Errorf("%v: the cause is lost", row.cause)
		}
	}
	if err := WriteFault("/etc/x", nil); err != nil {
		t.Errorf("of nil: %v", err)
	}
}
