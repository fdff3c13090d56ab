package swapfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
	"github.com/eksnode/eksnode/pkg/system/swapfile/swaptest"
)

const name = "/var/lib/eksnode/swapfile"

func want(bytes int64) host.SwapFile { return host.SwapFile{Path: name, Bytes: bytes, Active: true} }

// machine is a driver on a temporary root with a kernel of its own.
func machine(t *testing.T, change func(*swaptest.Kernel)) (*Driver, *swaptest.Kernel) {
	t.Helper()
	k := swaptest.New(t.TempDir())
	if change != nil {
		change(k)
	}
	return New(rootfs.At(k.Root), k, slog.New(slog.DiscardHandler)), k
}

func apply(t *testing.T, d *Driver, w host.SwapFile) {
	t.Helper()
	if err := d.Apply(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if seen, err := d.Observe(t.Context(), w); err != nil || !host.Equal(seen, w) {
		t.Fatalf("seen %+v (%v), want %+v", seen, err, w)
	}
}

// entries are the names beside the swap file, itself included.
func entries(t *testing.T, k *swaptest.Kernel) []string {
	t.Helper()
	found, err := os.ReadDir(filepath.Join(k.Root, filepath.Dir(name)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for _, e := range found {
		out = append(out, e.Name())
	}
	return out
}

func TestASwapFileHasAllOfItsBlocksAndIsForRootAlone(t *testing.T) {
	for kind, label := range map[int64]string{unix.XFS_SUPER_MAGIC: "xfs", unix.EXT4_SUPER_MAGIC: "ext4", unix.F2FS_SUPER_MAGIC: "f2fs"} {
		t.Run(label, func(t *testing.T) {
			d, k := machine(t, func(k *swaptest.Kernel) { k.Kind = kind })
			apply(t, d, want(5<<20))
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(k.Root, name), &st); err != nil {
				t.Fatal(err)
			}
			if st.Blocks*512 < 5<<20 || st.Size != 5<<20 || st.Mode&0o7777 != 0o600 {
				t.Errorf("%d blocks, %d bytes, mode %o", st.Blocks, st.Size, st.Mode)
			}
		})
	}
}

func TestAResizedSwapFileIsSwitchedOffFirst(t *testing.T) {
	d, k := machine(t, nil)
	apply(t, d, want(1<<20))
	apply(t, d, want(2<<20))
	apply(t, d, want(1<<20))
	if got, want := strings.Join(k.Calls, ", "), "on, off, on, off, on"; got != want {
		t.Errorf("the kernel was told %s, want %s", got, want)
	}
}

func TestAfterARebootItIsSwitchedOnAndNotMadeAgain(t *testing.T) {
	d, k := machine(t, nil)
	apply(t, d, want(1<<20))
	before, err := os.Stat(filepath.Join(k.Root, name))
	if err != nil {
		t.Fatal(err)
	}
	k.Reboot()
	apply(t, d, want(1<<20))
	if after, err := os.Stat(filepath.Join(k.Root, name)); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was made anew (%v)", err)
	}
}

func TestAKernelWithAnotherPageSizeGetsAnotherHeader(t *testing.T) {
	d, k := machine(t, nil)
	apply(t, d, want(1<<20))
	k.Reboot()
	p := filepath.Join(k.Root, name)
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[os.Getpagesize()-len(magic):], make([]byte, len(magic))) // where that kernel had looked
	if err := os.WriteFile(p, b, 0o600); err != nil {
		t.Fatal(err)
	}
	apply(t, d, want(1<<20))
}

func TestAKernelThatTakesUnwrittenBlocksForHolesGetsZeros(t *testing.T) {
	d, k := machine(t, func(k *swaptest.Kernel) { k.HolesOnce = true })
	apply(t, d, want(1<<20))
	if got, want := strings.Join(k.Calls, ", "), "on: invalid argument, on"; got != want {
		t.Errorf("the kernel was told %s, want %s", got, want)
	}
}

