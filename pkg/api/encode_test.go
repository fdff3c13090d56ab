package api_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
)

func TestEncodeWritesSecretsOnlyWhenAsked(t *testing.T) {
	c := api.NodeConfig{Spec: api.Spec{Instance: api.Instance{Environment: map[string]map[string]api.Secret{"default": {"A": "hunter2"}}}}}
	for _, format := range []api.Format{api.YAML, api.JSON} {
		for _, secrets := range []bool{false, true} {
			out, err := api.Encode(c, api.EncodeOptions{Format: format, Secrets: secrets})
			if err != nil || strings.Contains(string(out), "hunter2") != secrets {
				t.Errorf("format %d, secrets %v: %s %v", format, secrets, out, err)
			}
		}
	}
}

func TestJSONIsAsNodeadmDumpsIt(t *testing.T) {
	on := true
	var kubelet api.Object
	if err := json.Unmarshal([]byte(`{"maxPods":20,"b":[1.0,{"z":null,"a":"<"}]}`), &kubelet); err != nil {
		t.Fatal(err)
	}
	full := api.NodeConfig{
		Metadata: api.Metadata{Name: "n", Labels: map[string]string{"b": "1", "a": "2"}},
		Spec: api.Spec{
			Cluster:    api.Cluster{Name: "c", APIServerEndpoint: "https://x", CertificateAuthority: []byte("ca"), CIDR: "10.100.0.0/16", EnableOutpost: &on, ID: "i"},
			Containerd: api.Containerd{Config: "version = 2\n", BaseRuntimeSpec: api.Object{"process": map[string]any{}}},
			Instance: api.Instance{
				LocalStorage: api.LocalStorage{Strategy: api.LocalStorageRAID0, MountPath: "/x", DisabledMounts: []api.DisabledMount{api.DisabledMountSOCI}},
				Environment:  map[string]map[string]api.Secret{"default": {"A": "b"}},
				Network:      api.Network{Nameservers: []string{"10.0.0.2"}, Domains: []string{"d"}},
			},
			Kubelet:      api.Kubelet{Config: kubelet, Flags: []string{"--v=2"}, MaxPodsExpression: "max_pods"},
			FeatureGates: api.FeatureGates{api.InstanceIDNodeName: true},
		},
	}
	var all []byte
	for _, c := range []api.NodeConfig{{}, full} {
		out, err := api.Encode(c, api.EncodeOptions{Format: api.JSON, Secrets: true})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(out), "\n") != 1 {
			t.Errorf("not one line: %s", out)
		}
		all = append(all, out...)
	}
	golden.Assert(t, "testdata/encode/dump.json", all)

	// encoding/json gives the same but for secrets.
	full.Kind, full.APIVersion = api.Kind, api.APIVersion
	want, _ := api.Encode(full, api.EncodeOptions{Format: api.JSON})
	got, err := json.Marshal(full)
	if err != nil || string(got)+"\n" != string(want) {
		t.Errorf("json.Marshal gives %s, %v\nEncode gives       %s", got, err, want)
	}
}

func TestEncodeRefusesWhatNoDocumentCanHold(t *testing.T) {
	for name, c := range map[string]api.NodeConfig{
		"NUL":                             {Spec: api.Spec{Cluster: api.Cluster{Name: "a\x00"}}},
		"NUL in a key":                    {Spec: api.Spec{Kubelet: api.Kubelet{Config: api.Object{"a\x00": true}}}},
		"invalid UTF-8":                   {Spec: api.Spec{Kubelet: api.Kubelet{Flags: []string{"\xff"}}}},
		"a float":                         {Spec: api.Spec{Kubelet: api.Kubelet{Config: api.Object{"a": 1.5}}}},
		"a false number":                  {Spec: api.Spec{Kubelet: api.Kubelet{Config: api.Object{"a": json.Number("0x1")}}}},
		"a NUL in the superset":           {Spec: api.Spec{Superset: api.Superset{Labels: map[string]string{"a": "\x00"}}}},
		"the superset in nodeadm's group": {APIVersion: api.APIVersion, Spec: api.Spec{Superset: api.Superset{Labels: map[string]string{"a": "b"}}}},
		"gate with a NUL":                 {Spec: api.Spec{FeatureGates: api.FeatureGates{"\x00": true}}},
	} {
		if out, err := api.Encode(c, api.EncodeOptions{}); err == nil {
			t.Errorf("%s: no error, but %q", name, out)
		}
	}
}

