package main

import (
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestProgramsThatWouldRunAreInThePlanWithoutWhatTheyGet(t *testing.T) {
	c := host.Command{
		Name: "hook/warm-cache", Digest: host.Digest(password), Args: []string{"/opt/warm", "all"}, Stage: host.StagePreKubelet,
		Env: map[string]string{"TOKEN": password}, Timeout: time.Minute,
	}
	var want host.State
	if err := want.Add("hooks", c); err != nil {
		t.Fatal(err)
	}
	d := bootstrap.Decision{
		Plan:    host.Diff(want, nil, nil),
		Reasons: []node.Reason{{Component: "kubelet", Setting: "maxPods", Value: "29", From: "ENI table m5.large:\n3 ENIs"}},
	}
	for format, print := range planPrinters {
		var out strings.Builder
		if err := print(&out, d); err != nil {
			t.Fatal(err)
		}
		if format == "text" {
			if err := printReasons(&out, d.Reasons); err != nil {
				t.Fatal(err)
			}
		}
		golden.Assert(t, "testdata/plan/program."+format, out.String())
		if strings.Contains(out.String(), password) || strings.Contains(out.String(), c.Digest) {
			t.Errorf("%s shows a secret, or what stands for it:\n%s", format, out.String())
		}
	}
	if err := printReasons(broken{}, d.Reasons); err == nil {
		t.Error("no error")
	}
	if whyFits(true, "diff") == nil || whyFits(true, "json") != nil || whyFits(false, "diff") != nil {
		t.Error("reasons are for text and JSON")
	}
}

func TestAReportShowsProgramsAndWarnings(t *testing.T) {
	r := reports()["ok"]
	r.Programs = []bootstrap.ProgramRun{
		{Name: "hook/patch", Stage: host.StagePreConfig, Took: 2 * time.Second, Outcome: bootstrap.Succeeded},
		{Name: "local-disks", Took: 12345 * time.Millisecond, Outcome: bootstrap.Succeeded},
		{Name: "hook/warm-cache", Stage: host.StagePreKubelet, Took: time.Minute, Outcome: bootstrap.Tolerated, ExitCode: -1},
		{Name: "hook/tell", Stage: host.StagePostReady, Took: 30 * time.Millisecond, Outcome: bootstrap.Failed, ExitCode: 7},
	}
	r.Warnings = []bootstrap.Failure{
		{Code: fault.HookFailed, Message: "cannot run command:hook/warm-cache: /opt/warm ran past its timeout of 1m0s", Remedy: "See\nits output."},
		{Code: fault.Unauthorized, Message: "403"},
	}
	var out strings.Builder
	if err := printReport(&out, r, today.Add(3*time.Second)); err != nil {
		t.Fatal(err)
	}
	r.Warnings = r.Warnings[:1]
	out.WriteString("\nwith one warning: " + verdict(r, true, today) + "\n")
	golden.Assert(t, "testdata/report/programs.txt", out.String())
}
