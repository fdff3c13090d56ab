package drivertest_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/drivertest"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
	"github.com/eksnode/eksnode/pkg/system/swapfile"
	"github.com/eksnode/eksnode/pkg/system/swapfile/swaptest"
)

func swapFiles() []host.Resource {
	return []host.Resource{
		host.SwapFile{Path: "/var/lib/eksnode/swapfile", Bytes: 256 << 10, Active: true},
		host.SwapFile{Path: "/var/lib/eksnode/swapfile", Bytes: 512 << 10, Active: true},
		host.SwapFile{Path: "/var/lib/eksnode/swapfile", Bytes: 512 << 10},
	}
}

func swapDriver(dir string) *swapfile.Driver {
	return swapfile.New(rootfs.At(dir), swaptest.New(dir), slog.New(slog.DiscardHandler))
}

func TestSwapFileDriverKeepsTheLaws(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Case {
		dir := t.TempDir()
		return drivertest.Case{
			Driver: swapDriver(dir),
			Wants:  swapFiles(),
			Print:  func() (string, error) { return printTree(dir) },
		}
	})
}

// A swap file of ours is whole whenever it has its name: a header without all of
// its blocks would be one that the kernel swaps to, and then cannot.
func TestAKilledSwapFileDriverLeavesAWholeFileOrNone(t *testing.T) {
	drivertest.Killed(t, 8, func(dir string) error {
		d := swapDriver(dir)
		for _, w := range swapFiles() {
			if err := d.Apply(t.Context(), w); err != nil {
				return err
			}
		}
		return d.Remove(t.Context(), swapFiles()[0].ID())
	}, func(dir string) error {
		seen, err := swapDriver(dir).Observe(t.Context(), swapFiles()[0])
		if seen == nil || err != nil {
			return err
		}
		have := seen.(host.SwapFile)
		if have.Bytes != 256<<10 && have.Bytes != 512<<10 {
			return errors.New("there is a swap file of a size that nobody wanted")
		}
		b, err := os.ReadFile(filepath.Join(dir, have.Path))
		if page := os.Getpagesize(); err == nil && string(b[page-10:page]) != "SWAPSPACE2" {
			return errors.New("there is a swap file without a whole header")
		}
		return err
	})
}
