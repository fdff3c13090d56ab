package deptest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/eksnode/eksnode/"

// list returns the packages of this module with their imports, without tests.
func list(t *testing.T) []Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []Package
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		q := Package{Path: strings.TrimPrefix(p.ImportPath, module)}
		for _, imp := range p.Imports {
			q.Imports = append(q.Imports, strings.TrimPrefix(imp, module))
		}
		pkgs = append(pkgs, q)
	}
}

func TestTheFloorsHold(t *testing.T) {
	pkgs := list(t)
	if len(pkgs) < 10 {
		t.Fatalf("go list shows only %d packages: the test no longer sees the house", len(pkgs))
	}
	for _, b := range Check(pkgs) {
		t.Error(b)
	}
}

func TestEveryRuleHasTeeth(t *testing.T) {
	for _, tt := range []struct {
		p    Package
		want string
	}{
		{Package{"pkg/host", []string{"pkg/system/file"}}, "lower floors only"},
		{Package{"pkg/kubelet", []string{"pkg/containerd"}}, "lower floors only"},
		{Package{"pkg/kubelet", []string{"os"}}, "not the machine"},
		{Package{"pkg/kubelet", []string{"github.com/aws/aws-sdk-go-v2/service/ec2"}}, "only drivers"},
		{Package{"pkg/bootstrap", []string{"pkg/platform/ec2"}}, "lower floors only"},
		{Package{"pkg/system/file", []string{"text/template"}}, "dead-code"},
		{Package{"pkg/newroom", []string{"fmt"}}, "no floor"},
		{Package{"internal/retry", []string{"pkg/host"}}, "lower floors only"},
	} {
		got := Check([]Package{tt.p})
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, tt.want) }) {
			t.Errorf("%v: got %v, want a complaint with %q", tt.p, got, tt.want)
		}
	}
	for _, fine := range []Package{
		{"pkg/kubelet", []string{"fmt", "pkg/node", "pkg/host", "internal/golden"}},
		{"pkg/system/systemd", []string{"os", "pkg/host", "pkg/system/file"}},
		{"pkg/platform/ec2", []string{"pkg/platform", "pkg/aws/imds", "pkg/kubelet"}},
		{"cmd/agent", []string{"pkg/bootstrap", "pkg/platform/ec2", "os"}},
	} {
		if got := Check([]Package{fine}); len(got) > 0 {
			t.Errorf("%v: %v", fine, got)
		}
	}
}

// A component must not ask which platform it is on; differences are fields of
// its input.
func TestNoComponentAsksForThePlatform(t *testing.T) {
	asks := regexp.MustCompile(`(?i)\b(platform|isEC2|isHybrid|isOutpost)\w*\s*(==|!=)|switch\s+\w*\.?platform`)
	out, err := exec.Command("grep", "-rnE", "--include=*.go", "--exclude=*_test.go", ".", "../../pkg/kubelet", "../../pkg/containerd", "../../pkg/credential", "../../pkg/tuning").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if asks.MatchString(line) {
			t.Error("a component asks for the platform: ", line)
		}
	}
}

// Decisions must not look at the clock: time.Now is no import, so it is looked
// for in the text.
func TestPurePackagesDoNotReadTheClock(t *testing.T) {
	for _, dir := range pure {
		out, _ := exec.Command("grep", "-rnE", "--include=*.go", "--exclude=*_test.go", `time\.(Now|Sleep|After|Since|NewTimer|NewTicker)\(|os\.|rand\.`, "../../"+dir).Output()
		for line := range strings.Lines(string(out)) {
			if code, _, _ := strings.Cut(line[strings.Index(line, ".go:")+4:], "//"); regexp.MustCompile(`time\.(Now|Sleep|After|Since|NewTimer|NewTicker)\(`).MatchString(code) {
				t.Error("a pure package reads the clock: ", line)
			}
		}
	}
}
