package api_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
)

// sarif is what the tests read of a log.
type sarif struct {
	Runs []struct {
		Tool struct {
			Driver struct {
				Rules []struct {
					ID   string
					Help struct{ Text string }
				}
			}
		}
		Results []struct {
			RuleID    string
			RuleIndex int
			Level     string
			Locations []struct {
				PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
			}
			PartialFingerprints map[string]string
		}
	}
}

func sarifOf(t *testing.T, problems []api.Problem) (string, sarif) {
	t.Helper()
	raw, err := api.SARIF(problems, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	var s sarif
	if err := json.Unmarshal(raw, &s); err != nil || len(s.Runs) != 1 {
		t.Fatal(err)
	}
	return string(raw), s
}

func TestSARIFOfProblemsOfEveryKind(t *testing.T) {
	userData := message(t, api.APIVersion, "kubelet: {config: {maxPods: 110}, flag: []}\ninstance: {environment: {default: {A=hunter2: }}}", karpenter)
	_, problems := api.Load([]api.Input{
		{Name: "imds://user-data", Raw: userData},
		{Name: "file://config.d/a file.yaml", Raw: []byte(spec("kubelet:\n  flags: ['']\n"))},
		{Name: "-", Raw: []byte("\ufeff")},
	}, api.Options{}, now)
	raw, s := sarifOf(t, problems)
	if strings.Contains(raw, "hunter2") {
		t.Error("the log holds a secret")
	}
	levels := map[string]bool{}
	for _, r := range s.Runs[0].Results {
		levels[r.Level] = true
		if s.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("rule %d is not %s", r.RuleIndex, r.RuleID)
		}
	}
	if !levels["error"] || !levels["warning"] || !levels["note"] {
		t.Errorf("levels: %v", levels)
	}
	golden.Assert(t, "testdata/sarif/problems.json", raw)
	clean, _ := sarifOf(t, nil)
	golden.Assert(t, "testdata/sarif/clean.json", clean)
}

func TestSARIFNamesFilesAsURIs(t *testing.T) {
	for source, want := range map[string]string{
		"imds://user-data":                    "imds://user-data",
		"imds://user-data#part2":              "imds://user-data#part2",
		"file:///etc/eks/nodeadm.d/10-x.yaml": "file:///etc/eks/nodeadm.d/10-x.yaml",
		"file://nodes/a b#c%.yaml":            "nodes/a%20b%23c%25.yaml",
		"file://../x.yaml":                    "../x.yaml",
		"file://a:b.yaml":                     "./a:b.yaml",
		`file://C:\nodes\x.yaml`:              "file:///C:/nodes/x.yaml",
		"-":                                   "stdin:",
	} {
		_, s := sarifOf(t, []api.Problem{{Code: api.CodeBadSyntax, Pos: api.Pos{Source: source}}})
		if got := s.Runs[0].Results[0].Locations[0].PhysicalLocation.ArtifactLocation.URI; got != want {
			t.Errorf("%s: got %s, want %s", source, got, want)
		}
	}
	_, s := sarifOf(t, []api.Problem{{Code: api.CodeMissingField}})
	if n := len(s.Runs[0].Results[0].Locations); n != 0 {
		t.Errorf("%d places for what has none", n)
	}
}

func TestSARIFFingerprintsOutliveLinesThatMove(t *testing.T) {
	prints := func(before, body string) (out []string) {
		_, problems := load(t, []byte(header+before+"spec:\n"+indent("  ", validCluster(t))+"\n"+body), api.Options{})
		_, s := sarifOf(t, problems)
		for _, r := range s.Runs[0].Results {
			out = append(out, r.PartialFingerprints["eksnodeProblem/v1"])
		}
		return out
	}
	const body = "  kubelet: {flags: [--v=1], flag: [], other: []}\n"
	a, b := prints("", body), prints("# a comment\n\n", body)
	if len(a) != 2 || !slices.Equal(a, b) || a[0] == a[1] {
		t.Errorf("got %v and %v", a, b)
	}
	if c := prints("", strings.ReplaceAll(body, "--v=1", "--v=2")); slices.Equal(a, c) {
		t.Error("a changed line has the same fingerprint")
	}
}

func TestEveryCodeHasARuleWithHelp(t *testing.T) {
	_, s := sarifOf(t, nil)
	var rules []string
	for _, r := range s.Runs[0].Tool.Driver.Rules {
		rules = append(rules, r.ID)
		if r.Help.Text == "" {
			t.Errorf("%s has no help", r.ID)
		}
	}
	for _, code := range declaredCodes(t) {
		if !slices.Contains(rules, code) {
			t.Errorf("the code %s has no rule in sarifRules", code)
		}
	}
	_, s = sarifOf(t, []api.Problem{{Code: "of-tomorrow"}})
	if rules := s.Runs[0].Tool.Driver.Rules; rules[len(rules)-1].ID != "of-tomorrow" {
		t.Errorf("an unknown code has no rule")
	}
}

// declaredCodes reads the constants of type Code from the sources.
func declaredCodes(t *testing.T) (codes []string) {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		raw, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, raw, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				return true
			}
			typ, isNamed := v.Type.(*ast.Ident)
			lit, isLit := v.Values[0].(*ast.BasicLit)
			if isNamed && isLit && typ.Name == "Code" {
				code, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				codes = append(codes, code)
			}
			return true
		})
	}
	if len(codes) < 20 {
		t.Fatalf("only %d codes found", len(codes))
	}
	return codes
}

func TestBracesInSARIFAreNoPlaceholders(t *testing.T) {
	problems := []api.Problem{
		{Code: api.CodeInvalidValue, Message: `"${instance.typ}": there is no such fact`, Remedy: "write - {key: a, effect: NoSchedule}"},
		{Code: "Other", Message: "no"}, {Code: "Other", Message: "again"}, {Code: "Unknown", Message: "no"},
	}
	raw, err := api.SARIF(problems, "1.2.3", api.Rule{Code: "Other", Short: "{0}", Help: "help"}, api.Rule{Code: "Unused", Short: "unused", Help: "unused"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		`${{instance.typ}}`: true, `- {{key: a, effect: NoSchedule}}`: true, `"text": "{{0}}"`: true, `"text": "help"`: true, "unused": false,
	} {
		if strings.Contains(string(raw), text) != want {
			t.Errorf("%s: %v is wanted in\n%s", text, want, raw)
		}
	}
	if n := strings.Count(string(raw), `"id": "Other"`); n != 1 {
		t.Errorf("%d rules of one code", n)
	}
}
