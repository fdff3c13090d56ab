package api_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
)

// layered is a configuration of three layers that replace, add to and mask each
// other.
func layered(t *testing.T) api.Merged {
	t.Helper()
	user := `kubelet:
  config:
    maxPods: 110
    clusterDNS: [10.100.0.10, 10.100.0.11]
    evictionHard: {nodefs.available: 10%}
    registerWithTaints: [{key: a, effect: NoSchedule}]
  flags: [--v=2]
instance: {environment: {default: {HTTPS_PROXY: 'http://u:hunter2@p:1'}}}
containerd:
  config: |
    [plugins.'io.containerd.grpc.v1.cri'.containerd]
    discard_unpacked_layers = false
    [plugins.'io.containerd.grpc.v1.cri'.registry.configs.'a.example.com'.auth]
    password = 'hunter2'
taints: [{key: dedicated, value: x, effect: NoSchedule}]
ulimits: {nofile: {hard: 65536}}
registries:
- registry: docker.io
  mirrors: [{url: 'https://m.example.com', credentials: {source: basic, username: u, password: hunter2}}]
featureGates: {FastImagePull: true}`
	dropIn := header + "spec:\n  kubelet:\n    config: {maxPods: 20}\n    flags: [--node-labels=a=b]\n  containerd:\n    config: |\n      [plugins.'io.containerd.grpc.v1.cri'.containerd]\n      discard_unpacked_layers = true\n  featureGates: {FastImagePull: maybe}\n"
	m, _ := api.Load([]api.Input{
		{Name: "imds://user-data", Raw: message(t, api.APIVersionSuperset, user, karpenter)},
		{Name: "file:///etc/eksnode/config.d/10.yaml", Raw: []byte(dropIn)},
	}, api.Options{}, now)
	return m
}

func TestExplainShowsWhereAValueComesFrom(t *testing.T) {
	m := layered(t)
	for name, path := range map[string]string{
		"three-layers":        "spec.kubelet.config.maxPods",
		"path-below-spec":     "kubelet.config.evictionHard",
		"end-of-a-path":       "clusterDNS",
		"list-of-mappings":    "registerWithTaints",
		"item-of-a-list":      "registerWithTaints[0].key",
		"flags":               "flags",
		"containerd-key":      "discard_unpacked_layers",
		"secret":              "HTTPS_PROXY",
		"secret-in-toml":      "registry",
		"not-set-mapping":     "evictionSoft",
		"agents-mapping":      "authentication",
		"keyed-list":          "taints",
		"registries":          "registries",
		"map-of-mappings":     "ulimits",
		"not-set":             "mountPath",
		"not-set-in-kubelet":  "serializeImagePulls",
		"kubelets-own":        "cpuManagerPolicy",
		"not-set-list":        "hooks",
		"section":             "cni",
		"section-partly-set":  "spec.kubelet",
		"given-and-not-taken": "featureGates.FastImagePull",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := m.Explain(path)
			if name == "secret-in-toml" { // two registries end so: the one in TOML is meant
				got, err = m.Explain(`plugins["io.containerd.grpc.v1.cri"].registry`)
			}
			if err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, filepath.Join("testdata/explain", name+".json"), asJSON(t, got))
		})
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "hunter2") {
		t.Error("a secret shows")
	}
	return string(raw) + "\n"
}

func TestExplainWithoutAPathIsForAllThatIsGiven(t *testing.T) {
	got, err := layered(t).Explain("")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range got {
		b.WriteString(e.Path + " = " + e.Value + "\n")
		if !e.Set || len(e.Origins) == 0 {
			t.Errorf("%s is not given", e.Path)
		}
	}
	golden.Assert(t, "testdata/explain/all.txt", b.String())
	if got, err := (api.Merged{}).Explain(""); err != nil || len(got) != 0 {
		t.Errorf("nothing: %v, %v", got, err)
	}
}

