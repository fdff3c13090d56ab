package tuning

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// text prints a whole state, resource by resource in its order.
func text(t *testing.T, s host.State) string {
	t.Helper()
	var b strings.Builder
	for _, e := range s.Entries() {
		if f, ok := e.Resource.(host.File); ok {
			fmt.Fprintf(&b, "%s %04o\n   | %s\n", f.ID(), f.Mode.Perm(), strings.ReplaceAll(strings.TrimSuffix(string(f.Content), "\n"), "\n", "\n   | "))
			continue
		}
		j, err := json.Marshal(e.Resource)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", e.Resource.ID(), j)
	}
	return b.String()
}

func int64p(n int64) *int64 { return &n }

// everything asks for all that the kernel can be asked for.
func everything(in *node.Input) {
	in.Hardware.Memory.OnlineBytes = 64 << 30
	in.Present.Chrony, in.Present.ChronySources = "chronyd.service", "/run/chrony.d/eksnode.sources"
	s := &in.Config.Spec
	s.KernelModules = []api.KernelModule{
		{Name: "br-netfilter"},
		{Name: "nvme_tcp", Parameters: map[string]string{"wq_unbound": "Y", "a-name": "two words", "flag": ""}},
		{Name: "tcp_bbr"},
	}
	s.Sysctls = map[string]string{
		"net/ipv4/conf/eth0.100/forwarding":       "1",
		"net.ipv4.tcp_congestion_control":         "bbr",
		"net.ipv4.tcp_rmem":                       " 4096\t131072  6291456 ",
		"vm.max_map_count":                        "262144",
		"kernel.panic":                            "10",
		"net.ipv4.ip_forward":                     "0",
		"net.bridge.bridge-nf-call-ip6tables":     "0",
		"net.bridge.bridge-nf-filter-vlan-tagged": "1",
		"kernel.core_pattern":                     "",
	}
	s.HugePages = []api.HugePages{{Size: "2Mi", Count: 1024}, {Size: "1Gi", Count: 4, NUMANode: int64p(1)}, {Size: "1Gi", Count: 2, NUMANode: int64p(0)}}
	s.Swap = api.Swap{Behavior: "LimitedSwap", Size: "8Gi"}
	s.TimeSync.Servers = []string{"169.254.169.123", "ntp.example.com", "fd00:ec2::123", "ntp.example.com"}
}

func TestEverythingThatTheKernelIsAskedFor(t *testing.T) {
	s, err := Decide(input(everything))
	if err != nil {
		t.Fatal(err)
	}
	var why strings.Builder
	for _, r := range s.Why {
		fmt.Fprintf(&why, "%s = %s (%s)\n", r.Setting, r.Value, r.From)
	}
	golden.Assert(t, "testdata/everything.txt", text(t, desired(t, everything))+"\n"+why.String()+"\n"+strings.Join(s.Notes, "\n")+"\n")
	if got := Component().Notes(input(everything)); !slices.Equal(got, s.Notes) {
		t.Errorf("the component remarks %q", got)
	}
	if got := Component().Reasons(input(everything)); !slices.Equal(got, s.Why) {
		t.Errorf("the component's reasons are %v", got)
	}
}

func TestNothingAskedForIsTheAgentsOwnTuning(t *testing.T) {
	golden.Assert(t, "testdata/nothing.txt", text(t, desired(t, nil)))
}

func TestAPersonsValueIsExactAndInTheFile(t *testing.T) {
	s := desired(t, func(in *node.Input) {
		in.Config.Spec.Sysctls = map[string]string{"vm.max_map_count": "262144", "net.core.somaxconn": "4096"}
	})
	file := content(t, s, "/etc/sysctl.d/99-eksnode.conf")
	for key, value := range map[string]string{"vm.max_map_count": "262144", "net.core.somaxconn": "4096"} {
		if e, ok := s.Lookup(host.Sysctl{Key: key}.ID()); !ok || e.Resource != (host.Sysctl{Key: key, Value: value}) {
			t.Errorf("%s is %+v", key, e.Resource)
		}
		if !strings.Contains(file, "\n"+key+" = "+value+"\n") {
			t.Errorf("%s is not in the file:\n%s", key, file)
		}
	}
}

