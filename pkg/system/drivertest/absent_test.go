package drivertest_test

import (
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/absent"
	"github.com/eksnode/eksnode/pkg/system/drivertest"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// What was deleted stays deleted.
func TestAbsentDriverKeepsTheLaws(t *testing.T) {
	const state = "var/lib/kubelet/cpu_manager_state"
	drivertest.Run(t, func(t *testing.T) drivertest.Case {
		dir := t.TempDir()
		place(t, dir, map[string]string{state: "old"})
		return drivertest.Case{
			Driver:  absent.New(rootfs.At(dir)),
			Wants:   []host.Resource{host.Absent{Path: "/" + state, Digest: host.ContentDigest([]byte("old"))}},
			Removed: func(seen host.Resource) bool { return seen != nil },
			Print:   func() (string, error) { return printTree(dir) },
		}
	})
}
