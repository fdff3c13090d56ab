package kubelet

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func object(t testing.TB, text string) api.Object {
	t.Helper()
	var o api.Object
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// everything asks for all that the superset has for kubelet, on a machine with a
// GPU.
func everything(t testing.TB) func(*node.Input) {
	return func(in *node.Input) {
		in.Hardware.PCI = []hardware.PCIDevice{{Vendor: "10de", Device: "2237", Class: "030200"}}
		in.Hardware.OS.CgroupVersion = 2
		in.Instance.Lifecycle, in.Instance.Tags = "spot", map[string]string{"team": "infra"}
		s := &in.Config.Spec
		s.Labels = map[string]string{
			"example.com/team": "${instance.tags.team}", "example.com/life": "${instance.lifecycle}", "gpu": "${gpu.count}x-${gpu.model}",
			"example.com/rack": "${instance.placementGroup}", "empty": "", "pool": "plain", "from-flag": "spec",
		}
		s.Annotations = map[string]string{"example.com/note": "bought as ${instance.lifecycle}, $$5"}
		s.Taints = []api.Taint{
			{Key: "example.com/gpu", Value: "${gpu.model}", Effect: "NoSchedule"},
			{Key: "both", Value: "spec", Effect: "NoExecute"},
		}
		s.StaticPods = object(t, `{
			"proxy": {"metadata": {"name": "proxy"}, "spec": {"hostNetwork": true, "containers": [{"name": "p", "image": "example.com/p:1", "args": ["on", "1e3"], "env": [{"name": "BIG", "value": "12345678901234567890"}]}], "priority": 2000001000}},
			"agent.json": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent"}, "spec": {"containers": []}}
		}`)
		s.Swap = api.Swap{Behavior: "LimitedSwap", Size: "4Gi"}
		s.Kubelet.Config = object(t, `{"registerWithTaints": [{"key": "config", "effect": "NoSchedule"}, {"key": "both", "value": "config", "effect": "NoExecute"}], "logging": {"verbosity": 4}}`)
		s.Kubelet.Flags = []string{"--v=4 --register-with-taints=flag=1:PreferNoSchedule", `--node-labels="from-flag=flag,more=1"`}
	}
}

// text prints resources as a person would look at them.
func text(rs []host.Resource) string {
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "== %s\n", r.ID())
		switch r := r.(type) {
		case host.File:
			fmt.Fprintf(&b, "   mode %04o, secret %t\n%s\n", r.Mode, r.Secret, strings.TrimSuffix(string(r.Content), "\n"))
		case host.Service:
			for _, id := range r.Reads {
				fmt.Fprintf(&b, "   reads %s\n", id)
			}
		}
	}
	return b.String()
}

func TestEverythingThatTheSupersetHasForKubelet(t *testing.T) {
	s := decide(t, everything(t))
	var b strings.Builder
	for _, r := range s.Why {
		fmt.Fprintf(&b, "%s = %s: %s\n", r.Setting, r.Value, r.From)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	b.WriteString(text(desired(t, everything(t))))
	golden.Assert(t, filepath.Join("testdata", "superset.txt"), []byte(b.String()))
}

func TestTheSameSupersetGivesTheSameBytes(t *testing.T) {
	want := text(desired(t, everything(t)))
	for range 20 {
		if got := text(desired(t, everything(t))); got != want {
			t.Fatalf("got\n%s\nand\n%s", got, want)
		}
	}
}

// A manifest that changes is for kubelet to see, which watches the folder.
func TestKubeletIsNotStartedAgainForAManifest(t *testing.T) {
	rs := desired(t, everything(t))
	service := rs[len(rs)-1].(host.Service)
	pods := 0
	for _, r := range rs[:len(rs)-1] {
		manifest := strings.HasPrefix(r.ID().Name, "/etc/kubernetes/manifests")
		if manifest {
			pods++
		}
		read := false
		for _, id := range service.Reads {
			read = read || id == r.ID()
		}
		if read == manifest {
			t.Errorf("kubelet reads %s: %t", r.ID(), read)
		}
	}
	if pods != 3 {
		t.Errorf("%d resources for static pods", pods)
	}
	without := func(in *node.Input) { everything(t)(in); in.Config.Spec.StaticPods = nil }
	if got := text(desired(t, without)); strings.Contains(got, "manifests") {
		t.Errorf("there is still a folder:\n%s", got)
	}
}

func TestFieldsOfTheSupersetMakeADropInWithoutAUsersPart(t *testing.T) {
	for _, version29 := range []bool{false, true} {
		rs := desired(t, func(in *node.Input) {
			in.Config.Spec.Swap.Behavior = "LimitedSwap"
			if version29 {
				in.Versions.Kubelet = version("1.29.15")
			}
		})
		got := string(file(t, rs, "/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf").Content)
		if !strings.Contains(got, `"failSwapOn": false`) || strings.Contains(got, `"NodeSwap": true`) != version29 {
			t.Errorf("got\n%s", got)
		}
		environment := string(file(t, rs, "/etc/eks/kubelet/environment").Content)
		if !strings.Contains(environment, "--config-dir=") || strings.Contains(environment, dropInVariable) != version29 {
			t.Errorf("got %s", environment)
		}
	}
}

func TestWhatTheUserSaysInKubeletsWordsCounts(t *testing.T) {
	s := decide(t, func(in *node.Input) {
		everything(t)(in)
		in.Config.Spec.Kubelet.Config = object(t, `{"failSwapOn": true, "memorySwap": {"swapBehavior": "NoSwap"}, "staticPodPath": "/srv/pods/", "featureGates": {"Other": true}}`)
	})
	notes := strings.Join(s.Notes, "\n")
	for _, want := range []string{"failSwapOn is true", "memorySwap.swapBehavior is NoSwap"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no note %q in\n%s", want, notes)
		}
	}
	if len(s.DropIn) != 1 || s.StaticPodDir != "/srv/pods" {
		t.Errorf("drop-in %v, static pods in %s", s.DropIn, s.StaticPodDir)
	}
}

