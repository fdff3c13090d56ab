//go:build linux

package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
	"github.com/eksnode/eksnode/test/lab/aws"
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
	t.Run("the agent tells where the instance is", func(t *testing.T) {
		out := shell(t, i, "eksnode hardware --metadata yes")
		for _, want := range []string{"instance  " + i.ID() + "  m5.large", "region    us-west-2  partition aws", "us-west-2a", "availability-zone"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in %s", want, out)
			}
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
		unmanaged := func() { t.Helper(); linkIs(t, i, link, "unmanaged") }
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

// eniRecords shows who looks after which ENI, as it is written down.
const eniRecords = "cd /etc/eks/nodeadm/udev-net-manager/* && grep -sH . * || true"

// daemonLinks has the daemon take the links of boxes for ENIs, which have not EC2's drivers.
const daemonLinks = "[Service]\nEnvironment=EKSNODE_ENI_LINKS=ens*\n"

// says waits until a command in the instance prints what holds.
func says(t *testing.T, i *lab.Instance, what, command string, holds func(string) bool) {
	t.Helper()
	err := lab.Wait(within(t, time.Minute), what, func(ctx context.Context) error {
		out, err := i.Shell(ctx, command)
		if err == nil && !holds(strings.TrimSpace(out)) {
			err = errors.New(out)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// linkIs waits until systemd-networkd says so of a link.
func linkIs(t *testing.T, i *lab.Instance, link, state string) {
	t.Helper()
	says(t, i, link+" is "+state, "networkctl list --no-legend "+link, func(out string) bool { return strings.HasSuffix(out, " "+state) })
}

// boxRule is where an instance's disk has the package's udev rule for the links of boxes, which have not EC2's drivers: in
// the place of the one in the package.
const boxRule = "/etc/udev/rules.d/90-eksnode-eni.rules"

// boxLinks and machineLinks are how the rule tells the ENIs of boxes, and of machines with a kernel of their own.
const (
	boxLinks     = `ENV{INTERFACE}!="ens[0-9]*"`
	machineLinks = `ENV{ID_NET_DRIVER}!="virtio_net"`
)

// rule is the content of [boxRule].
func rule(t *testing.T, links string) []byte {
	t.Helper()
	text := must(os.ReadFile("../../../packaging/udev/90-eksnode-eni.rules"))(t)
	const drivers = `ENV{ID_NET_DRIVER}!="ena|ixgbevf|vif"`
	if !bytes.Contains(text, []byte(drivers)) {
		t.Fatalf("the rule has no %s", drivers)
	}
	return bytes.Replace(text, []byte(drivers), []byte(links), 1)
}

// kept waits until udev has had systemd start the unit of a link, and it is done.
func kept(t *testing.T, i *lab.Instance, link string) {
	t.Helper()
	says(t, i, "udev starts the unit of "+link, "systemctl is-active eksnode-eni@"+link+" || true", func(out string) bool { return out == "active" })
}

// TestENIsHaveTheirKeeperWithoutNodeadm has the package's udev rule and units, real udev and real systemd-networkd do it
// all: nothing is called by hand.
func TestENIsHaveTheirKeeperWithoutNodeadm(t *testing.T) {
	l := start(t, lab.Options{NoControlPlane: true, IPv6: true})
	i := launch(t, l, lab.InstanceSpec{ENIs: 3, Files: map[string][]byte{
		"/etc/systemd/system/eksnode-config.service.d/off.conf": []byte("[Unit]\nConditionPathExists=/nonexistent\n"),
		"/etc/systemd/system/eksnode-run.service.d/off.conf":    []byte("[Unit]\nConditionPathExists=/nonexistent\n"),
		// The daemon hears of the same links, and does not get in the way.
		"/etc/systemd/system/eksnode.service.d/links.conf": []byte(daemonLinks),
		boxRule: rule(t, boxLinks),
	}})
	if err := i.WaitOnline(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	configured := func(links ...string) {
		t.Helper()
		for _, link := range links {
			err := lab.Wait(within(t, time.Minute), link+" is configured", func(ctx context.Context) error {
				out, err := i.Run(ctx, "networkctl", "status", link)
				if err == nil && (!strings.Contains(out, "/run/systemd/network/70-eks-"+link+".network") || !strings.Contains(out, "(configured)")) {
					err = errors.New(out)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	configured("ens5", "ens6", "ens7")

	t.Run("udev takes the rule, but not beside nodeadm's", func(t *testing.T) {
		out := shell(t, i, "udevadm test --action=add /sys/class/net/ens6 2>&1")
		if !strings.Contains(out, "SYSTEMD_WANTS=eksnode-eni@ens6.service") || strings.Contains(out, "90-eksnode-eni.rules:") {
			t.Errorf("udev says: %s", out)
		}
		if out := shell(t, i, "touch /etc/udev/rules.d/90-eks.rules; udevadm test --action=add /sys/class/net/ens6 2>&1; rm /etc/udev/rules.d/90-eks.rules"); strings.Contains(out, "eksnode-eni@") {
			t.Errorf("beside nodeadm's rule: %s", out)
		}
		if out := shell(t, i, "systemd-analyze cat-config systemd/network/99-default.link"); !strings.Contains(out, "MACAddressPolicy=none") {
			t.Errorf("links: %s", out)
		}
	})
	t.Run("rules and routes are nodeadm's, and those of IPv6", func(t *testing.T) {
		rules, rules6 := shell(t, i, "ip rule"), shell(t, i, "ip -6 rule")
		for k, link := range []string{"ens6", "ens7"} {
			e, table := i.EC2.Instance().Interfaces[k+1], []string{"10001", "10002"}[k]
			if !strings.Contains(rules, "32765:\tfrom "+e.IPv4s[0]+" lookup "+table) {
				t.Errorf("rules: %s", rules)
			}
			if !strings.Contains(rules6, "32765:\tfrom "+e.IPv6s[0]+" lookup "+table) {
				t.Errorf("IPv6 rules: %s", rules6)
			}
			for _, from := range []string{"192.0.2.1 from " + e.IPv4s[0], "2001:db8:ffff::1 from " + e.IPv6s[0]} {
				// A router advertisement may come after the link is configured.
				err := lab.Wait(within(t, time.Minute), "there is a route to "+from, func(ctx context.Context) error {
					out, err := i.Shell(ctx, "ip route get "+from)
					if err == nil && (!strings.Contains(out, "dev "+link) || !strings.Contains(out, "table "+table)) {
						err = errors.New(out)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
			if out := shell(t, i, "ip -4 route show default dev "+link); !strings.Contains(out, "metric "+[]string{"513", "514"}[k]) {
				t.Errorf("default route of %s: %s", link, out)
			}
		}
		if strings.Contains(rules+rules6, "lookup 10000") {
			t.Errorf("the primary has a rule: %s", rules)
		}
	})

	shell(t, i, "mkdir -p /run/nodeadm && touch /run/nodeadm/init")
	link := must(i.AttachENI(within(t, time.Minute)))(t)
	kept(t, i, link)
	alone := func(t *testing.T) { t.Helper(); linkIs(t, i, link, "unmanaged") }
	t.Run("a pod with an address of the plugin's ENI speaks by it, also when systemd-networkd is started again", func(t *testing.T) {
		shell(t, i, podOnENI)
		speaks := func() {
			t.Helper()
			alone(t)
			if out := shell(t, i, "ip route get 10.0.0.1 from 10.0.3.200 iif enipod"); !strings.Contains(out, "dev "+link+" table 4") {
				t.Errorf("route of the pod: %s", out)
			}
			sent := shell(t, i, "cat /sys/class/net/"+link+"/statistics/tx_packets")
			shell(t, i, "ip netns exec pod ping -c 2 -i 0.2 -W 2 10.0.0.1")
			if after := shell(t, i, "cat /sys/class/net/"+link+"/statistics/tx_packets"); after == sent {
				t.Errorf("nothing left by %s", link)
			}
		}
		speaks()
		shell(t, i, "systemctl restart systemd-networkd")
		configured("ens5", "ens6", "ens7")
		speaks()
		if out := shell(t, i, "networkctl list --no-legend enipod"); !strings.Contains(out, "unmanaged") {
			t.Errorf("the pod's link is not left alone: %s", out)
		}
	})
	t.Run("whose ENIs are is remembered over a reboot, and forgotten when they go", func(t *testing.T) {
		if err := i.Reboot(within(t, 2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ens5", "ens6", "ens7", link} {
			kept(t, i, name)
		}
		configured("ens5", "ens6", "ens7")
		alone(t)
		if out := shell(t, i, eniRecords); !strings.Contains(out, link+":cni") {
			t.Errorf("who looks after %s is forgotten: %s", link, out)
		}
		if err := i.DetachENI(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		says(t, i, "it is forgotten", eniRecords, func(out string) bool { return !strings.Contains(out, link) && strings.Contains(out, "ens7:") })
	})
}

// TestTheDaemonKeepsENIsWithoutUdev has no rule for the links of boxes: the kernel alone tells of them, over netlink.
func TestTheDaemonKeepsENIsWithoutUdev(t *testing.T) {
	l := start(t, lab.Options{NoControlPlane: true})
	i := launch(t, l, lab.InstanceSpec{ENIs: 2, Files: map[string][]byte{
		"/etc/systemd/system/eksnode-config.service.d/off.conf": []byte("[Unit]\nConditionPathExists=/nonexistent\n"),
		// In the place of the node's start, what it begins with: from then on ENIs are the plugin's.
		"/etc/systemd/system/eksnode-run.service.d/mark.conf": []byte("[Service]\nExecStart=\nExecStart=/bin/sh -c 'ls /etc/eks/nodeadm/udev-net-manager/* >/run/decided; mkdir -p /run/nodeadm; touch /run/nodeadm/init'\n"),
		"/etc/systemd/system/eksnode.service.d/links.conf":    []byte(daemonLinks),
	}})
	if err := i.WaitOnline(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	booted := func() {
		t.Helper()
		says(t, i, "the node's start is done", "systemctl is-active eksnode-run || true", func(out string) bool { return out == "active" })
		// The start has waited for what the daemon decides about the ENIs of the boot.
		if out := shell(t, i, "cat /run/decided"); !strings.Contains(out, "ens5") || !strings.Contains(out, "ens6") {
			t.Errorf("decided before the node's start: %s", out)
		}
		linkIs(t, i, "ens5", "configured")
		linkIs(t, i, "ens6", "configured")
	}
	booted()
	if out := shell(t, i, "systemctl show eksnode --property=StatusText,Type,NRestarts"); !strings.Contains(out, "StatusText=watching network interfaces") || !strings.Contains(out, "NRestarts=0") {
		t.Errorf("the daemon: %s", out)
	}
	if out := shell(t, i, "ip rule"); !strings.Contains(out, "32765:\tfrom "+i.EC2.Instance().Interfaces[1].IPv4s[0]+" lookup 10001") {
		t.Errorf("rules: %s", out)
	}

	link := must(i.AttachENI(within(t, time.Minute)))(t)
	says(t, i, "whose it is is written down", eniRecords, func(out string) bool { return strings.Contains(out, link+":cni") })
	linkIs(t, i, link, "unmanaged")
	// Pods' links are none of its business, however many.
	i.EC2.ResetRequests()
	shell(t, i, "for n in $(seq 20); do ip link add eni$n type veth peer name peer$n; done; for n in $(seq 20); do ip link del eni$n; done")
	if asked := i.EC2.Requests(); len(asked) > 0 {
		t.Errorf("for the links of pods metadata was asked %d times", len(asked))
	}
	shell(t, i, "systemctl kill --signal=KILL eksnode")
	says(t, i, "systemd starts it again", "systemctl show eksnode --property=NRestarts,ActiveState", func(out string) bool {
		return strings.Contains(out, "NRestarts=1") && strings.Contains(out, "ActiveState=active")
	})
	linkIs(t, i, link, "unmanaged")
	if err := i.DetachENI(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	says(t, i, "it is forgotten", eniRecords, func(out string) bool {
		return !strings.Contains(out, link) && strings.Contains(out, "ens6:io.systemd.Network")
	})

	again := must(i.AttachENI(within(t, time.Minute)))(t)
	says(t, i, "it is written down again", eniRecords, func(out string) bool { return strings.Contains(out, again+":cni") })
	if err := i.Reboot(within(t, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	booted()
	linkIs(t, i, again, "unmanaged")
}

// podOnENI does what the VPC CNI does for a pod with a secondary address of the fourth ENI (card 0, device 3: table 4).
// That the VPC brings the address's packets to this ENI is in the lab that the ENI answers for it.
const podOnENI = `set -e
sysctl -qw net.ipv4.ip_forward=1
ip link set ens8 up
ip addr add 10.0.4.250/32 dev ens8
ip route add 10.0.0.1 dev ens8 scope link table 4
ip route add default via 10.0.0.1 dev ens8 table 4
ip netns add pod
ip link add enipod type veth peer name eth0 netns pod
ip link set enipod up
ip -n pod link set eth0 up
ip -n pod addr add 10.0.3.200/32 dev eth0
ip -n pod route add 169.254.1.1 dev eth0 scope link
ip -n pod route add default via 169.254.1.1
ip -n pod neigh add 169.254.1.1 lladdr $(cat /sys/class/net/enipod/address) dev eth0 nud permanent
ip route add 10.0.3.200/32 dev enipod scope link
ip rule add priority 512 to 10.0.3.200/32 lookup main
ip rule add priority 1536 from 10.0.3.200/32 lookup 4
sysctl -qw net.ipv4.conf.ens8.proxy_arp=1 net.ipv4.neigh.ens8.proxy_delay=0 net.ipv4.conf.ens8.rp_filter=2
`

// TestENIsOfOtherCardsAndThoseThatMetadataIsLateAbout has an instance with three cards: an ENI on the second, one for EFA
// alone on the third, and one on the first of which metadata says for a while that it is the primary one.
func TestENIsOfOtherCardsAndThoseThatMetadataIsLateAbout(t *testing.T) {
	l := start(t, lab.Options{NoControlPlane: true})
	i := launch(t, l, lab.InstanceSpec{ENIs: 4, Type: "p5.48xlarge", Files: map[string][]byte{
		"/etc/systemd/system/eksnode-config.service.d/off.conf": []byte("[Unit]\nConditionPathExists=/nonexistent\n"),
		"/etc/systemd/system/eksnode-run.service.d/off.conf":    []byte("[Unit]\nConditionPathExists=/nonexistent\n"),
	}})
	if err := i.WaitOnline(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	place := func(change func([]aws.Interface)) {
		t.Helper()
		if err := i.EC2.Update(func(desc *aws.Instance) { change(desc.Interfaces) }); err != nil {
			t.Fatal(err)
		}
	}
	place(func(all []aws.Interface) {
		all[1].NetworkCard, all[1].DeviceNumber = 1, 1
		all[2].NetworkCard, all[2].DeviceNumber, all[2].IPv4s = 2, 0, nil
		all[3].DeviceNumber = 0
	})
	shell(t, i, "for link in ens5 ens6 ens7; do systemctl start eksnode-eni@$link; done; systemctl start --no-block eksnode-eni@ens8")
	err := lab.Wait(within(t, time.Minute), "the agent waits for metadata", func(ctx context.Context) error {
		out, err := i.Journal(ctx, "eksnode-eni@ens8.service")
		if err == nil && !strings.Contains(out, "waiting for the description of a network interface") {
			err = errors.New(out)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := shell(t, i, "ls /run/systemd/network"); strings.Contains(out, "ens8") {
		t.Errorf("it is taken for what it is not: %s", out)
	}
	place(func(all []aws.Interface) { all[3].DeviceNumber = 3 })
	err = lab.Wait(within(t, time.Minute), "all links are as they shall be", func(ctx context.Context) error {
		for link, want := range map[string]string{"ens5": "configured", "ens6": "configured", "ens7": "unmanaged", "ens8": "configured"} {
			out, err := i.Run(ctx, "networkctl", "list", "--no-legend", link)
			if err == nil && !strings.Contains(out, want) {
				err = errors.New(out)
			}
			if err != nil {
				return err
			}
		}
		// The card has the number of an instance with several only when metadata has said it.
		rules, err := i.Run(ctx, "ip", "rule")
		for _, want := range []string{"from " + i.EC2.Instance().Interfaces[1].IPv4s[0] + " lookup 10101", "from " + i.EC2.Instance().Interfaces[3].IPv4s[0] + " lookup 10003"} {
			if err == nil && !strings.Contains(rules, want) {
				err = errors.New(rules)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if out := shell(t, i, "ip -4 route show default dev ens6"); !strings.Contains(out, "metric 613") {
		t.Errorf("default route of the second card: %s", out)
	}
	if out := shell(t, i, "ip -4 route show default dev ens7; ip -4 -o addr show dev ens7"); out != "" {
		t.Errorf("the ENI for EFA alone has %s", out)
	}
}
