package rootfs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kernelPackage is Debian's kernel for clouds: EC2's drivers, and NVMe and ext4 built in, so that it boots without an
// initial RAM disk.
const kernelPackage = "linux-image-cloud-amd64"

// Kernel is a kernel that virtual machines boot.
type Kernel struct {
	// Image is the file to boot, Layer a layer with its modules.
	Image, Layer string
}

// BuildKernel gets the kernel into the cache folder, or finds it there.
func BuildKernel(ctx context.Context, cache string, log io.Writer) (Kernel, error) {
	dir, err := Cached(ctx, cache, "kernel-1-"+suite, func(dir string) error { return extractKernel(ctx, dir, log) })
	if err != nil {
		return Kernel{}, fmt.Errorf("cannot get a kernel: %w", err)
	}
	return Kernel{Image: filepath.Join(dir, "boot/vmlinuz"), Layer: filepath.Join(dir, "layer")}, nil
}

// extractKernel leaves of the package and all that it depends on the kernel and its modules.
func extractKernel(ctx context.Context, dir string, log io.Writer) error {
	all := filepath.Join(dir, "all")
	args := []string{"--mode=root", "--variant=extract", "--format=directory", "--include=" + kernelPackage,
		`--aptopt=APT::Install-Recommends "false"`, suite, all}
	if err := runDebstrap(ctx, args, log); err != nil {
		return err
	}
	images, err := filepath.Glob(filepath.Join(all, "boot/vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return fmt.Errorf("%s has kernels %q: %w", kernelPackage, images, err)
	}
	version := strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")
	const script = `set -eu
mkdir -p "$DIR/boot" "$DIR/layer/usr/lib/modules"
cp "$DIR/all/boot/vmlinuz-$VERSION" "$DIR/boot/vmlinuz"
mv "$DIR/all/lib/modules/$VERSION" "$DIR/layer/usr/lib/modules/$VERSION"
mkdir -p "$DIR/depmod/lib"
ln -s "$DIR/layer/usr/lib/modules" "$DIR/depmod/lib/modules"
depmod -b "$DIR/depmod" "$VERSION"
rm -rf "$DIR/all" "$DIR/depmod"
`
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Env = append(os.Environ(), "DIR="+dir, "VERSION="+version)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot lay out kernel %s: %w: %s", version, err, bytes.TrimSpace(out))
	}
	return nil
}
