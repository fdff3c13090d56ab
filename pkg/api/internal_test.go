package api

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// dump prints a tree: every value that counts and its place.
func dump(n *node) string {
	if n == nil {
		return "-"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d%q", n.kind, n.scalar)
	if n.src != nil {
		fmt.Fprintf(&b, "@%s:%d", n.src.source, n.line)
	}
	for _, f := range n.fields {
		fmt.Fprintf(&b, " %s=%s", f.name, dump(f.value))
	}
	for _, e := range n.items {
		b.WriteString(" [" + dump(e) + "]")
	}
	for _, l := range n.layers {
		b.WriteString(" layer " + dump(l))
	}
	return "(" + b.String() + ")"
}

// randomSpec writes documents whose fields collide often.
func randomSpec(rng *rand.Rand) string {
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	var free func(depth int) string
	free = func(depth int) string {
		if depth == 0 || rng.IntN(3) == 0 {
			return pick("1", "2", `""`, "~", "[]", "[1]", "{}")
		}
		var fields []string
		for _, k := range []string{"a", "b"} {
			if rng.IntN(2) == 0 {
				fields = append(fields, k+": "+free(depth-1))
			}
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	object := func() string { return "{a: " + free(3) + ", b: " + free(2) + "}" }
	var lines []string
	maybe := func(line string) {
		if rng.IntN(2) == 0 {
			lines = append(lines, "  "+line)
		}
	}
	maybe("cluster: {name: " + pick(`""`, "x", "y") + ", enableOutpost: " + pick("~", "true", "false") + "}")
	maybe("kubelet: {config: " + object() + ", flags: " + pick("[]", "[--a]", "[--b, --c]") + "}")
	maybe("containerd: {baseRuntimeSpec: " + object() + ", config: " + pick(`""`, `"a = 1\n"`, `"[a]\nb = 2\n"`, `"[a]\nb = [1]\nc = 1\n"`, `"broken"`) + "}")
	maybe("instance: {environment: {default: {A: " + pick(`""`, "x") + "}, " + pick("k", "c") + ": {B: x}}, network: {domains: " + pick("[]", "[x]", "[y, z]") + "}}")
	maybe("featureGates: {A: " + pick("true", "false") + ", " + pick("B", "C") + ": true}")
	version := pick(APIVersion, APIVersionSuperset)
	if version == APIVersionSuperset {
		supersetLines(rng, func(line string) { maybe(line) })
	}
	return "apiVersion: " + version + "\nkind: NodeConfig\nspec:\n" + strings.Join(lines, "\n") + "\n"
}

// supersetLines writes fields of the superset whose keys collide often.
func supersetLines(rng *rand.Rand, add func(line string)) {
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	// list is a list of up to three items, each of another key.
	list := func(item func(key string) string) string {
		var items []string
		for _, i := range rng.Perm(3)[:rng.IntN(4)] {
			items = append(items, "{"+item([]string{"k", "l", "m"}[i])+"}")
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	add("labels: {" + pick("a", "b") + ": " + pick(`""`, "x", "y") + "}")
	add("taints: " + list(func(k string) string {
		return "key: " + k + ", effect: " + pick("NoSchedule", "NoExecute") + pick("", `, value: ""`, ", value: x", ", value: y")
	}))
	add("cni: {profile: " + pick("~", `""`, "x", "y") + ", maxENIs: " + pick("~", "0", "1") + ", prefixDelegation: " + pick("~", "true", "false") + "}")
	add("registries: " + list(func(k string) string {
		return "registry: " + k + pick("", ", fallback: true", ", fallback: false") +
			pick("", ", mirrors: []", ", mirrors: [{url: a}]", ", mirrors: [{url: b, credentials: {password: x}}, {}]")
	}))
	add("hugePages: " + list(func(k string) string {
		return "size: " + k + ", count: " + pick("0", "1", "2") + pick("", ", numaNode: 0", ", numaNode: 1")
	}))
	add("kernelModules: " + list(func(k string) string {
		return "name: " + k + pick("", ", parameters: {a: 1}", `, parameters: {a: "", b: yes}`)
	}))
	add("ulimits: {" + pick("a: {hard: 1}", "a: {soft: 1, hard: 2}", `b: {hard: ""}`, "") + "}")
	add("sysctls: {" + pick("a: 1", `a: ""`, "b: 007", "") + "}")
	add("proxy: {https: " + pick("~", `""`, "x", "y") + ", noProxy: " + pick("[]", "[a]", "[b, a]") + "}")
	add("staticPods: {" + pick("a: {b: 1}", "a: {b: [], c: 1}", "a: 1", "b: ~", "") + "}")
	add("hooks: " + list(func(k string) string {
		return "name: " + k + pick("", ", stage: x", ", stage: y") + pick("", ", command: []", ", command: [a]", ", command: [b, c]") + pick("", ", env: {A: }", ", env: {A: x, B: y}")
	}))
	add("accelerators: {nvidia: {mode: " + pick("~", `""`, "x", "y") + ", driver: " + pick("~", "x") + "}, neuron: {cdi: " + pick("~", "true", "false") + "}}")
	add("timeSync: {servers: " + pick("[]", "[a]", "[b]") + "}")
	add("readiness: {taint: {key: " + pick("~", "x", "y") + ", value: " + pick(`""`, "x") + "}, checks: {cni: " + pick("~", "true", "false") +
		", dns: " + pick("[]", "[a]", "[b]") + ", devices: {" + pick("", "a: 1", "a: auto, b: 2") + "}}}")
}

func TestMergingIsAssociative(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	s := nodeConfigSchema()
	for i := range 1000 {
		var roots []*node
		var texts []string
		for _, name := range []string{"a", "b", "c", "d"} {
			text := randomSpec(rng)
			docs, problems := Decode(name, []byte(text), Options{})
			if HasErrors(problems) {
				t.Fatalf("%v\n%s", problems, text)
			}
			roots, texts = append(roots, docs[0].root), append(texts, text)
		}
		a, b, c, d := roots[0], roots[1], roots[2], roots[3]
		left := mergeNodes(mergeNodes(mergeNodes(a, b, s), c, s), d, s)
		right := mergeNodes(a, mergeNodes(b, mergeNodes(c, d, s), s), s)
		pairs := mergeNodes(mergeNodes(a, b, s), mergeNodes(c, d, s), s)
		for _, other := range []*node{right, pairs} {
			if !reflect.DeepEqual(configOf(left), configOf(other)) {
				t.Fatalf("run %d: the configuration depends on the order of merging\n%s", i, strings.Join(texts, "---\n"))
			}
			if want, got := dump(left), dump(other); want != got {
				t.Fatalf("run %d: origins depend on the order of merging\n%s\n%s\n%s", i, want, got, strings.Join(texts, "---\n"))
			}
		}
	}
}

func TestMergingLeavesItsDocumentsAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		var docs []Document
		var before []string
		for _, name := range []string{"a", "b", "c"} {
			d, _ := Decode(name, []byte(randomSpec(rng)), Options{})
			docs = append(docs, d...)
			before = append(before, dump(d[0].root))
		}
		m := Merge(docs)
		m.Leaves()
		for i, d := range docs {
			if got := dump(d.root); got != before[i] {
				t.Fatalf("document %d changed from\n%s\nto\n%s", i, before[i], got)
			}
		}
	}
}

// The schema and the Go types are two lists of the same fields.
func TestSchemaAndTypesHaveTheSameFields(t *testing.T) {
	var walk func(s schema, typ reflect.Type, path string)
	walk = func(s schema, typ reflect.Type, path string) {
		fields := make(map[string]reflect.Type)
		for _, field := range reflect.VisibleFields(typ) {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); !field.Anonymous && (len(field.Index) == 1 || typ.Field(field.Index[0]).Anonymous) {
				fields[name] = field.Type
			}
		}
		for _, f := range s.fields {
			if f.typ == ignoredType {
				continue
			}
			typ, ok := fields[f.name]
			if !ok {
				t.Errorf("%s is in the schema only", childPath(path, f.name))
				continue
			}
			delete(fields, f.name)
			switch f.typ {
			case structType:
				walk(f, typ, childPath(path, f.name))
			case keyedType, structListType, structMapType:
				walk(f, typ.Elem(), childPath(path, f.name))
			}
		}
		for name := range fields {
			t.Errorf("%s is in the types only", childPath(path, name))
		}
	}
	walk(nodeConfigSchema(), reflect.TypeFor[NodeConfig](), "")
}

func TestNearestFindsWhatWasMeant(t *testing.T) {
	candidates := []string{"kubelet", "containerd", "instance", "cidr", "id"}
	for name, want := range map[string]string{
		"kublet": "kubelet", "Kubelet": "kubelet", "kubeelt": "kubelet", "contanerd": "containerd", "cdir": "cidr", "ids": "id", "ID": "id",
		"frobnicate": "", "": "", "x": "", strings.Repeat("kubelet", 100): "",
	} {
		got, ok := nearest(name, candidates)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", name, got, ok, want)
		}
	}
}

func TestEditDistanceCountsSwapsAsOne(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := editDistance(row.a, row.b); got != row.want {
			t.Errorf("%q, %q: got %d, want %d", row.a, row.b, got, row.want)
		}
	}
}

