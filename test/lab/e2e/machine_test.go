//go:build linux

package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// TestANodeWithAKernelOfItsOwn has what no box has: firmware, a PCI bus, NVMe disks, modules, and cgroup v2.
func TestANodeWithAKernelOfItsOwn(t *testing.T) {
	l := start(t, lab.Options{})
	i := launch(t, l, lab.InstanceSpec{UserData: superset(t, l, ""), Machine: &lab.Machine{InstanceStore: []int64{1 << 30}}})
	if err := i.WaitBooted(within(t, 5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Log(shell(t, i, "uname -a; stat -fc %T /sys/fs/cgroup; eksnode hardware; systemd-analyze; eksnode status || true"))
	if n := ready(t, l, i); strings.Contains(i.Name, "x") {
		t.Log(n)
	}
}
