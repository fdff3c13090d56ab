package kubelet

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestSettingsFollowTheVersionOfKubernetes(t *testing.T) {
	for _, row := range []struct {
		kubelet   string
		gates     string
		shutdown  string
		dropInEnv bool
		gpuLabel  bool
		note      string
	}{
		{"1.28.9", "RotateKubeletServerCertificate", "", true, false, "older than 1.29"},
		{"1.29.15", "RotateKubeletServerCertificate", "", true, false, ""},
		{"1.30.0", "RotateKubeletServerCertificate", "", false, false, ""},
		{"1.32.9", "RotateKubeletServerCertificate", "", false, false, ""},
		{"1.33.0", "DynamicResourceAllocation RotateKubeletServerCertificate", "", false, false, ""},
		{"1.34.0", "DynamicResourceAllocation MutableCSINodeAllocatableCount RotateKubeletServerCertificate", "2m30s 30s", false, false, ""},
		{"1.35.0", "DynamicResourceAllocation MutableCSINodeAllocatableCount RotateKubeletServerCertificate", "2m30s 30s", false, true, ""},
		{"1.37.2", "DynamicResourceAllocation MutableCSINodeAllocatableCount RotateKubeletServerCertificate", "2m30s 30s", false, true, ""},
		{"1.38.0", "DynamicResourceAllocation MutableCSINodeAllocatableCount RotateKubeletServerCertificate", "2m30s 30s", false, true, "newer than 1.37"},
	} {
		t.Run(row.kubelet, func(t *testing.T) {
			s := decide(t, func(in *node.Input) {
				in.Versions.Kubelet = version(row.kubelet)
				in.Config.Spec.Kubelet.Config = api.Object{"logging": map[string]any{"verbosity": 4}}
				in.Hardware.PCI = []hardware.PCIDevice{{Vendor: "10de"}}
			})
			if got := strings.Join(slices.Sorted(maps.Keys(s.FeatureGates)), " "); got != row.gates {
				t.Errorf("gates %s, want %s", got, row.gates)
			}
			if got := strings.TrimSpace(s.ShutdownGracePeriod + " " + s.ShutdownGracePeriodCriticalPods); got != row.shutdown {
				t.Errorf("shutdown %q, want %q", got, row.shutdown)
			}
			if s.DropInByEnvironment != row.dropInEnv {
				t.Errorf("drop-in by environment %t", s.DropInByEnvironment)
			}
			if got := slices.Contains(s.Flags, "--node-labels=nvidia.com/gpu.present=true"); got != row.gpuLabel {
				t.Errorf("label %t", got)
			}
			if got := strings.Join(s.Notes, "; "); row.note == "" && got != "" || !strings.Contains(got, row.note) {
				t.Errorf("notes %q, want %q", got, row.note)
			}
		})
	}
}

func TestAMissingFactIsRefusedByItsName(t *testing.T) {
	for fact, change := range map[string]func(*node.Input){
		"instance.nodeName":    func(in *node.Input) { in.Instance.NodeName = "" },
		"instance.zone":        func(in *node.Input) { in.Instance.Zone = "" },
		"instance.id":          func(in *node.Input) { in.Instance.ID = "" },
		"instance.region":      func(in *node.Input) { in.Instance.Region = "" },
		"instance.privateIPv4": func(in *node.Input) { in.Instance.PrivateIPv4 = nil },
		"instance.ipv6":        func(in *node.Input) { in.Config.Spec.Cluster.CIDR, in.Instance.IPv6 = "fd00::/108", nil },
		"hardware.cpu":         func(in *node.Input) { in.Hardware.CPU.Online = 0 },
	} {
		refused(t, change, fault.FactMissing, "cannot tell "+fact)
		// What was seen to fail is said in its own words.
		refused(t, func(in *node.Input) {
			change(in)
			in.Problems = []node.Problem{{Fact: fact, Code: fault.IMDSDenied, Message: "403 Forbidden", Remedy: "Enable it."}}
		}, fault.IMDSDenied, "cannot tell "+fact+": 403 Forbidden")
	}
	refused(t, func(in *node.Input) { in.Versions.Kubelet = node.Version{} }, fault.VersionUnknown, "versions.kubelet")
}

func TestAllProblemsComeAtOnce(t *testing.T) {
	refused(t, func(in *node.Input) {
		in.Instance.NodeName, in.Instance.Zone = "", ""
		in.Config.Spec.Cluster.CIDR = "10.0.0.0"
		in.Hardware.CPU.Online = 0
		in.Config.Spec.Kubelet.Flags = []string{"--a=b\nEVIL=1"}
		expression("nonsense")(in)
	}, fault.FactMissing, "nodeName", "zone", "cidr", "hardware.cpu", "flags[0]", "maxPodsExpression")
}

