package golden_test

import (
	"encoding/json"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// odd are texts that mean something to some reader of some file.
var odd = []string{
	"", "a", "A", "a-b", "a_b", "a.b", "a..b", ".a", "a.", "-a", "a-", "_a", "a b", " a", "a ", "a\tb", "a\nb", "a\rb", "a\x00b", "a\x7fb",
	`a"b`, `a'b`, `a\b`, `a\`, "a$b", "${a}", "$${a}", "a%b", "a%20b", "a%2Fb", "%i", "a#b", "#a", ";a", "a;b", "a=b", "a,b", "a:b", "a:5000", "a/b", "/a", "/a/b", "a/", "/a/../b", "/",
	"..", "a@b", "@", "*", "*.a", "a*b", "[a]", "[::1]", "[fd00::1]:5000", "::1", "fe80::1%eth0", "10.0.0.1", "10.0.0.0/8", "1.2.3", "1.2.3.4.5", "0", "-1", "010", "0x10", "1e3",
	"é", "aéb", "日本", "a\u00a0b", "\u2028", "\ufeff", "\u202e", "😀", "xn--e1afmkfd", "true", "null", "~", strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 254), strings.Repeat("a.", 130) + "a",
}

// places are where a text can stand in a configuration; § is the text as a JSON
// string, ¤ the text within a string.
var places = []string{
	`labels: {§: x}`, `labels: {x: §}`, `annotations: {§: x}`, `annotations: {x: §}`,
	`taints: [{key: §, effect: NoSchedule}]`, `taints: [{key: a, value: §, effect: NoSchedule}]`,
	`registries: [{registry: §, mirrors: [{url: "https://m.example"}]}]`, `registries: [{registry: "a.example:¤", mirrors: [{url: "https://m.example"}]}]`,
	`registries: [{registry: a.example, mirrors: [{url: "https://¤"}]}]`, `registries: [{registry: a.example, mirrors: [{url: "http://m.example:¤"}]}]`,
	`registries: [{registry: a.example, mirrors: [{url: "https://m.example/v2/¤"}]}]`,
	`registries: [{registry: a.example, mirrors: [{url: "https://m.example", credentials: {source: basic, username: §, password: p}}]}]`,
	`registries: [{registry: a.example, mirrors: [{url: "https://m.example", credentials: {source: basic, username: u, password: §}}]}]`,
	`imageCredentials: [{name: §, program: /opt/p, matchImages: [a.example]}]`, `imageCredentials: [{name: a, program: "/opt/¤", matchImages: [a.example]}]`,
	`imageCredentials: [{name: a, program: /opt/p, matchImages: [§]}]`, `imageCredentials: [{name: a, program: /opt/p, matchImages: [a.example], args: [§]}]`,
	`imageCredentials: [{name: a, program: /opt/p, matchImages: [a.example], env: {§: x}}]`, `imageCredentials: [{name: a, program: /opt/p, matchImages: [a.example], env: {x: §}}]`,
	`proxy: {http: "http://¤"}`, `proxy: {http: "http://h:1", noProxy: [§]}`,
	`sysctls: {"net.¤": "1"}`, `sysctls: {net.core.somaxconn: §}`,
	`kernelModules: [{name: §}]`, `kernelModules: [{name: a, parameters: {§: x}}]`, `kernelModules: [{name: a, parameters: {x: §}}]`,
	`hugePages: [{size: §, count: 1}]`, `ulimits: {core: {hard: §}}`, `ulimits: {§: {hard: "1"}}`,
	`swap: {behavior: LimitedSwap, size: 1Gi, path: §}`, `swap: {behavior: LimitedSwap, size: §}`, `timeSync: {servers: [§]}`,
	`staticPods: {§: {metadata: {name: a}, spec: {containers: [{name: c, image: i}]}}}`, `staticPods: {a: {metadata: {name: a, annotations: {x: §}}, spec: {containers: [{name: c, image: §}]}}}`,
	`hooks: [{name: §, stage: pre-config, command: [/bin/x]}]`, `hooks: [{name: a, stage: pre-config, command: [/bin/x, §]}]`, `hooks: [{name: a, stage: pre-config, command: [§]}]`,
	`hooks: [{name: a, stage: pre-config, command: [/bin/x], env: {§: x}}]`, `hooks: [{name: a, stage: pre-config, command: [/bin/x], env: {x: §}}]`, `hooks: [{name: a, stage: pre-config, timeout: §, command: [/bin/x]}]`,
	`reserved: {system: {cpu: §}}`, `reserved: {system: {memory: §}}`, `reserved: {ephemeralStorage: §}`, `reserved: {model: expression, cpu: §, memory: "1"}`,
	`instance: {environment: {§: {A: b}}}`, `instance: {environment: {kubelet: {§: b}}}`, `instance: {environment: {default: {A: §}}}`,
	`instance: {network: {nameservers: [§]}}`, `instance: {network: {domains: [§]}}`, `instance: {localStorage: {strategy: RAID0, mountPath: §}}`,
}

// What `config check` accepts must not fail on the machine: there is nobody to
// correct it.
func TestWhatTheCheckAcceptsCanBeDecided(t *testing.T) {
	cluster := clusterText(t)
	machine := features[len(features)-1].input(t, 33)
	accepted, refused := 0, 0
	for _, place := range places {
		for _, text := range odd {
			quoted, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			spec := strings.NewReplacer("§", string(quoted), "¤", string(quoted[1:len(quoted)-1])).Replace(place)
			config, ok := check(cluster, spec)
			if !ok {
				refused++
				continue
			}
			accepted++
			in := machine
			in.Config = config
			in.Present.Programs = map[string]bool{}
			for _, c := range in.Config.Spec.ImageCredentials {
				in.Present.Programs[c.Program] = true
			}
			s, err := node.Desired(in, components())
			switch {
			case err == nil:
				wellFormed(t, spec, in, s)
			case !ofThisMachine(err):
				t.Errorf("%s is accepted, and then: %v", spec, err)
			}
		}
	}
	if accepted < 800 || refused < 300 {
		t.Errorf("%d accepted, %d refused: the test looks at one side alone", accepted, refused)
	}
}

func clusterText(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/situations/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// check reads the fields of a specification, laid over those of the cluster; ok is
// false where something is wrong with them.
func check(cluster []byte, fields string) (config api.NodeConfig, ok bool) {
	doc := "apiVersion: eksnode.dev/v1alpha1\nkind: NodeConfig\nspec: {" + fields + "}"
	merged, problems := api.Load([]api.Input{{Name: "cluster", Raw: cluster}, {Name: "fields", Raw: []byte(doc)}}, api.Options{}, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	return merged.Config, !api.HasErrors(problems)
}

// What kubelet insists on is known to the check as well as to the component that
// sets it.
func TestTheCheckKnowsWhatKubeletInsistsOn(t *testing.T) {
	cluster := clusterText(t)
	found := 0
	for _, r := range node.Reasons(features[0].input(t, 33), components()) {
		if r.From != "kubelet does not start with another value" {
			continue
		}
		found++
		for value, want := range map[string]bool{r.Value: true, r.Value + "1": false} {
			if _, ok := check(cluster, `sysctls: {`+r.Setting+`: "`+value+`"}`); ok != want {
				t.Errorf("%s = %s: accepted %t", r.Setting, value, ok)
			}
		}
	}
	if found != 6 {
		t.Errorf("%d parameters", found)
	}
}

func TestTheCheckAndTheRuntimeKnowTheSameLimits(t *testing.T) {
	cluster := clusterText(t)
	for _, name := range strings.Fields("as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack open nofiles NOFILE") {
		config, ok := check(cluster, "ulimits: {"+name+": {hard: '1'}}")
		if known := !slices.Contains([]string{"open", "nofiles", "NOFILE"}, name); ok != known {
			t.Errorf("%s is accepted: %t", name, ok)
		}
		in := features[0].input(t, 33)
		in.Config = config
		if _, err := node.Desired(in, components()); ok && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// ofThisMachine reports whether what is wrong can only be known on the machine, or is
// a name of a unit that is too long for the name of a folder.
func ofThisMachine(err error) bool {
	for _, s := range []string{"cannot leave room for pods", "is not between 0 and", "it is no name of a service"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// The lines of each flat file: settings of its kind, and remarks.
var (
	sysctlLine      = regexp.MustCompile(`^(#.*|-?[A-Za-z0-9_]+(\.[A-Za-z0-9_@:+/-]+)+ =( [^ ].*)?)$`)
	moduleLine      = regexp.MustCompile(`^(#.*|[A-Za-z0-9_]+)$`)
	optionsLine     = regexp.MustCompile(`^(#.*|options [A-Za-z0-9_]+( [A-Za-z0-9_.-]+(=("[^"\\]*"|[^ "\\]+))?)+)$`)
	chronyLine      = regexp.MustCompile(`^(#.*|server [A-Za-z0-9.:-]+ prefer iburst( minpoll 4 maxpoll 4)?)$`)
	kubeletLine     = regexp.MustCompile(`^[A-Z_]+=[^ ].*$`)
	environmentLine = regexp.MustCompile(`^(\[(Manager|Service)\]|(Default)?Environment="[A-Za-z_][A-Za-z0-9_]*=([^"\\%]|\\[\\"nt]|%%)*")$`)
	hostsLine       = regexp.MustCompile(`^[ -~]*$`)
)

// lineOf returns the form of a file's lines; nil for a file that is not flat.
func lineOf(f host.File, in node.Input) *regexp.Regexp {
	switch f.Path {
	case in.Layout.SysctlDropIn:
		return sysctlLine
	case in.Layout.ModulesLoad:
		return moduleLine
	case in.Layout.ModuleOptions:
		return optionsLine
	case in.Present.ChronySources:
		return chronyLine
	case in.Layout.KubeletEnvironment:
		return kubeletLine
	}
	switch path.Base(f.Path) {
	case "environment.conf":
		return environmentLine
	case "hosts.toml":
		return hostsLine
	}
	return nil
}

// wellFormed fails the test where a file has a line that its reader would not take
// for a setting of its kind, whatever has been put into it.
func wellFormed(t *testing.T, spec string, in node.Input, s host.State) {
	t.Helper()
	for _, e := range s.Entries() {
		f, ok := e.Resource.(host.File)
		form := lineOf(f, in)
		if !ok || form == nil {
			continue
		}
		if form == hostsLine {
			if err := toml.Unmarshal(f.Content, &map[string]any{}); err != nil {
				t.Errorf("%s: %s: %v", spec, f.Path, err)
			}
		}
		for l := range strings.SplitSeq(strings.TrimSuffix(string(f.Content), "\n"), "\n") {
			if !form.MatchString(l) || !utf8.ValidString(l) || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				t.Errorf("%s: %s has the line %q", spec, f.Path, l)
			}
		}
	}
}