func TestLinesAndColumnsCountAsEditorsDo(t *testing.T) {
	text := newText("x", "ab\ncdé\r\n\rf\u2028gh\u0085i")
	for offset, want := range map[int]string{
		0: "1:1", 1: "1:2", 2: "1:3", 3: "2:1", 5: "2:3", 7: "2:4", 9: "3:1", 10: "4:1", 11: "4:2", 14: "5:1", 15: "5:2", 18: "6:1", 19: "6:2", 99: "6:2", -1: "1:1",
	} {
		line, col := text.lineColumn(offset)
		if got := fmt.Sprintf("%d:%d", line, col); got != want {
			t.Errorf("offset %d: got %s, want %s", offset, got, want)
		}
	}
	for n, want := range map[int]string{0: "", 1: "ab", 2: "cdé", 3: "", 4: "f", 5: "gh", 6: "i", 7: ""} {
		if got := text.line(n); got != want {
			t.Errorf("line %d: got %q, want %q", n, got, want)
		}
	}
	c := cursor{t: text, line: 1}
	for _, offset := range []int{0, 5, 5, 9, 11, 18, 19, 3, 15} {
		wantLine, wantCol := text.lineColumn(offset)
		if line, col := c.move(offset); line != wantLine || col != wantCol {
			t.Errorf("cursor at %d: got %d:%d, want %d:%d", offset, line, col, wantLine, wantCol)
		}
	}
}

