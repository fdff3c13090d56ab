package convert

import (
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubelet "k8s.io/kubelet/config/v1beta1"
)

// fieldType returns the Go type of a field of KubeletConfiguration by its path.
func fieldType(t *testing.T, path []string) reflect.Type {
	t.Helper()
	at := reflect.TypeFor[kubelet.KubeletConfiguration]()
next:
	for _, key := range path {
		for at.Kind() == reflect.Pointer {
			at = at.Elem()
		}
		if at.Kind() == reflect.Struct {
			for i := range at.NumField() {
				if name, _, _ := strings.Cut(at.Field(i).Tag.Get("json"), ","); name == key {
					at = at.Field(i).Type
					continue next
				}
			}
		}
		t.Fatalf("KubeletConfiguration has no field %s", strings.Join(path, "."))
	}
	for at.Kind() == reflect.Pointer {
		at = at.Elem()
	}
	return at
}

// kindOf is how a field is written in JSON.
func kindOf(at reflect.Type) string {
	switch {
	case at == reflect.TypeFor[metav1.Duration]() || strings.HasSuffix(at.Name(), "Duration") || strings.HasSuffix(at.Name(), "TimeOrMetaDuration"):
		return "text"
	case at.Kind() == reflect.Bool:
		return "bool"
	case at.Kind() == reflect.String:
		return "text"
	case at.Kind() == reflect.Slice:
		return "list"
	case at.Kind() == reflect.Map:
		return "map"
	}
	return "number"
}

func TestEveryFlagOfKubeletHasItsFieldInKubeletConfiguration(t *testing.T) {
	kinds := map[flagType]string{textFlag: "text", boolFlag: "bool", numberFlag: "number", listFlag: "list", mapFlag: "map", evictionFlag: "map", gatesFlag: "map"}
	for name, f := range kubeletFlags() {
		at := fieldType(t, f.path)
		want := kindOf(at)
		if name == "log-flush-frequency" { // a duration or a number
			want = "text"
		}
		if kinds[f.typ] != want {
			t.Errorf("--%s is %s in %v, which is %s", name, kinds[f.typ], f.path, want)
		}
		_, own := agentFlags()[name]
		if own || isRemoved(name) {
			t.Errorf("--%s is in two tables", name)
		}
	}
}

func TestEverySettingOfBottlerocketHasItsFieldInKubeletConfiguration(t *testing.T) {
	kinds := map[brType]string{brText: "text", brBool: "bool", brNumber: "number", brPercent: "number", brList: "list", brMap: "map", brOptions: "map", brOptionMap: "map"}
	seen := make(map[string]string)
	for _, b := range brSettings() {
		if want := kindOf(fieldType(t, b.path)); kinds[b.typ] != want {
			t.Errorf("%s is %s in %v, which is %s", b.key, kinds[b.typ], b.path, want)
		}
		path := strings.Join(b.path, ".")
		if other, twice := seen[path]; twice {
			t.Errorf("%s and %s are both %s", b.key, other, path)
		}
		seen[path] = b.key
	}
}

func TestThePathAroundAPath(t *testing.T) {
	for path, want := range map[string]string{
		"a": "", "a.b": "a", "a[0]": "a", `a["x.y"]`: "a", `a["x.y"].b`: `a["x.y"]`, `a["q\"]["]`: "a", `a["x[0]"]`: "a", "": "",
	} {
		if got := parentPath(path); got != want {
			t.Errorf("parentPath(%s) = %q, want %q", path, got, want)
		}
	}
}

func TestFlagsAreSplitAsSystemdDoes(t *testing.T) {
	for text, want := range map[string][]string{
		`--a=b --c d`:                      {"--a=b", "--c", "d"},
		`--a="b c" '--d=e f' --g=h\ i`:     {"--a=b c", "--d=e f", "--g=h i"},
		`--eviction-hard="memory<5%,x<$1"`: {"--eviction-hard=memory<5%,x<$1"},
		`--a='b"c' --d="e'f" --g="h\"i"`:   {`--a=b"c`, `--d=e'f`, `--g=h"i`},
		"\t--a \n --b ":                    {"--a", "--b"},
		`--a="open`:                        {"--a=open"},
		`--a=''`:                           {"--a="},
		``:                                 nil,
	} {
		got := splitWords(text)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		for _, w := range got {
			if again := splitWords(quoted(w)); len(again) != 1 || again[0] != w {
				t.Errorf("%q is quoted as %s, which is %q", w, quoted(w), again)
			}
		}
	}
}

func TestWordsAreSplitAsTheShellDoes(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         []string
	}{
		{"quotes", `a 'b c' "d e" f\ g`, []string{"a", "b c", "d e", "f g"}},
		{"quotes within a word", `a --node-labels="a=b",'c'=d`, []string{"a", "--node-labels=a=b,c=d"}},
		{"empty words", `a '' ""`, []string{"a", "", ""}},
		{"continued lines", "a \\\n  b", []string{"a", "b"}},
		{"a comment", "a b # c d", []string{"a", "b"}},
		{"no comment", "a b#c", []string{"a", "b#c"}},
		{"a variable", "X=1; a $X \"$X\" '$X' \\$X", []string{"a", "1", "1", "$X", "$X"}},
		{"a variable of two words", `X="1 2"; a $X "$X"`, []string{"a", "1", "2", "1 2"}},
		{"a variable in braces", "X=1; a ${X}y", []string{"a", "1y"}},
		{"a default", "a ${X:-b} ${Y-c}", []string{"a", "b", "c"}},
		{"a default of a variable", "Y=z; a ${X:-${Y}}", []string{"a", "z"}},
		{"an empty variable", "X=; a ${X:-b} ${X-c} d", []string{"a", "b", "d"}},
		{"an alternative", "X=1; a ${X:+set} ${Y:+unset} b", []string{"a", "set", "b"}},
		{"an array", `A=(x "y z"); A+=(w); a "${A[@]}"`, []string{"a", "x", "y z", "w"}},
		{"what is added to a variable", "X=1; X+=2; a $X", []string{"a", "12"}},
		{"redirections", "a b > /dev/null 2>&1 < c", []string{"a", "b"}},
		{"process substitution", "exec > >(tee a|logger b) 2>&1\na b", []string{"a", "b"}},
		{"a here-document", "cat <<EOF > f\nb c\nEOF\na d", []string{"a", "d"}},
		{"a here-document with tabs", "cat <<-'E'\n\tx\n\tE\na b", []string{"a", "b"}},
		{"operators", "true && x || a b", []string{"a", "b"}},
		{"an assignment for one command", "X=1 a b", []string{"a", "b"}},
		{"exported", "export X=1 Y=2; a $X$Y", []string{"a", "12"}},
		{"a condition", "if [[ a && b ]]; then a b; fi", []string{"a", "b"}},
		{"a loop", "for i in 1 2; do a b; done", []string{"a", "b"}},
		{"a case", "case $x in\n a|b) a c;;\n *) ;;\nesac", []string{"a", "c"}},
		{"a function", "f() {\n a b\n}", []string{"a", "b"}},
		{"an open quote", "a 'b", []string{"a", "b"}},
		{"a backslash at the end", `a b\`, []string{"a", "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShell()
			if err := s.read(text{body: tt.script}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range s.out {
				if c.words[0] == "a" {
					got = c.words
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