func TestExplainNamesWhatMayBeMeant(t *testing.T) {
	m := layered(t)
	for path, want := range map[string]string{
		"maxPod":                  `cannot explain "maxPod": there is no such field; did you mean spec.kubelet.config.maxPods?`,
		"spec.kubelet.maxPods":    `cannot explain "spec.kubelet.maxPods": there is no such field; did you mean spec.kubelet.config.maxPods?`,
		"name":                    `cannot tell which field "name" is: it may be metadata.name, spec.cluster.name, spec.nodeName.name`,
		"kubelet.config.nonsense": `cannot explain "kubelet.config.nonsense": there is no such field`,
		"..":                      `cannot explain "..": there is no such field`,
		"[":                       `cannot explain "[": there is no such field`,
		`["`:                      `cannot explain "[\"": there is no such field`,
		"spec.metadata.uid":       `cannot explain "spec.metadata.uid": there is no such field; did you mean spec.cluster.id`,
		"clusterDNS[7]":           `cannot explain "clusterDNS[7]": there is no such field`,
		"clusterName":             `cannot explain "clusterName": there is no such field; did you mean spec.cluster.name?`,
		"host-name":               `cannot explain "host-name": there is no such field; did you mean spec.nodeName?`,
		"ulimits.nproc":           `cannot explain "ulimits.nproc": spec.ulimits has no entry "nproc"`,
		`hugePages["2Mi"]`:        `cannot explain "hugePages[\"2Mi\"]": spec.hugePages has no entry "2Mi"`,
		"spec.kubelet.flags[99]":  `cannot explain "spec.kubelet.flags[99]": spec.kubelet.flags has no entry "99"`,
		"proxy.htps":              `cannot explain "proxy.htps": there is no such field; did you mean spec.proxy.https?`,
		"cni[0]":                  `cannot explain "cni[0]": there is no such field`,
		"[[":                      `cannot explain "[[": there is no such field`,
	} {
		if _, err := m.Explain(path); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}

func TestEntriesAreExplainedByNumberAndByBareKey(t *testing.T) {
	raw, err := os.ReadFile("testdata/shapes/superset-everything.in")
	if err != nil {
		t.Fatal(err)
	}
	m, problems := load(t, raw, api.Options{})
	if api.HasErrors(problems) {
		t.Fatal(render(problems))
	}
	for path, want := range map[string]string{
		"spec.taints[1].value":         `spec.taints["node.cilium.io/agent-not-ready:NoExecute"].value`,
		"registries[0].mirrors[1].url": `spec.registries["docker.io"].mirrors[1].url`,
		"hooks.prepare.run":            `spec.hooks["prepare"].run`,
		"hugePages[2].count":           `spec.hugePages["1Gi:1"].count`,
	} {
		got, err := m.Explain(path)
		if err != nil || len(got) != 1 || got[0].Path != want {
			t.Errorf("%s: got %v, %v", path, got, err)
		}
	}
	if _, err := m.Explain("taints[0].valeu"); err == nil || !strings.Contains(err.Error(), ".value?") {
		t.Errorf("a field that an entry has not: %v", err)
	}
}

func TestEveryValueCanBeExplainedByItsPath(t *testing.T) {
	m := layered(t)
	for _, l := range m.Leaves() {
		got, err := m.Explain(l.Path)
		if err != nil || len(got) != 1 || got[0].Path != l.Path || got[0].Value != l.Origins[0].Value {
			t.Errorf("%s: got %v, %v", l.Path, got, err)
		}
	}
	for _, f := range api.Fields() {
		if strings.ContainsAny(f.Path, "[*") || f.Kind == api.IgnoredField {
			continue
		}
		if got, err := m.Explain(f.Path); err != nil || len(got) == 0 {
			t.Errorf("%s: got %v, %v", f.Path, got, err)
		}
	}
}

func TestTheDefaultsOfKubeletAreWhatTheAgentWrites(t *testing.T) {
	raw, err := os.ReadFile("../../test/golden/testdata/m5.large/1.37-ipv4.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(raw), "== file:/etc/kubernetes/kubelet/config.json ")
	_, text, _ = strings.Cut(text, "\n")
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, ok := strings.CutPrefix(line, "   | ")
		if !ok {
			break
		}
		b.WriteString(line)
	}
	var config map[string]any
	if err := json.Unmarshal([]byte(b.String()), &config); err != nil {
		t.Fatal(err)
	}
	defaults := api.KubeletDefaults()
	seen := map[string]bool{}
	var compare func(path string, v any)
	compare = func(path string, v any) {
		want, known := defaults[path]
		seen[path] = true
		m, mapping := v.(map[string]any)
		switch {
		case !known && mapping:
			for k, v := range m {
				compare(api.ChildPath(path, k), v)
			}
		case !known:
			t.Errorf("%s has no default", path)
		case want != "":
			if got, err := json.Marshal(v); err != nil || string(got) != want {
				t.Errorf("%s: the agent writes %s, the default is %s", path, got, want)
			}
		}
	}
	delete(config, "kind")
	delete(config, "apiVersion")
	for k, v := range config {
		compare(k, v)
	}
	for path, value := range defaults {
		if value != "" && !seen[path] {
			t.Errorf("the agent does not write %s", path)
		}
	}
}

func FuzzExplainAnyPath(f *testing.F) {
	for _, s := range []string{"maxPods", "spec.kubelet", `a["b.c"].d[0]`, `["\"]`, ".", "x[", "a..b"} {
		f.Add(s)
	}
	m := api.Merge(nil)
	f.Fuzz(func(t *testing.T, path string) {
		if got, err := m.Explain(path); err == nil && path != "" && len(got) == 0 {
			t.Errorf("%q: neither an error nor an answer", path)
		}
	})
}
