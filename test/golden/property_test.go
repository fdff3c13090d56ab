package golden_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	everyState(t, func(name string, in node.Input) {
		repeat := 3
		if !strings.Contains(name, "/") {
			repeat = 15 // the situations and features have all the maps
		}
		first := text(desired(t, in))
		for range repeat {
			if again := text(desired(t, in)); again != first {
				t.Fatalf("%s: another run gives another state", name)
			}
		}
	})
}

func TestASavedInputGivesTheSameState(t *testing.T) {
	everyState(t, func(name string, in node.Input) {
		saved, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(saved), api.Secret("x").String()) {
			return // secrets are not in JSON
		}
		var back node.Input
		if err := json.Unmarshal(saved, &back); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if text(desired(t, back)) != text(desired(t, in)) {
			t.Errorf("%s: the saved input gives another state", name)
		}
	})
}

func TestWhatAServiceReadsIsDeclared(t *testing.T) {
	everyState(t, func(name string, in node.Input) {
		s := desired(t, in)
		services := 0
		for _, e := range s.Entries() {
			service, ok := e.Resource.(host.Service)
			if !ok {
				continue
			}
			services++
			for _, id := range service.Reads {
				if _, ok := s.Lookup(id); !ok {
					t.Errorf("%s: %s reads %s, which nobody declares", name, service.Name, id)
				}
			}
		}
		if services < 2 {
			t.Errorf("%s: %d services", name, services)
		}
	})
}

// hunter2 is the password in every situation that has one.
func TestSecretsAreOnlyInSecretFiles(t *testing.T) {
	found := map[string]bool{}
	everyState(t, func(name string, in node.Input) {
		for _, e := range desired(t, in).Entries() {
			f, isFile := e.Resource.(host.File)
			raw, err := json.Marshal(e.Resource)
			if err != nil {
				t.Fatal(err)
			}
			has := exposed(string(raw)) != "" || isFile && exposed(string(f.Content)) != ""
			if has {
				found[name] = true
			}
			if has && (!isFile || !f.Secret) {
				t.Errorf("%s: %s shows a secret", name, e.Resource.ID())
			}
			if f.Secret && f.Mode != 0o600 {
				t.Errorf("%s: %s is secret and has mode %o", name, f.Path, f.Mode)
			}
		}
		if said := why(in); exposed(said) != "" {
			t.Errorf("%s: the decisions show a secret: %s", name, said)
		}
	})
	for _, name := range []string{"environment", "registry-credentials", "static-pod-headers-are-secret", "registries-1.33", "image-credentials-1.33", "proxy-1.33", "everything-1.33"} {
		if !found[name] {
			t.Errorf("%s has no secret: the test looks for the wrong thing", name)
		}
	}
}

func TestAMachineThatHoldsTheStateNeedsNoStep(t *testing.T) {
	everyState(t, func(name string, in node.Input) {
		want := desired(t, in)
		have := map[host.ID]host.Resource{}
		for _, e := range want.Entries() {
			have[e.Resource.ID()] = e.Resource
		}
		if p := host.Diff(want, have, nil); !p.Empty() {
			t.Errorf("%s: %d steps, the first %+v", name, len(p.Steps), p.Steps[0])
		}
		if p := host.Diff(want, nil, nil); len(p.Steps) != len(want.Entries()) {
			t.Errorf("%s: %d steps from nothing to %d resources", name, len(p.Steps), len(want.Entries()))
		}
	})
}
