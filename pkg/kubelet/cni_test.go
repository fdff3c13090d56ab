package kubelet

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/node"
)

// machine makes the input an instance of a type as EC2 describes it.
func machine(instanceType string) func(*node.Input) {
	return func(in *node.Input) {
		in.Instance.Type = instanceType
		s, ok := instancetype.ShapeOf(instanceType)
		if !ok {
			s, _ = instancetype.GuessShape(instanceType)
		}
		in.Hardware.CPU.Online, in.Hardware.Memory.OnlineBytes = s.VCPUs, int64(s.MemoryMiB)<<20
	}
}

func yes() *bool { b := true; return &b }

func atMost(n int64) *int64 { return &n }

func ipv6(in *node.Input) { in.Config.Spec.Cluster.CIDR = "fd30:1c53:5f8a::/108" }

func TestPodsAreThoseThatTheNetworkPluginHasAddressesFor(t *testing.T) {
	prefixes := api.CNI{Profile: api.CNIVPC, PrefixDelegation: yes()}
	for _, row := range []struct {
		name   string
		on     string
		cni    api.CNI
		change func(*node.Input)
		want   int
		from   string
		note   string // in the notes; empty for no notes
	}{
		{"secondary addresses", "m5.large", api.CNI{Profile: api.CNIVPC}, nil, 29, "ENI table m5.large: 3 ENIs × (10−1) + 2", ""},
		{"secondary addresses above the cap", "m5.24xlarge", api.CNI{Profile: api.CNIVPC}, nil, 250,
			"ENI table m5.24xlarge: 15 ENIs × (50−1) + 2 = 737, at most 250 for 96 vCPUs, the limit up to 30 being 110", ""},
		{"secondary addresses above the cap of few CPUs", "m5.4xlarge", api.CNI{Profile: api.CNIVPC}, nil, 110,
			"ENI table m5.4xlarge: 8 ENIs × (30−1) + 2 = 234, at most 110 for 16 vCPUs, the limit above 30 being 250", ""},
		{"prefixes", "m5.large", prefixes, nil, 110, "3 ENIs × (10−1) × 16 + 2 = 434, at most 110 for 2 vCPUs", ""},
		{"prefixes on the smallest Nitro type", "t3.nano", prefixes, nil, 4,
			"2 ENIs × (2−1) × 16 + 2; lowered from 34 to what 512 MiB of memory bear", "maxPods is lowered from 34 to 4"},
		{"prefixes on bare metal", "c5.metal", prefixes, nil, 250, "15 ENIs × (50−1) × 16 + 2 = 11762, at most 250 for 96 vCPUs", ""},
		{"prefixes on Xen", "c4.large", prefixes, nil, 29, "3 ENIs × (10−1) + 2", "spec.cni.prefixDelegation has no effect: c4.large is a Xen instance"},
		{"custom networking", "t3.medium", api.CNI{Profile: api.CNIVPC, CustomNetworking: yes()}, nil, 12, "(3 ENIs − 1 by customNetworking) × (6−1) + 2", ""},
		{"custom networking with prefixes", "t3.medium", api.CNI{Profile: api.CNIVPC, CustomNetworking: yes(), PrefixDelegation: yes()}, nil, 110,
			"(3 ENIs − 1 by customNetworking) × (6−1) × 16 + 2 = 162, at most 110", ""},
		{"security groups for pods", "m5.large", api.CNI{Profile: api.CNIVPC, SecurityGroupsForPods: yes()}, nil, 20, "(3 ENIs − 1 trunk) × (10−1) + 2", ""},
		{"security groups for pods on a T type", "t3.medium", api.CNI{Profile: api.CNIVPC, SecurityGroupsForPods: yes()}, nil, 17, "3 ENIs × (6−1) + 2",
			"spec.cni.securityGroupsForPods has no effect: t3.medium cannot have a trunk interface"},
		{"all of them", "m5.xlarge", api.CNI{Profile: api.CNIVPC, SecurityGroupsForPods: yes(), CustomNetworking: yes(), MaxENIs: atMost(3)}, nil, 16,
			"(3 by maxENIs of 4 ENIs − 1 by customNetworking − 1 trunk) × (15−1) + 2", ""},
		{"more ENIs than there are", "m5.large", api.CNI{Profile: api.CNIVPC, MaxENIs: atMost(99)}, nil, 29, "3 ENIs × (10−1) + 2", ""},
		{"no ENI left", "m5.large", api.CNI{Profile: api.CNIVPC, CustomNetworking: yes(), MaxENIs: atMost(1)}, nil, 2,
			"(1 by maxENIs of 3 ENIs − 1 by customNetworking) × (10−1) + 2", "no interface of m5.large is left for addresses of pods"},
		{"several network cards", "p4d.24xlarge", api.CNI{Profile: api.CNIVPC}, nil, 250, "15 ENIs on the default one of 4 network cards × (50−1) + 2 = 737", ""},
		{"few ENIs on the default card", "p5.48xlarge", api.CNI{Profile: api.CNIVPC}, nil, 100, "2 ENIs on the default one of 32 network cards × (50−1) + 2", ""},
		{"IPv6", "m5.large", api.CNI{Profile: api.CNIVPC}, ipv6, 110, "IPv6: one /80 prefix has addresses for all pods; 110 for 2 vCPUs", ""},
		{"IPv6 on many CPUs", "m5.16xlarge", api.CNI{Profile: api.CNIVPC, CustomNetworking: yes()}, ipv6, 250, "IPv6: one /80 prefix", "customNetworking has no effect"},
		{"IPv6 on Xen", "m4.large", api.CNI{Profile: api.CNIVPC}, ipv6, 110, "IPv6", "the node will not become Ready"},
		{"Cilium on ENIs", "m5.xlarge", api.CNI{Profile: api.CNICiliumENI}, nil, 56, "4 ENIs × (15−1) − 2 of Cilium's own + 2", ""},
		{"Cilium without eth0", "m5.xlarge", api.CNI{Profile: api.CNICiliumENI, CustomNetworking: yes()}, nil, 42, "(4 ENIs − 1 by customNetworking) × (15−1)", ""},
		{"Cilium with prefixes", "c5.large", api.CNI{Profile: api.CNICiliumENI, PrefixDelegation: yes(), CustomNetworking: yes()}, nil, 110, "(10−1) × 16 − 2 of Cilium's own + 2 = 288", ""},
		{"Cilium with prefixes on Xen", "i3.large", api.CNI{Profile: api.CNICiliumENI, PrefixDelegation: yes(), CustomNetworking: yes()}, nil, 18, "× (10−1) − 2", "i3.large is a Xen instance"},
		{"Cilium with no ENI left", "m5.xlarge", api.CNI{Profile: api.CNICiliumENI, CustomNetworking: yes(), MaxENIs: atMost(1)}, nil, 2, "", "no interface"},
		{"Cilium and security groups for pods", "m5.xlarge", api.CNI{Profile: api.CNICiliumENI, SecurityGroupsForPods: yes()}, nil, 56, "", "no effect with the profile cilium-eni"},
		{"overlay", "t3.large", api.CNI{Profile: api.CNICiliumOverlay}, nil, 110, "pods have no addresses of the VPC (profile cilium-overlay); 110 for 2 vCPUs", ""},
		{"overlay on many CPUs", "m5.8xlarge", api.CNI{Profile: api.CNICalico}, nil, 250, "250 for 32 vCPUs", ""},
		{"overlay on a small machine", "t3.micro", api.CNI{Profile: api.CNINone}, nil, 23, "110 for 2 vCPUs, the limit above 30 being 250; lowered from 110 to what 1024 MiB of memory bear", "lowered from 110 to 23"},
		{"overlay with settings of ENIs", "t3.large", api.CNI{Profile: api.CNINone, MaxENIs: atMost(3), PrefixDelegation: yes(), SecurityGroupsForPods: yes(), CustomNetworking: yes()}, nil, 110, "",
			"spec.cni.customNetworking, spec.cni.maxENIs, spec.cni.prefixDelegation, spec.cni.securityGroupsForPods without effect"},
		{"IPv6 with an overlay", "t3.large", api.CNI{Profile: api.CNICiliumOverlay}, ipv6, 110, "", ""},
		{"expression goes before the profile's number", "m5.large", prefixes, expression("max_pods + default_enis + ips_per_eni"), 123,
			"spec.kubelet.maxPodsExpression with default_enis=3, ips_per_eni=10, max_pods=110 (ENI table m5.large; ENI table m5.large: 3 ENIs × (10−1) × 16 + 2 = 434", ""},
		{"expression with an overlay", "m5.large", api.CNI{Profile: api.CNICalico}, expression("max_pods / 2"), 55, "max_pods=110", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, func(in *node.Input) {
				machine(row.on)(in)
				in.Config.Spec.CNI = row.cni
				if row.change != nil {
					row.change(in)
				}
			})
			if s.MaxPods != row.want || s.EffectiveMaxPods != row.want {
				t.Errorf("%d pods, effectively %d, want %d", s.MaxPods, s.EffectiveMaxPods, row.want)
			}
			if from := reason(s, "maxPods"); !strings.Contains(from, row.from) {
				t.Errorf("from %q, want %q in it", from, row.from)
			}
			notes := strings.Join(s.Notes, "\n")
			if !strings.Contains(notes, row.note) || (row.note == "") != (notes == "") {
				t.Errorf("notes %q, want %q", s.Notes, row.note)
			}
		})
	}
}

