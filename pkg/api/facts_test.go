package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
)

func TestReferencesAreReplacedByFacts(t *testing.T) {
	lookup := func(name string) (string, error) { return "<" + name + ">", nil }
	for text, want := range map[string]string{
		"":                                "",
		"plain":                           "plain",
		"${instance.type}":                "<instance.type>",
		"a-${instance.zone}-${gpu.model}": "a-<instance.zone>-<gpu.model>",
		"${instance.tags.team:a/b c}":     "<instance.tags.team:a/b c>",
		"$":                               "$",
		"$$":                              "$",
		"a$$b":                            "a$b",
		"$${instance.type}":               "${instance.type}",
		"$$${instance.type}":              "$<instance.type>",
		"costs 5$, $5, $ {x}":             "costs 5$, $5, $ {x}",
		"${instance.type}$":               "<instance.type>$",
		"$$$$":                            "$$",
		"$$$":                             "$$",
	} {
		if got, err := api.Expand(text, lookup); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"${":                "no closing brace",
		"a ${instance.type": "no closing brace",
		"${}":               "the name of the fact is missing",
		"${instance.tags.}": "the key of the tag is missing",
		"${instance.typ}":   "there is no such fact",
		"${Instance.Type}":  "there is no such fact",
		"${ cpu.count }":    "there is no such fact",
		"${${cpu.count}}":   "there is no such fact",
	} {
		if got, err := api.Expand(text, lookup); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q, %v, want an error with %q", text, got, err, want)
		}
	}
	cause := errors.New("no GPU")
	if _, err := api.Expand("${gpu.model}", func(string) (string, error) { return "", cause }); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

func TestReferencesKnowTheirPlaces(t *testing.T) {
	text := "é${cpu.count}$$${os.id}"
	refs, err := api.References(text)
	if err != nil || len(refs) != 2 {
		t.Fatalf("got %v, %v", refs, err)
	}
	for i, want := range []string{"${cpu.count}", "${os.id}"} {
		if got := text[refs[i].Start:refs[i].End]; got != want || "${"+refs[i].Name+"}" != want {
			t.Errorf("got %q of %+v, want %q", got, refs[i], want)
		}
	}
}

func TestEveryFactCanBeReferredTo(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range api.FactNames() {
		if refs, err := api.References("${" + f.Name + "}"); err != nil || len(refs) != 1 || f.What == "" || seen[f.Name] {
			t.Errorf("%+v: %v, %v", f, refs, err)
		}
		seen[f.Name] = true
	}
}

func FuzzExpandReferences(f *testing.F) {
	for _, s := range []string{"", "${instance.type}", "$$", "a${cpu.count}b$${x}", "${instance.tags.${x}}", "${", "$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		refs, err := api.References(text)
		out, err2 := api.Expand(text, func(name string) (string, error) { return "", nil })
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%v, but %v", err, err2)
		}
		if err != nil {
			return
		}
		rest := text
		for i := len(refs) - 1; i >= 0; i-- {
			if got := text[refs[i].Start:refs[i].End]; got != fmt.Sprintf("${%s}", refs[i].Name) {
				t.Fatalf("%q is not %+v", got, refs[i])
			}
			rest = rest[:refs[i].Start] + rest[refs[i].End:]
		}
		if len(out) > len(rest) {
			t.Errorf("%q became %q", text, out)
		}
		// What was escaped reads back as it was.
		again, err := api.Expand(strings.ReplaceAll(text, "$", "$$"), func(string) (string, error) { return "", errors.New("no reference") })
		if err != nil || again != text {
			t.Errorf("%q escaped became %q, %v", text, again, err)
		}
	})
}
