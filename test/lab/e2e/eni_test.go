//go:build linux

package e2e_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// TestENIsHaveTheirKeepersUnderNodeadmsName does what the udev rules and units of an Amazon Linux 2023 image do, with
// systemd-networkd.
func TestENIsHaveTheirKeepersUnderNodeadmsName(t *testing.T) {
	l := start(t, lab.Options{NoControlPlane: true})
	i := launch(t, l, lab.InstanceSpec{ENIs: 2, Files: map[string][]byte{
		// Without user data the units of the agent have nothing to do here.
		"/etc/systemd/system/eksnode-config.service.d/off.conf": []byte("[Unit]\nConditionPathExists=/nonexistent\n"),
		"/etc/systemd/system/eksnode-run.service.d/off.conf":    []byte("[Unit]\nConditionPathExists=/nonexistent\n"),
	}})
	if err := i.WaitOnline(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	shell(t, i, "ln -s /usr/bin/eksnode /usr/bin/nodeadm-internal")
	add := func(link string) {
		t.Helper()
		shell(t, i, "nodeadm-internal udev-net-manager --action add --interface "+link+" && networkctl reload")
	}
	add("ens5")
	add("ens6")
	shell(t, i, "nodeadm-internal boot-hook")

	t.Run("systemd-networkd has both by their own files", func(t *testing.T) {
		for _, link := range []string{"ens5", "ens6"} {
			if out := shell(t, i, "networkctl status "+link); !strings.Contains(out, "/run/systemd/network/70-eks-"+link+".network") || !strings.Contains(out, "(configured)") {
				t.Errorf("%s: %s", link, out)
			}
		}
		if out := shell(t, i, "ip -4 route show default"); !strings.HasPrefix(out, "default via 10.0.0.1 dev ens5") || !strings.Contains(out, "metric 512") || !strings.Contains(out, "dev ens6") || !strings.Contains(out, "metric 513") {
			t.Errorf("default routes: %s", out)
		}
	})
	t.Run("what comes from the second address leaves by the second interface", func(t *testing.T) {
		second := i.EC2.Instance().Interfaces[1].IPv4s[0]
		if out := shell(t, i, "ip rule"); !strings.Contains(out, "32765:\tfrom "+second+" lookup 10001") {
			t.Errorf("rules: %s", out)
		}
		if out := shell(t, i, "ip route get 192.0.2.1 from "+second); !strings.Contains(out, "dev ens6 table 10001") {
			t.Errorf("route: %s", out)
		}
	})
	t.Run("an ENI that comes when the daemons run is the plugin's, also after a reboot", func(t *testing.T) {
		shell(t, i, "mkdir -p /run/nodeadm && touch /run/nodeadm/init")
		link := must(i.AttachENI(within(t, time.Minute)))(t)
		add(link)
		unmanaged := func() {
			t.Helper()
			err := lab.Wait(within(t, time.Minute), link+" is left alone", func(ctx context.Context) error {
				out, err := i.Run(ctx, "networkctl", "list", "--no-legend", link)
				if err == nil && !strings.Contains(out, "unmanaged") {
					err = errors.New(out)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		unmanaged()
		if err := i.Reboot(within(t, 2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		for _, l := range []string{"ens5", "ens6", link} {
			add(l)
		}
		shell(t, i, "nodeadm-internal boot-hook")
		unmanaged()
		shell(t, i, "systemctl restart systemd-networkd")
		unmanaged()
		if err := i.DetachENI(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		shell(t, i, "nodeadm-internal udev-net-manager --action remove --interface "+link)
		if out := shell(t, i, "ls /etc/eks/nodeadm/udev-net-manager/*"); strings.Contains(out, link) {
			t.Errorf("it is still remembered: %s", out)
		}
	})
}
