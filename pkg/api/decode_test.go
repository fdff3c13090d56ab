package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
)

func TestLenientReadingMakesUnknownAndRepeatedKeysWarnings(t *testing.T) {
	text := spec(validCluster(t), "kubelet: {maxPods: 5, flags: [--a], flags: [--b]}")
	for _, text := range []string{text, repeatedInJSON(t)} {
		m, problems := load(t, []byte(text), api.Options{UnknownFieldsAreWarnings: true})
		if api.HasErrors(problems) {
			t.Errorf("errors: %s", render(problems))
		}
		if got := m.Config.Spec.Kubelet.Flags; !reflect.DeepEqual(got, []string{"--b"}) {
			t.Errorf("of a repeated key the last must count, got %q", got)
		}
		var codes []string
		for _, p := range problems {
			codes = append(codes, fmt.Sprint(p.Severity, " ", p.Code))
		}
		if got := strings.Join(codes, ", "); got != "warning unknown-field, warning duplicate-key" {
			t.Errorf("got %s", got)
		}
		if _, problems = load(t, []byte(text), api.Options{}); len(problems) != 2 || problems[0].Severity != api.Error || problems[1].Severity != api.Error {
			t.Errorf("strict reading gives %q", problems)
		}
	}
}

// repeatedInJSON is the document below in JSON, repeated key and all.
func repeatedInJSON(t *testing.T) string {
	return `{"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": {"cluster": {"name": "my-cluster",
 "apiServerEndpoint": "https://x.example.com", "cidr": "10.100.0.0/16", "certificateAuthority": "` + testCA(t) + `"},
 "kubelet": {"maxPods": 5, "flags": ["--a"], "flags": ["--b"]}}}`
}

func TestLenientReadingStillMissesRequiredFields(t *testing.T) {
	_, problems := load(t, []byte(spec(strings.Replace(validCluster(t), "cidr:", "cider:", 1))), api.Options{UnknownFieldsAreWarnings: true})
	if got := fmt.Sprint(problems); !strings.Contains(got, "error: spec.cluster.cidr: required, but missing") {
		t.Errorf("got %s", got)
	}
}

func TestWordsOfYAML11AreWhatTheFieldHolds(t *testing.T) {
	docs := decode(t, "x", spec(
		"cluster: {name: yes, id: on, enableOutpost: off}",
		"featureGates: {A: yes, B: n, on: true}",
		"instance: {environment: {default: {A: no, y: Off}}, network: {domains: [yes, NO]}}",
		"kubelet: {flags: [on], config: {a: yes, b: [off, 'off', \"on\", !!str on], c: true, on: 1, d: n, e: Yess}}",
	))
	c := docs[0].Config()
	if c.Spec.Cluster.Name != "yes" || c.Spec.Cluster.ID != "on" || *c.Spec.Cluster.EnableOutpost {
		t.Errorf("cluster: %+v", c.Spec.Cluster)
	}
	if want := (api.FeatureGates{"A": true, "B": false, "on": true}); !reflect.DeepEqual(c.Spec.FeatureGates, want) {
		t.Errorf("gates: %v", c.Spec.FeatureGates)
	}
	if env := c.Spec.Instance.Environment["default"]; env["A"].Reveal() != "no" || env["y"].Reveal() != "Off" {
		t.Errorf("environment: %q %q", env["A"].Reveal(), env["y"].Reveal())
	}
	if !reflect.DeepEqual(c.Spec.Instance.Network.Domains, []string{"yes", "NO"}) || c.Spec.Kubelet.Flags[0] != "on" {
		t.Errorf("lists: %v %v", c.Spec.Instance.Network, c.Spec.Kubelet.Flags)
	}
	raw, err := json.Marshal(c.Spec.Kubelet.Config)
	if want := `{"a":true,"b":[false,"off","on","on"],"c":true,"d":false,"e":"Yess","on":1}`; err != nil || string(raw) != want {
		t.Errorf("kubelet config: %s", raw)
	}
}