func TestACNIThatIsNoneIsRefused(t *testing.T) {
	refused(t, func(in *node.Input) { in.Config.Spec.CNI.Profile = "flannel" }, fault.ConfigInvalid, `no CNI profile "flannel"`)
	refused(t, func(in *node.Input) {
		in.Config.Spec.CNI = api.CNI{Profile: api.CNIVPC, MaxENIs: atMost(0)}
	}, fault.ConfigInvalid, "spec.cni.maxENIs 0")
}

func TestAnUnknownTypeJoinsWithWhatIsKnownOfItsKin(t *testing.T) {
	vpc := func(in *node.Input) { in.Config.Spec.CNI.Profile = api.CNIVPC }
	for _, row := range []struct {
		name   string
		change func(*node.Input)
		want   int
		from   string
		note   string
	}{
		{"EC2 knows it", func(in *node.Input) {
			machine("m99.large")(in)
			in.Instance.Limits = &hardware.ENILimits{MaxENIs: 4, IPv4PerENI: 15}
		}, 58, "EC2's limits of m99.large: 4 ENIs × (15−1) + 2", ""},
		{"EC2 denies it", func(in *node.Input) {
			machine("m99.large")(in)
			in.Problems = []node.Problem{{Fact: "instance.limits", Code: fault.EC2Denied, Message: "UnauthorizedOperation"}}
		}, 29, "estimate for m99.large (the least of the 35 known types m*.large): 3 ENIs × (10−1) + 2", "an estimate for m99.large (the least of the 35 known types m*.large), which may be less than the instance allows: cannot tell instance.limits: UnauthorizedOperation"},
		{"a size of a known family", machine("m5.96xlarge"), 250, "estimate for m5.96xlarge (the least of m5.24xlarge and the", "an estimate"},
		{"CPUs that the machine shows", func(in *node.Input) {
			machine("m99.large")(in)
			in.Hardware.CPU.Online = 64
			in.Config.Spec.CNI.PrefixDelegation = yes()
		}, 250, "250 for 64 vCPUs", "an estimate"},
		{"firmware of Xen", func(in *node.Input) {
			machine("m99.large")(in)
			in.Hardware.DMI.SysVendor, in.Config.Spec.CNI.PrefixDelegation = "Xen", yes()
		}, 29, "3 ENIs × (10−1) + 2", "Xen instance"},
		{"nothing to compare with", func(in *node.Input) { machine("m99.large")(in); in.Instance.Type = "m99.huge" }, 110, "fallback: the ENI limits of m99.huge are neither", "maxPods is a fallback"},
		{"nothing to compare with, and little memory", func(in *node.Input) {
			machine("m99.large")(in)
			in.Instance.Type, in.Hardware.Memory.OnlineBytes = "m99.huge", 1<<30
		}, 23, "lowered from 110", "lowered from 110 to 23"},
		{"no type at all", func(in *node.Input) {
			in.Instance.Type = ""
			in.Problems = []node.Problem{{Fact: "instance.type", Code: fault.IMDSNotFound, Message: "404"}}
		}, 110, "fallback: cannot tell instance.type: 404", "maxPods is a fallback"},
		{"an expression over nothing", func(in *node.Input) {
			expression("default_enis")(in)
			machine("m99.huge")(in)
			in.Hardware.CPU.Online, in.Hardware.Memory.OnlineBytes = 4, 16<<30
		}, 110, "fallback", "spec.kubelet.maxPodsExpression is not evaluated"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, func(in *node.Input) { vpc(in); row.change(in) })
			notes := strings.Join(s.Notes, "\n")
			if s.MaxPods != row.want || !strings.Contains(reason(s, "maxPods"), row.from) {
				t.Errorf("%d pods from %q, want %d from %q", s.MaxPods, reason(s, "maxPods"), row.want, row.from)
			}
			if !strings.Contains(notes, row.note) || (row.note == "") != (notes == "") {
				t.Errorf("notes %q, want %q", s.Notes, row.note)
			}
		})
	}
}

