package cni

import (
	"path"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// head is the first line of every file.
const head = "# Written by eksnode.\n"

// podLinks are the names of links that belong to network plugins: those of pods of the
// VPC CNI (eni, with security groups vlan and dummy), Cilium's (lxc, cilium), Calico's
// (cali and its tunnels), flannel's, those of the reference plugins (veth, cni), of
// kube-proxy and the node-local DNS cache, and the agent's own bridge.
func podLinks() []string {
	return []string{
		"veth*", "eni*", "vlan*", "dummy*", "cilium*", "lxc*", "cali*", "tunl*", "vxlan*.calico", "wireguard.cali", "wg-v6.cali",
		"flannel*", "cni*", "kube-ipvs*", "nodelocaldns", bridgeLink,
	}
}

// networkdPolicy is what systemd-networkd and udev must be told where nobody has told
// them yet: to leave alone the routes and rules that they have not made, which they
// else delete when they start; the links of pods; and the MAC addresses of these, to
// which the pods have static neighbour entries.
//
// A file of links is read by udev by itself. For all else systemd-networkd is started
// again, once in the machine's life: it keeps its leases over that, and with the new
// configuration also what others have made.
func networkdPolicy(in node.Input) []host.Resource {
	l, n := in.Layout, in.Present.Network
	var out []host.Resource
	if n.MACAddressesChanged {
		out = append(out, host.File{Path: l.MACPolicyDropIn, Content: []byte(MACPolicy()), Mode: 0o644})
	}
	if !n.Networkd {
		return out
	}
	var reads []host.ID
	add := func(f host.File) {
		out, reads = append(out, f), append(reads, f.ID())
	}
	if !n.ForeignRoutesKept {
		add(host.File{Path: l.NetworkdDropIn, Content: []byte(ForeignRoutes()), Mode: 0o644})
	}
	if !n.PodLinksUnmanaged {
		add(host.File{Path: l.PodLinks, Content: []byte(UnmanagedPodLinks()), Mode: 0o644})
	}
	if n.NetworkdRuns && len(reads) > 0 {
		out = append(out, host.Service{Name: l.NetworkdUnit, Running: true, Current: true, Reads: reads})
	}
	return out
}

// MACPolicy is a drop-in for systemd's systemd.link(5) file of all links.
func MACPolicy() string { return head + section("Link", "MACAddressPolicy=none") }

// ForeignRoutes is a drop-in for networkd.conf(5).
func ForeignRoutes() string {
	return head + section("Network", "ManageForeignRoutes=no", "ManageForeignRoutingPolicyRules=no")
}

// UnmanagedPodLinks is the systemd.network(5) file of the links of pods.
func UnmanagedPodLinks() string {
	return head + section("Match", "Name="+strings.Join(podLinks(), " ")) + "\n" + section("Link", "Unmanaged=yes")
}

// netUtilsOff takes amazon-ec2-net-utils out of the way, which would give every ENI
// routes and rules, and does so anew each minute. Its rule is masked as EKS images
// mask it; its units are stopped and masked as well.
func netUtilsOff(in node.Input) []host.Resource {
	l, n := in.Layout, in.Present.Network
	var out []host.Resource
	if n.NetUtilsRule {
		out = append(out, mask(path.Join(l.UdevRulesDir, "99-vpc-policy-routes.rules")))
	}
	for _, unit := range n.NetUtilsUnits {
		name, kind, _ := strings.Cut(unit, "@")
		if kind == ".timer" {
			for _, link := range n.ENILinks {
				out = append(out, host.Service{Name: name + "@" + link + kind})
			}
		}
		out = append(out, mask(path.Join(l.UnitDir, unit)))
	}
	return out
}

// networkManagerOff keeps NetworkManager from the links of pods and the plugin's ENIs, and
// switches nm-cloud-setup off, which would give every ENI rules and tables of its own.
//
// The file of an ENI is there already when the ENI came since the last run, see
// [Unmanaged]; it is missing when a reset has been here.
func networkManagerOff(in node.Input) ([]host.Resource, error) {
	l, n := in.Layout, in.Present.Network
	var out []host.Resource
	// Masked first: NetworkManager's start, its dispatcher and the timer start the service.
	for _, unit := range n.NMCloudSetup {
		out = append(out, mask(path.Join(l.UnitDir, unit)))
	}
	for _, unit := range n.NMCloudSetup {
		out = append(out, host.Service{Name: unit})
	}
	if !n.NetworkManager {
		return out, nil
	}
	var specs []string
	for _, name := range podLinks() {
		specs = append(specs, "interface-name:"+name)
	}
	// Added to what others have said.
	file := host.File{Path: l.NetworkManagerDropIn, Content: []byte(head + section("keyfile", "unmanaged-devices+="+strings.Join(specs, ";"))), Mode: 0o644}
	out = append(out, file)
	reads := []host.ID{file.ID()}
	for _, eni := range n.PluginENIs {
		file, err := Unmanaged(l, eni)
		if err != nil {
			return nil, err
		}
		out, reads = append(out, file), append(reads, file.ID())
	}
	if n.NetworkManagerRuns {
		// It lets go of what it has taken only when it reads this while it runs; what it
		// finds unmanaged at its start it leaves as it is, with addresses and routes.
		out = append(out, host.Service{Name: l.NetworkManagerUnit, Running: true, Current: true, Reads: reads, Reloads: true})
	}
	return out, nil
}

func mask(at string) host.Link { return host.Link{Path: at, Target: "/dev/null"} }

// bpfDir is where the kernel has the BPF file system mounted (kernel documentation,
// filesystems/sysfs, and bpf(2)).
const bpfDir = "/sys/fs/bpf"

// bpf mounts the file system in which Cilium keeps its programs and maps, and the VPC
// CNI's policy agent its own, on a machine whose systemd has not done it.
func bpf(in node.Input) []host.Resource {
	switch in.Config.Spec.CNI.Profile {
	case api.CNICiliumENI, api.CNICiliumOverlay, api.CNIVPC:
	default:
		return nil
	}
	if !in.Present.Network.BPFUnmounted {
		return nil
	}
	// systemd takes no mount unit for this place, which it calls its own.
	text := head + section("Unit", "Description=BPF file system of the network plugin", "DefaultDependencies=no",
		"Before="+in.Layout.ContainerdUnit+" "+in.Layout.KubeletUnit) +
		"\n" + section("Service", "Type=oneshot", "RemainAfterExit=yes",
		"ExecStart=/bin/sh -c 'mountpoint -q "+bpfDir+" || exec mount -t bpf -o nosuid,nodev,noexec,mode=700 bpf "+bpfDir+"'") +
		"\n" + section("Install", "WantedBy=multi-user.target")
	return []host.Resource{
		host.File{Path: path.Join(in.Layout.UnitDir, in.Layout.BPFUnit), Content: []byte(text), Mode: 0o644},
		host.Service{Name: in.Layout.BPFUnit, Enabled: true, Running: true, Current: true},
	}
}
