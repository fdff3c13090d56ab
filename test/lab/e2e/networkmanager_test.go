//go:build linux

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// nmCloudSetup are the units of NetworkManager's nm-cloud-setup, which Debian leaves out, and its dispatcher's script, all
// as upstream has them but for the sandbox. The program only says that it ran.
func nmCloudSetup() map[string][]byte {
	return map[string][]byte{
		"/usr/lib/systemd/system/nm-cloud-setup.service": []byte("[Unit]\nAfter=NetworkManager.service\n[Service]\nType=oneshot\nExecStart=/usr/libexec/nm-cloud-setup\n[Install]\nWantedBy=NetworkManager.service\n"),
		"/usr/lib/systemd/system/nm-cloud-setup.timer":   []byte("[Timer]\nOnBootSec=5min\nOnUnitActiveSec=5min\n[Install]\nWantedBy=timers.target\n"),
		"/usr/lib/NetworkManager/dispatcher.d/90-nm-cloud-setup.sh": []byte(`#!/bin/sh
case "$2" in
    up|dhcp4-change)
        if systemctl -q is-enabled nm-cloud-setup.service ; then
            exec systemctl --no-block restart nm-cloud-setup.service
        fi
        ;;
esac
`),
		"/usr/libexec/nm-cloud-setup": []byte("#!/bin/sh\necho ran >>/var/log/nm-cloud-setup\n"),
	}
}

// enable does what systemctl enable does, on the disk of an instance that is off.
func enable(t *testing.T, i *lab.Instance, wants, unit string) {
	t.Helper()
	at := filepath.Join(i.Upper(), "etc/systemd/system", wants+".wants", unit)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/lib/systemd/system/"+unit, at); err != nil {
		t.Fatal(err)
	}
}

