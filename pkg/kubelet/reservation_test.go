package kubelet

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/node"
)

func reserving(r api.Reserved) func(*node.Input) {
	return func(in *node.Input) { in.Config.Spec.Reserved = r }
}

// The values are those of GKE's documentation and of its rule.
func TestGKEReservesFallingShares(t *testing.T) {
	for total, want := range map[int]int{
		512: 255, 1023: 255, 1024: 256, 4096: 1024, 8192: 1843, 16384: 2662,
		65536: 5611, 131072: 9543, 131073: 9543, 262144: 12165, 33554432: 678010,
	} {
		if got := gkeMemory(total); got != want {
			t.Errorf("%d MiB: %d, want %d", total, got, want)
		}
	}
}

func TestWhatIsReservedFollowsTheModel(t *testing.T) {
	for _, row := range []struct {
		name     string
		on       string
		reserved api.Reserved
		change   func(*node.Input)
		want     Reserved
		from     string // of memory
	}{
		{"eks", "m5.large", api.Reserved{Model: api.ReservationEKS}, nil, Reserved{"70m", "1Gi", "574Mi"}, "255 + 11 × 29 pods"},
		{"eks follows the effective number", "m5.large", api.Reserved{Model: api.ReservationEKS},
			func(in *node.Input) { in.Config.Spec.Kubelet.Config = api.Object{"maxPods": 110} }, Reserved{"70m", "1Gi", "1465Mi"}, "255 + 11 × 110 pods"},
		{"eks of 1514 pods of which 110 are left", "c9g.48xlarge", api.Reserved{Model: api.ReservationEKS},
			func(in *node.Input) { in.Config.Spec.Kubelet.Flags = []string{"--max-pods=110"} }, Reserved{"550m", "1Gi", "1465Mi"}, "255 + 11 × 110 pods"},
		{"gke", "m5.4xlarge", api.Reserved{Model: api.ReservationGKE}, nil, Reserved{"110m", "1Gi", "5611Mi"}, "65536 MiB: 25% of the first 4 GiB"},
		{"gke on less than 1 GiB", "t3.nano", api.Reserved{Model: api.ReservationGKE}, nil, Reserved{"70m", "1Gi", "255Mi"}, "512 MiB, less than 1 GiB"},
		{"expression", "m5.large", api.Reserved{Model: api.ReservationExpression, CPU: "60 + 10 * cpus", Memory: "memory_mib / 10 + max_pods"}, nil,
			Reserved{"80m", "1Gi", "848Mi"}, "spec.reserved.memory with cpus=2, memory_mib=8192, max_pods=29"},
		{"expression of nothing", "m5.large", api.Reserved{Model: api.ReservationExpression, CPU: "0", Memory: "0"}, nil, Reserved{"0m", "1Gi", "0Mi"}, "spec.reserved.memory"},
		{"storage alone is eks", "m5.large", api.Reserved{EphemeralStorage: "10Gi"}, nil, Reserved{"70m", "10Gi", "574Mi"}, "255 + 11 × 29 pods"},
		{"a profile alone is eks of its pods", "m5.4xlarge", api.Reserved{}, func(in *node.Input) { in.Config.Spec.CNI.Profile = api.CNIVPC }, Reserved{"110m", "1Gi", "1465Mi"}, "255 + 11 × 110 pods"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, func(in *node.Input) {
				machine(row.on)(in)
				reserving(row.reserved)(in)
				if row.change != nil {
					row.change(in)
				}
			})
			if s.Reserved != row.want || !strings.Contains(reason(s, "kubeReserved.memory"), row.from) || reason(s, "kubeReserved.cpu") == "" {
				t.Errorf("%+v from %q, want %+v from %q", s.Reserved, reason(s, "kubeReserved.memory"), row.want, row.from)
			}
		})
	}
}