// 1600 MiB hold what is reserved for 110 pods, and nothing beside it.
func TestAnUnknownTypeWithoutAProfileHasRoomForPodsToo(t *testing.T) {
	small := func(in *node.Input) { in.Instance.Type, in.Hardware.Memory.OnlineBytes = "m99.huge", 1600<<20 }
	if s := decide(t, small); s.MaxPods != 110 || s.Reserved.Memory != "1465Mi" {
		t.Errorf("as nodeadm: %d pods, %s", s.MaxPods, s.Reserved.Memory)
	}
	s := decide(t, func(in *node.Input) { small(in); in.Config.Spec.Reserved.Model = api.ReservationEKS })
	if s.MaxPods != 49 || s.Reserved.Memory != "794Mi" || !strings.Contains(reason(s, "maxPods"), "fallback: ") {
		t.Errorf("%d pods from %q, %s", s.MaxPods, reason(s, "maxPods"), s.Reserved.Memory)
	}
}

func TestTheEffectiveNumberOfPodsIsKubeletsOwn(t *testing.T) {
	for _, row := range []struct {
		name   string
		config api.Object
		flags  []string
		want   int
		from   string
	}{
		{"nothing", nil, nil, 29, ""},
		{"config", api.Object{"maxPods": 50}, nil, 50, "maxPods of spec.kubelet.config"},
		{"flag before config", api.Object{"maxPods": 50}, []string{"--max-pods=20"}, 20, "--max-pods of spec.kubelet.flags"},
		{"the last flag, in two words, with an underscore and in quotes", nil, []string{"--max-pods=20", `--v=2 "--max_pods" '30'`}, 30, "--max-pods of spec.kubelet.flags"},
		{"a flag that is cut off", nil, []string{"--max-pods"}, 29, ""},
		{"what kubelet refuses", api.Object{"maxPods": -1}, []string{"--max-pods=many"}, 29, ""},
		{"pods for each core", api.Object{"podsPerCore": 10}, nil, 20, "podsPerCore of spec.kubelet.config: 10 × 2 CPUs"},
		{"pods for each core, one below", api.Object{"podsPerCore": 14}, nil, 28, "14 × 2 CPUs"},
		{"more pods for each core than pods", api.Object{"podsPerCore": 50}, nil, 29, ""},
		{"pods for each core of a flag's pods", api.Object{"podsPerCore": 10}, []string{"--max-pods=200"}, 20, "podsPerCore"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, profile := range []api.CNIProfile{"", api.CNIVPC} {
				s := decide(t, func(in *node.Input) {
					in.Config.Spec.CNI.Profile = profile
					in.Config.Spec.Kubelet.Config, in.Config.Spec.Kubelet.Flags = row.config, row.flags
				})
				if s.EffectiveMaxPods != row.want || s.MaxPods != 29 {
					t.Errorf("%q: effectively %d of %d, want %d", profile, s.EffectiveMaxPods, s.MaxPods, row.want)
				}
				from, pods := "", 29
				if profile != "" {
					from, pods = row.from, row.want
				}
				if got := reason(s, "effectiveMaxPods"); !strings.Contains(got, from) || (from == "") != (got == "") {
					t.Errorf("%q: from %q, want %q", profile, got, from)
				}
				if want := itoa(reservedMemory(pods)) + "Mi"; s.Reserved.Memory != want {
					t.Errorf("%q: %s are reserved, want %s", profile, s.Reserved.Memory, want)
				}
			}
		})
	}
	s := decide(t, func(in *node.Input) {
		in.Config.Spec.CNI.Profile, in.Config.Spec.Kubelet.Config = api.CNIVPC, api.Object{"maxPods": 50}
	})
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "may have 50 pods, but spec.cni has addresses for 29") {
		t.Errorf("notes %q", s.Notes)
	}
}