func TestClusterDNSIsTheTenthAddressOfTheServiceNetwork(t *testing.T) {
	for cidr, want := range map[string]string{
		"10.100.0.0/16":        "10.100.0.10",
		"172.20.0.0/16":        "172.20.0.10",
		"172.20.5.128/25":      "172.20.5.138",
		"192.168.255.0/24":     "192.168.255.10",
		"10.100.7.9/16":        "10.100.0.10", // not at its first address
		"10.0.0.0/28":          "10.0.0.10",
		"fd30:1c53:5f8a::/108": "fd30:1c53:5f8a::a",
		"fd00::10:0/112":       "fd00::10:a",
	} {
		s := decide(t, func(in *node.Input) { in.Config.Spec.Cluster.CIDR = cidr })
		if s.ClusterDNS != want {
			t.Errorf("%s: %s, want %s", cidr, s.ClusterDNS, want)
		}
	}
	for cidr, phrase := range map[string]string{
		"":                    "cidr",
		"10.100.0.0":          "10.100.0.0",
		"10.100.0.0/33":       "10.100.0.0/33",
		"::ffff:10.0.0.0/112": "IPv4 network written as IPv6",
		"10.0.0.0/29":         "has no tenth address",
		"255.255.255.248/29":  "has no tenth address",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff8/125": "has no tenth address",
	} {
		refused(t, func(in *node.Input) { in.Config.Spec.Cluster.CIDR = cidr }, fault.ConfigInvalid, phrase)
	}
}

func TestTheNodesAddressIsTheFirstOfTheClustersFamily(t *testing.T) {
	six := func(addresses ...string) func(*node.Input) {
		return func(in *node.Input) { in.Config.Spec.Cluster.CIDR, in.Instance.IPv6 = "fd00::/108", addresses }
	}
	if s := decide(t, six("2600::2", "2600::1")); s.NodeIP != "2600::2" || !strings.Contains(reason(s, "nodeIP"), "first of 2 IPv6") {
		t.Errorf("got %s, %s", s.NodeIP, reason(s, "nodeIP"))
	}
	if s := decide(t, nil); s.NodeIP != "10.0.1.23" {
		t.Errorf("got %s", s.NodeIP)
	}
	for _, bad := range []string{"2600::1\n2600::2", "10.0.0.1", "fe80::1%eth0", "::ffff:10.0.0.1", "nonsense"} {
		refused(t, six(bad), fault.FactMissing, "instance.ipv6")
	}
	refused(t, func(in *node.Input) { in.Instance.PrivateIPv4 = []string{"2600::1"} }, fault.FactMissing, "no plain IPv4 address")
}

func TestALocalClusterGetsItsTokenByClusterID(t *testing.T) {
	yes, no := true, false
	s := decide(t, func(in *node.Input) {
		in.Config.Spec.Cluster.EnableOutpost, in.Config.Spec.Cluster.ID = &yes, "3d8f7b1e"
	})
	if !s.Bootstrap || s.TokenCluster != "3d8f7b1e" || !slices.Contains(s.Flags, "--bootstrap-kubeconfig=/var/lib/kubelet/bootstrap-kubeconfig") ||
		!slices.Contains(s.Flags, "--kubeconfig=/var/lib/kubelet/kubeconfig") {
		t.Errorf("got %+v", s)
	}
	s = decide(t, func(in *node.Input) {
		in.Config.Spec.Cluster.EnableOutpost, in.Config.Spec.Cluster.ID = &no, "3d8f7b1e"
	})
	if s.Bootstrap || s.TokenCluster != "prod" {
		t.Errorf("got %+v", s)
	}
	refused(t, func(in *node.Input) { in.Config.Spec.Cluster.EnableOutpost = &yes }, fault.ConfigInvalid, "no name")
}

func TestAnUnreadablePCIBusIsNotedWhereTheLabelNeedsIt(t *testing.T) {
	change := func(in *node.Input) {
		in.Problems = []node.Problem{{Fact: "hardware.pci", Code: fault.FactMissing, Message: "no /sys"}}
	}
	if s := decide(t, change); len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "hardware.pci") {
		t.Errorf("notes %q", s.Notes)
	}
	if s := decide(t, func(in *node.Input) { change(in); in.Versions.Kubelet = version("1.34.1") }); len(s.Notes) != 0 {
		t.Errorf("notes %q", s.Notes)
	}
}

func TestWithoutACertificateAuthorityThereIsNoNode(t *testing.T) {
	in := input(func(in *node.Input) { in.Config.Spec.Cluster.CertificateAuthority = nil })
	if _, err := Desired(in); fault.CodeOf(err) != fault.ConfigInvalid {
		t.Fatalf("got %v", err)
	}
}