func TestWhatIsReservedForTheSystemReachesKubelet(t *testing.T) {
	system := reserving(api.Reserved{System: api.SystemReserved{CPU: "0.5", Memory: "512Mi", EphemeralStorage: "2Gi"}})
	s := decide(t, system)
	if len(s.SystemReserved) != 3 || reason(s, "systemReserved.cpu") != "spec.reserved.system.cpu" {
		t.Errorf("%v, %+v", s.SystemReserved, s.Why)
	}
	config := string(file(t, desired(t, system), "/etc/kubernetes/kubelet/config.json").Content)
	for _, want := range []string{`"systemReserved": {`, `"cpu": "0.5"`, `"memory": "512Mi"`, `"ephemeral-storage": "2Gi"`, `"systemReservedCgroup": "/system"`} {
		if !strings.Contains(config, want) {
			t.Errorf("no %s in %s", want, config)
		}
	}
	if plain := string(file(t, desired(t, nil), "/etc/kubernetes/kubelet/config.json").Content); strings.Contains(plain, `"systemReserved":`) {
		t.Errorf("it is there without being asked for: %s", plain)
	}
}

// Also where nothing is said about reservations: kubelet would join with no memory
// for pods.
func TestHugePagesLeaveRoomForWhatIsReserved(t *testing.T) {
	pages := func(n int64) func(*node.Input) {
		return func(in *node.Input) {
			machine("m5.large")(in)
			in.Config.Spec.HugePages = []api.HugePages{{Size: "2Mi", Count: n}}
		}
	}
	decide(t, pages(2000))
	refused(t, pages(3900), fault.ConfigInvalid, "leave nothing of 392 MiB beside 7800 MiB of huge pages")
}

func TestANodeWithoutRoomForPodsIsRefusedWithTheArithmetics(t *testing.T) {
	for _, row := range []struct {
		name     string
		on       string
		reserved api.Reserved
		change   func(*node.Input)
		phrases  []string
	}{
		{"more pods by flag than memory", "t3.medium", api.Reserved{Model: api.ReservationEKS}, func(in *node.Input) { in.Config.Spec.Kubelet.Flags = []string{"--max-pods=320"} },
			[]string{"of memory, 4096 MiB − 3775 kubeReserved (255 + 11 × 320 pods) − 100 eviction threshold = 221 MiB, and at least 409 are needed (10%, and not below 100)"}},
		{"the system takes all", "t3.medium", api.Reserved{System: api.SystemReserved{Memory: "3400Mi"}}, nil, []string{"4096 MiB − 442 kubeReserved (255 + 11 × 17 pods) − 3400 systemReserved − 100 eviction threshold = 154 MiB"}},
		{"huge pages take all", "m5.large", api.Reserved{Model: api.ReservationGKE}, func(in *node.Input) { in.Config.Spec.HugePages = []api.HugePages{{Size: "2Mi", Count: 3200}} },
			[]string{"8192 MiB − 6400 huge pages − 1843 kubeReserved (", "at least 179 are needed"}},
		{"expression of memory", "m5.large", api.Reserved{Model: api.ReservationExpression, CPU: "0", Memory: "memory_mib"}, nil, []string{"8192 MiB − 8192 kubeReserved (spec.reserved.memory with", "= -100 MiB"}},
		{"expression of CPU", "m5.large", api.Reserved{Model: api.ReservationExpression, CPU: "cpus * 950", Memory: "0"}, nil, []string{"of CPU, 2000 m − 1900 kubeReserved", "= 100 m, and at least 200"}},
		{"the system takes the CPU", "m5.large", api.Reserved{System: api.SystemReserved{CPU: "1900m"}}, nil, []string{"2000 m − 70 kubeReserved", "− 1900 systemReserved = 30 m"}},
		{"the user's eviction threshold", "m5.large", api.Reserved{Model: api.ReservationGKE}, func(in *node.Input) {
			in.Config.Spec.Kubelet.Config = api.Object{"evictionHard": map[string]any{"memory.available": "75%"}}
		}, []string{"− 6144 eviction threshold"}},
		{"the user's eviction threshold as a quantity", "m5.large", api.Reserved{Model: api.ReservationGKE}, func(in *node.Input) {
			in.Config.Spec.Kubelet.Config = api.Object{"evictionHard": map[string]any{"memory.available": "6Gi"}}
		}, []string{"− 6144 eviction threshold"}},
		{"the user's own systemReserved", "m5.large", api.Reserved{Model: api.ReservationGKE, System: api.SystemReserved{Memory: "1Mi"}}, func(in *node.Input) {
			in.Config.Spec.Kubelet.Config = api.Object{"systemReserved": map[string]any{"memory": "6Gi", "cpu": "1950m"}}
		}, []string{"− 6144 systemReserved", "− 1950 systemReserved"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			refused(t, func(in *node.Input) {
				machine(row.on)(in)
				reserving(row.reserved)(in)
				if row.change != nil {
					row.change(in)
				}
			}, fault.ConfigInvalid, append(row.phrases, "cannot leave room for pods")...)
		})
	}
	// With a reservation of the user's own nothing is checked, and it is said.
	for _, own := range []func(*node.Input){
		func(in *node.Input) {
			in.Config.Spec.Kubelet.Config = api.Object{"kubeReserved": map[string]any{"memory": "1Gi"}}
		},
		func(in *node.Input) { in.Config.Spec.Kubelet.Flags = []string{"--kube-reserved=memory=1Gi"} },
	} {
		s := decide(t, func(in *node.Input) {
			reserving(api.Reserved{Model: api.ReservationExpression, CPU: "0", Memory: "memory_mib"})(in)
			own(in)
		})
		if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "kubeReserved of spec.kubelet goes before") {
			t.Errorf("notes %q", s.Notes)
		}
	}
	s := decide(t, reserving(api.Reserved{Model: api.ReservationExpression, CPU: "0", Memory: "memory_mib / 2 + 1"}))
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "4097 MiB of memory are reserved, more than half of the machine's 8192") {
		t.Errorf("notes %q", s.Notes)
	}
}

