package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
)

// mergeTexts merges documents named first, second, ... and returns the outcome
// with secrets.
func mergeTexts(t *testing.T, texts ...string) (api.Merged, string) {
	t.Helper()
	var docs []api.Document
	for i, text := range texts {
		docs = append(docs, decode(t, []string{"first", "second", "third"}[i], text)...)
	}
	m := api.Merge(docs)
	out, err := api.Encode(m.Config, api.EncodeOptions{Secrets: true})
	if err != nil {
		t.Fatal(err)
	}
	return m, strings.TrimPrefix(string(out), header)
}

func TestMergeFollowsTheRuleOfEachField(t *testing.T) {
	for _, row := range []struct {
		name          string
		first, second string // below spec
		want          string // below spec
	}{
		{"a later string wins", "cluster: {name: a}", "cluster: {name: b}", "cluster:\n  name: b"},
		{"an empty string does not clear", "cluster: {name: a}", `cluster: {name: ""}`, "cluster:\n  name: a"},
		{"a missing string does not clear", "cluster: {name: a}", "cluster: {cidr: c}", "cluster:\n  name: a\n  cidr: c"},
		{"null does not clear", "cluster: {name: a}", "cluster: {name: ~}", "cluster:\n  name: a"},
		{"a later certificate authority wins", "cluster: {certificateAuthority: YQ==}", "cluster: {certificateAuthority: Yg==}", "cluster:\n  certificateAuthority: Yg=="},
		{"enableOutpost true overrides false", "cluster: {enableOutpost: false}", "cluster: {enableOutpost: true}", "cluster:\n  enableOutpost: true"},
		{"enableOutpost false overrides true, unlike in nodeadm", "cluster: {enableOutpost: true}", "cluster: {enableOutpost: false}", "cluster:\n  enableOutpost: false"},
		{"enableOutpost stays if nothing is said", "cluster: {enableOutpost: true}", "cluster: {name: a}", "cluster:\n  name: a\n  enableOutpost: true"},
		{"feature gates merge by gate, false too", "featureGates: {A: true, B: true}", "featureGates: {B: false, C: true}", "featureGates:\n  A: true\n  B: false\n  C: true"},
		{"environment merges by variable", "instance: {environment: {default: {A: a, B: b}}}", "instance: {environment: {default: {B: c}, kubelet: {D: d}}}",
			"instance:\n  environment:\n    default:\n      A: a\n      B: c\n    kubelet:\n      D: d"},
		{"an empty environment value overrides", "instance: {environment: {default: {A: a}}}", `instance: {environment: {default: {A: ""}}}`, "instance:\n  environment:\n    default:\n      A: \"\""},
		{"an empty environment clears nothing", "instance: {environment: {default: {A: a}}}", "instance: {environment: {default: {}}}", "instance:\n  environment:\n    default:\n      A: a"},
		{"nameservers are replaced", "instance: {network: {nameservers: [a, b]}}", "instance: {network: {nameservers: [c]}}", "instance:\n  network:\n    nameservers:\n      - c"},
		{"an empty list clears nothing", "instance: {network: {domains: [a, b]}}", "instance: {network: {domains: []}}", "instance:\n  network:\n    domains:\n      - a\n      - b"},
		{"disabledMounts are replaced", "instance: {localStorage: {disabledMounts: [SOCI]}}", "instance: {localStorage: {disabledMounts: [PodLogs]}}", "instance:\n  localStorage:\n    disabledMounts:\n      - PodLogs"},
		{"flags are appended", "kubelet: {flags: [--a, --b]}", "kubelet: {flags: [--c, --a]}", "kubelet:\n  flags:\n    - --a\n    - --b\n    - --c\n    - --a"},
		{"no flags change nothing", "kubelet: {flags: [--a]}", "kubelet: {flags: []}", "kubelet:\n  flags:\n    - --a"},
		{"kubelet config merges at every depth", "kubelet: {config: {a: {x: 1, y: {p: 1}}}}", "kubelet: {config: {a: {y: {q: 2}}, b: 3}}",
			"kubelet:\n  config:\n    a:\n      x: 1\n      \"y\":\n        p: 1\n        q: 2\n    b: 3"},
		{"kubelet config lists are replaced, empty ones too", "kubelet: {config: {a: [1, 2], b: [1]}}", "kubelet: {config: {a: [3], b: []}}", "kubelet:\n  config:\n    a:\n      - 3\n    b: []"},
		{"kubelet config scalars are replaced, empty ones too", `kubelet: {config: {a: x, b: 1, c: true, d: 1}}`, `kubelet: {config: {a: "", b: 0, c: false, d: null}}`,
			"kubelet:\n  config:\n    a: \"\"\n    b: 0\n    c: false\n    d: null"},
		{"kubelet config: a scalar replaces a mapping", "kubelet: {config: {a: {b: 1}}}", "kubelet: {config: {a: 2}}", "kubelet:\n  config:\n    a: 2"},
		{"kubelet config: a mapping replaces a scalar", "kubelet: {config: {a: 2}}", "kubelet: {config: {a: {b: 1}}}", "kubelet:\n  config:\n    a:\n      b: 1"},
		{"kubelet config: an empty mapping clears nothing", "kubelet: {config: {a: {b: 1}}}", "kubelet: {config: {a: {}}}", "kubelet:\n  config:\n    a:\n      b: 1"},
		{"numbers keep their digits, unlike in nodeadm", "kubelet: {config: {a: 12345678901234567}}", "kubelet: {config: {b: 1.10}}", "kubelet:\n  config:\n    a: 12345678901234567\n    b: 1.10"},
		{"base runtime spec merges as kubelet config does", "containerd: {baseRuntimeSpec: {process: {a: [1], b: 1}}}", "containerd: {baseRuntimeSpec: {process: {a: [], c: 2}}}",
			"containerd:\n  baseRuntimeSpec:\n    process:\n      a: []\n      b: 1\n      c: 2"},
		{"containerd text of one document is verbatim", "containerd: {config: 'version  =   2 # odd'}", `containerd: {config: ""}`, `containerd:` + "\n" + `  config: "version  =   2 # odd"`},
		{"containerd text of the later document alone is verbatim", "containerd: {}", "containerd: {config: 'version  =   2'}", `containerd:` + "\n" + `  config: "version  =   2"`},
		{"containerd merges by key", "containerd: {config: \"version = 2\\n[plugins.a]\\nx = 1\\ny = [1, 2]\\n\"}", "containerd: {config: \"[plugins.a]\\ny = []\\n[plugins.b]\\nz = ''\\n\"}",
			"containerd:\n  config: |\n    version = 2\n\n    [plugins]\n    [plugins.a]\n    x = 1\n    y = []\n\n    [plugins.b]\n    z = ''"},
		{"containerd arrays of tables are replaced", "containerd: {config: \"[[p]]\\na = 1\\n[[p]]\\na = 2\\n\"}", "containerd: {config: \"[[p]]\\na = 3\\n\"}", "containerd:\n  config: |\n    [[p]]\n    a = 3"},
		{"containerd: a value replaces a table", "containerd: {config: \"[p]\\na = 1\\n\"}", "containerd: {config: \"p = 0\\n\"}", "containerd:\n  config: |\n    p = 0"},
		{"containerd numbers are exact", "containerd: {config: 'a = 9223372036854775807'}", "containerd: {config: 'b = 1'}", "containerd:\n  config: |\n    a = 9223372036854775807\n    b = 1"},
		{"maxPodsExpression is replaced", "kubelet: {maxPodsExpression: a}", "kubelet: {maxPodsExpression: b}", "kubelet:\n  maxPodsExpression: b"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, got := mergeTexts(t, spec(row.first), spec(row.second))
			if want := "spec:\n" + indent("  ", row.want) + "\n"; got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestMergeOfMetadataReplacesNamesAndJoinsLabels(t *testing.T) {
	_, got := mergeTexts(t,
		header+"metadata: {name: a, namespace: n, labels: {x: \"1\", y: \"2\"}, annotations: {p: q}}\n",
		header+"metadata: {name: b, labels: {y: \"3\", z: \"4\"}, creationTimestamp: null}\n")
	want := "metadata:\n  name: b\n  namespace: \"n\"\n  labels:\n    x: \"1\"\n    \"y\": \"3\"\n    z: \"4\"\n  annotations:\n    p: q\n"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestMergeOfBothGroupsHasTheSupersetsVersion(t *testing.T) {
	super := strings.ReplaceAll(spec("kubelet: {flags: [--a]}"), "node.eks.aws", "eksnode.dev")
	plain := spec("kubelet: {flags: [--b]}")
	for _, order := range [][]string{{super, plain}, {plain, super}, {plain, super, plain}} {
		m, _ := mergeTexts(t, order...)
		if m.Config.APIVersion != api.APIVersionSuperset {
			t.Errorf("apiVersion is %q", m.Config.APIVersion)
		}
	}
}

func TestMergeOfNothingIsTheZeroConfig(t *testing.T) {
	m := api.Merge(nil)
	if m.Config.Spec.Kubelet.Config != nil || m.Config.Kind != "" || len(m.Leaves()) != 0 || m.Origin("spec") != nil {
		t.Errorf("not empty: %+v", m.Config)
	}
}

func TestOriginTellsTheWinnerAndWhatItReplaced(t *testing.T) {
	toml := func(s string) string { return "containerd:\n  config: |\n" + indent("    ", s) }
	m, _ := mergeTexts(t,
		spec("cluster: {name: a}", "kubelet: {config: {maxPods: 1, a: {b: 1}}, flags: [--one]}", toml("[plugins.\"x.y\"]\nk = 1\nauth = 'hunter2'"), "instance: {environment: {default: {A: hunter2}}, network: {nameservers: [n1]}}"),
		spec("cluster: {name: \"\"}", "kubelet: {config: {maxPods: 2, a: 5}, flags: [--two]}", toml("[plugins.\"x.y\"]\nk = 2"), "instance: {environment: {default: {A: hunter3}}}"),
		spec("cluster: {name: b}", "kubelet: {config: {maxPods: 3, a: {c: 1}}}", "instance: {network: {nameservers: [n2, n3]}}"))
	for _, row := range []struct{ path, want string }{
		{"spec.cluster.name", `["b" at third:4:19 "a" at first:4:19]`},
		{"spec.kubelet.config.maxPods", "[3 at third:5:31 2 at second:5:31 1 at first:5:31]"},
		{"spec.kubelet.config.a", `[{"c":1} at third:5:37 5 at second:5:37 {"b":1} at first:5:37]`},
		{"spec.kubelet.config.a.c", `[1 at third:5:41 5 at second:5:37 {"b":1} at first:5:37]`},
		{"spec.kubelet.config.a.b", "[]"},
		{"spec.kubelet.flags[0]", `["--one" at first:5:54]`},
		{"spec.kubelet.flags[1]", `["--two" at second:5:49]`},
		{`spec.containerd.config.plugins["x.y"].k`, "[2 at second:9:7 1 at first:9:7]"},
		{`spec.containerd.config.plugins["x.y"].auth`, "[[redacted] at first:10:7]"},
		{"spec.instance.environment.default.A", "[[redacted] at second:10:41 [redacted] at first:11:41]"},
		{"spec.instance.network.nameservers", `[["n2","n3"] at third:6:37 ["n1"] at first:11:75]`},
		{"spec.instance.network.nameservers[1]", `["n3" at third:6:42 ["n1"] at first:11:75]`},
		{"spec.nothing", "[]"},
	} {
		if got := fmt.Sprint(m.Origin(row.path)); got != row.want {
			t.Errorf("%s: got %s, want %s", row.path, got, row.want)
		}
	}
}

func TestLeavesAreInTheOrderOfTheSchema(t *testing.T) {
	m, _ := mergeTexts(t, spec("featureGates: {B: true, A: true}", "kubelet: {flags: [--a], config: {z: {}, a: [[], x]}}", "cluster: {id: i, name: a}", "instance: {localStorage: {}}"))
	var got []string
	for _, l := range m.Leaves() {
		got = append(got, l.Path)
	}
	want := "apiVersion kind spec.cluster.name spec.cluster.id spec.kubelet.config.z spec.kubelet.config.a[0] spec.kubelet.config.a[1] spec.kubelet.flags[0] spec.featureGates.B spec.featureGates.A"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

func TestInputsAreMergedAndReportedInTheirOrder(t *testing.T) {
	m, problems := api.Load([]api.Input{
		{Name: "imds://user-data", Raw: []byte(spec(validCluster(t), "kubelet: {config: {maxPods: 0}}"))},
		{Name: "file:///etc/eks/nodeadm.d/10-a.yaml", Raw: []byte(spec("kubelet: {config: {maxPods: 7}, flag: []}"))},
	}, api.Options{}, now)
	if got := m.Config.Spec.Kubelet.Config["maxPods"]; fmt.Sprint(got) != "7" {
		t.Errorf("maxPods is %v", got)
	}
	want := "/etc/eks/nodeadm.d/10-a.yaml:4:35: error: spec.kubelet: unknown field \"flag\""
	if len(problems) != 1 || problems[0].String() != want {
		t.Errorf("got %q, want %q", problems, want)
	}

	_, problems = api.Load([]api.Input{
		{Name: "imds://user-data", Raw: []byte(spec(validCluster(t), "kubelet: {config: {maxPods: 0}}"))},
		{Name: "file:///a.yaml", Raw: []byte("a: b: c\n")},
	}, api.Options{}, now)
	if len(problems) != 2 || problems[0].Source != "imds://user-data" || problems[1].Code != api.CodeBadSyntax {
		t.Errorf("got %q", problems)
	}
}

func TestAnInputWithoutNodeConfigDoesNotStopOthers(t *testing.T) {
	_, problems := api.Load([]api.Input{
		{Name: "imds://user-data", Raw: []byte("#!/bin/sh\n")},
		{Name: "file:///etc/eks/nodeadm.d/10-a.yaml", Raw: []byte(spec(validCluster(t)))},
	}, api.Options{}, now)
	if api.HasErrors(problems) || len(problems) != 1 || problems[0].Code != api.CodeNoNodeConfig {
		t.Errorf("got %q", problems)
	}
}