// The parameters of bridges are there once their module is, which comes first.
func TestAModuleComesBeforeTheParametersThatItBrings(t *testing.T) {
	s := desired(t, func(in *node.Input) { in.Config.Spec.KernelModules = []api.KernelModule{{Name: "br_netfilter"}} })
	index := map[host.ID]int{}
	for i, e := range s.Entries() {
		index[e.Resource.ID()] = i
	}
	for _, p := range bridge() {
		if at, ok := index[p.ID()]; !ok || at < index[host.Module{Name: "br_netfilter"}.ID()] {
			t.Errorf("%s is at %d", p.Key, at)
		}
	}
}

// A person may name a parameter that only a module brings, and leave the module to
// somebody else: then it must be there, or the driver says what is missing.
func TestAParameterOfABridgeThatAPersonNamesIsWanted(t *testing.T) {
	s := desired(t, func(in *node.Input) {
		in.Config.Spec.Sysctls = map[string]string{"net.bridge.bridge-nf-call-iptables": "0"}
	})
	if e, ok := s.Lookup(bridge()[0].ID()); !ok || e.Resource != (host.Sysctl{Key: bridge()[0].Key, Value: "0"}) {
		t.Errorf("it is %+v", e.Resource)
	}
	if _, ok := s.Lookup(bridge()[1].ID()); ok {
		t.Error("the other one is wanted, too")
	}
}