func TestDecodeGivesBackWhatEncodeWrote(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		want := randomConfig(rng)
		for _, format := range []api.Format{api.YAML, api.JSON} {
			text, err := api.Encode(want, api.EncodeOptions{Format: format, Secrets: true})
			if err != nil {
				t.Fatal(err)
			}
			docs, problems := api.Decode("x", text, api.Options{})
			if api.HasErrors(problems) {
				t.Fatalf("run %d: %s\n%s", i, render(problems), text)
			}
			if got := api.Merge(docs).Config; !reflect.DeepEqual(got, want) {
				again, _ := api.Encode(got, api.EncodeOptions{Secrets: true})
				t.Fatalf("run %d, format %d: wrote\n%s\nread\n%s", i, format, text, again)
			}
			if other, _ := api.Encode(want, api.EncodeOptions{Format: format, Secrets: true}); string(other) != string(text) {
				t.Fatalf("run %d: two encodings differ", i)
			}
		}
	}
}

func TestAConfigurationOfTheSupersetIsWrittenAsOne(t *testing.T) {
	on := false
	count := int64(3)
	c := api.NodeConfig{Spec: api.Spec{
		Cluster: api.Cluster{Name: "c"},
		Superset: api.Superset{
			Taints:    []api.Taint{{Key: "b", Effect: "NoSchedule"}, {Key: "a", Value: "v", Effect: "NoExecute"}},
			CNI:       api.CNI{PrefixDelegation: &on, MaxENIs: &count},
			Proxy:     api.Proxy{HTTPS: "http://u:hunter2@p:1"},
			HugePages: []api.HugePages{{Size: "2Mi"}},
			Registries: []api.Registry{{Registry: "docker.io", Mirrors: []api.Mirror{
				{URL: "https://m", Credentials: api.MirrorCredentials{Source: "basic", Username: "u", Password: "hunter2"}},
				{URL: "https://n"},
			}}},
			Hooks: []api.Hook{{Name: "h", Stage: api.HookPostReady, Command: []string{"/bin/true"}, Env: map[string]api.Secret{"A": "hunter2"}}},
		},
	}}
	var all []byte
	for _, o := range []api.EncodeOptions{{}, {Secrets: true}, {Format: api.JSON}} {
		out, err := api.Encode(c, o)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), "hunter2") != o.Secrets {
			t.Errorf("secrets %v: %s", o.Secrets, out)
		}
		all = append(append(all, out...), "---\n"...)
	}
	golden.Assert(t, "testdata/encode/superset.yaml", all)

	c.Kind, c.APIVersion = api.Kind, api.APIVersionSuperset
	want, _ := api.Encode(c, api.EncodeOptions{Format: api.JSON})
	got, err := json.Marshal(c)
	if err != nil || string(got)+"\n" != string(want) {
		t.Errorf("json.Marshal gives %s, %v\nEncode gives       %s", got, err, want)
	}
}

// strange are strings that writers and readers of YAML get wrong.
var strange = []string{
	"", " ", "a", "yes", "No", "on", "y", "null", "~", "true", "1", "1.5", "0x1f", "1e3", ".5", "2024-01-01", "12:30", "-", "--", "---", "...",
	"- a", "a: b", "a:", ":a", "a #b", "#a", "@a", "`a", "%a", "!a", "&a", "*a", "|", ">", "[a]", "{a}", "'a'", "\"a\"", "a\\b", "\\", "<<", "=", "?", "? a",
	"a\nb", "a\nb\n", "\na", "a\n\n", "\n", "\n\n", " a\nb", "a\n b\n", "\ta\nb", "a\n\tb\n", "a \nb \n", "a\r\nb", "a\n---\nb\n", "a\n# b\n", "tab\there",
	"é", "日本", "\U0001f600", "\u0085", "\u2028x", "\ufeffx", "\x7f", "\x1b[31m", "\u00a0", "a\u2029b", "\ufffe", "\U0010ffff", strings.Repeat("x", 2000), strings.Repeat("é ", 1500),
}

