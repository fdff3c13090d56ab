package cni

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// images are machine images by what they have of the network.
func images() map[string]node.Network {
	primary := node.Network{Primary: "ens5", PrimaryMTU: 9001, ENILinks: []string{"ens5", "ens6"}}
	with := func(change func(*node.Network)) node.Network {
		n := primary
		change(&n)
		return n
	}
	return map[string]node.Network{
		// As EKS makes it: everything has been seen to.
		"al2023-eks": with(func(n *node.Network) {
			n.Networkd, n.NetworkdRuns, n.ForeignRoutesKept, n.PodLinksUnmanaged = true, true, true, true
		}),
		// As Amazon makes it.
		"al2023": with(func(n *node.Network) {
			n.Networkd, n.NetworkdRuns, n.MACAddressesChanged, n.NetUtilsRule = true, true, true, true
			n.NetUtilsUnits = []string{"policy-routes@.service", "refresh-policy-routes@.service", "refresh-policy-routes@.timer"}
		}),
		"ubuntu": with(func(n *node.Network) { n.Networkd, n.NetworkdRuns, n.MACAddressesChanged = true, true, true }),
		// netplan's other renderer; systemd-networkd is installed and does not run.
		"ubuntu-networkmanager": with(func(n *node.Network) {
			n.Networkd, n.MACAddressesChanged, n.NetworkManager, n.NetworkManagerRuns = true, true, true, true
			n.PluginENIs = []node.PluginENI{{Link: "ens6", MAC: "0a:00:00:00:00:02"}, {Link: "ens7", MAC: "0a:00:00:00:00:03", MACIsCurrent: true}}
		}),
		"rhel-nm-cloud-setup": with(func(n *node.Network) {
			n.MACAddressesChanged, n.NetworkManager, n.NetworkManagerRuns = true, true, true
			n.NMCloudSetup, n.BPFUnmounted = []string{"nm-cloud-setup.service", "nm-cloud-setup.timer"}, true
		}),
	}
}

func profiles() map[string]api.CNI {
	mtu, on := int64(1500), true
	return map[string]api.CNI{
		"unnamed":        {},
		"vpc-cni":        {Profile: api.CNIVPC},
		"cilium-eni":     {Profile: api.CNICiliumENI},
		"cilium-overlay": {Profile: api.CNICiliumOverlay},
		"calico":         {Profile: api.CNICalico},
		"none":           {Profile: api.CNINone},
		"bridge":         {Profile: api.CNIBridge, PodCIDRs: []string{"10.0.64.0/24"}},
		"ptp-dual-stack": {Profile: api.CNIPointToPoint, PodCIDRs: []string{"10.0.64.0/24", "2001:db8:1:64::/64"}, MTU: &mtu, Masquerade: &on},
	}
}

func input(n node.Network, c api.CNI) node.Input {
	in := node.Input{Layout: node.AL2023(), Present: node.Present{Network: n}}
	in.Config.Spec.CNI = c
	return in
}

func text(t *testing.T, in node.Input) string {
	t.Helper()
	rs, err := Wanted(in)
	if err != nil {
		t.Fatal(err)
	}
	var s host.State
	if err := s.Add(Name, rs...); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "== %s", r.ID())
		switch r := r.(type) {
		case host.File:
			fmt.Fprintf(&b, " %04o\n%s", r.Mode, r.Content)
		case host.Link:
			fmt.Fprintf(&b, " -> %s\n", r.Target)
		case host.Sysctl:
			fmt.Fprintf(&b, " = %s\n", r.Value)
		case host.Service:
			fmt.Fprintf(&b, " enabled=%v running=%v reads=%v\n", r.Enabled, r.Running, r.Reads)
		default:
			b.WriteString("\n")
		}
	}
	for _, n := range notes(in) {
		b.WriteString("note: " + n + "\n")
	}
	for _, r := range reasons(in) {
		fmt.Fprintf(&b, "why: %s is %s: %s\n", r.Setting, r.Value, r.From)
	}
	return b.String()
}

func TestTheNetworkOfEachImageWithEachProfile(t *testing.T) {
	for image, n := range images() {
		for profile, c := range profiles() {
			golden.Assert(t, "testdata/network/"+image+"/"+profile+".txt", text(t, input(n, c)))
		}
	}
}

// The package brings the same policy as the component writes where it is missing.
func TestThePackageHasThePolicyOfTheComponent(t *testing.T) {
	for file, want := range map[string]string{"networkd.conf": ForeignRoutes(), "pods.network": UnmanagedPodLinks(), "all-links.conf": MACPolicy()} {
		b, err := os.ReadFile("../../packaging/network/" + file)
		if err != nil {
			t.Fatal(err)
		}
		bare := func(s string) string {
			var out []string
			for line := range strings.Lines(s) {
				if !strings.HasPrefix(line, "#") {
					out = append(out, line)
				}
			}
			return strings.Join(out, "")
		}
		if bare(string(b)) != bare(want) {
			t.Errorf("%s has\n%swant\n%s", file, bare(string(b)), bare(want))
		}
	}
}