func TestAReservationWithoutSenseIsRefused(t *testing.T) {
	for _, row := range []struct {
		name     string
		reserved api.Reserved
		phrase   string
	}{
		{"unknown model", api.Reserved{Model: "aks"}, `no model "aks"`},
		{"storage", api.Reserved{EphemeralStorage: "much"}, "spec.reserved.ephemeralStorage"},
		{"CPU of the system", api.Reserved{System: api.SystemReserved{CPU: "-1"}}, "spec.reserved.system.cpu"},
		{"memory of the system", api.Reserved{System: api.SystemReserved{Memory: "10%"}}, "spec.reserved.system.memory"},
		{"storage of the system", api.Reserved{System: api.SystemReserved{EphemeralStorage: "x"}}, "spec.reserved.system.ephemeralStorage"},
		{"expression that is none", api.Reserved{Model: api.ReservationExpression, CPU: "cpu", Memory: "0"}, "no variable cpu"},
		{"expression that is missing", api.Reserved{Model: api.ReservationExpression, CPU: "0"}, "spec.reserved.memory"},
		{"expression below zero", api.Reserved{Model: api.ReservationExpression, CPU: "0", Memory: "-1"}, "the result -1 is not between 0 and 2147483647 MiB"},
		{"expression without end", api.Reserved{Model: api.ReservationExpression, CPU: "2147483648", Memory: "0"}, "the result 2147483648"},
	} {
		t.Run(row.name, func(t *testing.T) { refused(t, reserving(row.reserved), fault.ConfigInvalid, row.phrase) })
	}
	for _, model := range []api.Reserved{{Model: api.ReservationGKE}, {Model: api.ReservationExpression, CPU: "0", Memory: "0"}} {
		refused(t, func(in *node.Input) { reserving(model)(in); in.Hardware.Memory.OnlineBytes = 0 }, fault.FactMissing, "hardware.memory")
	}
	// The model eks can do without.
	if s := decide(t, func(in *node.Input) {
		reserving(api.Reserved{Model: api.ReservationEKS})(in)
		in.Hardware.Memory.OnlineBytes = 0
	}); s.Reserved.Memory != "574Mi" {
		t.Errorf("%+v", s.Reserved)
	}
}

