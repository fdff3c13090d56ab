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

// Build makes the named programs of t, all of them when none is named, and returns their
// paths by name. A program that is in the cache under its key costs nothing.
func (b *Builder) Build(ctx context.Context, t Tool, programs ...string) (map[string]string, error) {
	if len(programs) == 0 {
		programs = slices.Sorted(maps.Keys(t.Packages))
	}
	out := make(map[string]string, len(programs))
	for _, p := range programs {
		path, err := b.program(ctx, t, p)
		if err != nil {
			return nil, err
		}
		out[p] = path
	}
	return out, nil
}

func (b *Builder) program(ctx context.Context, t Tool, program string) (string, error) {
	pkg, ok := t.Packages[program]
	if !ok {
		return "", fmt.Errorf("cannot build %s: %s has no such program", program, t.Dir())
	}
	module := filepath.Join(b.Tools, t.Dir())
	args := []string{"build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", linkerFlags(t)}
	key, err := moduleKey(module, append(args, pkg))
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	return b.cached(ctx, filepath.Join(t.Dir(), key), program, func(tmp string) error {
		cmd := exec.CommandContext(ctx, "go", append(args, "-o", tmp, pkg)...)
		cmd.Dir = module
		return b.run(cmd, t.Dir()+"/"+program)
	})
}

// Program builds a program of this lab's own module (sources under dir), keyed by its sources.
// Such programs use the standard library alone.
func (b *Builder) Program(ctx context.Context, dir, program string) (string, error) {
	args := []string{"build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w"}
	key, err := sourceKey(dir, args)
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	return b.cached(ctx, filepath.Join("lab", key), program, func(tmp string) error {
		cmd := exec.CommandContext(ctx, "go", append(args, "-o", tmp, ".")...)
		cmd.Dir = dir
		return b.run(cmd, program)
	})
}

// cached returns the program in the cache folder sub, or has it made. A lock keeps two
// processes from compiling the same thing, and the rename keeps a half-written
// program from ever being seen under its name.
func (b *Builder) cached(ctx context.Context, sub, program string, build func(tmp string) error) (string, error) {
	dir := filepath.Join(b.Cache, sub)
	path := filepath.Join(dir, program)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	unlock, err := Lock(ctx, filepath.Join(dir, "."+program+".lock"))
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	tmp := path + ".building"
	if err := build(tmp); err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("cannot build %s: %w", program, err)
	}
	return path, nil
}

func (b *Builder) run(cmd *exec.Cmd, what string) error {
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=")
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
