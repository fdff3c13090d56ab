package kubelet

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestTaintsAreUnitedInOneList(t *testing.T) {
	spec := func(taints ...api.Taint) []api.Taint { return taints }
	for name, row := range map[string]struct {
		spec   []api.Taint
		config string
		flags  []string
		want   string   // registerWithTaints; empty when it is not the agent's
		left   []string // of the flags
		notes  []string
	}{
		"none at all":                     {},
		"the user's ways are left alone":  {config: `{"registerWithTaints": [{"key": "c", "effect": "NoSchedule"}]}`, flags: []string{"--register-with-taints=f=1:NoSchedule"}, left: []string{"--register-with-taints=f=1:NoSchedule"}},
		"one":                             {spec: spec(api.Taint{Key: "a", Value: "b", Effect: "NoSchedule"}), want: `[{"effect":"NoSchedule","key":"a","value":"b"}]`},
		"without a value":                 {spec: spec(api.Taint{Key: "a", Effect: "NoExecute"}), want: `[{"effect":"NoExecute","key":"a"}]`},
		"by key, then effect":             {spec: spec(api.Taint{Key: "b", Effect: "NoSchedule"}, api.Taint{Key: "a", Effect: "NoSchedule"}, api.Taint{Key: "a", Effect: "NoExecute"}), want: `[{"effect":"NoExecute","key":"a"},{"effect":"NoSchedule","key":"a"},{"effect":"NoSchedule","key":"b"}]`},
		"with kubelet's configuration":    {spec: spec(api.Taint{Key: "a", Effect: "NoSchedule"}), config: `{"registerWithTaints": [{"key": "c", "value": "1", "effect": "NoSchedule"}]}`, want: `[{"effect":"NoSchedule","key":"a"},{"effect":"NoSchedule","key":"c","value":"1"}]`},
		"with a null in kubelet's config": {spec: spec(api.Taint{Key: "a", Effect: "NoSchedule"}), config: `{"registerWithTaints": null}`, want: `[{"effect":"NoSchedule","key":"a"}]`},
		"with a flag": {spec: spec(api.Taint{Key: "a", Effect: "NoSchedule"}), flags: []string{"--v=2", "--register-with-taints=f=1:NoSchedule,g:NoExecute", "--x=y"},
			want: `[{"effect":"NoSchedule","key":"a"},{"effect":"NoSchedule","key":"f","value":"1"},{"effect":"NoExecute","key":"g"}]`, left: []string{"--v=2", "--x=y"}, notes: []string{"taken out of spec.kubelet.flags"}},
		"with quotes, in two words, inside of an item": {spec: spec(api.Taint{Key: "a", Effect: "NoSchedule"}), flags: []string{`--x="y z" --register-with-taints="f=:NoSchedule"`, "--register_with_taints", "g:NoExecute", `--w=\a`},
			want: `[{"effect":"NoSchedule","key":"a"},{"effect":"NoSchedule","key":"f"},{"effect":"NoExecute","key":"g"}]`, left: []string{`--x="y z"`, `--w=\a`}, notes: []string{"taken out"}},
		"an empty flag": {spec: spec(api.Taint{Key: "a", Effect: "NoSchedule"}), flags: []string{"--register-with-taints="}, want: `[{"effect":"NoSchedule","key":"a"}]`, notes: []string{"taken out"}},
		"the same everywhere": {spec: spec(api.Taint{Key: "a", Value: "1", Effect: "NoSchedule"}), config: `{"registerWithTaints": [{"key": "a", "value": "1", "effect": "NoSchedule"}]}`,
			want: `[{"effect":"NoSchedule","key":"a","value":"1"}]`},
		"another value": {spec: spec(api.Taint{Key: "a", Value: "1", Effect: "NoSchedule"}), config: `{"registerWithTaints": [{"key": "a", "value": "2", "effect": "NoSchedule"}]}`,
			want: `[{"effect":"NoSchedule","key":"a","value":"1"}]`, notes: []string{"a=1:NoSchedule of spec.taints, and not a=2:NoSchedule"}},
		"a fact":                               {spec: spec(api.Taint{Key: "a", Value: "${gpu.model}", Effect: "NoSchedule"}), want: `[{"effect":"NoSchedule","key":"a","value":"t4"}]`},
		"a fact that is not here still repels": {spec: spec(api.Taint{Key: "a", Value: "${instance.placementGroup}", Effect: "NoSchedule"}), want: `[{"effect":"NoSchedule","key":"a"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			s := decide(t, func(in *node.Input) {
				in.Versions.Kubelet = version("1.34.0") // without the GPU's label
				in.Hardware.PCI = []hardware.PCIDevice{{Vendor: "10de", Device: "1eb8", Class: "030200"}}
				in.Config.Spec.Taints, in.Config.Spec.Kubelet.Flags = row.spec, row.flags
				if row.config != "" {
					in.Config.Spec.Kubelet.Config = object(t, row.config)
				}
			})
			got := ""
			if list, ok := s.DropIn["registerWithTaints"]; ok {
				b, err := json.Marshal(list)
				if err != nil {
					t.Fatal(err)
				}
				got = string(b)
			}
			if got != row.want {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
			if left := s.Flags[len(s.Flags)-len(row.left):]; !slices.Equal(left, append([]string{}, row.left...)) || row.want != "" && strings.Contains(strings.Join(s.Flags, " "), "taints") {
				t.Errorf("flags %q", s.Flags)
			}
			if len(s.Notes) != len(row.notes) || len(row.notes) > 0 && !strings.Contains(s.Notes[0], row.notes[0]) {
				t.Errorf("notes %q, want %q", s.Notes, row.notes)
			}
		})
	}
}

func TestTaintsThatKubeletWouldNotStartWithAreRefused(t *testing.T) {
	good := api.Taint{Key: "a", Effect: "NoSchedule"}
	for name, row := range map[string]struct {
		change func(*api.Spec)
		code   fault.Code
		says   string
	}{
		"effect":              {func(s *api.Spec) { s.Taints[0].Effect = "Never" }, fault.ConfigInvalid, `spec.taints[0]: there is no effect "Never"`},
		"no effect":           {func(s *api.Spec) { s.Taints[0].Effect = "" }, fault.ConfigInvalid, `no effect ""`},
		"key":                 {func(s *api.Spec) { s.Taints[0].Key = "a b" }, fault.ConfigInvalid, "' '"},
		"value":               {func(s *api.Spec) { s.Taints[0].Value = "a b" }, fault.ConfigInvalid, `the value is "a b"`},
		"a fact's value":      {func(s *api.Spec) { s.Taints[0].Value = "${cluster.name}!" }, fault.ConfigInvalid, `gives "prod!"`},
		"a missing fact":      {func(s *api.Spec) { s.Taints[0].Value = "${instance.tags.x}" }, fault.FactMissing, "instance.tags.x"},
		"flag":                {func(s *api.Spec) { s.Kubelet.Flags = []string{"--register-with-taints=a=b"} }, fault.ConfigInvalid, `cannot use "a=b" of --register-with-taints`},
		"flag with two signs": {func(s *api.Spec) { s.Kubelet.Flags = []string{"--register-with-taints=a=b=c:NoExecute"} }, fault.ConfigInvalid, "b=c"},
		"flag that removes":   {func(s *api.Spec) { s.Kubelet.Flags = []string{"--register-with-taints=a:NoExecute-"} }, fault.ConfigInvalid, "NoExecute-"},
		"config, no list":     {func(s *api.Spec) { s.Kubelet.Config = object(t, `{"registerWithTaints": "a"}`) }, fault.ConfigInvalid, "it is no list"},
		"config, no object":   {func(s *api.Spec) { s.Kubelet.Config = object(t, `{"registerWithTaints": ["a"]}`) }, fault.ConfigInvalid, "registerWithTaints[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, func(in *node.Input) {
				in.Config.Spec.Taints = []api.Taint{good}
				row.change(&in.Config.Spec)
			}, row.code, row.says)
		})
	}
}

func TestStaticPodsGoWhereKubeletLooks(t *testing.T) {
	for name, row := range map[string]struct {
		config string
		flags  []string
		dir    string
		own    bool // the path is the user's
		says   string
	}{
		"nobody says":             {dir: "/etc/kubernetes/manifests"},
		"kubelet's configuration": {config: `{"staticPodPath": "/srv//pods/"}`, dir: "/srv/pods", own: true},
		"a flag, which wins":      {config: `{"staticPodPath": "/a"}`, flags: []string{"--pod-manifest-path=/b"}, dir: "/b", own: true},
		"a relative path":         {config: `{"staticPodPath": "pods"}`, says: `"pods", which spec.kubelet.config.staticPodPath names`},
		"an empty path":           {config: `{"staticPodPath": ""}`, says: `""`},
		"the root":                {flags: []string{"--pod-manifest-path=/.."}, says: `"/..", which --pod-manifest-path names`},
		"no text":                 {config: `{"staticPodPath": 7}`, says: `"7"`},
	} {
		t.Run(name, func(t *testing.T) {
			change := func(in *node.Input) {
				in.Config.Spec.StaticPods = object(t, `{"a": {"metadata": {"name": "a"}}}`)
				in.Config.Spec.Kubelet.Flags = row.flags
				if row.config != "" {
					in.Config.Spec.Kubelet.Config = object(t, row.config)
				}
			}
			if row.says != "" {
				refused(t, change, fault.ConfigInvalid, row.says)
				return
			}
			s := decide(t, change)
			if _, set := s.DropIn["staticPodPath"]; s.StaticPodDir != row.dir || set == row.own {
				t.Errorf("in %s, drop-in %v", s.StaticPodDir, s.DropIn)
			}
			rs := desired(t, change)
			file(t, rs, row.dir+"/a.yaml")
			if made := slices.ContainsFunc(rs, func(r host.Resource) bool { return r.ID() == host.Dir{Path: row.dir}.ID() }); made == row.own {
				t.Errorf("the folder is declared: %t", made)
			}
		})
	}
}

func TestNamesOfManifestsCannotLeaveTheFolder(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a.yaml", "a.yml": "a.yml", "a.json": "a.json", "kube-proxy_1.2": "kube-proxy_1.2.yaml", "a.yaml": "a.yaml",
		"": "", ".a": "", "..": "", "../a": "", "a/b": "", "-a": "", "a b": "", "a\n": "", "é": "", ".yaml": "", strings.Repeat("a", 251): "",
	} {
		got, err := manifestFile(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for text, says := range map[string]string{
		`{"a": {}, "a.yaml": {}}`:                 "a has the same file a.yaml",
		`{"a": "x"}`:                              "it is no object",
		`{"a": null}`:                             "it is no object",
		`{"a": {"kind": "Deployment"}}`:           "it is a v1 Deployment",
		`{"a": {"apiVersion": "v2"}}`:             "it is a v2 Pod",
		`{"../../etc/cron.d/a": {"kind": "Pod"}}`: "cannot be the name of its file",
	} {
		refused(t, func(in *node.Input) { in.Config.Spec.StaticPods = object(t, text) }, fault.ConfigInvalid, "cannot write the manifest spec.staticPods.", says)
	}
}

func TestSwapFollowsTheVersionOfKubelet(t *testing.T) {
	for name, row := range map[string]struct {
		kubelet, behavior string
		cgroups           int
		config            string
		want              string // the drop-in
		says              string // why not
	}{
		"1.29 limited":                      {kubelet: "1.29.15", behavior: "LimitedSwap", cgroups: 2, want: `{"failSwapOn":false,"featureGates":{"NodeSwap":true},"memorySwap":{"swapBehavior":"LimitedSwap"}}`},
		"1.29 none":                         {kubelet: "1.29.15", behavior: "NoSwap", cgroups: 2, says: "came with 1.30"},
		"1.30 none":                         {kubelet: "1.30.0", behavior: "NoSwap", cgroups: 2, want: `{"failSwapOn":false,"memorySwap":{"swapBehavior":"NoSwap"}}`},
		"1.33 limited":                      {kubelet: "1.33.1", behavior: "LimitedSwap", cgroups: 2, want: `{"failSwapOn":false,"memorySwap":{"swapBehavior":"LimitedSwap"}}`},
		"1.37 limited":                      {kubelet: "1.37.0", behavior: "LimitedSwap", cgroups: 2, want: `{"failSwapOn":false,"memorySwap":{"swapBehavior":"LimitedSwap"}}`},
		"cgroup v1 limited":                 {kubelet: "1.33.1", behavior: "LimitedSwap", cgroups: 1, says: "cgroup v1"},
		"cgroup v1 none":                    {kubelet: "1.33.1", behavior: "NoSwap", cgroups: 1, want: `{"failSwapOn":false,"memorySwap":{"swapBehavior":"NoSwap"}}`},
		"cgroups that nobody could see":     {kubelet: "1.33.1", behavior: "LimitedSwap", want: `{"failSwapOn":false,"memorySwap":{"swapBehavior":"LimitedSwap"}}`},
		"a behavior that was taken out":     {kubelet: "1.33.1", behavior: "UnlimitedSwap", cgroups: 2, says: "knows no such behavior"},
		"a gate that the user closes":       {kubelet: "1.33.1", behavior: "LimitedSwap", cgroups: 2, config: `{"featureGates": {"NodeSwap": false}}`, says: "switches NodeSwap off"},
		"a gate that the user opens":        {kubelet: "1.29.15", behavior: "LimitedSwap", cgroups: 2, config: `{"featureGates": {"NodeSwap": true}}`, want: `{"failSwapOn":false,"memorySwap":{"swapBehavior":"LimitedSwap"}}`},
		"the user has said it in kubelet's": {kubelet: "1.33.1", behavior: "LimitedSwap", cgroups: 2, config: `{"failSwapOn": false}`, want: `{"memorySwap":{"swapBehavior":"LimitedSwap"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			change := func(in *node.Input) {
				in.Versions.Kubelet, in.Hardware.OS.CgroupVersion = version(row.kubelet), row.cgroups
				in.Config.Spec.Swap.Behavior = row.behavior
				if row.config != "" {
					in.Config.Spec.Kubelet.Config = object(t, row.config)
				}
			}
			if row.says != "" {
				refused(t, change, fault.ConfigInvalid, "spec.swap.behavior", row.says)
				return
			}
			s := decide(t, change)
			got, err := json.Marshal(s.DropIn)
			if err != nil || string(got) != row.want || len(s.Notes) != 0 {
				t.Errorf("got %s, %v, notes %q", got, err, s.Notes)
			}
		})
	}
}

func TestASwapFileWithWhichKubeletDoesNotStartIsRefused(t *testing.T) {
	size := func(config string) func(*node.Input) {
		return func(in *node.Input) {
			in.Config.Spec.Swap.Size = "4Gi"
			in.Config.Spec.Kubelet.Config = object(t, config)
		}
	}
	for _, config := range []string{`{}`, `{"failSwapOn": true}`, `{"failSwapOn": "false"}`} {
		refused(t, size(config), fault.ConfigInvalid, "cannot use spec.swap.size 4Gi alone")
	}
	if s := decide(t, size(`{"failSwapOn": false}`)); len(s.DropIn) != 0 {
		t.Errorf("drop-in %v", s.DropIn)
	}
}
