package system

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

func TestPresentTellsWhoHasASayInTheNetwork(t *testing.T) {
	const (
		networkd = "usr/lib/systemd/system/systemd-networkd.service = [Service]"
		allLinks = "usr/lib/systemd/network/99-default.link = [Match]\nOriginalName=*\n[Link]\nNamePolicy=keep\nMACAddressPolicy=persistent\n"
	)
	file := func(path string) host.ID { return host.ID{Kind: host.KindFile, Name: path} }
	link := func(path string) host.ID { return host.ID{Kind: host.KindLink, Name: path} }
	for _, row := range []struct {
		name   string
		things []string
		owned  []host.ID
		want   node.Network
	}{
		{name: "bare machine"},
		{
			name: "EKS' image",
			things: []string{networkd, allLinks, "run/systemd/netif/state = x",
				"usr/lib/systemd/networkd.conf.d/80-release.conf = [Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n",
				"etc/systemd/network/99-default.link.d/99-no-policy.conf = [Link]\nMACAddressPolicy=none\n",
				"usr/lib/udev/rules.d/99-vpc-policy-routes.rules = x", "etc/udev/rules.d/99-vpc-policy-routes.rules -> /dev/null"},
			want: node.Network{Networkd: true, NetworkdRuns: true, ForeignRoutesKept: true},
		},
		{
			name: "Amazon Linux as Amazon makes it",
			things: []string{networkd, allLinks, "run/systemd/netif/state = x", "usr/lib/udev/rules.d/99-vpc-policy-routes.rules = x",
				"usr/lib/systemd/system/policy-routes@.service = x", "usr/lib/systemd/system/refresh-policy-routes@.timer = x",
				"sys/class/net/ens5/device/driver -> ../../../../bus/pci/drivers/ena", "sys/class/net/ens6/device/driver -> ../../../../bus/pci/drivers/ena",
				"sys/class/net/lo/address = 00:00:00:00:00:00", "sys/class/net/eth0/device/driver -> ../../../bus/pci/drivers/virtio_net"},
			want: node.Network{Networkd: true, NetworkdRuns: true, MACAddressesChanged: true, NetUtilsRule: true,
				NetUtilsUnits: []string{"policy-routes@.service", "refresh-policy-routes@.timer"}, ENILinks: []string{"ens5", "ens6"}},
		},
		{
			name: "a rule and units that the agent has masked, an administrator's among them",
			things: []string{"usr/lib/udev/rules.d/99-vpc-policy-routes.rules = x", "etc/udev/rules.d/99-vpc-policy-routes.rules -> /dev/null",
				"etc/systemd/system/policy-routes@.service -> /dev/null", "etc/systemd/system/nm-cloud-setup.timer -> /dev/null"},
			owned: []host.ID{link("/etc/udev/rules.d/99-vpc-policy-routes.rules"), link("/etc/systemd/system/policy-routes@.service"), link("/etc/systemd/system/nm-cloud-setup.timer")},
			want:  node.Network{NetUtilsRule: true, NetUtilsUnits: []string{"policy-routes@.service"}, NMCloudSetup: []string{"nm-cloud-setup.timer"}},
		},
		{
			name:   "units that somebody else has masked",
			things: []string{"usr/lib/systemd/system/nm-cloud-setup.timer = x", "etc/systemd/system/nm-cloud-setup.timer -> /dev/null", "usr/lib/systemd/system/nm-cloud-setup.service -> /dev/null"},
			want:   node.Network{}, // they do nothing any more
		},
		{
			name: "the package's policy",
			things: []string{networkd, allLinks, "usr/lib/systemd/networkd.conf.d/80-eksnode.conf = [Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n",
				"usr/lib/systemd/network/60-eksnode-pods.network = x", "usr/lib/systemd/network/99-default.link.d/90-eksnode.conf = [Link]\nMACAddressPolicy=none\n"},
			want: node.Network{Networkd: true, ForeignRoutesKept: true, PodLinksUnmanaged: true},
		},
		{
			name: "the package's policy masked, and the agent's own in its place",
			things: []string{networkd, allLinks, "usr/lib/systemd/networkd.conf.d/80-eksnode.conf = [Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n",
				"etc/systemd/networkd.conf.d/80-eksnode.conf = ours", "usr/lib/systemd/network/60-eksnode-pods.network = x", "etc/systemd/network/60-eksnode-pods.network = ours",
				"etc/systemd/network/99-default.link.d/90-eksnode.conf = [Link]\nMACAddressPolicy=none\n"},
			owned: []host.ID{file("/etc/systemd/networkd.conf.d/80-eksnode.conf"), file("/etc/systemd/network/60-eksnode-pods.network"), file("/etc/systemd/network/99-default.link.d/90-eksnode.conf")},
			want:  node.Network{Networkd: true, MACAddressesChanged: true},
		},
		{
			name: "a later drop-in takes back what an earlier one says, one of two is not enough",
			things: []string{networkd, "etc/systemd/networkd.conf = [Network]\n# ManageForeignRoutes=yes\nManageForeignRoutes = off\n",
				"usr/lib/systemd/networkd.conf.d/10-a.conf = [Network]\nManageForeignRoutingPolicyRules=false\n",
				"run/systemd/networkd.conf.d/90-b.conf = [Network]\nManageForeignRoutingPolicyRules=yes\n", "etc/systemd/networkd.conf.d/95-c.conf = [DHCPv4]\nManageForeignRoutingPolicyRules=no\n"},
			want: node.Network{Networkd: true},
		},
		{
			name: "a drop-in masked by one of its name",
			things: []string{networkd, "usr/lib/systemd/networkd.conf.d/80-x.conf = [Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n",
				"etc/systemd/networkd.conf.d/80-x.conf -> /dev/null"},
			want: node.Network{Networkd: true},
		},
		{
			name: "pod links that an administrator has given to systemd-networkd",
			things: []string{networkd, "usr/lib/systemd/network/60-eksnode-pods.network = x",
				"etc/systemd/network/60-eksnode-pods.network -> /dev/null"},
			want: node.Network{Networkd: true, PodLinksUnmanaged: true},
		},
		{
			name:   "NetworkManager that runs",
			things: []string{"usr/lib/systemd/system/NetworkManager.service = x", "run/NetworkManager/devices/2 = x"},
			want:   node.Network{NetworkManager: true, NetworkManagerRuns: true},
		},
		{
			name:   "somebody's kubelet unit that leaves the firewall as it is, with the agent's drop-in",
			things: []string{"usr/lib/systemd/system/kubelet.service = [Service]\n", "etc/systemd/system/kubelet.service.d/10-eksnode-forward.conf = FORWARD", "etc/systemd/system/kubelet.service.d/20-slice.conf = [Service]\n"},
			owned:  []host.ID{file("/etc/systemd/system/kubelet.service.d/10-eksnode-forward.conf")},
			want:   node.Network{ForwardUnset: true},
		},
		{
			name:   "a kubelet unit that lets packets pass",
			things: []string{"usr/lib/systemd/system/kubelet.service = [Service]\nExecStartPre=/sbin/iptables -P FORWARD ACCEPT\n"},
		},
		{
			name:   "a kubelet unit whose drop-in lets packets pass",
			things: []string{"usr/lib/systemd/system/kubelet.service = [Service]\n", "run/systemd/system/kubelet.service.d/10-x.conf = [Service]\nExecStartPre=/sbin/iptables -P FORWARD ACCEPT\n"},
		},
		{
			name:   "a kubelet unit that is masked, and gets one of the agent's",
			things: []string{"usr/lib/systemd/system/kubelet.service = [Service]\n", "etc/systemd/system/kubelet.service -> /dev/null"},
		},
		{
			name:   "networks of pods",
			things: []string{"etc/cni/net.d/10-eksnode.conflist = ours", "etc/cni/net.d/05-cilium.conflist = x", "etc/cni/net.d/10-aws.conflist.bak = x", "etc/cni/net.d/99-loopback.conf = x", "etc/cni/net.d/README = x"},
			owned:  []host.ID{file("/etc/cni/net.d/10-eksnode.conflist")},
			want:   node.Network{CNIConfigs: []string{"05-cilium.conflist", "99-loopback.conf"}},
		},
		{
			name:   "no BPF file system",
			things: []string{"sys/fs/bpf/x = x", "proc/self/mountinfo = 24 1 0:22 / /sys rw - sysfs sysfs rw\n"},
			want:   node.Network{BPFUnmounted: true},
		},
		{
			name:   "a BPF file system, and a module, of the agent's",
			things: []string{"sys/fs/bpf/x = x", "proc/self/mountinfo = 30 24 0:27 / /sys/fs/bpf rw shared:9 - bpf bpf rw,mode=700\n"},
			owned:  []host.ID{file("/etc/systemd/system/eksnode-bpf.service"), {Kind: host.KindModule, Name: "br_netfilter"}},
			want:   node.Network{BPFUnmounted: true, BridgeModuleOurs: true},
		},
		{
			name:   "a BPF file system of systemd's",
			things: []string{"sys/fs/bpf/x = x", "proc/self/mountinfo = 30 24 0:27 / /sys/fs/bpf rw shared:9 - bpf bpf rw,mode=700\n"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, thing := range row.things {
				place(t, dir, thing)
			}
			var owned []host.Owned
			for _, id := range row.owned {
				owned = append(owned, host.Owned{ID: id, Owner: "network"})
			}
			got, err := Present(rootfs.At(dir), node.AL2023(), owned)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, got.Network); diff != "" {
				t.Errorf("network differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestThePrimaryLinkIsTheOldestWithTheInstancesAddress(t *testing.T) {
	dir := t.TempDir()
	for _, thing := range []string{
		"sys/class/net/br0/address = 02:00:00:00:00:01\n", "sys/class/net/br0/ifindex = 7\n", "sys/class/net/br0/mtu = 1500\n",
		"sys/class/net/ens5/address = 02:00:00:00:00:01\n", "sys/class/net/ens5/ifindex = 2\n", "sys/class/net/ens5/mtu = 9001\n",
		"sys/class/net/ens6/address = 02:00:00:00:00:02\n", "sys/class/net/ens6/ifindex = 1\n", "sys/class/net/ens6/mtu = 9001\n",
		"sys/class/net/bonding_masters = \n",
	} {
		place(t, dir, thing)
	}
	for mac, want := range map[string]string{"02:00:00:00:00:01": "ens5", "02:00:00:00:00:09": "", "": ""} {
		name, mtu := PrimaryLink(rootfs.At(dir), mac)
		if name != want || (mtu == 9001) != (want != "") {
			t.Errorf("%q: %q with MTU %d, want %q", mac, name, mtu, want)
		}
	}
}

func FuzzSettings(f *testing.F) {
	for _, seed := range []string{"[Network]\nManageForeignRoutes=no\n", "=\n[\n]=\n#a=b\n;c=d\n", "[a\n b = c = d \n", "\r\n[x]\r\ny=\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, twice := map[string]string{}, map[string]string{}
		readSettings(text, once)
		readSettings(text+"\n"+text, twice)
		// Lines before the first section are in the last one the second time.
		for key := range once {
			if _, ok := twice[key]; !ok {
				t.Errorf("%q is lost when the text is read twice", key)
			}
		}
	})
}
