package kubelet

import (
	"context"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/host/hosttest"
	"github.com/eksnode/eksnode/pkg/node"
)

// cpuState is a state of the CPU manager on a machine with CPUs online.
func cpuState(online string, s node.CPUManagerState) func(*node.Input) {
	return func(in *node.Input) {
		s.Digest = "cpu"
		in.Present.Managers.CPU, in.Present.Managers.OnlineCPUs = &s, online
	}
}

// memoryState is a state of the memory manager on a machine with NUMA nodes.
func memoryState(now []node.NUMAMemory, s node.MemoryManagerState) func(*node.Input) {
	return func(in *node.Input) {
		s.Digest = "memory"
		in.Present.Managers.Memory, in.Present.Managers.NUMANodes = &s, now
	}
}

// kubeletConfig is the user's part of kubelet's configuration.
func kubeletConfig(t *testing.T, text string) func(*node.Input) {
	o := object(t, text)
	return func(in *node.Input) { in.Config.Spec.Kubelet.Config = o }
}

func flags(fs ...string) func(*node.Input) {
	return func(in *node.Input) { in.Config.Spec.Kubelet.Flags = fs }
}

func both(changes ...func(*node.Input)) func(*node.Input) {
	return func(in *node.Input) {
		for _, c := range changes {
			c(in)
		}
	}
}

func numa(n int, memory, pages int64) node.NUMAMemory {
	return node.NUMAMemory{Node: n, Total: map[string]int64{"memory": memory, "hugepages-2Mi": pages << 21}, Reserved: map[string]int64{"memory": 1 << 30, "hugepages-2Mi": 0}}
}

