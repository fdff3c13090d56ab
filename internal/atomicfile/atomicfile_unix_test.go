//go:build unix

package atomicfile

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTheUmaskHasNoSay(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "f")
	if err := Write(path, nil, self(0o664)); err != nil {
		t.Fatal(err)
	}
	if err := Mkdir(filepath.Join(dir, "d"), self(0o775)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"a": 0o755, "a/f": 0o664, "d": 0o775} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: mode %v (%v), want %v", name, fi.Mode().Perm(), err, want)
		}
	}
}

func TestOwnerIsSetTogetherWithContent(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving files away needs root")
	}
	dir := t.TempDir()
	a := Attr{Mode: 0o4755, UID: 1234, GID: 4321}
	if err := Write(filepath.Join(dir, "f"), nil, a); err != nil {
		t.Fatal(err)
	}
	a.Mode = 0o750
	if err := Mkdir(filepath.Join(dir, "d"), a); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "d"} {
		var st syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(dir, name), &st); err != nil || st.Uid != 1234 || st.Gid != 4321 {
			t.Errorf("%s belongs to %d:%d (%v), want 1234:4321", name, st.Uid, st.Gid, err)
		}
	}
}

// victimEnv tells the test binary, started again by the test below, to write
// until it is killed.
const victimEnv = "EKSNODE_ATOMICFILE_VICTIM"

var (
	oldContent = bytes.Repeat([]byte("old "), 50_000)
	newContent = bytes.Repeat([]byte("NEW!"), 80_000)
)

func TestAWriterKilledAnywhereLeavesTheOldOrTheNew(t *testing.T) {
	if path := os.Getenv(victimEnv); path != "" {
		writeForEver(path)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := Write(path, oldContent, self(0o640)); err != nil {
		t.Fatal(err)
	}
	leftovers := 0
	for round := range 25 {
		kill(t, path)
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, oldContent) && !bytes.Equal(got, newContent) {
			t.Fatalf("round %d: read %d bytes (%v), which nobody wrote", round, len(got), err)
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o640 {
			t.Fatalf("round %d: mode %v (%v), want 0640", round, fi.Mode(), err)
		}
		leftovers += len(names(t, dir)) - 1
	}
	if leftovers == 0 {
		t.Error("no kill hit a write: the test no longer tests")
	}
	if err := Write(path, oldContent, self(0o640)); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left in the directory: %v", got)
	}
}

func writeForEver(path string) {
	_, _ = os.Stdout.WriteString("writing\n")
	for {
		for _, c := range [][]byte{newContent, oldContent} {
			if err := Write(path, c, self(0o640)); err != nil {
				_, _ = os.Stdout.WriteString(err.Error() + "\n")
				os.Exit(1)
			}
		}
	}
}

// kill starts a victim and kills it a random while after its first write began.
func kill(t *testing.T, path string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), victimEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "writing" {
		t.Fatalf("the victim said %q (%v)", line, err)
	}
	time.Sleep(rand.N(20 * time.Millisecond)) // any moment will do
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed: that is its error
}