func TestNumbersAreWrittenAsJSONWithoutLoss(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "-0", "1": "1", "+1": "1", "007": "7", "0o17": "15", "0x1F": "31", "-0x1f": "-31", "0b101": "5", "1_000": "1000",
		"12345678901234567890123": "12345678901234567890123", "1.50": "1.50", ".5": "0.5", "-.5": "-0.5", "1.": "1", "1.e3": "1e3", "1e3": "1e3", "1E+05": "1E+05",
		"08": "8", "00.5": "0.5", "0.1000000000000000055511151231257827": "0.1000000000000000055511151231257827", "1_0.5": "10.5",
	} {
		docs := decode(t, "x", spec("kubelet: {config: {a: "+in+"}}"))
		if got := docs[0].Config().Spec.Kubelet.Config["a"]; got != json.Number(want) {
			t.Errorf("%s: got %#v, want %s", in, got, want)
		}
	}
	for _, in := range []string{".inf", "-.INF", ".nan", "!!int x", "!!float '1,5'"} {
		if _, problems := api.Decode("x", []byte(spec("kubelet: {config: {a: "+in+"}}")), api.Options{}); !api.HasErrors(problems) {
			t.Errorf("%s: no error", in)
		}
	}
}

func TestJSONIsReadExactlyEvenWhereYAMLDiffers(t *testing.T) {
	key := strings.Repeat("k", 3000)
	text := `{"apiVersion":"node.eks.aws\/v1alpha1","kind":"NodeConfig","spec":{"kubelet":{"config":{"` + key + `":"\ud83d\ude00\u0085` + "\u0085" + `","big":1E400,"yes":"yes"}}}}`
	docs := decode(t, "x", text)
	config := docs[0].Config().Spec.Kubelet.Config
	if config[key] != "\U0001f600\u0085\u0085" || config["big"] != json.Number("1E400") || config["yes"] != "yes" {
		t.Errorf("got %v", config)
	}
	m := api.Merge(docs)
	if got := fmt.Sprint(m.Origin("spec.kubelet.config.big")); got != "[1E400 at x:2:9]" {
		// The raw NEL ends a line for YAML, and so for places everywhere.
		t.Errorf("big is at %s", got)
	}
}

