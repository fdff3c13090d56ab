package docs

import (
	"os"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
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

const sources = "../../pkg/api"

func TestTheNodeConfigReferenceIsTheTypes(t *testing.T) {
	got, err := Reference(sources)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"spec.cluster.apiServerEndpoint", "spec.kubelet.flags", "spec.instance.localStorage.strategy", "spec.featureGates", "spec.taints[].effect", "spec.ulimits.*.hard"} {
		if !strings.Contains(got, "| `"+field+"` |") {
			t.Errorf("%s is not in the reference", field)
		}
	}
	same(t, "../../docs/nodeconfig.md", got)
}

func TestTheJSONSchemaIsTheTypes(t *testing.T) {
	got, err := Schema(sources)
	if err != nil {
		t.Fatal(err)
	}
	same(t, sources+"/nodeconfig.schema.json", got)
	if got != string(api.JSONSchema()) && os.Getenv("UPDATE_GOLDEN") == "" {
		t.Error("the program has another schema within it")
	}
}

func TestEveryFieldOfTheTypesIsReadAndHasAMeaning(t *testing.T) {
	src, err := readSource(sources)
	if err != nil {
		t.Fatal(err)
	}
	comments := src.comments()
	for _, f := range api.Fields() {
		c, ok := comments[f.Path]
		switch {
		case f.Kind == api.IgnoredField:
		case !ok:
			t.Errorf("the types have no %s", f.Path)
		case c.text == "":
			t.Errorf("nothing is said about %s", f.Path)
		case strings.ContainsAny(c.text, "[]") || strings.Contains(c.text, "nil"):
			t.Errorf("%s is explained in Go's words: %s", f.Path, c.text)
		}
		delete(comments, f.Path)
	}
	for path := range comments {
		t.Errorf("%s of the types is not read", path)
	}
}

func TestEveryFieldHasItsDefault(t *testing.T) {
	for _, f := range api.Fields() {
		container := f.Kind == api.ObjectField || f.Kind == api.IgnoredField
		if got := f.DefaultFrom != ""; got == container {
			t.Errorf("%s: default %q from %q", f.Path, f.Default, f.DefaultFrom)
		}
	}
}

func TestSentencesAreForPeopleWhoKnowNoGo(t *testing.T) {
	src, err := readSource(sources)
	if err != nil {
		t.Fatal(err)
	}
	comments := src.comments()
	for path, want := range map[string]string{
		"spec.cluster.name":              "Name of the EKS cluster.",
		"spec.cluster.apiServerEndpoint": "The https URL of the API server",
		"spec.cni.profile":               "Names the plugin.",
		"spec.labels":                    "The node's labels.",
		"spec.proxy.http":                "The URL of the proxy for requests of the scheme http.",
		"spec.cluster.id":                "Identifies a local cluster on an Outpost. Required if `enableOutpost` is true",
		"spec.swap.path":                 "Path of the swap file. Empty means `/var/lib/eksnode/swapfile`.",
	} {
		if got := comments[path].text; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
