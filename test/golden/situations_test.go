package golden_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/node"
)

// situation is one NodeConfig, testdata/situations/<name>.yaml laid over
// cluster.yaml, on one machine.
type situation struct {
	name    string
	machine string // m5.large unless told
	minor   int    // of Kubernetes: 35 unless told
	change  func(*node.Input)
}

var situations = []situation{
	{name: "user-kubelet-settings"},
	{name: "user-kubelet-settings-1.29", minor: 29},
	{name: "user-flags-with-backslash"},
	{name: "static-pod-headers-are-secret"},
	{name: "containerd-1-words-on-containerd-1.7", minor: 29},
	{name: "containerd-1-words-on-containerd-2.2"},
	{name: "containerd-1-words-on-containerd-2.4", minor: 37},
	{name: "containerd-neutral-settings-on-containerd-2"},
	{name: "containerd-2-words"},
	{name: "registry-credentials"},
	{name: "base-runtime-spec"},
	{name: "environment"},
	{name: "resolver"},
	{name: "instance-id-node-name", change: func(in *node.Input) {
		in.Instance.NodeName, in.Instance.NodeNameSource = in.Instance.ID, "feature gate InstanceIdNodeName"
	}},
	{name: "local-cluster-on-outpost"},
	{name: "gpu-machine", machine: "g5.xlarge"},
	{name: "gpu-image-without-gpu", change: func(in *node.Input) { in.Present.NvidiaRuntime = true }},
	{name: "unknown-instance-type", change: func(in *node.Input) { in.Instance.Type = "m99.large" }},
	{name: "max-pods-expression"},
	{name: "max-pods-expression-on-an-unknown-type", change: func(in *node.Input) {
		in.Instance.Type = "m99.large"
		in.Problems = []node.Problem{{Fact: "instance.limits", Code: "EC2Denied", Message: "DescribeInstanceTypes is not allowed", Remedy: "Allow it."}}
	}},
	{name: "bare-image", change: func(in *node.Input) { in.Present = node.Present{} }},
	{name: "bare-image-with-iptables", change: func(in *node.Input) { in.Present = node.Present{Iptables: "/usr/sbin/iptables"} }},
	{name: "image-with-a-stock-containerd", change: func(in *node.Input) { in.Present = node.Present{ContainerdUnit: true} }},
	{name: "own-credential-provider", change: func(in *node.Input) { in.Layout.UseImageCredentialProvider = true }},
	{name: "fast-image-pull", machine: "g5.xlarge", change: func(in *node.Input) { in.Present.SOCISnapshotter = true }},
	{name: "fast-image-pull-on-a-small-machine", change: func(in *node.Input) { in.Present.SOCISnapshotter = true }},
	{name: "odd-service-network"},
	{name: "several-ipv6-addresses", change: func(in *node.Input) {
		in.Config.Spec.Cluster.CIDR = ipv6
		in.Instance.IPv6 = append(in.Instance.IPv6, "2600:1f14:aaaa:bbbb::18")
	}},
	{name: "bridge-netfilter", change: func(in *node.Input) { in.Present.BridgeNetfilter = true }},
	{name: "no-sandbox-source", change: func(in *node.Input) {
		in.Present.SandboxArchive, in.Instance.SandboxSource = false, ""
	}},
}

func (s situation) input(t testing.TB) node.Input {
	t.Helper()
	name := s.machine
	if name == "" {
		name = "m5.large"
	}
	version := minors[3]
	switch s.minor {
	case 29:
		version = minors[0]
	case 37:
		version = minors[4]
	}
	in := input(t, machineOf(t, name), version.kubelet, version.containerd, ipv4)
	in.Config = load(t, filepath.Join("situations", "cluster"), filepath.Join("situations", s.name))
	if s.change != nil {
		s.change(&in)
	}
	return in
}

// load reads documents of testdata as the agent reads its sources.
func load(t testing.TB, names ...string) api.NodeConfig {
	t.Helper()
	var inputs []api.Input
	for _, n := range names {
		path := filepath.Join("testdata", n+".yaml")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, api.Input{Name: "file://" + path, Raw: raw})
	}
	merged, problems := api.Load(inputs, api.Options{}, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	if api.HasErrors(problems) {
		t.Fatal(api.AsError(problems))
	}
	return merged.Config
}

func TestEverySituationGetsItsWholeState(t *testing.T) {
	known := map[string]bool{"cluster": true}
	for _, s := range situations {
		known[s.name] = true
		t.Run(s.name, func(t *testing.T) {
			golden.Assert(t, filepath.Join("testdata", "situations", s.name+".txt"), show(t, s.input(t)))
		})
	}
	files, err := filepath.Glob("testdata/situations/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f), ".yaml"), ".txt")
		if !known[name] {
			t.Errorf("%s belongs to no situation", f)
		}
	}
}

// everyState yields the inputs of the whole matrix, of all situations and of all
// features.
func everyState(t testing.TB, yield func(name string, in node.Input)) {
	t.Helper()
	everyInput(t, yield)
	for _, s := range situations {
		yield(s.name, s.input(t))
	}
	everyFeature(t, yield)
}
