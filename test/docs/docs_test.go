package docs

import (
	"os"
	"strings"
	"testing"
)

// same compares a page with what the code says; UPDATE_GOLDEN=1 writes it.
func same(t *testing.T, path, want string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s no longer says what the code does: run `make golden` and read the difference", path)
	}
}

func TestTheTroubleshootingGuideIsTheCatalogue(t *testing.T) {
	same(t, "../../docs/troubleshooting.md", Troubleshooting())
}

func TestTheNodeConfigReferenceIsTheTypes(t *testing.T) {
	types, err := os.ReadFile("../../pkg/api/types.go")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Reference(types)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"spec.cluster.apiServerEndpoint", "spec.kubelet.flags", "spec.instance.localStorage.strategy", "spec.featureGates"} {
		if !strings.Contains(got, "| `"+field+"` |") {
			t.Errorf("%s is not in the reference", field)
		}
	}
	for line := range strings.Lines(got) {
		if strings.HasPrefix(line, "| `") && strings.HasSuffix(line, "|  |\n") {
			t.Errorf("a field without a meaning: %s", line)
		}
	}
	same(t, "../../docs/nodeconfig.md", got)
}
