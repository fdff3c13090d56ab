package api_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
)

// message is user data of several parts, each the lines below spec. The first has
// the cluster, too.
func message(t *testing.T, version string, parts ...string) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n")
	for i, p := range parts {
		b.WriteString("\n--//\nContent-Type: application/node.eks.aws\n\napiVersion: " + version + "\nkind: NodeConfig\nspec:\n")
		if i == 0 {
			b.WriteString(indent("  ", validCluster(t)) + "\n")
		}
		b.WriteString(indent("  ", strings.TrimRight(p, "\n")) + "\n")
	}
	return []byte(b.String() + "\n--//--\n")
}

// karpenter is what Karpenter's own part has below kubelet.
const karpenter = `kubelet:
  config:
    maxPods: 58
    clusterDNS: [10.100.0.10]
    registerWithTaints: [{key: karpenter.sh/unregistered, effect: NoExecute}]
  flags:
  - --node-labels="karpenter.sh/nodepool=general"
`

func TestSettingsThatSurpriseAreTold(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parts []string
	}{
		{"karpenter-over-users-max-pods", []string{"kubelet: {config: {maxPods: 110}}", karpenter}},
		{"user-over-karpenters-max-pods", []string{karpenter, "kubelet: {config: {maxPods: 110}}"}},
		{"later-cluster-dns", []string{"kubelet: {config: {clusterDNS: [10.100.0.11]}}", karpenter}},
		{"karpenters-taint-lost-to-later-list", []string{karpenter, "kubelet: {config: {registerWithTaints: [{key: gpu, value: 'yes', effect: NoSchedule}]}}"}},
		{"users-taints-lost-to-karpenters", []string{"kubelet: {config: {registerWithTaints: [{key: a, effect: NoSchedule}, {key: b, effect: NoSchedule}]}}", karpenter}},
		{"karpenters-taint-lost-to-flag", []string{"kubelet: {flags: [--register-with-taints=gpu=true:NoSchedule]}", karpenter}},
		{"max-pods-flag-over-karpenters", []string{"kubelet: {flags: [--max-pods=20]}", karpenter}},
		{"flag-over-mapping", []string{"kubelet:\n  flags: [--eviction-hard, 'memory.available<1Gi']\n  config: {evictionHard: {memory.available: 5%}}"}},
		{"flag-given-twice", []string{"kubelet: {flags: [--v=2]}", "kubelet: {flags: [--v=4]}"}},
		{"node-label-given-two-values", []string{"kubelet: {flags: [--node-labels=team=a]}", "kubelet: {flags: ['--node-labels=x=y,team=b']}"}},
		{"taints-and-register-with-taints", []string{"taints: [{key: a, effect: NoSchedule}]\nkubelet: {config: {registerWithTaints: [{key: b, effect: NoSchedule}]}}"}},
		{"taints-and-flag", []string{"taints: [{key: a, effect: NoSchedule}]\nkubelet: {flags: [--register-with-taints=b:NoSchedule]}"}},
		{"taints-flag-and-karpenters", []string{"taints: [{key: a, effect: NoSchedule}]\nkubelet: {flags: [--register-with-taints=b:NoSchedule]}", karpenter}},
		{"taints-and-two-flags", []string{"taints: [{key: a, effect: NoSchedule}]\nkubelet: {flags: [--register-with-taints=b:NoSchedule, --register-with-taints=c:NoSchedule]}"}},
		{"label-and-flag", []string{"labels: {team: a, same: x}\nkubelet: {flags: ['--node-labels=team=b,same=x']}"}},
		{"ulimits-and-rlimits", []string{"ulimits: {nofile: {hard: '9'}}\ncontainerd: {baseRuntimeSpec: {process: {rlimits: [{type: RLIMIT_NOFILE, soft: 1, hard: 2}]}}}"}},
		{"swap-and-kubelets-own", []string{"swap: {behavior: LimitedSwap}\nkubelet: {config: {failSwapOn: true, memorySwap: {swapBehavior: NoSwap}}}"}},
		{"rlimits-lost-to-later-part", []string{
			"containerd: {baseRuntimeSpec: {process: {rlimits: [{type: RLIMIT_NOFILE, soft: 1, hard: 2}, {type: RLIMIT_MEMLOCK, soft: 1, hard: 2}]}}}",
			"containerd: {baseRuntimeSpec: {process: {rlimits: [{type: RLIMIT_NOFILE, soft: 3, hard: 4}]}}}",
		}},
		{"rlimits-without-the-defaults", []string{"containerd: {baseRuntimeSpec: {process: {rlimits: [{type: RLIMIT_CORE, soft: 0, hard: 0}]}, mounts: [{destination: /proc, type: proc}], linux: {namespaces: []}}}"}},
		{"containerd-1-names", []string{"containerd:\n  config: |\n    [plugins.'io.containerd.grpc.v1.cri'.containerd]\n    snapshotter = 'overlayfs'"}},
		{"containerd-1-names-in-version-3", []string{"containerd:\n  config: |\n    version = 3\n    [plugins.'io.containerd.grpc.v1.cri'.containerd]\n    snapshotter = 'overlayfs'"}},
		{"containerd-2-names", []string{"containerd:\n  config: |\n    [plugins.'io.containerd.cri.v1.images']\n    snapshotter = 'overlayfs'"}},
		{"containerd-names-of-both", []string{
			"containerd:\n  config: |\n    [plugins.'io.containerd.grpc.v1.cri'.containerd]\n    snapshotter = 'overlayfs'",
			"containerd:\n  config: |\n    [plugins.'io.containerd.cri.v1.runtime']\n    enable_selinux = true",
		}},
		{"containerd-1-keys-that-are-gone", []string{"containerd:\n  config: |\n    [plugins.'io.containerd.grpc.v1.cri']\n    systemd_cgroup = true\n    [plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\n    runtime_root = '/run/runc'"}},
		{"inline-mirrors-and-credentials", []string{"containerd:\n  config: |\n    [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'docker.io']\n    endpoint = ['https://m.example.com']\n    [plugins.'io.containerd.grpc.v1.cri'.registry.configs.'m.example.com'.auth]\n    password = 'hunter2'"}},
		{"cluster-dns-outside-of-services", []string{"kubelet: {config: {clusterDNS: [172.20.0.10]}}"}},
		{"nameserver-inside-of-services", []string{"instance: {network: {nameservers: [10.0.0.2, 10.100.0.10]}}"}},
		{"max-pods-expression-and-karpenter", []string{"kubelet: {maxPodsExpression: max_pods - 1}", karpenter}},
		{"max-pods-expression-and-flag-with-model", []string{"kubelet: {maxPodsExpression: max_pods - 1, flags: [--max-pods=9]}\nreserved: {model: gke}"}},
		{"reserved-model-and-kube-reserved", []string{"reserved: {model: gke, system: {memory: 100Mi}}\nkubelet: {config: {kubeReserved: {cpu: 100m}, systemReserved: {memory: 1Gi}}}"}},
		{"reserved-model-and-flag", []string{"reserved: {model: eks}\nkubelet: {flags: [--kube-reserved=cpu=1]}"}},
		{"proxy-given-twice", []string{"proxy: {https: 'http://u:hunter2@p:1', noProxy: [a]}\ninstance: {environment: {kubelet: {https_proxy: 'http://u:hunter2@q:1', NO_PROXY: b, OTHER: c}, default: {HTTPS_PROXY: 'http://q:1'}}}"}},
		{"kubelet-fields-misspelt", []string{"kubelet: {config: {maxpods: 9, clusterDns: [10.100.0.10], evictionhard: {}, max-pods: 1, somethingElse: 2}}"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := load(t, message(t, api.APIVersionSuperset, tt.parts...), api.Options{})
			if len(problems) == 0 || api.HasErrors(problems) {
				t.Errorf("want remarks and no errors")
			}
			got := render(problems)
			if strings.Contains(got, "hunter2") {
				t.Error("the report holds a secret")
			}
			golden.Assert(t, filepath.Join("testdata/surprise", tt.name+".want"), got)
		})
	}
}

