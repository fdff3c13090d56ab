package windows

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bound is how long one program may take.
const bound = time.Minute

// wine is a Windows of our own, which is gone after the test.
type wine struct {
	dir string
	// old is one before version 9.6. Go cannot remove files there: it asks for a way
	// that Windows has and this Wine does not.
	old bool
}

// install makes a fresh Windows. It takes seconds, and 0.7 GB that are given back.
func install(t *testing.T) wine {
	t.Helper()
	if os.Getenv("EKSNODE_WINE") == "" {
		t.Skip("EKSNODE_WINE is not set; `make test-windows` sets it where Wine is installed")
	}
	w := wine{dir: t.TempDir()}
	// A server that waits for the next program is faster than one a program, and does
	// not end under one that just starts.
	w.must(t, "wineserver", "-p")
	t.Cleanup(func() {
		if err := w.command(context.Background(), "wineserver", "-k", "-w").Run(); err != nil {
			t.Logf("wineserver -k: %v", err)
		}
	})
	w.must(t, "wineboot", "-i")
	const dll = "bcryptprimitives.dll"
	path := filepath.Join(w.dir, "drive_c", "windows", "system32", dll)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		w.old = true
		if err := os.WriteFile(path, forwarder(dll, "ProcessPrng", "advapi32.SystemFunction036"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// environment is that of a program there: no display, and nothing said by Wine itself.
func (w wine) environment() []string {
	return append(os.Environ(), "WINEPREFIX="+w.dir, "WINEDEBUG=-all", "WINEDLLOVERRIDES=winex11.drv=;winewayland.drv=;mscoree=;mshtml=", "DISPLAY=", "XDG_RUNTIME_DIR="+w.dir)
}

func (w wine) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = w.environment()
	return cmd
}

// must runs a program that has to end well.
func (w wine) must(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), bound)
	defer stop()
	if got := ask(t, w.command(ctx, name, args...), "."); got.code != 0 {
		t.Fatalf("%s %v: %+v", name, args, got)
	}
}

// answer is what a program said.
type answer struct {
	code           int
	stdout, stderr string
}

// ask runs a command in a folder and waits for it. It writes to files: pipes would stay
// open in the server and the services that Wine starts.
func ask(t *testing.T, cmd *exec.Cmd, dir string) answer {
	t.Helper()
	var outputs [2]*os.File
	for i := range outputs {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		outputs[i] = f
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, outputs[0], outputs[1]
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	var said [2]string
	for i, f := range outputs {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		said[i] = string(b)
	}
	return answer{cmd.ProcessState.ExitCode(), said[0], said[1]}
}

// build builds the agent for a system and returns its path.
func build(t *testing.T, goos string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "eksnode.exe")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "grpcnotrace", "-trimpath", "-buildvcs=false", "-o", path, "../../cmd/agent")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build for %s: %v\n%s", goos, err, out)
	}
	return path
}

// windowsPath is how a path of this machine is called there.
func windowsPath(path string) string { return "Z:" + strings.ReplaceAll(path, "/", `\`) }
