package api_test

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/eksnode/eksnode/pkg/api"
)

// seed adds the whole corpus of inputs.
func seed(f *testing.F, keep func(raw []byte) bool) {
	for _, folder := range []string{"testdata/broken", "testdata/shapes"} {
		for _, raw := range inputs(f, folder) {
			if keep(raw) {
				f.Add(raw)
			}
		}
	}
}

// mostProblems is far above what an input may be given: one hundred of decoding,
// one hundred of validation, and a line each to say that there are more.
const mostProblems = 202

// checkInput is what holds for every input: no panic, bounded reports in order,
// and a configuration that encodes and reads back the same.
func checkInput(t *testing.T, raw []byte) {
	docs, problems := api.Decode("imds://user-data", raw, api.Options{})
	lenient, _ := api.Decode("imds://user-data", raw, api.Options{UnknownFieldsAreWarnings: true})
	if len(docs) != len(lenient) {
		t.Errorf("%d documents, %d if lenient", len(docs), len(lenient))
	}
	m := api.Merge(docs)
	all := append(problems, api.Validate(m, now)...)
	if len(all) > mostProblems {
		t.Errorf("%d problems", len(all))
	}
	for _, p := range all {
		if p.Message == "" || p.Code == "" || p.Line < 0 || p.Column < 0 {
			t.Errorf("odd problem %#v", p)
		}
	}
	report := render(all)
	if !utf8.ValidString(report) || strings.ContainsAny(report, "\x00\x1b") || len(report) > 1<<20 {
		t.Errorf("the report is not fit for a terminal: %q", report)
	}
	for _, l := range m.Leaves() {
		if l.Path == "" || len(l.Origins) == 0 {
			t.Errorf("odd leaf %+v", l)
		}
	}
	if api.HasErrors(problems) || len(docs) == 0 {
		return
	}
	for _, format := range []api.Format{api.YAML, api.JSON} {
		text, err := api.Encode(m.Config, api.EncodeOptions{Format: format, Secrets: true})
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, problems := api.Decode("again", text, api.Options{})
		if api.HasErrors(problems) {
			t.Fatalf("what was written cannot be read:\n%s\n%s", render(problems), text)
		}
		if got := api.Merge(again).Config; !reflect.DeepEqual(got, m.Config) {
			t.Fatalf("read %+v\nfrom %s\nafter %+v", got, text, m.Config)
		}
	}
}

func FuzzDecodeAnyBytes(f *testing.F) {
	seed(f, func([]byte) bool { return true })
	f.Fuzz(checkInput)
}

func FuzzDecodeMIME(f *testing.F) {
	seed(f, func(raw []byte) bool { return strings.Contains(string(raw), "--") })
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkInput(t, append([]byte("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"B\"\n\n--B\nContent-Type: application/node.eks.aws\n"), raw...))
		checkInput(t, append([]byte("Content-Type: multipart/mixed; boundary="), raw...))
	})
}

func FuzzDecodeYAML(f *testing.F) {
	f.Add([]byte("kubelet: {config: {a: [1, 0x1f, .5, yes, ~, !!str 5, *x]}}"))
	f.Add([]byte("instance: {environment: {default: {A: b}}}\n  featureGates: {A: on}"))
	f.Add([]byte("containerd:\n    config: |\n      version = 2\n"))
	f.Add([]byte("kubelet:\n    config: &a\n      <<: {b: *a}\n      c: &c [*c]"))
	seed(f, func(raw []byte) bool { return strings.HasPrefix(string(raw), "apiVersion") })
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkInput(t, append([]byte(header+"spec:\n  "), raw...))
	})
}

