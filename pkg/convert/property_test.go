package convert_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"sigs.k8s.io/yaml"

	"github.com/eksnode/eksnode/pkg/convert"
)

// covered reports whether an entry speaks of a path or of what is around it.
func covered(r convert.Report, path string) bool {
	return slices.ContainsFunc(r.Entries, func(e convert.Entry) bool {
		rest, ok := strings.CutPrefix(path, e.From)
		return e.From != "" && ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// settings makes random settings of Bottlerocket, known and unknown ones, in which
// every value that can be is unlike all others.
func settings(rng *rand.Rand) map[string]any {
	n := 0
	unique := func() string { n++; return fmt.Sprintf("v%d", n) }
	number := func() int64 { n++; return int64(1000 + n) }
	all := map[string]func() any{
		"cluster-name": func() any { return unique() }, "api-server": func() any { return "https://" + unique() },
		"cluster-dns-ip": func() any { return "10.0.0.10" }, "max-pods": func() any { return number() },
		"cluster-domain": func() any { return unique() }, "node-ip": func() any { return "10.1.2.3" },
		"log-level": func() any { return number() }, "registry-qps": func() any { return number() },
		"eviction-hard":              func() any { return map[string]any{"memory.available": unique(), "nodefs.available": unique()} },
		"kube-reserved":              func() any { return map[string]any{"cpu": unique(), "ephemeral-storage": unique()} },
		"node-labels":                func() any { return map[string]any{"a/b": unique(), unique(): unique(), "x": ""} },
		"node-taints":                func() any { return map[string]any{unique(): []any{unique() + ":NoSchedule", ":NoExecute"}} },
		"cpu-manager-policy-options": func() any { return []any{"full-pcpus-only"} },
		"topology-manager-policy-options": func() any {
			return map[string]any{"prefer-closest-numa-nodes": true, "max-allowable-numa-nodes": number()}
		},
		"allowed-unsafe-sysctls":         func() any { return []any{"net." + unique()} },
		"hostname-override-source":       func() any { return "instance-id" },
		"memory-manager-reserved-memory": func() any { return map[string]any{"0": map[string]any{"enabled": true, "memory": unique()}} },
		"credential-providers": func() any {
			return map[string]any{unique(): map[string]any{"enabled": true, "image-patterns": []any{unique()}, "environment": map[string]any{"K": unique()}}}
		},
		"static-pods": func() any {
			return map[string]any{unique(): map[string]any{"enabled": true, "manifest": base64.StdEncoding.EncodeToString([]byte(`{"kind":"Pod","x":"` + unique() + `"}`))}}
		},
	}
	kubernetes := map[string]any{}
	for k, make := range all {
		if rng.IntN(2) == 0 {
			kubernetes[k] = make()
		}
	}
	root := map[string]any{"kubernetes": kubernetes}
	for k, make := range map[string]func() any{
		"network": func() any {
			return map[string]any{"https-proxy": "http://" + unique(), "no-proxy": []any{unique(), unique()}}
		},
		"ntp": func() any { return map[string]any{"time-servers": []any{unique()}} },
		"dns": func() any { return map[string]any{"name-servers": []any{"10.9.9.9"}, "search-list": []any{unique()}} },
		"kernel": func() any {
			return map[string]any{"sysctl": map[string]any{"vm." + unique(): unique()}, "modules": map[string]any{unique(): map[string]any{"allowed": true, "autoload": true}}}
		},
		"container-registry": func() any {
			return map[string]any{"mirrors": []any{map[string]any{"registry": unique(), "endpoint": []any{"https://m.example"}}}, "credentials": []any{map[string]any{"registry": "m.example", "username": unique(), "password": unique()}}}
		},
		"oci-defaults": func() any {
			soft := number()
			return map[string]any{"resource-limits": map[string]any{"max-open-files": map[string]any{"hard-limit": soft + 1, "soft-limit": soft}}}
		},
	} {
		if rng.IntN(2) == 0 {
			root[k] = make()
		}
	}
	return map[string]any{"settings": root}
}

// strange adds settings that nothing else knows, deep inside.
func strange(rng *rand.Rand, m map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if inner, ok := m[k].(map[string]any); ok {
			strange(rng, inner)
		}
	}
	switch rng.IntN(6) {
	case 0:
		m["strange"] = "s"
	case 1:
		m["odd.key"] = map[string]any{"x": int64(1), "y": []any{true, map[string]any{"z": "w"}}}
	}
}

func tomlText(t *testing.T, v any) string {
	t.Helper()
	raw, err := toml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestBottlerocketThereAndBackIsTheSame(t *testing.T) {
	for seed := range uint64(300) {
		in := settings(rand.New(rand.NewPCG(seed, 1)))
		text := tomlText(t, in)
		there := run(t, text, convert.Bottlerocket, convert.EKSNode)
		if there.Report.Lossy() {
			t.Fatalf("seed %d: something is lost\n%s\n%s", seed, text, there.Report.Text())
		}
		back := run(t, string(there.Output), convert.EKSNode, convert.Bottlerocket)
		if back.Report.Lossy() {
			t.Fatalf("seed %d: something is lost on the way back\n%s\n%s", seed, there.Output, back.Report.Text())
		}
		var out map[string]any
		if err := toml.Unmarshal(back.Output, &out); err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := toml.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		normalise(want)
		normalise(out)
		if !reflect.DeepEqual(out, want) {
			t.Fatalf("seed %d: there and back it is\n%s\nand was\n%s", seed, tomlText(t, out), tomlText(t, want))
		}
	}
}

// normalise writes manifests as JSON and leaves out tables without settings, which
// say nothing.
func normalise(m map[string]any) {
	for k, v := range m {
		if inner, ok := v.(map[string]any); ok {
			normalise(inner)
			if len(inner) == 0 {
				delete(m, k)
			}
		}
		if s, ok := v.(string); ok && k == "manifest" {
			raw, _ := base64.StdEncoding.DecodeString(s)
			j, _ := yaml.YAMLToJSON(raw)
			m[k] = string(j)
		}
	}
}

// leaves are the paths of a tree's values.
func leaves(path string, v any) []string {
	switch v := v.(type) {
	case map[string]any:
		var out []string
		for k, e := range v {
			p := path + "." + k
			if path == "" {
				p = k
			} else if strings.ContainsAny(k, `. "'=/[]`) {
				p = path + fmt.Sprintf("[%q]", k)
			}
			out = append(out, leaves(p, e)...)
		}
		return out
	case []any:
		var out []string
		for i, e := range v {
			out = append(out, leaves(fmt.Sprintf("%s[%d]", path, i), e)...)
		}
		return out
	}
	return []string{path}
}

func TestNothingOfBottlerocketIsDroppedInSilence(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		in := settings(rng)
		strange(rng, in["settings"].(map[string]any))
		text := tomlText(t, in)
		for _, to := range convert.Targets() {
			r := run(t, text, convert.Bottlerocket, to)
			for _, p := range leaves("", in) {
				if !covered(r.Report, p) {
					t.Fatalf("seed %d to %s: nothing is said of %s\n%s\n%s", seed, to, p, text, r.Report.Text())
				}
			}
			checkTokens(t, seed, text, r)
		}
	}
}

// checkTokens holds that every value that is unlike all others is in the output,
// unless the report says that something is not.
func checkTokens(t *testing.T, seed uint64, text string, r convert.Result) {
	t.Helper()
	if r.Report.To != convert.EKSNode && r.Report.To != convert.Bottlerocket {
		return
	}
	lost := make(map[int]bool)
	for _, e := range r.Report.Entries {
		if e.Outcome == convert.Lost || e.Outcome == convert.Implied || e.Outcome == convert.Needs {
			lost[e.Line] = true
		}
	}
	for i, line := range strings.Split(text, "\n") {
		if lost[i+1] || !strings.Contains(line, "=") || strings.HasPrefix(line, "manifest") {
			continue
		}
		_, value, _ := strings.Cut(line, " = ")
		for _, token := range strings.FieldsFunc(value, func(c rune) bool { return strings.ContainsRune("'[], :/.", c) }) {
			if strings.HasPrefix(token, "v") && !strings.Contains(string(r.Output), token) {
				t.Fatalf("seed %d to %s: line %d: %s is neither in the output nor in the report\n%s\n%s\n%s", seed, r.Report.To, i+1, token, text, r.Output, r.Report.Text())
			}
		}
	}
}

// TestNothingOfNodeConfigIsDroppedInSilence takes leaves away from a configuration
// that has every field, at random.
func TestNothingOfNodeConfigIsDroppedInSilence(t *testing.T) {
	for _, file := range []string{"superset-everything.yaml", "hybrid-ssm.yaml"} {
		raw := read(t, filepath.Join("testdata", "inputs", file))
		for seed := range uint64(40) {
			rng := rand.New(rand.NewPCG(seed, 3))
			var doc map[string]any
			if err := yaml.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			spec := doc["spec"].(map[string]any)
			keys := slices.Sorted(maps.Keys(spec))
			for _, k := range keys {
				if k != "cluster" && seed > 0 && rng.IntN(2) == 0 {
					delete(spec, k)
				}
			}
			text, _ := yaml.Marshal(doc)
			for _, to := range convert.Targets() {
				r := run(t, string(text), "", to)
				for _, p := range leaves("", doc) {
					if p == "kind" || p == "apiVersion" || covered(r.Report, p) || covered(r.Report, keyed(p, doc)) {
						continue
					}
					t.Fatalf("%s, seed %d to %s: nothing is said of %s\n%s", file, seed, to, p, r.Report.Text())
				}
			}
		}
	}
}

// keyed is a path with the items of lists that merge by key named by it.
func keyed(path string, doc map[string]any) string {
	for list, keys := range map[string][]string{"taints": {"key", "effect"}, "registries": {"registry"}, "imageCredentials": {"name"}, "hugePages": {"size"}, "kernelModules": {"name"}, "hooks": {"name"}} {
		var i int
		if _, err := fmt.Sscanf(path, "spec."+list+"[%d]", &i); err != nil {
			continue
		}
		var parts []string
		item := doc["spec"].(map[string]any)[list].([]any)[i].(map[string]any)
		for _, k := range keys {
			parts = append(parts, item[k].(string))
		}
		_, rest, _ := strings.Cut(path, "]")
		return fmt.Sprintf("spec.%s[%q]%s", list, strings.Join(parts, ":"), rest)
	}
	return path
}

// TestNothingOfAScriptIsDroppedInSilence calls bootstrap.sh with random options.
func TestNothingOfAScriptIsDroppedInSilence(t *testing.T) {
	options := []string{"--apiserver-endpoint", "--aws-api-retry-attempts", "--b64-cluster-ca", "--cluster-id", "--container-runtime", "--containerd-config-file",
		"--dns-cluster-ip", "--docker-config-json", "--enable-docker-bridge", "--enable-local-outpost", "--ip-family", "--local-disks", "--mount-bpf-fs",
		"--pause-container-account", "--pause-container-version", "--service-ipv4-cidr", "--service-ipv6-cidr", "--use-max-pods", "--unknown", "word"}
	values := []string{"", "true", "false", "raid0", "containerd", "10.100.0.0/16", "fd00::/108", "10.0.0.10", "Q0E=", "ipv6", "$UNSET", "$(cmd)", "'a b'", `"{}"`}
	flags := []string{"--max-pods=7", "--v=x", "--node-labels=a=b,c=$(x)", "--register-with-taints=a=b:NoSchedule,bad", "--cloud-provider=aws", "--cloud-provider=external", "--feature-gates=A=true,B=no",
		"--eviction-hard=memory.available<5%", "--container-runtime=remote", "--fail-swap-on", "--anonymous-auth false", "stray", "--hostname-override=$(h)", "--my-flag=1", "--reserved-cpus 0-1"}
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 4))
		script := "#!/bin/bash\nOWN=1\nown-command now\n/etc/eks/bootstrap.sh c"
		var used []string
		for range 1 + rng.IntN(6) {
			o := options[rng.IntN(len(options))]
			used = append(used, o)
			script += " " + o + " " + values[1+rng.IntN(len(values)-1)]
		}
		var extra []string
		for range rng.IntN(5) {
			extra = append(extra, flags[rng.IntN(len(flags))])
		}
		script += " --kubelet-extra-args \"" + strings.Join(extra, " ") + "\"\nlater\n"
		for _, to := range []convert.Format{convert.EKSNode, convert.Nodeadm, convert.Bottlerocket} {
			r := run(t, script, "", to)
			report := r.Report.Text()
			for _, want := range append(append(slices.Clone(used), extra...), "OWN", "own-command", "later", "--kubelet-extra-args") {
				name := strings.FieldsFunc(want, func(c rune) bool { return c == '=' || c == ' ' })[0]
				if !strings.Contains(report+string(r.Output), name) {
					t.Fatalf("seed %d to %s: nothing is said of %s\n%s\n%s", seed, to, name, script, report)
				}
			}
			if strings.ContainsAny(report+string(r.Output), "\ue000\ue001") {
				t.Fatalf("seed %d: a mark shows\n%s", seed, report)
			}
		}
	}
}

func TestEveryEntryOfAReportSaysSomething(t *testing.T) {
	inputs, _ := filepath.Glob("testdata/inputs/*")
	sort.Strings(inputs)
	for _, path := range inputs {
		for _, to := range convert.Targets() {
			r := run(t, string(read(t, path)), "", to)
			for _, e := range r.Report.Entries {
				j, _ := json.Marshal(e)
				switch {
				case e.From == "" && e.To == "",
					e.Outcome == convert.Translated && (e.To == "" || e.From == ""),
					e.Outcome != convert.Translated && e.Message == "",
					e.Outcome == convert.Lost && e.To != "" && e.From == "":
					t.Errorf("%s to %s: %s", path, to, j)
				}
			}
		}
	}
}
