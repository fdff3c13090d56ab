package golden_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/node"
)

// feature is one part of the superset, testdata/superset/<name>.yaml laid over
// cluster.yaml, on one machine.
type feature struct {
	name    string
	machine string // m5.large unless told
	minors  []int  // of Kubernetes: those of supersetMinors unless told
	change  func(*node.Input)
}

// supersetMinors are versions of Kubernetes with containerd 1.7, 2.1 and 2.4.
var supersetMinors = map[int]struct{ kubelet, containerd string }{29: minors[0], 33: minors[2], 37: minors[4]}

var one = []int{33}

var features = []feature{
	{name: "facts", machine: "g5.xlarge"},
	{name: "node-name-fixed", change: named("worker-i-0123456789abcdef0", "spec.nodeName.name")},
	{name: "node-name-instance-id", minors: one, change: named("i-0123456789abcdef0", "spec.nodeName.source instanceId")},
	{name: "node-name-private-dns", minors: one},
	{name: "node-name-ip-name", minors: one, change: named("ip-10-0-1-23.us-west-2.compute.internal", "spec.nodeName.source ipName")},
	{name: "node-name-resource-name", minors: one, change: named("i-0123456789abcdef0.us-west-2.compute.internal", "spec.nodeName.source resourceName")},
	{name: "cni-vpc-cni"},
	{name: "cni-vpc-cni-prefixes", minors: one},
	{name: "cni-vpc-cni-custom-networking", minors: one},
	{name: "cni-vpc-cni-security-groups", minors: one},
	{name: "cni-vpc-cni-two-enis", minors: one},
	{name: "cni-cilium-eni", minors: one},
	{name: "cni-cilium-eni-prefixes", minors: one},
	{name: "cni-cilium-overlay", minors: one},
	{name: "cni-calico", minors: one},
	{name: "cni-none", minors: one},
	{name: "reserved-eks"},
	{name: "reserved-gke"},
	{name: "reserved-expression"},
	{name: "registries"},
	{name: "registries-ipv6", minors: []int{33, 37}}, // containerd 1.7 refuses them
	{name: "image-credentials"},
	{name: "proxy"},
	{name: "kernel"},
	{name: "huge-pages-and-swap"},
	{name: "ulimits"},
	{name: "time-sync-chrony"},
	{name: "time-sync-timesyncd", change: func(in *node.Input) { in.Present.Chrony, in.Present.ChronySources, in.Present.Timesyncd = "", "", true }},
	{name: "static-pods"},
	{name: "hooks"},
	{name: "local-disks", machine: "i4i.large"},
	{name: "hostile", minors: []int{33, 37}, change: func(in *node.Input) { in.Present.Programs[`/opt/bin/acr "%i" $x`] = true }},
	{name: "everything", machine: "g5.xlarge", change: named("worker-i-0123456789abcdef0", "spec.nodeName.name")},
}

// named gives the node the name that the platform finds.
func named(name, source string) func(*node.Input) {
	return func(in *node.Input) { in.Instance.NodeName, in.Instance.NodeNameSource = name, source }
}

// input is a machine that has all that some feature needs.
func (f feature) input(t testing.TB, minor int) node.Input {
	t.Helper()
	name := f.machine
	if name == "" {
		name = "m5.large"
	}
	version := supersetMinors[minor]
	in := input(t, machineOf(t, name), version.kubelet, version.containerd, ipv4)
	in.Config = load(t, filepath.Join("situations", "cluster"), filepath.Join("superset", f.name))
	in.Instance.Lifecycle = "spot"
	in.Instance.Tags = map[string]string{"team": "data"}
	in.Instance.VPCNetworks = []string{"10.0.0.0/16", "2600:1f14:aaaa::/56"}
	in.Hardware.OS.KernelRelease = "6.1.141-155.222.amzn2023.x86_64"
	in.Present.Chrony, in.Present.ChronySources = "chronyd.service", "/run/chrony.d/eksnode.sources"
	in.Present.SetupLocalDisks = true
	in.Present.Programs = map[string]bool{"/opt/bin/acr": true, "/opt/bin/in-place": true}
	if f.change != nil {
		f.change(&in)
	}
	return in
}

// everyFeature yields the inputs of all features.
func everyFeature(t testing.TB, yield func(name string, in node.Input)) {
	t.Helper()
	for _, f := range features {
		minors := f.minors
		if minors == nil {
			minors = []int{29, 33, 37}
		}
		for _, minor := range minors {
			yield(f.name+"-1."+strconv.Itoa(minor), f.input(t, minor))
		}
	}
}

func TestEveryFeatureGetsItsWholeState(t *testing.T) {
	known := map[string]bool{}
	everyFeature(t, func(name string, in node.Input) {
		known[name+".txt"] = true
		t.Run(name, func(t *testing.T) {
			golden.Assert(t, filepath.Join("testdata", "superset", name+".txt"), why(in)+text(desired(t, in)))
		})
	})
	for _, f := range features {
		known[f.name+".yaml"] = true
	}
	files, err := filepath.Glob("testdata/superset/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[filepath.Base(f)] {
			t.Errorf("%s belongs to no feature", f)
		}
	}
}

// why prints the reasons and the notes of all components.
func why(in node.Input) string {
	var b strings.Builder
	b.WriteString("== decisions\n")
	for _, r := range node.Reasons(in, components()) {
		fmt.Fprintf(&b, "   %s: %s = %s: %s\n", r.Component, r.Setting, r.Value, r.From)
	}
	for _, n := range node.Notes(in, components()) {
		b.WriteString("   note: " + n + "\n")
	}
	return b.String()
}

// The number of pods follows from the plugin and the machine: an old one on Xen,
// a usual one, one with many network cards, and one on ARM.
func TestThePodsOfEachNetworkPluginOnEachMachine(t *testing.T) {
	var b strings.Builder
	for _, f := range features {
		if !strings.HasPrefix(f.name, "cni-") {
			continue
		}
		for _, m := range []string{"t2.micro", "m5.large", "p5.48xlarge", "c7gn.16xlarge"} {
			f.machine = m
			fmt.Fprintf(&b, "== %s on %s\n", f.name, m)
			in := f.input(t, 33)
			if _, err := node.Desired(in, components()); err != nil {
				b.WriteString("   refused: " + err.Error() + "\n")
				continue
			}
			for _, r := range node.Reasons(in, components()) {
				if r.Component == "kubelet" && (strings.Contains(strings.ToLower(r.Setting), "pods") || strings.Contains(r.Setting, "kubeReserved")) {
					fmt.Fprintf(&b, "   %s = %s: %s\n", r.Setting, r.Value, r.From)
				}
			}
			for _, n := range node.Notes(in, components()) {
				b.WriteString("   note: " + n + "\n")
			}
		}
	}
	golden.Assert(t, filepath.Join("testdata", "superset-pods.txt"), b.String())
}