func FuzzDecodeSuperset(f *testing.F) {
	head := strings.ReplaceAll(header, "node.eks.aws", "eksnode.dev") + "spec:\n  "
	f.Add([]byte("sysctls: {vm.max_map_count: 007, a.b: 0x1f, c.d: yes, e.f: 1e3, g.h: ~, i.j: [1]}"))
	f.Add([]byte("taints: [{key: a, effect: NoSchedule, value: ${gpu.model}}, {key: a, effect: NoSchedule}, {}, a=b:c]"))
	f.Add([]byte("labels: {a: ${instance.tags.x}${, b: $$}\n  hugePages: [{size: 2Mi, count: 1, numaNode: 0}, {size: 2Mi, count: 9}]"))
	f.Add([]byte("reserved: {model: expression, cpu: 'cpus ? 1 : é', memory: max_pods}\n  kubelet:\n    maxPodsExpression: |\n      max_pods\n      + x\n"))
	f.Add([]byte("registries: [{registry: '[::1]:5000', mirrors: [{url: 'https://[::1]/v2', ca: x}]}]\n  proxy: {http: 'http://a:b@c', noProxy: ['[::1]:1', ::1/128]}"))
	seed(f, func(raw []byte) bool { return strings.HasPrefix(string(raw), "apiVersion: eksnode.dev") })
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkInput(t, append([]byte(head), raw...))
	})
}

func FuzzParseQuantity(f *testing.F) {
	for _, s := range []string{"1", "1Gi", "0.5", "1e3", "100m", "-1", "1E", ".5Ei", "1e-99", "+7n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		milli, err := api.ParseQuantity(s)
		if err != nil {
			return
		}
		if milli < 0 || !utf8.ValidString(s) {
			t.Errorf("%q is %d", s, milli)
		}
		if again, err := api.ParseQuantity(strconv.FormatInt(milli, 10) + "m"); err != nil || again != milli {
			t.Errorf("%q is %d, but written so %d, %v", s, milli, again, err)
		}
	})
}

func FuzzMergeTOML(f *testing.F) {
	f.Add("version = 2\n[plugins.a]\nx = 1\n", "[plugins.a]\ny = [1]\n[plugins.b]\n")
	f.Add("[[a]]\nb = 1\n[[a]]\nb = 2\n", "[[a]]\nb = 3\n")
	f.Add("a.b.c = {d = 1, e.f = 2}", "a.b = 1979-05-27T07:32:00Z")
	f.Add("a = '''\nx\n'''\n\"q.\\u00e9\" = inf", "a = 0xff\nb = 1_000.5e3")
	f.Add("a = [[1], [{b = 2}]]", "[a]\nb = 07:32:00")
	f.Fuzz(func(t *testing.T, first, second string) {
		var docs []api.Document
		for i, text := range []string{first, second} {
			c := api.NodeConfig{Spec: api.Spec{Containerd: api.Containerd{Config: text}}}
			raw, err := api.Encode(c, api.EncodeOptions{})
			if err != nil {
				return // not text that a document can hold
			}
			d, problems := api.Decode([]string{"first", "second"}[i], raw, api.Options{})
			if api.HasErrors(problems) {
				t.Fatalf("cannot read back:\n%s", render(problems))
			}
			docs = append(docs, d...)
		}
		m := api.Merge(docs)
		invalid := false
		for _, p := range api.Validate(m, now) {
			invalid = invalid || p.Path == "spec.containerd.config"
		}
		m.Leaves()
		config := m.Config.Spec.Containerd.Config
		blank := func(s string) bool { return strings.TrimSpace(s) == "" }
		switch {
		case blank(first) && blank(second):
			if config != "" {
				t.Errorf("nothing became %q", config)
			}
		case blank(first):
			if config != second {
				t.Errorf("%q is not verbatim: %q", second, config)
			}
		case blank(second):
			if config != first {
				t.Errorf("%q is not verbatim: %q", first, config)
			}
		case !invalid:
			// What was merged is TOML, and merging it with nothing new changes nothing.
			again, err := api.Encode(api.NodeConfig{Spec: api.Spec{Containerd: api.Containerd{Config: config}}}, api.EncodeOptions{})
			if err != nil {
				t.Fatalf("merged TOML cannot be written: %v", err)
			}
			d, _ := api.Decode("merged", again, api.Options{})
			for _, p := range api.Validate(api.Merge(d), now) {
				if p.Path == "spec.containerd.config" {
					t.Fatalf("%q and %q merged to invalid TOML: %v\n%s", first, second, p, config)
				}
			}
			if twice := api.Merge(append(d, d...)).Config.Spec.Containerd.Config; !blank(config) && twice != config {
				t.Errorf("merged with itself, %q became %q", config, twice)
			}
		}
	})
}
