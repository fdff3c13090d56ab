package convert_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/convert"
)

// now is the time at which certificates are judged in tests.
var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func read(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// run converts an input that can be converted.
func run(t testing.TB, raw string, from, to convert.Format) convert.Result {
	t.Helper()
	r, err := convert.Convert([]byte(raw), convert.Options{From: from, To: to, Now: now})
	if err != nil {
		t.Fatalf("cannot convert: %v\n%s", err, raw)
	}
	return r
}

// show is a result as goldens hold it: the report, then the output.
func show(r convert.Result) string {
	return r.Report.Text() + strings.Repeat("=", 80) + "\n" + string(r.Output)
}

// TestWhatOthersWriteIsConverted converts each input in testdata/inputs into every
// target that makes sense of it.
func TestWhatOthersWriteIsConverted(t *testing.T) {
	inputs, err := filepath.Glob("testdata/inputs/*")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no inputs: %v", err)
	}
	for _, path := range inputs {
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		for _, to := range []convert.Format{convert.EKSNode, convert.Nodeadm, convert.Bottlerocket, convert.Kubeadm, convert.KubeadmV1beta3, convert.Hybrid} {
			t.Run(name+" to "+string(to), func(t *testing.T) {
				r := run(t, string(read(t, path)), "", to)
				golden.Assert(t, filepath.Join("testdata", "golden", name, strings.ReplaceAll(string(to), "/", "-")+".txt"), show(r))
				// What was converted can be converted again, whoever looks at it.
				again, err := convert.Convert(r.Output, convert.Options{Now: now})
				if err != nil {
					t.Fatalf("cannot read what was written: %v", err)
				}
				if got := again.Report.From; string(got) != strings.Split(string(to), "/")[0] && to != convert.Hybrid {
					t.Errorf("what was written as %s is taken for %s", to, got)
				}
			})
		}
	}
}

// TestAConversionGivesTheSameBytes runs each twice.
func TestAConversionGivesTheSameBytes(t *testing.T) {
	inputs, _ := filepath.Glob("testdata/inputs/*")
	for _, path := range inputs {
		for _, to := range convert.Targets() {
			raw := string(read(t, path))
			if a, b := show(run(t, raw, "", to)), show(run(t, raw, "", to)); a != b {
				t.Errorf("%s to %s: two runs differ\n%s", path, to, golden.Diff(a, b))
			}
		}
	}
}

func TestTheReportForMachinesHoldsEveryEntry(t *testing.T) {
	r := run(t, "/etc/eks/bootstrap.sh c --kubelet-extra-args '--max-pods=20 --foo=$(x)'\nyum update\n", "", "")
	raw, err := json.Marshal(r.Report)
	if err != nil {
		t.Fatal(err)
	}
	var back convert.Report
	if err := json.Unmarshal(raw, &back); err != nil || len(back.Entries) != len(r.Report.Entries) || back.Text() != r.Report.Text() {
		t.Errorf("%v: %s", err, raw)
	}
}

func TestSecretsAreInTheOutputAndNotInTheReport(t *testing.T) {
	const secret = "hunter2-secret"
	for name, raw := range map[string]string{
		"proxy of Bottlerocket":   "[settings.network]\nhttps-proxy = \"http://u:" + secret + "@proxy:3128\"\n",
		"credentials of a mirror": "[[settings.container-registry.mirrors]]\nregistry = \"docker.io\"\nendpoint = [\"https://m.example\"]\n[[settings.container-registry.credentials]]\nregistry = \"m.example\"\nusername = \"u\"\npassword = \"" + secret + "\"\n",
		"proxy of NodeConfig":     "apiVersion: eksnode.dev/v1alpha1\nkind: NodeConfig\nspec:\n  proxy:\n    https: http://u:" + secret + "@proxy:3128\n",
	} {
		for _, to := range []convert.Format{convert.EKSNode, convert.Nodeadm, convert.Bottlerocket} {
			r := run(t, raw, "", to)
			if to != convert.Nodeadm || strings.Contains(name, "proxy") {
				if !strings.Contains(string(r.Output), secret) {
					t.Errorf("%s to %s: the secret is not in the output\n%s", name, to, r.Output)
				}
			}
			if j, _ := json.Marshal(r.Report); strings.Contains(r.Report.Text()+string(j), secret) {
				t.Errorf("%s to %s: the report shows the secret", name, to)
			}
		}
	}
	token := "kind: JoinConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\ndiscovery:\n  bootstrapToken:\n    token: abcdef.0123456789abcdef\n"
	if r := run(t, token, "", ""); strings.Contains(show(r), "0123456789abcdef") || !r.Report.Lossy() {
		t.Errorf("the token shows:\n%s", show(r))
	}
}

func TestTheOutputForEksnodeReadsBackAsWhatWasRead(t *testing.T) {
	inputs, _ := filepath.Glob("testdata/inputs/*")
	for _, path := range inputs {
		r := run(t, string(read(t, path)), "", convert.EKSNode)
		merged, problems := api.Load([]api.Input{{Name: "output", Raw: r.Output}}, api.Options{}, now)
		for _, p := range problems {
			if p.Severity == api.Error && p.Code != api.CodeMissingField {
				t.Errorf("%s: %s", path, p)
			}
		}
		again := run(t, string(r.Output), "", convert.EKSNode)
		if string(again.Output) != string(r.Output) {
			t.Errorf("%s: converting what was converted changes it\n%s", path, golden.Diff(string(r.Output), string(again.Output)))
		}
		_ = merged
	}
}