func TestAStateThatKubeletWouldNotStartWithGoes(t *testing.T) {
	static := node.CPUManagerState{Policy: "static", Shared: "0-1,4-7", All: "0-7", Exclusive: 1}
	fresh := node.CPUManagerState{Policy: "static"}
	strict := `{"cpuManagerPolicy": "static", "reservedSystemCPUs": "0-1", "cpuManagerPolicyOptions": {"strict-cpu-reservation": "true"}}`
	machine := []node.NUMAMemory{numa(0, 64<<30, 512), numa(1, 64<<30, 512)}
	memory := node.MemoryManagerState{Policy: "Static", Nodes: machine, BeforeBoot: true}
	reserved := `{"memoryManagerPolicy": "Static", "reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}, {"numaNode": 1, "limits": {"memory": "1024Mi"}}]}`
	pages := func(count int64) func(*node.Input) {
		return func(in *node.Input) { in.Config.Spec.HugePages = []api.HugePages{{Size: "2Mi", Count: count}} }
	}
	for _, row := range []struct {
		name   string
		change func(*node.Input)
		why    string // empty: it stays
	}{
		{"no state", kubeletConfig(t, `{"cpuManagerPolicy": "static"}`), ""},
		{"the same policy by default", cpuState("0-7", node.CPUManagerState{Policy: "none"}), ""},
		{"none becomes static", both(cpuState("0-7", node.CPUManagerState{Policy: "none"}), kubeletConfig(t, `{"cpuManagerPolicy": "static"}`)), "it is of the policy none, and cpuManagerPolicy is static"},
		{"static becomes none", cpuState("0-7", static), "it is of the policy static, and cpuManagerPolicy is none"},
		{"a flag says static", both(cpuState("0-7", static), flags("--cpu-manager-policy=static")), ""},
		{"the last of two flags counts", both(cpuState("0-7", static), flags("--cpu-manager-policy static --cpu-manager-policy=none")), "cpuManagerPolicy is none"},
		{"a flag is laid over the configuration", both(cpuState("0-7", static), kubeletConfig(t, `{"cpuManagerPolicy": "static"}`), flags("--cpu_manager_policy=none")), "cpuManagerPolicy is none"},
		{"the same CPUs", both(cpuState("0-7", static), kubeletConfig(t, `{"cpuManagerPolicy": "static"}`)), ""},
		{"a larger instance type", both(cpuState("0-15", static), kubeletConfig(t, `{"cpuManagerPolicy": "static"}`)), "it has the CPUs 0-7, and the machine 0-15"},
		{"CPUs given to an enclave", both(cpuState("0-1,4-7", static), kubeletConfig(t, `{"cpuManagerPolicy": "static"}`)), "and the machine 0-1,4-7"},
		{"nothing given away yet", both(cpuState("0-15", fresh), kubeletConfig(t, `{"cpuManagerPolicy": "static"}`)), ""},
		{"CPUs that cannot be told", both(cpuState("", static), kubeletConfig(t, `{"cpuManagerPolicy": "static"}`)), ""},
		{"reserved CPUs are shared", both(cpuState("0-7", static), kubeletConfig(t, `{"cpuManagerPolicy": "static", "reservedSystemCPUs": "0-1"}`)), ""},
		{"reserved CPUs are somebody's own", both(cpuState("0-7", static), kubeletConfig(t, `{"cpuManagerPolicy": "static", "reservedSystemCPUs": "0-2"}`)), "containers have CPUs to themselves that are reserved now"},
		{"strictly reserved CPUs are shared", both(cpuState("0-7", static), kubeletConfig(t, strict)), "everybody has CPUs that are reserved now"},
		{"strictly reserved CPUs are in no list", both(cpuState("0-7", node.CPUManagerState{Policy: "static", Shared: "2-7", All: "2-7"}), kubeletConfig(t, strict)), ""},
		{"strict, and kubelet chooses", both(cpuState("0-7", node.CPUManagerState{Policy: "static", Shared: "1-7", All: "1-7"}), flags("--cpu-manager-policy=static", "--cpu-manager-policy-options=strict-cpu-reservation=true")), ""},
		{"half written", cpuState("0-7", node.CPUManagerState{}), "kubelet cannot read it"},

		{"memory None by default", memoryState(machine, node.MemoryManagerState{Policy: "None"}), ""},
		{"memory becomes Static", both(memoryState(machine, node.MemoryManagerState{Policy: "None"}), kubeletConfig(t, reserved)), "it is of the policy None, and memoryManagerPolicy is Static"},
		{"the same memory", both(memoryState(machine, memory), kubeletConfig(t, reserved)), ""},
		{"a few pages less after a reboot", both(memoryState([]node.NUMAMemory{numa(0, 64<<30-4096, 512), numa(1, 64<<30, 512)}, memory), kubeletConfig(t, reserved)), "it has 68719476736 bytes of memory on NUMA node 0, and the machine 68719472640"},
		{"a few pages less within a boot", both(memoryState([]node.NUMAMemory{numa(0, 64<<30-4096, 512), numa(1, 64<<30, 512)}, node.MemoryManagerState{Policy: "Static", Nodes: machine}), kubeletConfig(t, reserved)), ""},
		{"a smaller instance type", both(memoryState(machine[:1], memory), kubeletConfig(t, reserved)), "it has NUMA node 1, and the machine has not"},
		{"more is reserved", both(memoryState(machine, memory), kubeletConfig(t, strings.Replace(reserved, "1Gi", "2Gi", 1))), "it keeps 1073741824 bytes of memory on NUMA node 0 from pods, and reservedMemory 2147483648"},
		{"reserved in flags", both(memoryState(machine, memory), kubeletConfig(t, strings.Replace(reserved, "1Gi", "2Gi", 1)), flags("--reserved-memory=0:memory=1Gi")), ""},
		{"the pool of huge pages as it was", both(memoryState(machine, memory), kubeletConfig(t, reserved), pages(1024)), ""},
		{"the pool of huge pages grows", both(memoryState(machine, memory), kubeletConfig(t, reserved), pages(2048)), "it has 2147483648 bytes of hugepages-2Mi, and 4294967296 are wanted"},
		{"half written memory", memoryState(machine, node.MemoryManagerState{}), "kubelet cannot read it"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, row.change)
			got := ""
			for _, a := range s.Stale {
				got += a.Because
			}
			if (row.why == "") != (got == "") || !strings.Contains(got, row.why) {
				t.Errorf("got %q, want %q", got, row.why)
			}
		})
	}
}