func TestWhatSomebodyElseMadeIsLeftAlone(t *testing.T) {
	mkswap, err := header(os.Getpagesize(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	copy(mkswap[atLabel:], "data\x00\x00\x00")
	for _, row := range []struct {
		name string
		put  func(p string) error
		says string
	}{
		{"a file", func(p string) error { return os.WriteFile(p, []byte("important"), 0o644) }, "a file is there"},
		{"a swap file of the image's", func(p string) error { return os.WriteFile(p, mkswap, 0o600) }, "a file is there"},
		{"an empty file", func(p string) error { return os.WriteFile(p, nil, 0o600) }, "a file is there"},
		{"a directory", func(p string) error { return os.Mkdir(p, 0o755) }, "a directory is there"},
		{"a link", func(p string) error { return os.Symlink("/etc/passwd", p) }, "a link or device is there"},
		{"a pipe", func(p string) error { return syscall.Mkfifo(p, 0o600) }, "a link or device is there"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, k := machine(t, nil)
			p := filepath.Join(k.Root, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), row.put(p)); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(p)
			if err != nil {
				t.Fatal(err)
			}
			_, errObserve := d.Observe(t.Context(), want(1<<20))
			for what, err := range map[string]error{"Observe": errObserve, "Apply": d.Apply(t.Context(), want(1<<20))} {
				f, ok := fault.Find(err)
				if !ok || f.Code != fault.WriteFailed || !strings.Contains(err.Error(), row.says) || !strings.Contains(f.Remedy, "spec.swap.path") {
					t.Errorf("%s: %v", what, err)
				}
			}
			if seen, err := d.Observe(t.Context(), host.SwapFile{Path: name}); seen != nil || err != nil {
				t.Errorf("without a wish there is %+v (%v)", seen, err)
			}
			if err := d.Remove(t.Context(), want(0).ID()); err != nil {
				t.Error(err)
			}
			if after, err := os.Lstat(p); err != nil || !os.SameFile(before, after) || after.Size() != before.Size() || len(k.Calls) > 0 {
				t.Errorf("it was touched (%v), %v", err, k.Calls)
			}
		})
	}
}

func TestWhatCannotBeMadeLeavesNothingAndSaysWhatToDo(t *testing.T) {
	for _, row := range []struct {
		name         string
		change       func(*swaptest.Kernel)
		code         fault.Code
		says, remedy string
	}{
		{"disk full", func(k *swaptest.Kernel) { k.Free = 1 << 20 }, fault.DiskFull, "2 MiB are wanted and 1 MiB are free", "spec.swap.size"},
		{"btrfs", func(k *swaptest.Kernel) { k.Kind = unix.BTRFS_SUPER_MAGIC }, fault.ConfigInvalid, "the file system there is btrfs", "ext4 or XFS"},
		{"overlayfs in a container", func(k *swaptest.Kernel) { k.Kind = unix.OVERLAYFS_SUPER_MAGIC }, fault.ConfigInvalid, "overlayfs", "ext4 or XFS"},
		{"/run", func(k *swaptest.Kernel) { k.Kind = unix.TMPFS_MAGIC }, fault.ConfigInvalid, "tmpfs", "ext4 or XFS"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, k := machine(t, row.change)
			err := d.Apply(t.Context(), want(2<<20))
			f, ok := fault.Find(err)
			if !ok || f.Code != row.code || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), name) || !strings.Contains(f.Remedy, row.remedy) {
				t.Errorf("got %+v, %v", f, err)
			}
			if left := entries(t, k); len(left) > 0 || len(k.Calls) > 0 {
				t.Errorf("left behind: %v; the kernel was told %v", left, k.Calls)
			}
		})
	}
}

