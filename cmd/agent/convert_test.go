package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/convert"
)

func TestConfigConvertWritesTheResultAndTheReportApart(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"eksnode", nil},
		{"nodeadm", []string{"--to", "nodeadm"}},
		{"bottlerocket", []string{"--to", "bottlerocket", "--from", "bootstrap.sh"}},
		{"kubeadm", []string{"--to", "kubeadm/v1beta3"}},
		{"report-json", []string{"--report", "json"}},
	} {
		c := agent(append([]string{"config", "convert", "testdata/convert/al2.sh"}, tt.args...)...).by(1000).run(t)
		if c.code != 0 {
			t.Errorf("%s: exit status %d", tt.name, c.code)
		}
		golden.Assert(t, filepath.Join("testdata", "convert", tt.name+".out"), c.stdout)
		golden.Assert(t, filepath.Join("testdata", "convert", tt.name+".report"), c.stderr)
	}
	var report convert.Report
	c := agent("config", "convert", "--report", "json", "testdata/convert/al2.sh").run(t)
	if err := json.Unmarshal([]byte(c.stderr), &report); err != nil || report.From != convert.BootstrapScript || len(report.Entries) == 0 {
		t.Errorf("%v: %s", err, c.stderr)
	}
}

func TestConfigConvertWithholdsWhatLosesSomething(t *testing.T) {
	agent("config", "convert", "testdata/convert/lossy.sh").run(t).expect(t, 1, "", "cannot convert without loss")
	agent("config", "convert", "testdata/convert/lossy.sh").run(t).expect(t, 1, "", "line 1: the command yum")
	agent("config", "convert", "--allow-loss", "testdata/convert/lossy.sh").run(t).expect(t, 0, "name: my-cluster", "line 1: the command yum")
	path := filepath.Join(t.TempDir(), "out.yaml")
	agent("config", "convert", "-o", path, "testdata/convert/lossy.sh").run(t).expect(t, 1, "", "nothing was written")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("there is a file although something was lost: %v", err)
	}
	agent("config", "convert", "-o", path, "--allow-loss", "testdata/convert/lossy.sh").run(t).expect(t, 0, "", "cannot be expressed")
	if !strings.Contains(read(t, path), "name: my-cluster") {
		t.Errorf("the file holds %s", read(t, path))
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the mode %v, %v", info.Mode(), err)
	}
}

func TestConfigConvertReadsStandardInput(t *testing.T) {
	const script = "/etc/eks/bootstrap.sh from-stdin"
	agent("config", "convert").stdin(script).run(t).expect(t, 0, "name: from-stdin", "needs a value")
	agent("config", "convert", "-").stdin(script).run(t).expect(t, 0, "name: from-stdin", "detected by a call of bootstrap.sh")
}

func TestConfigConvertRefusesWhatItCannotDo(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"--to", "talos", "testdata/convert/al2.sh"}, `"talos": known are`},
		{[]string{"--from", "talos", "testdata/convert/al2.sh"}, `"talos": known are`},
		{[]string{"--to", "bootstrap.sh", "testdata/convert/al2.sh"}, `cannot convert to "bootstrap.sh"`},
		{[]string{"--report", "xml", "testdata/convert/al2.sh"}, `as "xml": known are text and json`},
		{[]string{"testdata/convert/none"}, "code:   ConfigUnreadable"},
		{[]string{"--from", "bottlerocket", "testdata/convert/al2.sh"}, "cannot parse TOML"},
		{[]string{"testdata/typo.yaml", "testdata/valid.yaml"}, "accepts at most 1 arg"},
	} {
		agent(append([]string{"config", "convert"}, tt.args...)...).run(t).expect(t, 1, "", tt.stderr)
	}
}

// TestTheGuideShowsWhatConvertSays holds docs/convert.md to what the program does.
func TestTheGuideShowsWhatConvertSays(t *testing.T) {
	guide := read(t, "../../docs/convert.md")
	c := agent("config", "convert", "--allow-loss", "testdata/convert/guide.sh").run(t)
	for what, text := range map[string]string{"script": read(t, "testdata/convert/guide.sh"), "report": c.stderr, "output": c.stdout} {
		block := "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
		if !strings.Contains(guide, "\n\n"+block+"\n") {
			t.Errorf("docs/convert.md does not hold the %s of testdata/convert/guide.sh:\n%s", what, block)
		}
	}
}
