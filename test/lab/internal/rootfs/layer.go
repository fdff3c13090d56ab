package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/test/lab/internal/toolchain"
)

// Image is what a kind of box boots from: overlay layers, topmost first.
type Image struct {
	Layers []string
	Key    string
}

// ImageSpec says what an image holds besides the base.
type ImageSpec struct {
	// Programs maps paths in the image to executables of this machine.
	Programs map[string]string
	// Files maps paths in the image to the content of plain files (0644).
	Files map[string][]byte
	// Package is the path of a .deb that is installed with dpkg, or empty.
	Package string
}

// BuildImage lays the spec over the base, in the cache folder, or finds it there.
func BuildImage(ctx context.Context, cache string, base Base, spec ImageSpec, log io.Writer) (Image, error) {
	programs, err := Cached(ctx, cache, programsKey(base, spec), func(dir string) error { return layFiles(dir, spec) })
	if err != nil {
		return Image{}, fmt.Errorf("cannot build node image: %w", err)
	}
	img := Image{Layers: []string{programs, base.Dir}, Key: filepath.Base(programs)}
	if spec.Package == "" {
		return img, nil
	}
	deb, err := os.ReadFile(spec.Package)
	if err != nil {
		return Image{}, fmt.Errorf("cannot build node image: %w", err)
	}
	sum := sha256.Sum256(append([]byte(img.Key), deb...))
	installed, err := Cached(ctx, cache, hex.EncodeToString(sum[:])[:16], func(dir string) error {
		return installPackage(ctx, dir, img.Layers, spec.Package, log)
	})
	if err != nil {
		return Image{}, fmt.Errorf("cannot install %s into the node image: %w", spec.Package, err)
	}
	return Image{Layers: append([]string{installed}, img.Layers...), Key: filepath.Base(installed)}, nil
}

// programsKey digests paths, not contents, of the programs: the toolchain's cache keeps
// different programs under different paths.
func programsKey(base Base, spec ImageSpec) string {
	h := sha256.New()
	fmt.Fprintln(h, "1", base.Key)
	for _, p := range slices.Sorted(maps.Keys(spec.Programs)) {
		fmt.Fprintln(h, p, spec.Programs[p])
	}
	for _, p := range slices.Sorted(maps.Keys(spec.Files)) {
		fmt.Fprintln(h, p, len(spec.Files[p]))
		h.Write(spec.Files[p])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Cached returns the folder of a key in the cache folder, after fill has filled it once: wholly, or not at all. Other
// processes wait for that.
func Cached(ctx context.Context, cache, key string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(cache, key)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := toolchain.Lock(ctx, filepath.Join(cache, "."+key+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp := dir + ".building"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return "", err
	}
	if err := fill(tmp); err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	return dir, os.Rename(tmp, dir)
}

func layFiles(dir string, spec ImageSpec) error {
	for path, source := range spec.Programs {
		if err := link(source, filepath.Join(dir, path)); err != nil {
			return err
		}
	}
	for path, content := range spec.Files {
		target := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// link makes target another name of source: lower layers are never written to, so sharing the
// bytes is safe. Across file systems it copies.
func link(source, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	err := os.Link(source, target)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

// installScript runs in a private mount namespace: what it mounts goes when it ends.
// $1 lower layers, $2 upper, $3 work, $4 mount point, $5 package.
const installScript = `set -eu
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
mount -t proc proc "$4/proc"
mount -t tmpfs tmpfs "$4/run"
cp "$5" "$4/run/package.deb"
exec chroot "$4" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive dpkg -i /run/package.deb
`

func installPackage(ctx context.Context, upper string, lower []string, deb string, log io.Writer) error {
	work, err := os.MkdirTemp(filepath.Dir(upper), ".work-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	mountPoint := filepath.Join(work, "root")
	workDir := filepath.Join(work, "work")
	for _, d := range []string{mountPoint, workDir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "sh", "-c", installScript, "install",
		strings.Join(lower, ":"), upper, workDir, mountPoint, deb)
	var out strings.Builder
	cmd.Stdout = io.MultiWriter(log, &out)
	cmd.Stderr = cmd.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("dpkg -i: %w\n%s", err, out.String())
	}
	return nil
}
