package api_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
)

// super is a document of the superset with the given lines below spec.
func super(lines ...string) string {
	return strings.ReplaceAll(spec(lines...), "node.eks.aws", "eksnode.dev")
}

func TestMergeOfTheSupersetFollowsTheRuleOfEachField(t *testing.T) {
	for _, row := range []struct {
		name          string
		first, second string // below spec
		want          string // below spec
	}{
		{"labels merge by key, an empty value wins", "labels: {a: x, b: y}", `labels: {b: "", c: z}`, "labels:\n  a: x\n  b: \"\"\n  c: z"},
		{"taints merge by key and effect, and keep their order",
			"taints: [{key: b, effect: NoSchedule}, {key: a, value: x, effect: NoSchedule}]",
			"taints: [{key: c, effect: NoExecute}, {key: a, value: z, effect: NoSchedule}, {key: a, effect: NoExecute}]",
			"taints:\n  - key: b\n    effect: NoSchedule\n  - key: a\n    value: z\n    effect: NoSchedule\n  - key: c\n    effect: NoExecute\n  - key: a\n    effect: NoExecute"},
		{"a taint's value that is not given again stays", "taints: [{key: a, value: x, effect: NoSchedule}]", "taints: [{key: a, effect: NoSchedule}]",
			"taints:\n  - key: a\n    value: x\n    effect: NoSchedule"},
		{"a taint's empty value wins", "taints: [{key: a, value: x, effect: NoSchedule}]", `taints: [{key: a, value: "", effect: NoSchedule}]`,
			"taints:\n  - key: a\n    effect: NoSchedule"},
		{"no taints clear nothing", "taints: [{key: a, effect: NoSchedule}]", "taints: []", "taints:\n  - key: a\n    effect: NoSchedule"},
		{"switches and numbers of the CNI, false and zero win", "cni: {profile: vpc-cni, prefixDelegation: true, maxENIs: 3}", `cni: {profile: "", prefixDelegation: false, maxENIs: 0}`,
			"cni:\n  profile: vpc-cni\n  prefixDelegation: false\n  maxENIs: 0"},
		{"registries merge by name, their mirrors are replaced",
			"registries: [{registry: a, fallback: true, mirrors: [{url: x}, {url: y}]}, {registry: b, mirrors: [{url: z}]}]",
			"registries: [{registry: a, fallback: false, mirrors: [{url: v}]}, {registry: b, mirrors: []}]",
			"registries:\n  - registry: a\n    mirrors:\n      - url: v\n    fallback: false\n  - registry: b\n    mirrors:\n      - url: z"},
		{"huge pages merge by size and NUMA node", "hugePages: [{size: 2Mi, count: 1}, {size: 1Gi, count: 2, numaNode: 0}]", "hugePages: [{size: 1Gi, numaNode: 1, count: 3}, {size: 1Gi, count: 0, numaNode: 0}, {size: 2Mi, count: 9}]",
			"hugePages:\n  - size: \"2Mi\"\n    count: 9\n  - size: \"1Gi\"\n    count: 0\n    numaNode: 0\n  - size: \"1Gi\"\n    count: 3\n    numaNode: 1"},
		{"kernel modules merge by name, their parameters by name", "kernelModules: [{name: a, parameters: {x: 1, y: 2}}]", "kernelModules: [{name: b}, {name: a, parameters: {y: 03}}]",
			"kernelModules:\n  - name: a\n    parameters:\n      x: \"1\"\n      \"y\": \"03\"\n  - name: b"},
		{"ulimits merge by name and field", "ulimits: {a: {soft: 1, hard: 2}}", "ulimits: {a: {hard: 3}, b: {hard: unlimited}}",
			"ulimits:\n  a:\n    soft: \"1\"\n    hard: \"3\"\n  b:\n    hard: unlimited"},
		{"sysctls merge by name", "sysctls: {a.b: 1, c.d: 2}", "sysctls: {c.d: 4096 87380}", "sysctls:\n  a.b: \"1\"\n  c.d: \"4096 87380\""},
		{"proxies are replaced, exceptions appended", "proxy: {http: a, noProxy: [x]}", `proxy: {http: "", https: b, noProxy: [y, x]}`,
			"proxy:\n  http: a\n  https: b\n  noProxy:\n    - x\n    - \"y\"\n    - x"},
		{"static pods merge deep", "staticPods: {a: {kind: Pod, spec: {containers: [{name: x}], hostNetwork: true}}}", "staticPods: {a: {spec: {containers: []}}, b: {kind: Pod}}",
			"staticPods:\n  a:\n    kind: Pod\n    spec:\n      containers: []\n      hostNetwork: true\n  b:\n    kind: Pod"},
		{"hooks merge by name, their command is replaced, their environment joined",
			"hooks: [{name: b, stage: pre-config, command: [/x, y]}, {name: a, stage: post-ready, env: {A: a, B: b}}]",
			"hooks: [{name: a, env: {B: c}, timeout: 5s}, {name: b, command: [/z]}, {name: c, stage: pre-config}]",
			"hooks:\n  - name: b\n    stage: pre-config\n    command:\n      - /z\n  - name: a\n    stage: post-ready\n    env:\n      A: a\n      B: c\n    timeout: \"5s\"\n  - name: c\n    stage: pre-config"},
		{"accelerators merge field by field", "accelerators: {nvidia: {mode: cdi, driver: open}, neuron: {cdi: true}}", `accelerators: {nvidia: {mode: runtime, driver: ""}, neuron: {cdi: false}}`,
			"accelerators:\n  nvidia:\n    mode: runtime\n    driver: open\n  neuron:\n    cdi: false"},
		{"time servers are replaced", "timeSync: {servers: [a, b]}", "timeSync: {servers: [c]}", "timeSync:\n  servers:\n    - c"},
		{"readiness merges field by field, its lists are replaced, its devices by name",
			"readiness: {taint: {key: a, value: x}, checks: {cni: true, csiDrivers: [a, b], dns: [a], devices: {a: 1, b: auto}}, timeout: 1m}",
			`readiness: {taint: {value: ""}, checks: {cni: false, csiDrivers: [c], dns: [], devices: {a: 2}}, roleArn: r}`,
			"readiness:\n  taint:\n    key: a\n  checks:\n    cni: false\n    csiDrivers:\n      - c\n    devices:\n      a: \"2\"\n      b: auto\n    dns:\n      - a\n  timeout: \"1m\"\n  roleArn: r"},
		{"image credentials merge by name", "imageCredentials: [{name: a, program: /x, args: [b]}]", "imageCredentials: [{name: a, args: [c, d]}]",
			"imageCredentials:\n  - name: a\n    program: /x\n    args:\n      - c\n      - d"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, got := mergeTexts(t, super(row.first), super(row.second))
			_, got, _ = strings.Cut(got, "kind: NodeConfig\n")
			if want := "spec:\n" + indent("  ", row.want) + "\n"; got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestOriginNamesEntriesOfListsByTheirKey(t *testing.T) {
	m, _ := mergeTexts(t,
		super("taints: [{key: z, effect: NoExecute}, {key: a.b/c, value: x, effect: NoSchedule}]", "hugePages: [{size: 1Gi, numaNode: 0, count: 1}]",
			"registries: [{registry: a, mirrors: [{url: x, credentials: {password: hunter2}}, {url: y}]}]", "ulimits: {nofile: {hard: 1}}"),
		super("taints: [{key: a.b/c, value: y, effect: NoSchedule}]", "hugePages: [{size: 1Gi, count: 2, numaNode: 0}]",
			"registries: [{registry: a, mirrors: [{url: z}]}]", "ulimits: {nofile: {soft: 1, hard: 007}}"),
		super("proxy: {https: hunter2, noProxy: [a]}", "hooks: [{name: a, stage: pre-config, env: {A: hunter2}}]"))
	for _, row := range []struct{ path, want string }{
		{`spec.taints["a.b/c:NoSchedule"].value`, `["y" at second:4:32 "x" at first:4:61]`},
		{`spec.taints["a.b/c:NoSchedule"]`, `[{"effect":"NoSchedule","key":"a.b/c","value":"y"} at first:4:41]`},
		{"spec.taints[1].value", "[]"},
		{`spec.hugePages["1Gi:0"].count`, "[2 at second:5:34 1 at first:5:47]"},
		{`spec.registries["a"].mirrors`, `[[{"url":"z"}] at second:6:39 [{"credentials":{"password":"[redacted]"},"url":"x"},{"url":"y"}] at first:6:39]`},
		{`spec.registries["a"].mirrors[0].url`, `["z" at second:6:46 [{"credentials":{"password":"[redacted]"},"url":"x"},{"url":"y"}] at first:6:39]`},
		{"spec.ulimits.nofile.hard", `["007" at second:7:37 "1" at first:7:28]`},
		{"spec.proxy.https", "[[redacted] at third:4:18]"},
		{"spec.proxy", `[{"https":"[redacted]","noProxy":["a"]} at third:4:10]`},
		{`spec.hooks["a"].env.A`, "[[redacted] at third:5:49]"},
		{"spec.hooks", `[[{"env":{"A":"[redacted]"},"name":"a","stage":"pre-config"}] at third:5:10]`},
	} {
		if got := fmt.Sprint(m.Origin(row.path)); got != row.want {
			t.Errorf("%s: got %s, want %s", row.path, got, row.want)
		}
	}
}

func TestAFieldOfTheSupersetIsNoFieldOfNodeadms(t *testing.T) {
	text := spec("labels: {a: b}", "hooks: 5", "cluster: {name: x}")
	docs, problems := api.Decode("x", []byte(text), api.Options{})
	if got := render(problems); strings.Count(got, "error: ") != 2 || !strings.Contains(got, "spec.labels: this is a field of eksnode.dev/v1alpha1\n") {
		t.Errorf("got %s", got)
	}
	if c := docs[0].Config(); c.Spec.Labels != nil || c.Spec.Cluster.Name != "x" {
		t.Errorf("got %+v", c.Spec)
	}
	docs, problems = api.Decode("x", []byte(text), api.Options{UnknownFieldsAreWarnings: true})
	if api.HasErrors(problems) || len(problems) != 2 || !strings.Contains(render(problems), "so it is ignored in one of node.eks.aws/v1alpha1") {
		t.Errorf("lenient: %s", render(problems))
	}
	if c := docs[0].Config(); c.Spec.Labels != nil || c.Spec.Cluster.Name != "x" {
		t.Errorf("lenient: %+v", c.Spec)
	}
}

func TestADocumentWithoutVersionIsToldTheOneOfItsFields(t *testing.T) {
	for text, want := range map[string]string{
		"kind: NodeConfig\nspec: {labels: {a: b}}\n":                                "add the line apiVersion: eksnode.dev/v1alpha1",
		"kind: NodeConfig\nspec: {cluster: {name: b}}\n":                            "add the line apiVersion: node.eks.aws/v1alpha1",
		"apiVersion: eksnode.dev/v1\nkind: NodeConfig\nspec: {hooks: []}\n":         "write eksnode.dev/v1alpha1",
		"apiVersion: node.eks.aws/v1beta1\nkind: NodeConfig\nspec: {kubelet: {}}\n": "write node.eks.aws/v1alpha1",
	} {
		_, problems := api.Decode("x", []byte(text), api.Options{})
		if len(problems) != 1 || problems[0].Remedy != want {
			t.Errorf("%q: got %s", text, render(problems))
		}
	}
}

func TestBothContentTypesAreRead(t *testing.T) {
	for mediaType, want := range map[string]int{api.MediaType: 1, api.MediaTypeSuperset: 1, "application/eksnode.dev; charset=utf-8": 1, "application/x": 0} {
		text := "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: " + mediaType + "\n\n" + super("labels: {a: b}") + "--B--\n"
		if docs, _ := api.Decode("x", []byte(text), api.Options{}); len(docs) != want {
			t.Errorf("%s: %d documents", mediaType, len(docs))
		}
	}
}

func TestScalarsKeepTheirDigits(t *testing.T) {
	for in, want := range map[string]string{
		"262144": "262144", "007": "007", "-1": "-1", "1.50": "1.50", "1e3": "1e3", "0x1f": "31", "1_000": "1000", "true": "true", "yes": "yes",
		"12345678901234567890123": "12345678901234567890123", "'1'": "1", `"a b"`: "a b", "1024 65535": "1024 65535", "~x": "~x", "2024-01-01": "2024-01-01",
	} {
		docs := decode(t, "x", super("sysctls: {a.b: "+in+"}"))
		if got := docs[0].Config().Spec.Sysctls["a.b"]; got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
	docs := decode(t, "x", `{"apiVersion":"eksnode.dev/v1alpha1","kind":"NodeConfig","spec":{"sysctls":{"a.b":1.0,"c.d":false}}}`)
	if got := docs[0].Config().Spec.Sysctls; !reflect.DeepEqual(got, map[string]string{"a.b": "1.0", "c.d": "false"}) {
		t.Errorf("JSON: %v", got)
	}
}

// A reference stands for a value of unknown length: only what is written counts.
func TestLabelValuesAreJudgedAroundTheirReferences(t *testing.T) {
	long := strings.Repeat("a", 63)
	for value, ok := range map[string]bool{
		`""`: true, "a": true, "a.b_c-D": true, long: true, long + "a": false, "-a": false, "a-": false, "é": false, "a/b": false,
		"${gpu.model}": true, "a-${gpu.model}": true, "${gpu.model}-": false, "-${gpu.model}": false, "${gpu.model}${gpu.count}": true,
		long + "${gpu.model}": true, long + "a${gpu.model}": false, "${instance.tags.a/b c}": true, "$$": false, "${nothing}": false, "a${": false,
	} {
		for _, field := range []string{"labels: {a: '%s'}", "taints: [{key: a, effect: NoSchedule, value: '%s'}]"} {
			value := strings.Trim(value, `"`)
			_, problems := load(t, []byte(super(validCluster(t), fmt.Sprintf(field, value))), api.Options{})
			if api.HasErrors(problems) == ok {
				t.Errorf("%s with %q: %s", field, value, render(problems))
			}
		}
	}
}

func TestSettingsOfRealNodesPassWithoutRemark(t *testing.T) {
	for _, lines := range []string{
		"nodeName: {source: instanceId}",
		"nodeName: {source: fixed, name: 'rack-1.${cluster.name}'}",
		"nodeName: {source: auto}\nfeatureGates: {InstanceIdNodeName: true}",
		"labels: {node.kubernetes.io/lifecycle: spot, topology.kubernetes.io/zone: a, eks.amazonaws.com/nodegroup: x, sub.node.kubernetes.io/x: y}",
		"annotations: {example.com/A_B: '{\"json\": [\"any\", \"thing\"]}'}",
		"cni: {profile: none, prefixDelegation: false}",
		"cni: {profile: cilium-eni, prefixDelegation: true, customNetworking: true, maxENIs: 2}",
		"reserved: {model: gke, ephemeralStorage: 1e9, system: {cpu: 1, memory: 1.5Gi}}",
		"kubelet: {maxPodsExpression: 'max_pods / (max_pods - 29)'}", // depends on the machine
		"kubelet: {maxPodsExpression: ' '}",
		"registries: [{registry: localhost:5000, mirrors: [{url: 'https://[fd00::1]:5000/v2'}]}]",
		"registries: [{registry: ghcr.io, mirrors: [{url: https://111122223333.dkr-ecr.us-gov-west-1.on.aws/ghcr, credentials: {source: ecr}}]}]",
		"registries: [{registry: ghcr.io, mirrors: [{url: https://111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/ghcr, credentials: {source: ecr}}]}]",
		"proxy: {https: 'socks5://proxy:1080', noProxy: [localhost, 127.0.0.0/8, '.svc', 'fd00::/8'], proxyAPIServer: true}",
		"sysctls: {vm.overcommit_memory: 1, kernel.panic: 10, net.ipv4.conf.eth0/100.forwarding: 1}",
		"ulimits: {memlock: {soft: unlimited, hard: unlimited}, nofile: {hard: 1048576}}",
		"swap: {behavior: NoSwap, size: 1Gi, path: /swap}",
		"swap: {size: 512Mi}\nkubelet: {config: {failSwapOn: false}}",
		"hooks: [{name: a.b-c_1, stage: pre-kubelet, command: [/opt/x, 'a b'], timeout: 1h, run: once, onFailure: fail}]",
		"timeSync: {servers: [169.254.169.123, a.b]}",
		"accelerators: {nvidia: {mode: cdi, driver: proprietary}, neuron: {cdi: true}}",
		"accelerators: {nvidia: {}}",
		"readiness: {taint: {key: example.com/starting, value: yes, effect: NoExecute}, checks: {csiDrivers: [ebs.csi.aws.com], devices: {nvidia.com/gpu: auto, example.com/fpga: 2}, dns: [kubernetes.default.svc.cluster.local., a]}, timeout: 90s, roleArn: 'arn:aws-us-gov:iam::111122223333:role/some/path/readiness'}",
		"staticPods: {}",
	} {
		_, problems := load(t, []byte(super(validCluster(t), lines)), api.Options{})
		if len(problems) > 0 {
			t.Errorf("%s:\n%s", lines, render(problems))
		}
	}
}
