package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/eksnode/eksnode/pkg/api"
)

// now is a time at which the certificates of the examples are valid.
var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// schema is the embedded one, as another program reads it.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.JSONSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("nodeconfig.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("nodeconfig.json") // checks it against the schema of schemas
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refused returns what the schema says against a document, or nil.
func refused(t *testing.T, s *jsonschema.Schema, document []byte) error {
	t.Helper()
	raw, err := yaml.YAMLToJSON(document)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func load(document []byte) (api.Merged, []api.Problem) {
	return api.Load([]api.Input{{Name: "-", Raw: document}}, api.Options{}, now)
}

func TestTheExamplesAreFreeOfRemarksAndFitTheSchema(t *testing.T) {
	s := schema(t)
	for _, name := range []string{"nodeadm.yaml", "superset.yaml"} {
		text, err := examples.ReadFile("examples/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, problems := load(text); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		if err := refused(t, s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheExamplesShowEveryPartOfTheConfiguration(t *testing.T) {
	shown := map[string]bool{}
	for _, name := range []string{"nodeadm.yaml", "superset.yaml"} {
		text, err := examples.ReadFile("examples/" + name)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := load(text)
		for _, l := range m.Leaves() {
			part, _, _ := strings.Cut(strings.TrimPrefix(l.Path, "spec."), ".")
			part, _, _ = strings.Cut(part, "[")
			shown[part] = true
		}
	}
	for _, f := range api.Fields() {
		name, below := strings.CutPrefix(f.Path, "spec.")
		if below && !strings.ContainsAny(name, ".[*") && !shown[name] {
			t.Errorf("no example shows %s", f.Path)
		}
	}
}

func TestUserDataThatIsReadFitsTheSchema(t *testing.T) {
	s := schema(t)
	paths, err := filepath.Glob("../../pkg/api/testdata/shapes/*.in")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		raw, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		m, problems := load(raw)
		if api.HasErrors(problems) {
			t.Fatalf("%s: %v", p, problems)
		}
		document, err := api.Encode(m.Config, api.EncodeOptions{Secrets: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := refused(t, s, document); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

const cluster = `cluster: {name: a, apiServerEndpoint: "https://a.example.com", certificateAuthority: CA, cidr: 10.100.0.0/16}`

// document has one line below spec.
func document(t *testing.T, version, line string) []byte {
	t.Helper()
	text, err := examples.ReadFile("examples/nodeadm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, ca, _ := strings.Cut(string(text), "certificateAuthority: ")
	ca, _, _ = strings.Cut(ca, "\n")
	spec := "  " + strings.Replace(cluster, "CA", ca, 1) + "\n  " + line + "\n"
	return []byte("apiVersion: " + version + "\nkind: NodeConfig\nspec:\n" + spec)
}

func TestWhatTheSchemaRefusesTheProgramRefuses(t *testing.T) {
	s := schema(t)
	for _, tt := range []struct{ version, line string }{
		{api.APIVersion, "labels: {a: b}"},
		{api.APIVersion, "unknown: 1"},
		{api.APIVersion, "kubelet: {flags: --v=2}"},
		{api.APIVersion, "instance: {localStorage: {strategy: RAID5}}"},
		{api.APIVersion, "instance: {localStorage: {mountPath: relative}}"},
		{api.APIVersion, "instance: {localStorage: {disabledMounts: [Logs]}}"},
		{api.APIVersion, "featureGates: {FastImagePull: maybe}"},
		{api.APIVersionSuperset, "taints: [{key: a, effect: Never}]"},
		{api.APIVersionSuperset, "taints: [{effect: NoSchedule}]"},
		{api.APIVersionSuperset, "nodeName: {source: dns}"},
		{api.APIVersionSuperset, "cni: {profile: flannel}"},
		{api.APIVersionSuperset, "cni: {maxENIs: 0}"},
		{api.APIVersionSuperset, "reserved: {model: aks}"},
		{api.APIVersionSuperset, "reserved: {system: {memory: much}}"},
		{api.APIVersionSuperset, "registries: [{registry: docker.io, mirrors: [{url: 'ftp://m.example.com'}]}]"},
		{api.APIVersionSuperset, "registries: [{registry: docker.io, mirrors: [{url: 'https://m.example.com', capabilities: [fetch]}]}]"},
		{api.APIVersionSuperset, "registries: [{registry: docker.io, mirrors: [{url: 'https://m.example.com', credentials: {source: gcr}}]}]"},
		{api.APIVersionSuperset, "imageCredentials: [{name: a, program: a, matchImages: [a.example.com]}]"},
		{api.APIVersionSuperset, "imageCredentials: [{name: a, program: /a, matchImages: [a.example.com], defaultCacheDuration: soon}]"},
		{api.APIVersionSuperset, "hugePages: [{size: 2Mi, count: -1}]"},
		{api.APIVersionSuperset, "ulimits: {nofile: {hard: many}}"},
		{api.APIVersionSuperset, "swap: {behavior: Always}"},
		{api.APIVersionSuperset, "swap: {behavior: LimitedSwap, size: 4Gi, path: swapfile}"},
		{api.APIVersionSuperset, "hooks: [{name: a, stage: later, command: [/a]}]"},
		{api.APIVersionSuperset, "hooks: [{name: a, stage: pre-config, command: [/a], onFailure: retry}]"},
		{api.APIVersionSuperset, "hooks: [{name: a, stage: pre-config, command: [/a], timeout: 5 minutes}]"},
	} {
		d := document(t, tt.version, tt.line)
		if refused(t, s, d) == nil {
			t.Errorf("the schema takes %s", tt.line)
		}
		if _, problems := load(d); !api.HasErrors(problems) {
			t.Errorf("the program takes %s, the schema does not", tt.line)
		}
	}
}

func TestWhatTheProgramTakesTheSchemaTakes(t *testing.T) {
	s := schema(t)
	for _, tt := range []struct{ version, line string }{
		{api.APIVersion, "kubelet:"},
		{api.APIVersion, "kubelet: {config: , flags: }"},
		{api.APIVersion, "instance: {localStorage: {strategy: raid0, disabledMounts: [containerd]}}"},
		{api.APIVersion, "instance: {environment: {default: {NO_PROXY: }}}"},
		{api.APIVersion, "metadata: {}"},
		{api.APIVersionSuperset, "reserved: {model: expression, cpu: '100', memory: 255 + 11 * max_pods, system: {memory: 100M, cpu: 1}}"},
		{api.APIVersionSuperset, "ulimits: {nofile: {soft: 65536, hard: 65536}}"},
		{api.APIVersionSuperset, "taints: [{key: a, value: '', effect: NoExecute}]"},
		{api.APIVersionSuperset, "cni: {profile: vpc-cni, maxENIs: 2}"},
		{api.APIVersionSuperset, "hooks: [{name: a, stage: pre-config, command: [/a], timeout: 1m30s, onFailure: ''}]"},
		{api.APIVersionSuperset, "sysctls: {net.core.somaxconn: 4096}"},
	} {
		d := document(t, tt.version, tt.line)
		if tt.line == "metadata: {}" {
			d = append(document(t, tt.version, ""), "metadata: {name: a, creationTimestamp: null, finalizers: [x]}\n"...)
		}
		if _, problems := load(d); api.HasErrors(problems) {
			t.Errorf("the program refuses %s: %v", tt.line, problems)
		}
		if err := refused(t, s, d); err != nil {
			t.Errorf("the schema refuses %s: %v", tt.line, err)
		}
	}
}

func TestSecretsAreMarkedInTheSchema(t *testing.T) {
	if got, want := strings.Count(string(api.JSONSchema()), `"writeOnly": true`), 6; got != want {
		t.Errorf("%d secrets, want %d: environment, mirror password, two proxies, env of hooks and credential providers", got, want)
	}
}