func TestQuantitiesAreRoundedUp(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "1": 1, "1Mi": 1, "1048577": 2, "1Gi": 1024, "1G": 954, "1.5Gi": 1536} {
		if got, err := mebibytes(text); err != nil || got != want {
			t.Errorf("%s is %d MiB (%v), want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]int{"0": 0, "1": 1000, "500m": 500, "0.5": 500, "1.0005": 1001} {
		if got, err := millicores(text); err != nil || got != want {
			t.Errorf("%s is %dm (%v), want %dm", text, got, err, want)
		}
	}
}

// variants are all profiles with their options.
func variants() map[string]api.CNI {
	out := map[string]api.CNI{"": {}, "cilium-overlay": {Profile: api.CNICiliumOverlay}, "calico": {Profile: api.CNICalico}, "none": {Profile: api.CNINone}}
	for _, profile := range []api.CNIProfile{api.CNIVPC, api.CNICiliumENI} {
		for options := range 8 {
			c, name := api.CNI{Profile: profile}, string(profile)
			if options&1 != 0 {
				c.PrefixDelegation, name = yes(), name+" prefixes"
			}
			if options&2 != 0 {
				c.CustomNetworking, name = yes(), name+" custom"
			}
			if options&4 != 0 {
				c.SecurityGroupsForPods, name = yes(), name+" trunk"
			}
			out[name] = c
		}
	}
	return out
}

// Every type that there is joins with every profile and every model, in IPv4 and IPv6
// clusters, and has room for pods.
func TestEveryTypeJoinsWithEveryProfileAndEveryModel(t *testing.T) {
	models := []api.Reserved{{}, {Model: api.ReservationEKS}, {Model: api.ReservationGKE}, {Model: api.ReservationExpression, CPU: "cpus * 20", Memory: "100 + memory_mib / 20"}}
	decided := 0
	for name := range instancetype.All() {
		shape, _ := instancetype.ShapeOf(name)
		most := podsOfFewCPUs
		if shape.VCPUs > manyCPUs {
			most = podsOfManyCPUs
		}
		for variant, cni := range variants() {
			for i, model := range models {
				for _, six := range []bool{false, true}[:max(1, 2-i)] { // IPv6 with the first model
					s, err := Decide(input(func(in *node.Input) {
						machine(name)(in)
						in.Config.Spec.CNI, in.Config.Spec.Reserved = cni, model
						if six {
							ipv6(in)
						}
					}))
					decided++
					if err != nil {
						t.Errorf("%s, %q, %q, IPv6 %t: %v", name, variant, model.Model, six, err)
						continue
					}
					if s.MaxPods < 1 || s.EffectiveMaxPods != s.MaxPods || (cni.Profile != "" && s.MaxPods > most) {
						t.Errorf("%s, %q, %q, IPv6 %t: %d pods, effectively %d, of at most %d", name, variant, model.Model, six, s.MaxPods, s.EffectiveMaxPods, most)
					}
					kube, errMemory := mebibytes(s.Reserved.Memory)
					cpu, errCPU := millicores(s.Reserved.CPU)
					if errMemory != nil || errCPU != nil || kube+evictionMemory >= shape.MemoryMiB || cpu >= shape.VCPUs*1000 {
						t.Errorf("%s, %q, %q, IPv6 %t: %+v of %+v", name, variant, model.Model, six, s.Reserved, shape)
					}
				}
			}
		}
	}
	if want := 1384 * 20 * 5; decided < want {
		t.Errorf("only %d decisions, want %d", decided, want)
	}
}