// TestNetworkManagerKeepsOffWhatIsTheNetworkPlugins has a machine whose interfaces are looked after by NetworkManager, with
// nm-cloud-setup, as on Red Hat's distributions.
func TestNetworkManagerKeepsOffWhatIsTheNetworkPlugins(t *testing.T) {
	l := start(t, lab.Options{})
	files := nmCloudSetup()
	files[boxRule] = rule(t, boxLinks)
	i := launch(t, l, lab.InstanceSpec{NetworkManager: true, Off: true, UserData: plain(t, l, lab.NodeConfigOptions{}), Files: files})
	enable(t, i, "NetworkManager.service", "nm-cloud-setup.service")
	enable(t, i, "timers.target", "nm-cloud-setup.timer")
	if err := i.Start(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	settled(t, l, i)
	nothingToDo(t, i)
	is := func(t *testing.T, link, state string) {
		t.Helper()
		err := lab.Wait(within(t, 30*time.Second), link+" is "+state, func(ctx context.Context) error {
			out, err := i.Run(ctx, "nmcli", "-t", "-f", "DEVICE,STATE", "device")
			if err == nil && !slices.Contains(strings.Split(out, "\n"), link+":"+state) {
				err = fmt.Errorf("NetworkManager says %s", out)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}

	// The service is of the kind that ends; it may have failed for being started too often by the dispatcher's script.
	cloudSetup := func(t *testing.T, want string) {
		t.Helper()
		out := shell(t, i, "(set +e; systemctl is-enabled nm-cloud-setup.timer; systemctl is-active nm-cloud-setup.timer; systemctl is-enabled nm-cloud-setup.service) | xargs echo")
		if out != want {
			t.Errorf("nm-cloud-setup's timer and service are %s, want %s", out, want)
		}
	}
	ran := shell(t, i, "cat /var/log/nm-cloud-setup || true")
	if !strings.Contains(ran, "ran") {
		t.Error("nm-cloud-setup has not run before the agent came: this shows nothing")
	}
	cloudSetup(t, "masked inactive masked")

	// The plugin's ENI, and what it does with it for a pod.
	link := must(i.AttachENI(within(t, time.Minute)))(t)
	kept(t, i, link)
	is(t, link, "unmanaged")
	// Unmanaged is also what a link is before NetworkManager takes it.
	never := func(t *testing.T) {
		t.Helper()
		if out := shell(t, i, "journalctl -u NetworkManager -b --no-pager | grep -F 'device ("+link+"): state change' || true"); out != "" {
			t.Errorf("NetworkManager has had %s: %s", link, out)
		}
	}
	shell(t, i, strings.ReplaceAll(podOnENI, "ens8", link))
	speaks := func(t *testing.T) {
		t.Helper()
		is(t, "ens5", "connected")
		is(t, link, "unmanaged")
		is(t, "enipod", "unmanaged")
		out := shell(t, i, "ip -4 -o addr show dev "+link+"; ip route show table 4; ip rule")
		for _, want := range []string{"inet 10.0.4.250/32", "default via 10.0.0.1 dev " + link, "512:\tfrom all to 10.0.3.200", "1536:\tfrom 10.0.3.200 lookup 4"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q is left: %s", want, out)
			}
		}
		shell(t, i, "ip netns exec pod ping -q -c 2 -i 0.2 -W 2 10.0.0.1")
	}
	t.Run("the plugin's ENI and links of pods stay as the plugin made them", func(t *testing.T) {
		// Of every kind of plugin; NetworkManager's own rule would leave a veth of a name like a card's.
		for _, name := range []string{"veth0", "eni0", "lxc0", "cali0"} {
			shell(t, i, "ip link add "+name+" type veth peer name eth9 && ip link set eth9 up && ip link set "+name+" up")
			is(t, name, "unmanaged")
			shell(t, i, "ip link delete "+name)
		}
		shell(t, i, "ip link add cni0 type bridge && ip addr add 192.0.2.1/24 dev cni0 && ip link set cni0 up")
		is(t, "cni0", "unmanaged")
		speaks(t)
		shell(t, i, "nmcli general reload")
		speaks(t)
		shell(t, i, "systemctl restart NetworkManager && nm-online -s -q")
		speaks(t)
		// Also of links that are there udev says that they are added, also of the primary one.
		shell(t, i, "udevadm trigger --action=add --subsystem-match=net && udevadm settle && systemctl restart NetworkManager && nm-online -s -q")
		if out := shell(t, i, "udevadm info /sys/class/net/ens5 /sys/class/net/"+link); strings.Count(out, "NM_UNMANAGED=1") != 1 || !strings.Contains(out, "EKSNODE_ENI=plugin") {
			t.Errorf("udev says %s", out)
		}
		speaks(t)
		never(t)
		if out := shell(t, i, "cat /var/log/nm-cloud-setup"); out != ran {
			t.Errorf("nm-cloud-setup runs: %s", out)
		}
	})
	if t.Failed() {
		return
	}
	t.Run("it is remembered over a reboot", func(t *testing.T) {
		// A box keeps its interfaces over a reboot; a machine finds them as they are attached.
		shell(t, i, "ip netns delete pod; ip rule delete priority 512; ip rule delete priority 1536; ip addr flush dev "+link+"; ip link set "+link+" down; ip link delete cni0")
		if err := i.Reboot(within(t, 2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		settled(t, l, i)
		kept(t, i, "ens5")
		kept(t, i, link)
		is(t, "ens5", "connected")
		is(t, link, "unmanaged")
		never(t)
		cloudSetup(t, "masked inactive masked")
		nothingToDo(t, i)
	})
	const dropIns = "ls /etc/NetworkManager/conf.d/90-eksnode* 2>/dev/null || true"
	t.Run("a reset gives NetworkManager all of it back, and a node takes it again", func(t *testing.T) {
		if status, out := code(t, i, "eksnode", "reset", "--yes"); status != 0 {
			t.Fatalf("reset exits %d: %s", status, out)
		}
		if out := shell(t, i, dropIns); out != "" {
			t.Errorf("a reset has left %s", out)
		}
		is(t, "ens5", "connected")
		is(t, link, "connected")
		cloudSetup(t, "enabled active enabled")
		shell(t, i, "eksnode init")
		is(t, "ens5", "connected")
		is(t, link, "unmanaged")
		if out := shell(t, i, "ip -4 -o addr show dev "+link); out != "" {
			t.Errorf("%s has %s", link, out)
		}
		cloudSetup(t, "masked inactive masked")
		nothingToDo(t, i)
	})
	t.Run("nm-cloud-setup is off at once where it comes to a node", func(t *testing.T) {
		shell(t, i, "rm /etc/systemd/system/nm-cloud-setup.*; systemctl daemon-reload; systemctl reset-failed nm-cloud-setup.service; systemctl start nm-cloud-setup.timer")
		shell(t, i, "eksnode init")
		ran := shell(t, i, "cat /var/log/nm-cloud-setup")
		shell(t, i, "systemctl restart NetworkManager && nm-online -s -q")
		if out := shell(t, i, "cat /var/log/nm-cloud-setup"); out != ran {
			t.Errorf("it runs when NetworkManager starts: %s", out)
		}
		cloudSetup(t, "masked inactive masked")
		nothingToDo(t, i)
	})
	t.Run("an ENI that goes is forgotten", func(t *testing.T) {
		if err := i.DetachENI(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		says(t, i, "it is forgotten", dropIns+"; "+eniRecords, func(out string) bool { return !strings.Contains(out, link) && strings.Contains(out, "ens5:") })
		nothingToDo(t, i)
	})
}