func randomConfig(rng *rand.Rand) api.NodeConfig {
	str := func() string {
		if rng.IntN(2) == 0 {
			return ""
		}
		return strange[rng.IntN(len(strange))]
	}
	some := func() []string {
		var out []string
		for range rng.IntN(3) {
			out = append(out, strange[rng.IntN(len(strange))])
		}
		return out
	}
	labels := func() map[string]string {
		out := make(map[string]string)
		for range rng.IntN(3) {
			out[strange[rng.IntN(len(strange))]] = strange[rng.IntN(len(strange))]
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	c := api.NodeConfig{Kind: api.Kind, APIVersion: []string{api.APIVersion, api.APIVersionSuperset}[rng.IntN(2)]}
	if c.APIVersion == api.APIVersionSuperset {
		c.Spec.Superset = random{rng}.superset()
	}
	c.Metadata = api.Metadata{Name: str(), Namespace: str(), Labels: labels(), Annotations: labels()}
	c.Spec.Cluster = api.Cluster{Name: str(), APIServerEndpoint: str(), CIDR: str(), ID: str()}
	if rng.IntN(2) == 0 {
		on := rng.IntN(2) == 0
		c.Spec.Cluster.EnableOutpost = &on
		c.Spec.Cluster.CertificateAuthority = []byte{byte(rng.IntN(256)), byte(rng.IntN(256))}
	}
	c.Spec.Kubelet = api.Kubelet{Config: randomObject(rng), Flags: some(), MaxPodsExpression: str()}
	c.Spec.Containerd.BaseRuntimeSpec = randomObject(rng)
	if s := str(); strings.TrimSpace(s) != "" {
		c.Spec.Containerd.Config = s
	}
	c.Spec.Instance.LocalStorage = api.LocalStorage{Strategy: api.LocalStorageStrategy(str()), MountPath: str()}
	for _, m := range some() {
		c.Spec.Instance.LocalStorage.DisabledMounts = append(c.Spec.Instance.LocalStorage.DisabledMounts, api.DisabledMount(m))
	}
	c.Spec.Instance.Network = api.Network{Nameservers: some(), Domains: some()}
	for k, v := range labels() {
		if c.Spec.Instance.Environment == nil {
			c.Spec.Instance.Environment = make(map[string]map[string]api.Secret)
		}
		v = strings.ReplaceAll(v, "=", "") // a name with it is refused
		c.Spec.Instance.Environment[k] = map[string]api.Secret{v: api.Secret(k)}
	}
	for k := range labels() {
		if c.Spec.FeatureGates == nil {
			c.Spec.FeatureGates = make(api.FeatureGates)
		}
		c.Spec.FeatureGates[k] = rng.IntN(2) == 0
	}
	return c
}

func randomObject(rng *rand.Rand) api.Object {
	out := make(api.Object)
	for range rng.IntN(4) {
		out[strange[rng.IntN(len(strange))]] = randomValue(rng, 0)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func randomValue(rng *rand.Rand, depth int) any {
	n := 8
	if depth > 3 {
		n = 6
	}
	switch rng.IntN(n) {
	case 0:
		return nil
	case 1:
		return rng.IntN(2) == 0
	case 2:
		return json.Number([]string{"0", "-1", "1.50", "12345678901234567890123", "-0", "1e3", "1E+5", "0.0001"}[rng.IntN(8)])
	case 3, 4, 5:
		return strange[rng.IntN(len(strange))]
	case 6:
		list := []any{}
		for range rng.IntN(3) {
			list = append(list, randomValue(rng, depth+1))
		}
		return list
	default:
		m := map[string]any{}
		for range rng.IntN(3) {
			m[strange[rng.IntN(len(strange))]] = randomValue(rng, depth+1)
		}
		return m
	}
}

func TestObjectsKeepNumbersAndShareNothingWhenCloned(t *testing.T) {
	var o api.Object
	if err := json.Unmarshal([]byte(`{"a":{"b":[12345678901234567890,1.0]}}`), &o); err != nil {
		t.Fatal(err)
	}
	clone := o.Clone()
	clone["a"].(map[string]any)["b"].([]any)[0] = "changed"
	raw, err := json.Marshal(o)
	if err != nil || string(raw) != `{"a":{"b":[12345678901234567890,1.0]}}` {
		t.Errorf("got %s, %v", raw, err)
	}
	if v, ok := o.Lookup("a", "b"); !ok || len(v.([]any)) != 2 {
		t.Errorf("Lookup gives %v, %v", v, ok)
	}
	for _, path := range [][]string{{"x"}, {"a", "b", "c"}, {"a", "x"}} {
		if v, ok := o.Lookup(path...); ok {
			t.Errorf("Lookup of %v gives %v", path, v)
		}
	}
	if api.Object(nil).Clone() != nil {
		t.Error("the clone of nil is not nil")
	}
	if err := json.Unmarshal([]byte(`[]`), &o); err == nil {
		t.Error("a list was read as an object")
	}
}
