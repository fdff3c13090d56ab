//go:build linux

package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// The drivers' contract suite, which everywhere else runs on temporary roots
// and fakes, on a machine with real systemd and real containerd.
func TestTheDriversKeepTheirContractOnARealMachine(t *testing.T) {
	suite := suitesFor(t, "./pkg/system/drivertest")["drivertest"]
	l := start(t, lab.Options{})
	for _, containerd := range lab.Containerd() {
		t.Run("containerd "+containerd, func(t *testing.T) {
			i := launch(t, l, lab.InstanceSpec{Containerd: containerd, PauseArchive: true, UserData: plain(t, l, lab.NodeConfigOptions{Containerd: containerd})})
			ready(t, l, i)
			if err := i.CopyIn(within(t, time.Minute), suite, "/root/drivertest"); err != nil {
				t.Fatal(err)
			}
			out := shell(t, i, "cd /root && EKSNODE_SYSTEMD_TESTS=1 EKSNODE_CONTAINERD_SOCKET=/run/containerd/containerd.sock ./drivertest -test.v -test.run 'Real|Survives'")
			if !strings.Contains(out, "\nPASS") || strings.Contains(out, "\n--- SKIP") || !strings.Contains(out, "--- PASS: Test") {
				t.Errorf("the suite says:\n%s", out)
			}
			if err := i.Terminate(within(t, time.Minute)); err != nil {
				t.Error(err)
			}
		})
	}
}