func TestWhatTheKernelCannotBeAskedForIsRefused(t *testing.T) {
	sysctls := func(key, value string) func(*node.Input) {
		return func(in *node.Input) { in.Config.Spec.Sysctls = map[string]string{key: value} }
	}
	modules := func(m ...api.KernelModule) func(*node.Input) {
		return func(in *node.Input) { in.Config.Spec.KernelModules = m }
	}
	parameter := func(name, value string) func(*node.Input) {
		return modules(api.KernelModule{Name: "x", Parameters: map[string]string{name: value}})
	}
	pools := func(pools ...api.HugePages) func(*node.Input) {
		return func(in *node.Input) {
			in.Config.Spec.HugePages, in.Hardware.Memory.OnlineBytes = pools, 8<<30
		}
	}
	for _, row := range []struct {
		name   string
		change func(*node.Input)
		says   string
	}{
		{"what kubelet insists on", sysctls("vm.overcommit_memory", "0"), `"vm.overcommit_memory": kubelet does not start with another value, and sets 1`},
		{"the same with slashes", sysctls("kernel/panic", "5"), "kubelet does not start with another value"},
		{"a parameter twice", func(in *node.Input) {
			in.Config.Spec.Sysctls = map[string]string{"net.core.somaxconn": "1", "net/core/somaxconn": "2"}
		}, "named twice"},
		{"two names of one parameter", func(in *node.Input) {
			in.Config.Spec.Sysctls = map[string]string{"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.forwarding": "0"}
		}, "net.ipv4.ip_forward by another name"},
		{"what the kernel does not hold together", func(in *node.Input) {
			in.Config.Spec.Sysctls = map[string]string{"vm.dirty_bytes": "1000000", "vm.dirty_ratio": "20"}
		}, "sets it to 0"},
		{"a pool twice", func(in *node.Input) {
			pools(api.HugePages{Size: "2Mi", Count: 1})(in)
			sysctls("vm.nr_hugepages", "2")(in)
		}, "a second time"},
		{"a line in a value", sysctls("kernel.hostname", "a\nvm.panic_on_oom = 1"), "not one line"},
		{"a value that is not UTF-8", sysctls("kernel.hostname", "a\xff"), "not one line"},
		{"a long value", sysctls("kernel.hostname", strings.Repeat("x", 5000)), "not one line"},
		{"no dot", sysctls("somaxconn", "1"), "have a dot"},
		{"a comment", sysctls("#net.core", "1"), "no name"},
		{"a minus", sysctls("-net.core.somaxconn", "1"), "no name"},
		{"a glob", sysctls("net.ipv4.conf.*.rp_filter", "1"), "no name"},
		{"an assignment", sysctls("net.a=b", "1"), "no name"},
		{"parents", sysctls("net/../../etc/passwd", "1"), "no name"},
		{"parents spelled in slashes", sysctls("a.//.b", "1"), "no name"},
		{"an empty part", sysctls("net..core", "1"), "no name"},
		{"nothing", sysctls("", "1"), "no name"},
		{"module with a path", modules(api.KernelModule{Name: "../x"}), `kernel module "../x"`},
		{"module with an option", modules(api.KernelModule{Name: "x -r"}), "no name of a module"},
		{"module without a name", modules(api.KernelModule{}), "no name of a module"},
		{"module twice", modules(api.KernelModule{Name: "br_netfilter"}, api.KernelModule{Name: "br-netfilter"}), "listed twice"},
		{"parameter with a line", parameter("a", "1\noptions y b=2"), "control character"},
		{"parameter with a quotation mark", parameter("a", `1" b="2`), "quotation mark"},
		{"parameter that goes on in the next line", parameter("a", `1\`), "backslash"},
		{"parameter with an odd name", parameter("a b", "1"), "no name of a parameter"},
		{"pools of all memory", pools(api.HugePages{Size: "1Gi", Count: 4}, api.HugePages{Size: "2Mi", Count: 2048}), "all of the 8192 MiB"},
		{"a pool beyond all memory", pools(api.HugePages{Size: "1Gi", Count: 1 << 20}), "all of the 8192 MiB"},
		{"a size that is none", pools(api.HugePages{Size: "3Mi", Count: 1}), "spec.hugePages[0]"},
		{"swap of no size", func(in *node.Input) { in.Config.Spec.Swap.Size = "-1" }, "spec.swap.size"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Decide(input(row.change))
			if f, ok := fault.Find(err); !ok || f.Code != fault.ConfigInvalid || f.Remedy == "" || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What the kernel shows is compared with what is wanted, so the two must not differ
// in their words alone: the driver would refuse it, or every run set it anew.
func TestValuesAreWrittenAsTheKernelShowsThem(t *testing.T) {
	for _, row := range []struct{ key, value, want string }{
		{"net.ipv4.tcp_fastopen", "0x403", "1027"},
		{"kernel.sem", " 0xFA\t32000 100  128 ", "250 32000 100 128"},
		{"kernel.hostname", "0xyz", "0xyz"},
		{"kernel.hostname", "0x", "0x"},
		{"net.core.rps_default_mask", "0000000f", "0000000f"},
		{"net.ipv4.ip_local_reserved_ports", "30000-32767,8081,8080,30100-40000", "8080-8081,30000-40000"},
		{"net.ipv4.ip_local_reserved_ports", "30000-32767", "30000-32767"},
		{"net.ipv4.ip_local_reserved_ports", "65535,1", "1,65535"},
		{"net.ipv4.ip_local_reserved_ports", "2-1", "2-1"},
		{"net.ipv4.ip_local_reserved_ports", "1,,2", "1,,2"},
		{"net.ipv4.ip_local_reserved_ports", "", ""},
		{"net.ipv4.ip_local_port_range", "32768-60999", "32768-60999"},
	} {
		if got := canonical(row.key, row.value); got != row.want {
			t.Errorf("%s = %q is written as %q, want %q", row.key, row.value, got, row.want)
		}
	}
}

// A limit of the agent's own must not undo what a person asks for by another name.
func TestTwoNamesOfAParameterHaveOneValue(t *testing.T) {
	s := desired(t, func(in *node.Input) {
		in.Config.Spec.Sysctls = map[string]string{"user.max_inotify_watches": "100", "net.ipv4.conf.all.forwarding": "0"}
	})
	for own, value := range map[string]string{"fs.inotify.max_user_watches": "100", "net.ipv4.ip_forward": "0"} {
		if e, _ := s.Lookup(host.Sysctl{Key: own}.ID()); e.Resource != (host.Sysctl{Key: own, Value: value}) {
			t.Errorf("%s is %+v", own, e.Resource)
		}
	}
}

// The kernel itself sets a counterpart to 0, and refuses to be told so.
func TestTheZeroOfACounterpartIsTheKernels(t *testing.T) {
	for _, zero := range []string{"vm.dirty_bytes", "vm.dirty_ratio"} {
		values := map[string]string{"vm.dirty_bytes": "1000000", "vm.dirty_ratio": "20"}
		values[zero] = "0"
		s := desired(t, func(in *node.Input) { in.Config.Spec.Sysctls = values })
		for key := range values {
			if _, wanted := s.Lookup(host.Sysctl{Key: key}.ID()); wanted == (key == zero) {
				t.Errorf("with %s 0, %s is wanted: %t", zero, key, wanted)
			}
		}
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := Decide(input(func(in *node.Input) {
		in.Config.Spec.Sysctls = map[string]string{"a": "1", "kernel.panic": "0"}
		in.Config.Spec.KernelModules = []api.KernelModule{{Name: "a b"}}
		in.Config.Spec.Swap.Size = "x"
		in.Config.Spec.TimeSync.Servers = []string{"a b"}
		in.Config.Spec.HugePages = []api.HugePages{{Size: "x"}}
	}))
	for _, want := range []string{`spec.sysctls "a"`, `spec.sysctls "kernel.panic"`, `kernel module "a b"`, "spec.swap.size", "spec.timeSync.servers[0]", "spec.hugePages[0]"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s is not in %v", want, err)
		}
	}
}

// Huge pages of an unknown memory cannot be judged.
func TestHugePagesNeedToKnowTheMemory(t *testing.T) {
	change := func(in *node.Input) {
		in.Config.Spec.HugePages = []api.HugePages{{Size: "2Mi", Count: 1}}
		in.Problems = []node.Problem{{Fact: "hardware.memory", Code: fault.FactMissing, Message: "no /sys", Remedy: "Mount it."}}
	}
	if _, err := Decide(input(change)); fault.CodeOf(err) != fault.FactMissing {
		t.Errorf("got %v", err)
	}
}

func FuzzTheFileOfParametersHasOneLineForEach(f *testing.F) {
	f.Add("net.core.somaxconn", "4096")
	f.Add("net/ipv4/conf/eth0.100/forwarding", "1 2\t3")
	f.Add("a./b", "\r")
	f.Add("#a.b", "\n")
	f.Fuzz(func(t *testing.T, key, value string) {
		s, err := Decide(input(func(in *node.Input) { in.Config.Spec.Sysctls = map[string]string{key: value} }))
		if err != nil {
			return
		}
		plain, err := Decide(input(nil))
		if err != nil {
			t.Fatal(err)
		}
		before, after := strings.Split(string(sysctlFile(plain.Persistent)), "\n"), strings.Split(string(sysctlFile(s.Persistent)), "\n")
		if more := len(after) - len(before); more < 0 || more > 1 {
			t.Fatalf("%q = %q makes %q", key, value, after)
		}
		for _, line := range after[1 : len(after)-1] {
			if name, _, ok := strings.Cut(line, " ="); !ok || strings.ContainsAny(name, " \t#;*?[") {
				t.Fatalf("%q = %q makes the line %q", key, value, line)
			}
		}
	})
}

func FuzzModuleOptionsAreReadBack(f *testing.F) {
	f.Add("a", "1")
	f.Add("a", "two words")
	f.Add("a", "à")
	f.Add("dyndbg", "+p; file x.c")
	f.Add("a", `"`)
	f.Fuzz(func(t *testing.T, name, value string) {
		got, err := moduleOptions(map[string]string{name: value})
		if err != nil {
			return
		}
		if strings.ContainsAny(got, "\n\r\\") || strings.Count(got, `"`)%2 != 0 {
			t.Fatalf("%q=%q is written as %q", name, value, got)
		}
		// isspace of the kernel, lib/ctype.c.
		if inside := strings.SplitN(got, `"`, 3); strings.ContainsAny(inside[0], " ") || strings.Contains(inside[0], "\xa0") {
			t.Fatalf("%q=%q is several parameters for the kernel: %q", name, value, got)
		}
		back := strings.ReplaceAll(strings.TrimPrefix(got, name), `"`, "")
		if strings.TrimPrefix(back, "=") != value {
			t.Fatalf("%q=%q is written as %q", name, value, got)
		}
	})
}