func TestAnUnknownMachineGetsNothingButTheMark(t *testing.T) {
	in := input(node.Network{}, api.CNI{})
	if got := text(t, in); got != "== file:/run/nodeadm/init 0644\n" {
		t.Errorf("got %s", got)
	}
	in.Problems = []node.Problem{{Fact: "present", Code: fault.FactMissing, Message: "input/output error"}}
	if rs, err := Wanted(in); fault.CodeOf(err) != fault.FactMissing {
		t.Errorf("what the image has is not known, and yet: %v, %v", rs, err)
	}
}

func TestSomebodyElsesPodNetworkIsLeftAlone(t *testing.T) {
	for _, others := range [][]string{{"10-aws.conflist"}, {"05-cilium.conflist", "10-eksnode.conflist"}, {"87-podman.conflist"}} {
		in := input(node.Network{CNIConfigs: others}, profiles()["bridge"])
		if got := text(t, in); strings.Contains(got, "file:/etc/cni") || !strings.Contains(got, "note: spec.cni.profile bridge has no effect on the network of pods: /etc/cni/net.d has "+others[0]) {
			t.Errorf("%v: %s", others, got)
		}
	}
	in := input(node.Network{CNIConfigs: []string{"10-eksnode.conflist"}}, profiles()["bridge"])
	if _, err := Wanted(in); fault.CodeOf(err) != fault.ConfigInvalid || !strings.Contains(err.Error(), "10-eksnode.conflist is there and not the agent's") {
		t.Errorf("a file of somebody else's with the agent's name: %v", err)
	}
}

func TestAPodNetworkNeedsItsPlugins(t *testing.T) {
	programs := map[string]bool{}
	in := input(node.Network{}, profiles()["bridge"])
	paths := Programs(in.Config, in.Layout)
	for _, p := range paths {
		programs[p] = true
	}
	in.Present.Programs = programs
	if len(paths) != 5 || Programs(input(node.Network{}, api.CNI{}).Config, in.Layout) != nil {
		t.Fatalf("looks for %v", paths)
	}
	var all network
	read := func() string {
		t.Helper()
		rs, err := podNetwork(in)
		if err != nil {
			t.Fatal(err)
		}
		all = network{}
		if err := json.Unmarshal(rs[0].(host.File).Content, &all); err != nil {
			t.Fatal(err)
		}
		var types []string
		for _, p := range all.Plugins {
			types = append(types, p.Type)
		}
		return strings.Join(types, " ")
	}
	if got := read(); got != "bridge portmap bandwidth" {
		t.Errorf("with all plugins: %s", got)
	}
	programs["/opt/cni/bin/bandwidth"], programs["/opt/cni/bin/portmap"] = false, false
	if got := read(); got != "bridge" || len(notes(in)) != 1 {
		t.Errorf("without the optional ones: %s, %v", got, notes(in))
	}
	for _, name := range []string{"bridge", "host-local", "loopback"} {
		programs["/opt/cni/bin/"+name] = false
		if _, err := Wanted(in); fault.CodeOf(err) != fault.BinaryMissing || !strings.Contains(err.Error(), "there is no /opt/cni/bin/"+name) {
			t.Errorf("without %s: %v", name, err)
		}
		programs["/opt/cni/bin/"+name] = true
	}
}

func TestRangesThatPodsCannotHaveAreRefused(t *testing.T) {
	for _, cidrs := range [][]string{nil, {"10.0.0.0"}, {"10.0.0.1/24"}, {"10.0.0.0/24", "10.1.0.0/24"}, {"2001:db8::/64", "2001:db8:1::/64"}} {
		in := input(node.Network{}, api.CNI{Profile: api.CNIPointToPoint, PodCIDRs: cidrs})
		if rs, err := Wanted(in); fault.CodeOf(err) != fault.ConfigInvalid {
			t.Errorf("%q: %v, %v", cidrs, rs, err)
		}
	}
}

func TestAPersonsOwnKernelSettingsWin(t *testing.T) {
	in := input(node.Network{Primary: "ens5"}, profiles()["vpc-cni"])
	for _, key := range []string{"net.ipv4.conf.ens5.rp_filter", "net/ipv4/conf/ens5/rp_filter"} {
		in.Config.Spec.Sysctls = map[string]string{key: "0"}
		if got := text(t, in); strings.Contains(got, "rp_filter") {
			t.Errorf("%s: %s", key, got)
		}
	}
	in = input(node.Network{}, profiles()["bridge"])
	in.Config.Spec.KernelModules = []api.KernelModule{{Name: "br-netfilter"}}
	if got := text(t, in); strings.Contains(got, "br_netfilter") {
		t.Error(got)
	}
	for _, tt := range []struct{ kernels, ours, want bool }{{false, false, true}, {true, false, false}, {true, true, true}} {
		in := input(node.Network{BridgeModuleOurs: tt.ours}, profiles()["bridge"])
		in.Present.BridgeNetfilter = tt.kernels
		if got := strings.Contains(text(t, in), "module:br_netfilter"); got != tt.want {
			t.Errorf("%+v: wanted %v", tt, got)
		}
	}
}

func TestALinkWhoseNameHasADotIsNoPartOfAKernelParameter(t *testing.T) {
	if got := text(t, input(node.Network{Primary: "eth0.100"}, profiles()["vpc-cni"])); strings.Contains(got, "rp_filter") {
		t.Error(got)
	}
}