func TestWhatIsMeantIsNoSurprise(t *testing.T) {
	for name, parts := range map[string][]string{
		"the same value twice":                 {karpenter, "kubelet: {config: {maxPods: 58}}"},
		"a longer list of taints":              {"kubelet: {config: {registerWithTaints: [{key: a, effect: NoSchedule}]}}", "kubelet: {config: {registerWithTaints: [{key: b, effect: NoSchedule}, {key: a, effect: NoSchedule}]}}"},
		"all taints in the flag":               {"kubelet: {flags: [--register-with-taints=a=x:NoSchedule], config: {registerWithTaints: [{key: a, effect: NoSchedule}]}}"},
		"a flag that says what the field says": {"kubelet: {flags: [--max-pods=58], config: {maxPods: 58}}"},
		"a flag of labels with the same value": {"labels: {a: b}\nkubelet: {flags: [--node-labels=a=b]}"},
		"labels that add up":                   {"kubelet: {flags: [--node-labels=a=b]}", "kubelet: {flags: [--node-labels=c=d]}"},
		"a cache of DNS on the node":           {"kubelet: {config: {clusterDNS: [169.254.20.10]}}"},
		"names that both generations know":     {"containerd:\n  config: |\n    version = 2\n    [plugins.'io.containerd.internal.v1.opt']\n    path = '/opt'\n    [plugins.'io.containerd.grpc.v1.cri']\n    stream_server_port = '0'"},
		"kubeReserved beside no model":         {"kubelet: {config: {kubeReserved: {cpu: 100m}}}"},
		"a proxy for one service":              {"instance: {environment: {kubelet: {HTTPS_PROXY: 'http://p:1'}}}"},
		"limits beside ulimits":                {"ulimits: {nofile: {hard: '9'}}\ncontainerd: {baseRuntimeSpec: {process: {rlimits: [{type: RLIMIT_CORE, soft: 1, hard: 2}]}}}"},
		"a proxy for another service":          {"proxy: {https: 'http://p:1'}\ninstance: {environment: {backup: {HTTPS_PROXY: 'http://q:1'}}}"},
		"swap as kubelet has it":               {"swap: {behavior: NoSwap}\nkubelet: {config: {failSwapOn: false, memorySwap: {swapBehavior: NoSwap}}}"},
		"all limits and more":                  {"containerd: {baseRuntimeSpec: {process: {rlimits: [{type: RLIMIT_NOFILE, soft: 1, hard: 2}, {type: RLIMIT_CORE, soft: 1, hard: 2}]}}}"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, problems := load(t, message(t, api.APIVersionSuperset, parts...), api.Options{}); len(problems) > 0 {
				t.Errorf("got %s", render(problems))
			}
		})
	}
}

