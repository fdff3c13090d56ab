package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Builder builds tools into a cache folder.
type Builder struct {
	// Tools is the folder that holds the consumer modules (test/lab/tools).
	Tools string
	// Cache is the folder binaries are kept in, one sub-folder a key.
	Cache string
	// Log receives the compiler's output.
	Log io.Writer
	// Progress is told of every program that is really compiled, when it
	// starts (took zero) and when it is done.
	Progress func(program string, took time.Duration)
}

// linkerFlags are those of every build: no symbol table, and no build paths (-trimpath),
// so that the same source gives the same bytes on any machine.
func linkerFlags(t Tool) string {
	flags := []string{"-s", "-w"}
	for _, name := range slices.Sorted(maps.Keys(t.Variables)) {
		flags = append(flags, "-X", name+"="+t.Variables[name])
	}
	return strings.Join(flags, " ")
}

// Build makes the named programs of t, all of them when none is named, and returns their paths by name. Programs that
// are in the cache under their keys cost nothing; the others are compiled together, so that one is linked while
// another is compiled.
func (b *Builder) Build(ctx context.Context, t Tool, programs ...string) (map[string]string, error) {
	if len(programs) == 0 {
		programs = slices.Sorted(maps.Keys(t.Packages))
	}
	paths, err := b.paths(t, programs)
	if err != nil {
		return nil, err
	}
	if len(missing(paths)) == 0 {
		return paths, nil
	}
	if err := os.MkdirAll(filepath.Join(b.Cache, t.Dir()), 0o755); err != nil {
		return nil, fmt.Errorf("cannot build %s: %w", t.Dir(), err)
	}
	unlock, err := Lock(ctx, filepath.Join(b.Cache, t.Dir(), ".lock"))
	if err != nil {
		return nil, fmt.Errorf("cannot build %s: %w", t.Dir(), err)
	}
	defer unlock()
	if names := missing(paths); len(names) > 0 {
		if err := b.compile(ctx, t, names, paths); err != nil {
			return nil, fmt.Errorf("cannot build %s: %w", t.Dir(), err)
		}
	}
	return paths, nil
}

// paths says where in the cache the programs are, or will be when they are built.
func (b *Builder) paths(t Tool, programs []string) (map[string]string, error) {
	paths := map[string]string{}
	for _, p := range programs {
		if _, ok := t.Packages[p]; !ok {
			return nil, fmt.Errorf("cannot build %s: %s has no such program", p, t.Dir())
		}
		key, err := moduleKey(filepath.Join(b.Tools, t.Dir()), append(buildArgs(t), t.Packages[p]))
		if err != nil {
			return nil, fmt.Errorf("cannot build %s: %w", p, err)
		}
		paths[p] = filepath.Join(b.Cache, t.Dir(), key, p)
	}
	return paths, nil
}

// Missing tells whether any of the programs has still to be compiled.
func (b *Builder) Missing(t Tool, programs ...string) bool {
	if len(programs) == 0 {
		programs = slices.Sorted(maps.Keys(t.Packages))
	}
	paths, err := b.paths(t, programs)
	return err != nil || len(missing(paths)) > 0
}

func buildArgs(t Tool) []string {
	return []string{"build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", linkerFlags(t)}
}

// missing lists the names whose files are not there.
func missing(paths map[string]string) []string {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(paths)) {
		if _, err := os.Stat(paths[n]); err != nil {
			names = append(names, n)
		}
	}
	return names
}

// compile builds the programs into a temporary folder and moves each to its own. The move keeps a half-written program
// from ever being seen under its name.
func (b *Builder) compile(ctx context.Context, t Tool, names []string, paths map[string]string) error {
	tmp, err := os.MkdirTemp(filepath.Join(b.Cache, t.Dir()), ".building-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	// With one package -o names the file, with several the folder: their files then have the last parts of the import paths.
	output := tmp + "/"
	if len(names) == 1 {
		output = filepath.Join(tmp, names[0])
	}
	args := append(buildArgs(t), "-o", output)
	for _, n := range names {
		args = append(args, t.Packages[n])
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(b.Tools, t.Dir())
	if err := b.run(cmd, t.Dir()+": "+strings.Join(names, " ")); err != nil {
		return err
	}
	for _, n := range names {
		if err := os.MkdirAll(filepath.Dir(paths[n]), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(tmp, n), paths[n]); err != nil {
			return err
		}
	}
	return nil
}

// Fetch downloads the modules that t's programs are compiled from, while something else is compiled.
func (b *Builder) Fetch(ctx context.Context, t Tool) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-mod=readonly", "-deps", "tool")
	cmd.Dir = filepath.Join(b.Tools, t.Dir())
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot fetch the modules of %s: %w\n%s", t.Dir(), err, out[max(0, len(out)-2000):])
	}
	return nil
}

// Program builds a program of this lab's own module (sources under dir), keyed by its sources. Such programs use the
// standard library alone.
func (b *Builder) Program(ctx context.Context, dir, program string) (string, error) {
	args := []string{"build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w"}
	key, err := sourceKey(dir, args)
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	target := filepath.Join(b.Cache, "lab", key)
	path := filepath.Join(target, program)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	unlock, err := Lock(ctx, filepath.Join(target, ".lock"))
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	defer unlock()
	tmp := path + ".building"
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", tmp, ".")...)
	cmd.Dir = dir
	if err := b.run(cmd, program); err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	return path, nil
}

// environment keeps the caller's flags and workspace out of the build, and the Go toolchain the one that is there.
func environment() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=")
}

func (b *Builder) run(cmd *exec.Cmd, what string) error {
	cmd.Env = environment()
	var tail tailBuffer
	cmd.Stdout = &tail
	cmd.Stderr = &tail
	if b.Log != nil {
		cmd.Stdout = io.MultiWriter(&tail, b.Log)
		cmd.Stderr = cmd.Stdout
	}
	start := time.Now()
	if b.Progress != nil {
		b.Progress(what, 0)
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args[:2], " "), err, tail.String())
	}
	if b.Progress != nil {
		b.Progress(what, time.Since(start))
	}
	return nil
}

// moduleKey is a digest of everything that decides a tool's bytes.
func moduleKey(module string, args []string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(args, "\x00"))
	for _, f := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(module, f))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, f, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

func sourceKey(dir string, args []string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(args, "\x00"))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("%s holds no Go files", dir)
	}
	for _, f := range files { // Glob sorts
		data, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, filepath.Base(f), len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// Lock takes an exclusive lock on the file, which it creates, and waits for it until ctx
// ends. The lock goes with the process if unlock is never called.
func Lock(ctx context.Context, file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			_ = f.Close()
			return nil, fmt.Errorf("cannot lock %s: %w", file, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("cannot lock %s: %w", file, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tailBuffer keeps the last bytes written to it, for an error message.
type tailBuffer struct{ data []byte }

func (t *tailBuffer) Write(p []byte) (int, error) {
	const keep = 4096
	t.data = append(t.data, p...)
	if over := len(t.data) - keep; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

func (t *tailBuffer) String() string { return string(t.data) }
