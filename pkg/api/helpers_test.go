package api_test

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
)

// now is the time at which certificates are judged in tests.
var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// header starts a document.
const header = "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\n"

// load reads one input named imds://user-data.
func load(t *testing.T, raw []byte, o api.Options) (api.Merged, []api.Problem) {
	t.Helper()
	return api.Load([]api.Input{{Name: "imds://user-data", Raw: raw}}, o, now)
}

// decode reads documents that must be without fault.
func decode(t *testing.T, source, text string) []api.Document {
	t.Helper()
	docs, problems := api.Decode(source, []byte(text), api.Options{})
	if api.HasErrors(problems) {
		t.Fatalf("cannot decode %s:\n%s", source, render(problems))
	}
	return docs
}

// spec is a document with the given lines below spec, which are indented.
func spec(lines ...string) string {
	return header + "spec:\n" + indent("  ", strings.Join(lines, "\n")) + "\n"
}

// indent indents every line that is not empty.
func indent(by, text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = by + l
		}
	}
	return strings.Join(lines, "\n")
}

func render(problems []api.Problem) string {
	var b strings.Builder
	if err := api.Render(&b, problems); err != nil {
		return err.Error()
	}
	return b.String()
}

// testCA is a bundle that parses, in base64.
func testCA(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/shapes/base64.in")
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(raw), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	_, ca, _ := strings.Cut(string(text), "certificateAuthority: ")
	ca, _, _ = strings.Cut(ca, "\n")
	return ca
}

// validCluster is a cluster block without fault, to go below spec.
func validCluster(t testing.TB) string {
	return "cluster:\n  name: my-cluster\n  apiServerEndpoint: https://x.example.com\n  cidr: 10.100.0.0/16\n  certificateAuthority: " + testCA(t)
}
