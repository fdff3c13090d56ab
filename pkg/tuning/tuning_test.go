package tuning

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func input(change func(*node.Input)) node.Input {
	in := node.Input{Layout: node.AL2023()}
	if change != nil {
		change(&in)
	}
	return in
}

func desired(t *testing.T, change func(*node.Input)) host.State {
	t.Helper()
	s, err := node.Desired(input(change), []node.Component{Component()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func content(t *testing.T, s host.State, path string) string {
	t.Helper()
	e, ok := s.Lookup(host.File{Path: path}.ID())
	if !ok {
		t.Fatalf("there is no %s", path)
	}
	return string(e.Resource.(host.File).Content)
}

// kubelet (pkg/kubelet/cm, setupKernelTunables) compares these when
// protectKernelDefaults is set, and exits when one differs.
func TestKubeletFindsTheKernelAsItWantsIt(t *testing.T) {
	s := desired(t, nil)
	file := content(t, s, "/etc/sysctl.d/99-eksnode.conf")
	for key, want := range map[string]string{
		"vm.overcommit_memory": "1", "vm.panic_on_oom": "0", "kernel.panic": "10", "kernel.panic_on_oops": "1",
		"kernel.keys.root_maxkeys": "1000000", "kernel.keys.root_maxbytes": "25000000",
	} {
		e, ok := s.Lookup(host.Sysctl{Key: key}.ID())
		if !ok || e.Resource != (host.Sysctl{Key: key, Value: want}) {
			t.Errorf("%s is %+v", key, e.Resource)
		}
		if !strings.Contains(file, "\n"+key+" = "+want+"\n") {
			t.Errorf("%s is not in the file:\n%s", key, file)
		}
	}
}

func TestLimitsAreRaisedAndNeverLoweredAtBoot(t *testing.T) {
	s := desired(t, nil)
	file := content(t, s, "/etc/sysctl.d/99-eksnode.conf")
	limits := 0
	for _, e := range s.Entries() {
		p, ok := e.Resource.(host.Sysctl)
		if !ok {
			continue
		}
		if p.AtLeast {
			limits++
		}
		if strings.Contains(file, p.Key) == p.AtLeast {
			t.Errorf("%+v and the file do not fit:\n%s", p, file)
		}
		if why[p.Key] == "" {
			t.Errorf("nothing says why %s is set", p.Key)
		}
	}
	if limits < 4 {
		t.Errorf("%d limits", limits)
	}
}

func TestBridgesAreTunedOnceTheKernelHasThem(t *testing.T) {
	with := desired(t, func(in *node.Input) { in.Present.BridgeNetfilter = true })
	without := desired(t, nil)
	for _, p := range bridge() {
		if _, ok := with.Lookup(p.ID()); !ok {
			t.Errorf("%s is not set", p.Key)
		}
		if _, ok := without.Lookup(p.ID()); ok {
			t.Errorf("%s is set on a kernel without it", p.Key)
		}
	}
	const path = "/etc/sysctl.d/99-eksnode.conf"
	if content(t, with, path) != content(t, without, path) || !strings.Contains(content(t, with, path), "\n-net.bridge.bridge-nf-call-iptables = 1\n") {
		t.Errorf("the file depends on the module:\n%s", content(t, with, path))
	}
}

func environment(all map[string]map[string]api.Secret) func(*node.Input) {
	return func(in *node.Input) { in.Config.Spec.Instance.Environment = all }
}

// unquote reads one assignment of Environment= as systemd does (systemd 252,
// extract_first_word with C escapes and quotes, then specifiers; checked
// against libsystemd): for text in double quotes alone.
func unquote(t *testing.T, s string) string {
	t.Helper()
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		t.Fatalf("%s is not in quotes", s)
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		switch c := s[i]; c {
		case '"':
			t.Fatalf("%s ends early", s)
		case '\\':
			i++
			replaced, ok := map[byte]byte{'n': '\n', 't': '\t', '"': '"', '\\': '\\'}[s[i]]
			if !ok || i == len(s)-1 {
				t.Fatalf("%s has a bad escape", s)
			}
			b.WriteByte(replaced)
		case '%':
			if i++; s[i] != '%' {
				t.Fatalf("%s has a specifier", s)
			}
			b.WriteByte('%')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func FuzzSystemdReadsTheEnvironmentBackExactly(f *testing.F) {
	f.Add("A", "b")
	f.Add("HTTPS_PROXY", `http://u:p%40"x"@h:1/\n`)
	f.Add("_1", "two\nlines\tand a tab, é, $X, 'q', %i \\")
	f.Add("1A", "x")
	f.Add("A", "\x00")
	f.Add("A", `"`)
	f.Fuzz(func(t *testing.T, name, value string) {
		s, err := Decide(input(environment(map[string]map[string]api.Secret{"kubelet": {name: api.Secret(value)}})))
		if err != nil {
			return
		}
		lines := strings.Split(string(s.Environments[0].file().Content), "\n")
		if len(lines) != 3 || lines[0] != "[Service]" || lines[2] != "" {
			t.Fatalf("the file is %q", lines)
		}
		quoted, ok := strings.CutPrefix(lines[1], "Environment=")
		if !ok || unquote(t, quoted) != name+"="+value {
			t.Fatalf("%q=%q is written as %s", name, value, lines[1])
		}
	})
}

func TestEnvironmentFilesAreForRootAlone(t *testing.T) {
	s := desired(t, environment(map[string]map[string]api.Secret{
		"default":        {"B": "2", "A": "1"},
		"kubelet":        {"X": "y"},
		"sshd@x.service": {"Z": ""},
		"empty":          {},
	}))
	want := map[string]string{
		"/etc/systemd/system.conf.d/environment.conf":            "[Manager]\nDefaultEnvironment=\"A=1\"\nDefaultEnvironment=\"B=2\"\n",
		"/etc/systemd/system/kubelet.service.d/environment.conf": "[Service]\nEnvironment=\"X=y\"\n",
		"/etc/systemd/system/sshd@x.service.d/environment.conf":  "[Service]\nEnvironment=\"Z=\"\n",
		"/etc/sysctl.d/99-eksnode.conf":                          content(t, s, "/etc/sysctl.d/99-eksnode.conf"),
	}
	for _, e := range s.Entries() {
		f, ok := e.Resource.(host.File)
		if !ok {
			continue
		}
		if got, ok := want[f.Path]; !ok || got != string(f.Content) {
			t.Errorf("%s is %q, want %q", f.Path, f.Content, got)
		}
		delete(want, f.Path)
		if secret := strings.HasSuffix(f.Path, "environment.conf"); f.Secret != secret || (f.Mode == 0o600) != secret {
			t.Errorf("%s: secret %t, mode %o", f.Path, f.Secret, f.Mode)
		}
	}
	for path := range want {
		t.Errorf("there is no %s", path)
	}
}

func TestABadEnvironmentIsRefusedWithoutItsValues(t *testing.T) {
	const value = "hunter2\x01"
	for name, all := range map[string]map[string]map[string]api.Secret{
		"control character":  {"kubelet": {"A": value}},
		"not UTF-8":          {"kubelet": {"A": "hunter2\xff"}},
		"name with a blank":  {"kubelet": {"A B": "hunter2"}},
		"name with a digit":  {"kubelet": {"1A": "hunter2"}},
		"no name":            {"kubelet": {"": "hunter2"}},
		"way out of the dir": {"../../../tmp/x": {"A": "hunter2"}},
		"dots alone":         {"..": {"A": "hunter2"}},
		"no service":         {"": {"A": "hunter2"}},
		"the same twice":     {"kubelet": {"A": "hunter2"}, "kubelet.service": {"A": "hunter2"}},
	} {
		_, err := Decide(input(environment(all)))
		if fault.CodeOf(err) != fault.ConfigInvalid || !strings.Contains(fmt.Sprint(err), "spec.instance.environment") {
			t.Errorf("%s: got %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: the value is in %v", name, err)
		}
	}
}

func TestSettingsDoNotShowSecrets(t *testing.T) {
	s, err := Decide(input(environment(map[string]map[string]api.Secret{"kubelet": {"A": "hunter2"}})))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil || strings.Contains(string(text)+fmt.Sprintf("%+v %#v", s, s), "hunter2") {
		t.Errorf("%s, %v, %+v", text, err, s)
	}
}

func TestTheResolverIsLeftAloneUnlessSomethingIsSet(t *testing.T) {
	resolved := host.Service{Name: "systemd-resolved.service"}.ID()
	if _, ok := desired(t, nil).Lookup(resolved); ok {
		t.Error("systemd-resolved is wanted for nothing")
	}
	for want, network := range map[string]api.Network{
		"[Resolve]\nDNS=10.0.0.2 fd00::2\nDomains=a.example ~.\n": {Nameservers: []string{"10.0.0.2", "fd00::2"}, Domains: []string{"a.example", "~."}},
		"[Resolve]\nDNS=10.0.0.2\n":                               {Nameservers: []string{"10.0.0.2"}},
		"[Resolve]\nDomains=a.example\n":                          {Domains: []string{"a.example"}},
	} {
		s := desired(t, func(in *node.Input) { in.Config.Spec.Instance.Network = network })
		if got := content(t, s, "/run/systemd/resolved.conf.d/40-eks.conf"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		e, ok := s.Lookup(resolved)
		if service, _ := e.Resource.(host.Service); !ok || !service.Running || len(service.Reads) != 1 {
			t.Errorf("the service is %+v", e.Resource)
		}
	}
}

func TestWhatCannotBeDoneIsRefused(t *testing.T) {
	for name, change := range map[string]func(*node.Input){
		"line in nameserver": func(in *node.Input) { in.Config.Spec.Instance.Network.Nameservers = []string{"10.0.0.2\n[Evil]"} },
		"two in one":         func(in *node.Input) { in.Config.Spec.Instance.Network.Nameservers = []string{"10.0.0.2 10.0.0.3"} },
		"empty domain":       func(in *node.Input) { in.Config.Spec.Instance.Network.Domains = []string{""} },
	} {
		_, err := Decide(input(change))
		if f, ok := fault.Find(err); !ok || f.Code != fault.ConfigInvalid || f.Remedy == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