// A crash at any write: kubelet never runs with a state that it would have refused.
func TestAStaleStateIsGoneBeforeKubeletStartsWhereverTheAgentDies(t *testing.T) {
	old := []byte(`{"policyName":"none","defaultCpuSet":"","checksum":1}`)
	state := func(in *node.Input, m *hosttest.Memory) {
		if f, ok := m.Get(host.File{Path: in.Layout.CPUManagerState}.ID()).(host.File); ok {
			policy := "none"
			if strings.Contains(string(f.Content), "static") {
				policy = "static"
			}
			in.Present.Managers.CPU = &node.CPUManagerState{Policy: policy, Digest: host.ContentDigest(f.Content)}
		}
	}
	ctx := context.Background()
	for crash := 0; ; crash++ {
		m := hosttest.New()
		l := node.AL2023()
		m.Put(host.File{Path: l.CPUManagerState, Content: old, Mode: 0o600})
		m.Put(host.Service{Name: l.KubeletUnit, Running: true, Current: true})
		m.CrashAfter(crash)
		var owned []host.Owned
		died := false
		for range 3 {
			in := input(both(kubeletConfig(t, `{"cpuManagerPolicy": "static"}`), func(in *node.Input) { state(in, m) }))
			rs, err := Desired(in)
			if err != nil {
				t.Fatal(err)
			}
			var want host.State
			if err := want.Add(Name, rs...); err != nil {
				t.Fatal(err)
			}
			h := m.Host()
			have, err := h.Observe(ctx, want, owned)
			if err != nil {
				t.Fatal(err)
			}
			plan := host.Diff(want, have, owned)
			owned = host.Own(want, have, owned, nil)
			crashed := false
			for _, step := range plan.Steps {
				if step.Verb == host.Start || step.Verb == host.Restart {
					if f, ok := m.Get(host.File{Path: l.CPUManagerState}.ID()).(host.File); ok && string(f.Content) == string(old) {
						t.Fatalf("crash %d: kubelet is started with the old state", crash)
					}
				}
				if err := h.Do(ctx, step); err != nil {
					crashed, died = true, true
					break
				}
				if step.Verb == host.Restart { // kubelet writes its own
					m.Put(host.File{Path: l.CPUManagerState, Content: []byte(`{"policyName":"static"}`), Mode: 0o600})
				}
			}
			m.CrashAfter(-1)
			if !crashed {
				owned = host.Keep(want, owned)
			}
		}
		in := input(both(kubeletConfig(t, `{"cpuManagerPolicy": "static"}`), func(in *node.Input) { state(in, m) }))
		rs, err := Desired(in)
		if err != nil {
			t.Fatal(err)
		}
		var want host.State
		if err := want.Add(Name, rs...); err != nil {
			t.Fatal(err)
		}
		have, err := m.Host().Observe(ctx, want, owned)
		if err != nil {
			t.Fatal(err)
		}
		if plan := host.Diff(want, have, owned); !plan.Empty() {
			t.Fatalf("crash %d: there is still something to do: %+v", crash, plan.Steps)
		}
		if f, ok := m.Get(host.File{Path: l.CPUManagerState}.ID()).(host.File); !ok || !strings.Contains(string(f.Content), "static") {
			t.Fatalf("crash %d: kubelet was not started anew: %+v", crash, f)
		}
		if !died {
			return
		}
	}
}

func TestAdviceIsGivenToThoseWhoAskForNearness(t *testing.T) {
	gpus := func(nodes ...int) func(*node.Input) {
		return func(in *node.Input) {
			in.Present.Accelerators.NUMANodes = map[string]int{}
			for i, n := range nodes {
				d := hardware.PCIDevice{Address: string(rune('a' + i)), Vendor: "10de", Device: "2330", Class: "030200"}
				in.Hardware.PCI = append(in.Hardware.PCI, d)
				in.Present.Accelerators.NUMANodes[d.Address] = n
			}
		}
	}
	for _, row := range []struct {
		name   string
		change func(*node.Input)
		want   []string
	}{
		{"nothing asked for", gpus(0, 1), nil},
		{"a state that cannot be read", func(in *node.Input) {
			in.Problems = []node.Problem{{Fact: "present.managers", Code: fault.FactMissing, Message: "input/output error"}}
		}, []string{"input/output error"}},
		{"static alone", kubeletConfig(t, `{"cpuManagerPolicy": "static"}`), []string{"static without reservedSystemCPUs"}},
		{"static with reserved CPUs", kubeletConfig(t, `{"cpuManagerPolicy": "static", "reservedSystemCPUs": "0"}`), nil},
		{"all CPUs reserved", kubeletConfig(t, `{"cpuManagerPolicy": "static", "reservedSystemCPUs": "0-1"}`), []string{"leave pods none of the 2 CPUs"}},
		{"static where GPUs are on two nodes", both(gpus(0, 0, 1, 1), kubeletConfig(t, `{"cpuManagerPolicy": "static", "reservedSystemCPUs": "0"}`)), []string{"the GPUs are on 2 NUMA nodes"}},
		{"devices alone", kubeletConfig(t, `{"topologyManagerPolicy": "best-effort"}`), []string{"topologyManagerPolicy best-effort places devices alone"}},
		{"one node, and GPUs on two", both(gpus(0, 1, 1), flags("--topology-manager-policy=single-numa-node", "--cpu-manager-policy=static", "--reserved-cpus=0")), []string{"1 on node 0, 2 on node 1"}},
		{"one node, and GPUs on one", both(gpus(1, 1), flags("--topology-manager-policy=single-numa-node", "--cpu-manager-policy=static", "--reserved-cpus=0")), nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, row.change)
			if len(s.Notes) != len(row.want) {
				t.Fatalf("notes %q", s.Notes)
			}
			for i, want := range row.want {
				if !strings.Contains(s.Notes[i], want) {
					t.Errorf("%q is not in %q", want, s.Notes[i])
				}
			}
		})
	}
}

func FuzzCPULists(f *testing.F) {
	for _, seed := range []string{"", "0", "0-3,8", "3-0", "0-", "-1", "65536", "0-65535,0-65535,0-65535", " 1 ", "1,,2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parseCPUs(text)
		if !ok {
			return
		}
		again, ok := parseCPUs(c.String())
		if !ok || again.String() != c.String() || !again.holds(c) || !c.holds(again) {
			t.Errorf("%q is %q", text, c)
		}
	})
}