func TestMediaTypesAreReadPastWhatIsWrongWithThem(t *testing.T) {
	for value, want := range map[string]string{
		`multipart/mixed; boundary="a b"`:            `multipart/mixed map[boundary:a b]`,
		`multipart/mixed; boundary=a=b; charset=x`:   `multipart/mixed map[boundary:a=b charset:x]`,
		`Multipart/MIXED ;BOUNDARY = "x\"y;z" ; q`:   `multipart/mixed map[boundary:x"y;z]`,
		`text/plain; ; ;a; b=c`:                      `text/plain map[b:c]`,
		`text/plain; a="unclosed`:                    `text/plain map[a:unclosed]`,
		`text/plain; a=1; a=2`:                       `text/plain map[a:1]`,
		``:                                           ` map[]`,
		`text/plain; a="x" trailing; b=y`:            `text/plain map[a:x b:y]`,
		`attachment; filename=node.yaml; size="1;2"`: `attachment map[filename:node.yaml size:1;2]`,
	} {
		mediaType, params := parseMediaType(value)
		if got := fmt.Sprint(mediaType, " ", params); got != want {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}

func TestPathsQuoteKeysThatWouldBeMistaken(t *testing.T) {
	for key, want := range map[string]string{
		"a": "p.a", "a-b": "p.a-b", "a.b": `p["a.b"]`, "": `p[""]`, `a"b`: `p["a\"b"]`, "a b": `p["a b"]`, "a/b": `p["a/b"]`, "[0]": `p["[0]"]`,
	} {
		if got := childPath("p", key); got != want {
			t.Errorf("%q: got %s, want %s", key, got, want)
		}
	}
}
