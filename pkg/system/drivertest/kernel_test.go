package drivertest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/drivertest"
	"github.com/eksnode/eksnode/pkg/system/hugepages"
	"github.com/eksnode/eksnode/pkg/system/kmod"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// place writes files below dir, as a kernel or a machine image has them.
func place(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(content), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
}

// A module is loaded once and stays.
func TestModuleDriverKeepsTheLaws(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Case {
		dir := t.TempDir()
		place(t, dir, map[string]string{"proc/sys/kernel/osrelease": "6.1.0\n", "usr/sbin/modprobe": "\x7fELF"})
		run := func(_ context.Context, _ string, args ...string) (string, error) {
			state := filepath.Join(dir, "sys/module", args[len(args)-1], "initstate")
			return "", errors.Join(os.MkdirAll(filepath.Dir(state), 0o755), os.WriteFile(state, []byte("live\n"), 0o444))
		}
		return drivertest.Case{
			Driver:  kmod.New(rootfs.At(dir), run),
			Wants:   []host.Resource{host.Module{Name: "br_netfilter"}},
			Removed: func(seen host.Resource) bool { return seen != nil },
			Print:   func() (string, error) { return printTree(dir) },
		}
	})
}

func TestHugePagesDriverKeepsTheLaws(t *testing.T) {
	for name, pool := range map[string]host.HugePages{
		"sys/kernel/mm/hugepages/hugepages-2048kB":                    {SizeKiB: 2048, NUMANode: -1},
		"sys/devices/system/node/node1/hugepages/hugepages-1048576kB": {SizeKiB: 1 << 20, NUMANode: 1},
		"sys/devices/system/node/node0/hugepages/hugepages-64kB":      {SizeKiB: 64},
		"sys/kernel/mm/hugepages/hugepages-16777216kB":                {SizeKiB: 16 << 20, NUMANode: -1},
	} {
		t.Run(pool.ID().Name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) drivertest.Case {
				dir := t.TempDir()
				place(t, dir, map[string]string{name + "/nr_hugepages": "3\n", name + "/surplus_hugepages": "0\n"})
				var wants []host.Resource
				for _, count := range []int64{512, 0, 5000} {
					pool.Count = count
					wants = append(wants, pool)
				}
				return drivertest.Case{
					Driver:  hugepages.New(rootfs.At(dir)),
					Wants:   wants,
					Exists:  true,
					Removed: func(seen host.Resource) bool { return seen != nil },
					Print:   func() (string, error) { return printTree(dir) },
				}
			})
		})
	}
}
