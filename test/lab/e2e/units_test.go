//go:build linux

package e2e_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// cloudInit are units with the ordering of cloud-init's own, on distributions
// where it is hardest to fit between: Debian and Ubuntu, where cloud-init comes
// before sysinit.target, and cloud-final after multi-user.target.
func cloudInit() map[string][]byte {
	unit := func(ordering string) []byte {
		return fmt.Appendf(nil, "[Unit]\n%s\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n", ordering)
	}
	return map[string][]byte{
		"/etc/systemd/system/cloud-init.service":                   unit("DefaultDependencies=no\nAfter=systemd-networkd-wait-online.service\nBefore=network-online.target sysinit.target\nConflicts=shutdown.target"),
		"/etc/systemd/system/cloud-final.service":                  unit("After=network-online.target multi-user.target\nWants=network-online.target"),
		"/etc/systemd/system/cloud-init.target":                    []byte("[Unit]\nWants=cloud-init.service cloud-final.service\nAfter=multi-user.target\n"),
		"/etc/systemd/system/multi-user.target.d/10-cloud.conf":    []byte("[Unit]\nWants=cloud-init.target\n"),
		"/etc/systemd/system/sysinit.target.d/10-cloud.conf":       []byte("[Unit]\nWants=cloud-init.service\n"),
		"/etc/systemd/system/cloud-init.service.d/10-network.conf": []byte("[Unit]\nWants=systemd-networkd-wait-online.service\n"),
	}
}

func TestTheUnitsGoBeforeAndAfterCloudInitWithoutACycle(t *testing.T) {
	l := start(t, lab.Options{})
	i := launch(t, l, lab.InstanceSpec{UserData: plain(t, l, lab.NodeConfigOptions{}), PauseArchive: true, Files: cloudInit()})
	settled(t, l, i)
	if err := i.WaitBooted(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if out := shell(t, i, "journalctl -b --no-pager | grep -i 'ordering cycle' || true"); out != "" {
		t.Errorf("systemd broke a cycle: %s", out)
	}
	at := func(unit, property string) int {
		t.Helper()
		out := shell(t, i, "systemctl show -P "+property+" "+unit)
		n, err := strconv.Atoi(strings.TrimSpace(out))
		if err != nil || n == 0 {
			t.Fatalf("%s of %s is %q", property, unit, out)
		}
		return n
	}
	const begin, end = "InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"
	if at("eksnode-config.service", end) > at("cloud-init.service", begin) {
		t.Error("cloud-init began before the configuration was written")
	}
	if at("eksnode-run.service", begin) < at("cloud-final.service", end) {
		t.Error("the node was started before cloud-final had ended")
	}
}