func TestADropInMayReplaceWhatUserDataSays(t *testing.T) {
	dropIn := api.Input{Name: "file:///etc/eksnode/config.d/10.yaml", Raw: []byte(spec("kubelet: {config: {maxPods: 20}}"))}
	for first, want := range map[string]int{"kubelet: {config: {maxPods: 110}}": 0, karpenter: 1} {
		userData := api.Input{Name: "imds://user-data", Raw: message(t, api.APIVersion, first)}
		if _, problems := api.Load([]api.Input{userData, dropIn}, api.Options{}, now); len(problems) != want {
			t.Errorf("got %q, want %d", problems, want)
		}
	}
}

// later are fields of versions beyond that of the k8s.io/kubelet that the tests
// are built with.
var later = []string{"defaultPodSysctls"} // 1.37

func TestTheKnownFieldsOfKubeletAreThoseOfItsTypes(t *testing.T) {
	want := []string{"apiVersion", "kind"}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[kubeletv1beta1.KubeletConfiguration]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && len(f.Index) == 1 && !f.Anonymous {
			want = append(want, name)
		}
	}
	for _, name := range later {
		if slices.Contains(want, name) {
			t.Errorf("%s is in the types now: take it from the list of later fields", name)
		}
	}
	want = append(want, later...)
	slices.Sort(want)
	if got := api.KubeletFieldNames(); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestTheListsOfTheDefaultRuntimeSpecificationAreTheAgents(t *testing.T) {
	raw, err := os.ReadFile("../containerd/baseruntimespec.json")
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Process struct{ Rlimits []struct{ Type string } }
		Mounts  []struct{ Destination string }
		Linux   struct{ Namespaces []struct{ Type string } }
	}
	if err := json.Unmarshal(raw, &spec); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, r := range spec.Process.Rlimits {
		want["process.rlimits"] = append(want["process.rlimits"], r.Type)
	}
	for _, m := range spec.Mounts {
		want["mounts"] = append(want["mounts"], m.Destination)
	}
	for _, n := range spec.Linux.Namespaces {
		want["linux.namespaces"] = append(want["linux.namespaces"], n.Type)
	}
	if got := api.RuntimeSpecDefaults(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
