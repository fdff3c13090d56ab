//go:build linux

package vm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A machine's disk has one partition, as those of machine images, at the first megabyte.
const (
	partitionStart = 1 << 20
	sectorSize     = 512
	// diskSignature and the partition's number are the partition's UUID, by which the kernel finds its root.
	diskSignature = 0x6e6f6465
)

// rootArgument is the kernel's argument for the root file system.
var rootArgument = fmt.Sprintf("root=PARTUUID=%08x-01", diskSignature)

// MakeDisk makes a raw disk of size bytes at path whose one partition holds what the layers hold, topmost first. It is sparse.
func MakeDisk(ctx context.Context, path string, size int64, layers []string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("cannot make disk %s: %w", path, err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("cannot make disk %s: %w", path, err)
	}
	if _, err := f.WriteAt(partitionTable(size), 0); err != nil {
		return fmt.Errorf("cannot make disk %s: %w", path, err)
	}
	// The overlay lives in a mount namespace of its own, which goes with the script.
	const script = `set -eu
mount -t tmpfs none /mnt
mkdir /mnt/root
mount -t overlay overlay -o "lowerdir=$LAYERS" /mnt/root
mke2fs -q -t ext4 -F -E "offset=$OFFSET,lazy_itable_init=1,lazy_journal_init=1" -d /mnt/root "$DISK" "$KIB"
`
	return inNamespace(ctx, "make disk "+path, script, "LAYERS="+strings.Join(layers, ":"), "DISK="+path,
		"OFFSET="+strconv.Itoa(partitionStart), "KIB="+strconv.FormatInt((size-partitionStart)>>10, 10)+"k")
}

// partitionTable is a master boot record with one Linux partition over the whole disk.
func partitionTable(size int64) []byte {
	b := make([]byte, sectorSize)
	binary.LittleEndian.PutUint32(b[440:], diskSignature)
	entry := b[446:]
	entry[4] = 0x83 // Linux
	binary.LittleEndian.PutUint32(entry[8:], partitionStart/sectorSize)
	binary.LittleEndian.PutUint32(entry[12:], uint32((size-partitionStart)/sectorSize))
	b[510], b[511] = 0x55, 0xaa
	return b
}

// copyDisk gives a machine a disk of its own, with files on it that the image has not. Scripts (#!) are executable.
func copyDisk(ctx context.Context, from, to string, files map[string][]byte) error {
	dir, err := os.MkdirTemp(filepath.Dir(to), "files-")
	if err != nil {
		return fmt.Errorf("cannot make disk %s: %w", to, err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // it becomes the root folder's mode
		return fmt.Errorf("cannot make disk %s: %w", to, err)
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		target := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return fmt.Errorf("cannot make disk %s: %w", to, err)
		}
		mode := os.FileMode(0o644)
		if bytes.HasPrefix(files[path], []byte("#!")) {
			mode = 0o755
		}
		if err := os.WriteFile(target, files[path], mode); err != nil {
			return fmt.Errorf("cannot make disk %s: %w", to, err)
		}
	}
	const script = `set -eu
cp --sparse=always "$FROM" "$DISK"
mount -o "loop,offset=$OFFSET" "$DISK" /mnt
cp -a "$FILES/." /mnt/
umount /mnt
`
	return inNamespace(ctx, "make disk "+to, script, "FROM="+from, "DISK="+to, "FILES="+dir, "OFFSET="+strconv.Itoa(partitionStart))
}

// inNamespace runs a script whose mounts nobody else sees.
func inNamespace(ctx context.Context, what, script string, env ...string) error {
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "sh", "-c", script)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot %s: %w: %s", what, err, bytes.TrimSpace(out))
	}
	return nil
}