func TestAKernelThatRefusesToSwapSaysWhy(t *testing.T) {
	for errno, remedy := range map[syscall.Errno]string{
		syscall.EPERM: "container", syscall.ENOSYS: "leave spec.swap.size out", syscall.EINVAL: "ext4 or XFS", syscall.EIO: "dmesg",
	} {
		d, _ := machine(t, func(k *swaptest.Kernel) { k.OnError = errno })
		err := d.Apply(t.Context(), want(1<<20))
		f, ok := fault.Find(err)
		if !ok || f.Code != fault.WriteFailed || !errors.Is(err, errno) || !strings.Contains(f.Remedy, remedy) {
			t.Errorf("%v: got %+v, %v", errno, f, err)
		}
		// The file is whole; another run has only to switch it on.
		if seen, err := d.Observe(t.Context(), want(1<<20)); err != nil || !host.Equal(seen, host.SwapFile{Path: name, Bytes: 1 << 20}) {
			t.Errorf("%v: seen %+v (%v)", errno, seen, err)
		}
	}
}

func TestMemoryThatCannotTakeItBackKeepsTheSwap(t *testing.T) {
	d, k := machine(t, nil)
	apply(t, d, want(1<<20))
	k.OffError = syscall.ENOMEM
	for what, err := range map[string]error{"Apply": d.Apply(t.Context(), want(2<<20)), "Remove": d.Remove(t.Context(), want(0).ID())} {
		if f, ok := fault.Find(err); !ok || f.Code != fault.WriteFailed || !strings.Contains(f.Remedy, "drain") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if seen, err := d.Observe(t.Context(), want(1<<20)); err != nil || !host.Equal(seen, want(1<<20)) {
		t.Errorf("seen %+v (%v)", seen, err)
	}
	if left := entries(t, k); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestASmallDiskIsEnoughToResize(t *testing.T) {
	d, k := machine(t, nil)
	apply(t, d, want(4<<20))
	k.Free = 1 << 20 // beside the 4 MiB of the old file
	apply(t, d, want(5<<20))
	k.Free = 1 << 20
	if err := d.Apply(t.Context(), want(7<<20)); fault.CodeOf(err) != fault.DiskFull {
		t.Errorf("got %v", err)
	}
	if seen, err := d.Observe(t.Context(), want(5<<20)); err != nil || !host.Equal(seen, want(5<<20)) {
		t.Errorf("the old one is %+v (%v)", seen, err)
	}
}

func TestASwapFileUnderALinkedDirectoryIsSeenInUse(t *testing.T) {
	d, k := machine(t, nil)
	if err := errors.Join(
		os.MkdirAll(filepath.Join(k.Root, "mnt/disk"), 0o755), os.MkdirAll(filepath.Join(k.Root, "var/lib"), 0o755),
		os.Symlink("/mnt/disk", filepath.Join(k.Root, "var/lib/eksnode")),
	); err != nil {
		t.Fatal(err)
	}
	apply(t, d, want(1<<20))
	if b, err := os.ReadFile(filepath.Join(k.Root, "proc/swaps")); err != nil || !bytes.Contains(b, []byte("/mnt/disk/swapfile")) {
		t.Errorf("%s (%v)", b, err)
	}
}

func TestAnInterruptedSwapoffIsReported(t *testing.T) {
	d, k := machine(t, nil)
	apply(t, d, want(1<<20))
	ctx, cancel := context.WithCancel(t.Context())
	release, asked := make(chan struct{}), make(chan struct{})
	k.BeforeOff = func() { close(asked); cancel(); <-release; k.OffError = errors.New("too late") }
	if err := d.Remove(ctx, want(0).ID()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-asked
	// The kernel goes on by itself, and in this one touches no file any more.
	close(release)
}

func TestASizeThatTheKernelWouldRefuseIsRefused(t *testing.T) {
	d, k := machine(t, nil)
	for _, bytes := range []int64{1, int64(os.Getpagesize()), 1<<20 + 1, math.MaxInt64} {
		if err := d.Apply(t.Context(), want(bytes)); fault.CodeOf(err) != fault.ConfigInvalid {
			t.Errorf("%d bytes: %v", bytes, err)
		}
	}
	if left := entries(t, k); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
