package convert_test

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/eksnode/eksnode/pkg/convert"
)

// checkAny is what holds for every input: no panic, and a result that is fit to be
// shown.
func checkAny(t *testing.T, raw []byte, from convert.Format) {
	for _, to := range []convert.Format{convert.EKSNode, convert.Nodeadm, convert.Bottlerocket, convert.Kubeadm, convert.Hybrid} {
		r, err := convert.Convert(raw, convert.Options{From: from, To: to, Now: now})
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without words")
			}
			continue
		}
		report := r.Report.Text()
		if !utf8.ValidString(report) || strings.ContainsAny(report, "\x00\x1b\r") {
			t.Errorf("the report is not fit for a terminal: %q", report)
		}
		if strings.ContainsAny(string(r.Output)+report, "\ue000\ue001") && !strings.ContainsAny(string(raw), "\ue000\ue001") {
			t.Errorf("a mark of the script reader shows:\n%s\n%s", report, r.Output)
		}
		for _, e := range r.Report.Entries {
			if e.From == "" && e.To == "" {
				t.Errorf("an entry about nothing: %+v", e)
			}
		}
	}
}

func FuzzBootstrapScript(f *testing.F) {
	inputs, _ := filepath.Glob("testdata/inputs/al2-*")
	for _, path := range inputs {
		f.Add(string(read(f, path)))
	}
	for _, s := range []string{
		"bootstrap.sh c", "A=(1 2); bootstrap.sh ${A[@]} \"${A[*]}\"", "bootstrap.sh ${A:-${B:-${C:-d}}}", "f() { bootstrap.sh c; }; f",
		"case x in a) bootstrap.sh c;; esac", "bootstrap.sh c <<E\nx\nE\n", "X=$(a \"$(b)\" `c`); bootstrap.sh $X", "bootstrap.sh c --kubelet-extra-args \"--node-labels='a=b' --v\"",
		"A=aaaaaaaa;B=$A$A$A$A$A$A$A$A;C=$B$B$B$B$B$B$B$B;D=$C$C$C$C$C$C$C$C;bootstrap.sh $D$D", "bootstrap.sh c --kubelet-extra-args '\\", "bootstrap.sh \xff\xfe", "bootstrap.sh '\ue0001\ue001'",
		"(bootstrap.sh c", "bootstrap.sh c 2>&1 | tee >(x", "$'bootstrap.sh' c", "${bootstrap.sh", "bootstrap.sh c --dns-cluster-ip 1.2.3.4,::1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) { checkAny(t, []byte(script), convert.BootstrapScript) })
}

func FuzzConvert(f *testing.F) {
	inputs, _ := filepath.Glob("testdata/inputs/*")
	for _, path := range inputs {
		f.Add(read(f, path))
	}
	for _, s := range []string{"[settings]\nkubernetes.node-taints.a = ':x'", "settings.kernel.sysctl.'a\"b' = 1", "kind: JoinConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\nnodeRegistration: [1]",
		"<powershell>& Start-EKSBootstrap.ps1 -EKS 'a''b' @x", "#cloud-config\nwrite_files: [{path: a.env, content: 'x=1'}]\nruncmd: [[bootstrap.sh, c]]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkAny(t, raw, "") })
}