func TestTheUsersPartIsNotChangedByWhatIsLaidOverIt(t *testing.T) {
	user := object(t, `{"featureGates": {"A": true}}`)
	in := input(func(in *node.Input) {
		in.Versions.Kubelet = version("1.29.1")
		in.Config.Spec.Kubelet.Config, in.Config.Spec.Swap.Behavior = user, "LimitedSwap"
	})
	rs, err := Desired(in)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(file(t, rs, "/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf").Content); !strings.Contains(got, "\"featureGates\": {\n        \"A\": true,\n        \"NodeSwap\": true\n    }") {
		t.Errorf("got\n%s", got)
	}
	if fmt.Sprint(user) != "map[featureGates:map[A:true]]" {
		t.Errorf("the user's part is %v", user)
	}
}

// The fields and their types are those of Kubernetes.
func TestKubernetesUnderstandsWhatIsWritten(t *testing.T) {
	rs := desired(t, everything(t))
	var config kubeletconfig.KubeletConfiguration
	if err := yaml.UnmarshalStrict(file(t, rs, "/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf").Content, &config); err != nil {
		t.Fatal(err)
	}
	if config.FailSwapOn == nil || *config.FailSwapOn || config.MemorySwap.SwapBehavior != "LimitedSwap" || config.StaticPodPath != "/etc/kubernetes/manifests" || len(config.RegisterWithTaints) != 4 {
		t.Errorf("got %+v", config)
	}
	for _, name := range []string{"proxy.yaml", "agent.json"} {
		var pod corev1.Pod
		if err := yaml.UnmarshalStrict(file(t, rs, "/etc/kubernetes/manifests/"+name).Content, &pod); err != nil || pod.Name == "" || pod.Kind != "Pod" {
			t.Errorf("%s: %+v, %v", name, pod, err)
		}
	}
}

func TestAManifestThatGoesIsTakenAwayWithoutAStart(t *testing.T) {
	state := func(change func(*node.Input)) host.State {
		var s host.State
		if err := s.Add(Name, desired(t, change)...); err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := state(everything(t))
	have := map[host.ID]host.Resource{}
	for _, e := range before.Entries() {
		have[e.Resource.ID()] = e.Resource
	}
	after := state(func(in *node.Input) { everything(t)(in); delete(in.Config.Spec.StaticPods, "proxy") })
	plan := host.Diff(after, have, host.Own(before, nil, nil, func(host.Entry) bool { return true }))
	if len(plan.Steps) != 1 || plan.Steps[0].Verb != host.Remove || plan.Steps[0].ID.Name != "/etc/kubernetes/manifests/proxy.yaml" {
		t.Errorf("the plan is %+v", plan.Steps)
	}
}