func TestAnchorsAliasesAndMergeKeysAreExpanded(t *testing.T) {
	docs := decode(t, "x", spec(
		"kubelet:",
		"  config:",
		"    base: &base {a: 1, b: 2}",
		"    more: &more {b: 3, c: 4}",
		"    one: {<<: *base, b: 9}",
		"    two: {<<: [*base, *more]}",
		"    three: *base",
		"    \"<<\": text",
		"    key: &k word",
		"    *k : value",
	))
	raw, err := json.Marshal(docs[0].Config().Spec.Kubelet.Config)
	want := `{"\u003c\u003c":"text","base":{"a":1,"b":2},"key":"word","more":{"b":3,"c":4},"one":{"a":1,"b":9},"three":{"a":1,"b":2},"two":{"a":1,"b":2,"c":4},"word":"value"}`
	if err != nil || string(raw) != want {
		t.Errorf("got  %s, %v\nwant %s", raw, err, want)
	}
	for _, bad := range []string{"{<<: 5}", "{<<: [1]}"} {
		if _, problems := api.Decode("x", []byte(spec("kubelet: {config: "+bad+"}")), api.Options{}); !api.HasErrors(problems) {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestEveryWrappingGivesTheSameConfiguration(t *testing.T) {
	text := spec(validCluster(t), "kubelet: {flags: [--v=2]}")
	pack := func(b []byte) []byte {
		var out bytes.Buffer
		zw := gzip.NewWriter(&out)
		_, _ = zw.Write(b)
		_ = zw.Close()
		return out.Bytes()
	}
	b64 := func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }
	wrapped := func(b []byte, nl string) []byte {
		var out []byte
		for len(b) > 60 {
			out, b = append(append(out, b[:60]...), nl...), b[60:]
		}
		return append(append(out, b...), nl...)
	}
	part := func(head string, body []byte) []byte {
		return []byte("Content-Type: multipart/mixed; boundary=B\n\n--B\n" + head + "Content-Type: application/node.eks.aws\n\n" + string(body) + "\n--B--\n")
	}
	want, _ := load(t, []byte(text), api.Options{})
	for name, raw := range map[string][]byte{
		"gzip":                         pack([]byte(text)),
		"base64":                       b64([]byte(text)),
		"base64 with CRLF":             wrapped(b64([]byte(text)), "\r\n"),
		"base64 without padding":       bytes.TrimRight(b64([]byte(text)), "="),
		"base64 of gzip":               b64(pack([]byte(text))),
		"gzip of base64":               pack(b64([]byte(text))),
		"gzip of two members":          append(pack([]byte(text[:50])), pack([]byte(text[50:]))...),
		"CRLF":                         []byte(strings.ReplaceAll(text, "\n", "\r\n")),
		"byte order mark":              []byte("\ufeff" + text),
		"byte order mark in gzip":      pack([]byte("\ufeff" + text)),
		"part":                         part("", []byte(text)),
		"part with CRLF":               []byte(strings.ReplaceAll(string(part("", []byte(text))), "\n", "\r\n")),
		"part in base64":               part("Content-Transfer-Encoding: base64\n", wrapped(b64([]byte(text)), "\n")),
		"part in base64, unsaid":       part("", wrapped(b64([]byte(text)), "\n")),
		"part in base64 of gzip":       part("Content-Transfer-Encoding: BASE64\n", b64(pack([]byte(text)))),
		"part in raw gzip":             part("Content-Transfer-Encoding: binary\n", pack([]byte(text))),
		"part with byte order mark":    part("Content-Transfer-Encoding: base64\n", b64([]byte("\ufeff"+text))),
		"gzip of part":                 pack(part("", []byte(text))),
		"part that is said to be 8bit": part("Content-Transfer-Encoding: 8bit\n", []byte(text)),
		"folded header":                part("Content-Disposition: attachment;\n\tfilename=x.yaml\n", []byte(text)),
		"header with odd parameters":   part("Content-Disposition: attachment; ; x; filename=\"a\\\"b;c\"; =y\n", []byte(text)),
	} {
		t.Run(name, func(t *testing.T) {
			m, problems := load(t, raw, api.Options{})
			if api.HasErrors(problems) || !reflect.DeepEqual(m.Config, want.Config) {
				t.Errorf("got %+v\n%s", m.Config, render(problems))
			}
		})
	}
}

func TestPlacesInPlainPartsCountInBothTexts(t *testing.T) {
	text := "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"B\"\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B\r\n" +
		"Content-Type: application/node.eks.aws; name=\"n.yaml\"\r\n\r\n" + strings.ReplaceAll(spec("x: 1"), "\n", "\r\n") + "--B--\r\n"
	_, problems := api.Decode("imds://user-data", []byte(text), api.Options{})
	var at api.Pos
	for _, p := range problems {
		if p.Code == api.CodeUnknownField {
			at = p.Pos
		}
	}
	want := api.Pos{Source: "imds://user-data", Line: 14, Column: 3, Part: `part 2, application/node.eks.aws, "n.yaml"`, PartLine: 4}
	if at != want {
		t.Errorf("got %+v, want %+v", at, want)
	}
}

func TestSourcesAreNamedAsPeopleKnowThem(t *testing.T) {
	for source, want := range map[string]string{
		"imds://user-data":                    "user-data:1:1: ",
		"file:///etc/eks/nodeadm.d/10-x.yaml": "/etc/eks/nodeadm.d/10-x.yaml:1:1: ",
		"-":                                   "standard input:1:1: ",
		"":                                    "input:1:1: ",
	} {
		_, problems := api.Decode(source, []byte("[]"), api.Options{})
		if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), want) {
			t.Errorf("%q: got %v", source, problems)
		}
	}
}

func TestProblemsAsJSONHaveTheirPlaceBesideTheRest(t *testing.T) {
	_, problems := api.Decode("imds://user-data", []byte(spec("x: 1")), api.Options{})
	raw, err := json.Marshal(problems)
	want := `[{"severity":"error","code":"unknown-field","source":"imds://user-data","line":4,"column":3,"path":"spec","message":"unknown field \"x\"","remedy":"known here: cluster, containerd, instance, kubelet, featureGates"}]`
	if err != nil || string(raw) != want {
		t.Errorf("got  %s, %v\nwant %s", raw, err, want)
	}
	var back []api.Problem
	if err := json.Unmarshal(raw, &back); err != nil || len(back) != 1 || back[0].String() != problems[0].String() {
		t.Errorf("read back as %v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`[{"severity":"fatal"}]`), &back); err == nil {
		t.Error("an unknown severity was read")
	}
}

func TestAsErrorHoldsErrorsOnly(t *testing.T) {
	_, problems := load(t, []byte(spec(validCluster(t), "featureGates: {X: true}")), api.Options{})
	if len(problems) != 1 || api.AsError(problems) != nil || api.HasErrors(problems) {
		t.Errorf("a warning became an error: %v", problems)
	}
	_, problems = load(t, []byte(spec(validCluster(t), "x: 1")), api.Options{})
	if err := api.AsError(problems); err == nil || !strings.Contains(err.Error(), "unknown field") {
		t.Errorf("got %v", err)
	}
}
