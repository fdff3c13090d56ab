package drivertest_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/drivertest"
	"github.com/eksnode/eksnode/pkg/system/hugepages"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
	"github.com/eksnode/eksnode/pkg/system/swapfile"
)

// kernelEnv names a directory on ext4 or XFS in which the running kernel may be made
// to swap, and says that its pools of huge pages may be changed: on a machine that
// is there for tests, as root.
const kernelEnv = "EKSNODE_KERNEL_TEST_DIR"

func kernelDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(kernelEnv)
	if dir == "" {
		t.Skipf("%s is not set: this machine's kernel is not to be tested against", kernelEnv)
	}
	return dir
}

func TestTheRunningKernelSwapsToOurFiles(t *testing.T) {
	base := kernelDir(t)
	drivertest.Run(t, func(t *testing.T) drivertest.Case {
		dir, err := os.MkdirTemp(base, "eksnode test \\")
		if err != nil {
			t.Fatal(err)
		}
		d := swapfile.New(rootfs.At("/"), swapfile.Running{}, slog.New(slog.DiscardHandler))
		file := host.SwapFile{Path: filepath.Join(dir, "swap"), Bytes: 1 << 20, Active: true}
		t.Cleanup(func() {
			if err := d.Remove(context.Background(), file.ID()); err != nil {
				t.Log(err) // the directory tells that it is still there
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
		larger, off := file, file
		larger.Bytes, off.Active = 3<<20, false
		return drivertest.Case{
			Driver: d,
			Wants:  []host.Resource{file, larger, file, off},
			Print: func() (string, error) {
				swaps, err := os.ReadFile("/proc/swaps")
				if err != nil {
					return "", err
				}
				tree, err := printTree(dir)
				return string(swaps) + tree, err
			},
		}
	})
}

func TestTheRunningKernelMakesPoolsOfHugePages(t *testing.T) {
	kernelDir(t)
	d := hugepages.New(rootfs.At("/"))
	want := host.HugePages{SizeKiB: 2048, NUMANode: -1, Count: 2}
	original, err := d.Observe(t.Context(), want)
	if err != nil || original == nil {
		t.Fatalf("the kernel has no pages of 2 MiB: %+v (%v)", original, err)
	}
	drivertest.Run(t, func(t *testing.T) drivertest.Case {
		t.Cleanup(func() {
			if err := d.Apply(context.Background(), original); err != nil {
				t.Error(err)
			}
		})
		more := want
		more.Count = original.(host.HugePages).Count + 3
		return drivertest.Case{
			Driver: d, Wants: []host.Resource{more, original, want}, Exists: true,
			Removed: func(seen host.Resource) bool { return seen != nil },
			Print: func() (string, error) {
				b, err := os.ReadFile("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
				return string(b), err
			},
		}
	})
}
