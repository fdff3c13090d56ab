package main

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// everything is a plan with a step of every verb and a file of every sort. All
// that must not be shown holds the word of password.
func everything() bootstrap.Decision {
	text := func(path, content string, mode fs.FileMode) host.File {
		return host.File{Path: path, Content: []byte(content), Mode: mode}
	}
	kept := text("/etc/kept", "a\nb\nc\nd\ne\nf\n", 0o644)
	changed := text("/etc/kept", "a\nb\nc\nd\nE <&>\nf\n", 0o644)
	hidden := host.File{Path: "/etc/environment.conf", Content: []byte("P=" + password), Mode: 0o600, Secret: true}
	cleaned := text("/etc/containerd/config.toml", "version = 3\n", 0o644)
	unclean := text("/etc/containerd/config.toml", "version = 3\npassword = "+password+"\n", 0o600)
	unread := text("/etc/unread", password, 0o600)
	restored := text("/etc/restored", "older "+password, 0o600)
	kubelet := host.Service{Name: "kubelet.service", Running: true, Current: true, Reads: []host.ID{kept.ID()}}
	owing, idle := kubelet, kubelet
	owing.Current, idle.Running = false, false
	step := func(v host.Verb, owner, why string, impact host.Impact, want, have host.Resource) host.Step {
		named := want
		if named == nil {
			named = have
		}
		return host.Step{Verb: v, ID: named.ID(), Owner: owner, Want: want, Have: have, Why: why, Impact: impact}
	}
	var config api.NodeConfig
	config.Spec.Cluster.Name = "prod"
	return bootstrap.Decision{
		Input: node.Input{
			Config:   config,
			Instance: node.Instance{NodeName: "n1", Type: "m5.large", Zone: "eu-west-1a"},
			Problems: []node.Problem{{Fact: "instance.mac", Code: fault.IMDSNotFound, Message: "404"}},
		},
		Plan: host.Plan{Steps: []host.Step{
			step(host.Create, "tuning", "absent", host.Quiet, host.Dir{Path: "/etc/new", Mode: 0o755}, nil),
			step(host.Create, "tuning", "absent", host.Quiet, text("/etc/new/file", "no newline", 0o644), nil),
			step(host.Create, "tuning", "absent", host.Quiet, text("/etc/new/empty", "", 0o644), nil),
			step(host.Create, "kubelet", "absent", host.Quiet, text("/etc/access", "for root, and no secret\n", 0o600), nil),
			step(host.Create, "tuning", "absent", host.Quiet, hidden, nil),
			step(host.Create, "tuning", "absent", host.Quiet, host.File{Path: "/etc/binary", Content: []byte{0xff, 0, 1}, Mode: 0o755}, nil),
			step(host.Update, "tuning", "value is 1, not 2", host.Quiet, host.Sysctl{Key: "vm.x", Value: "2"}, host.Sysctl{Key: "vm.x", Value: "1"}),
			step(host.Owe, "kubelet", "reads file:/etc/kept", host.Quiet, kubelet, kubelet),
			step(host.Update, "kubelet", "content differs", host.Quiet, changed, kept),
			step(host.Update, "containerd", "content differs", host.Quiet, cleaned, unclean),
			step(host.Update, "tuning", "is something else", host.Quiet, host.Link{Path: "/etc/link", Target: "/usr/x"}, text("/etc/link", password, 0o600)),
			step(host.Restart, "kubelet", "something it reads changes", host.Restarts, kubelet, owing),
			step(host.Start, "containerd", "not running", host.Quiet, kubelet, idle),
			step(host.Create, "containerd", "absent", host.Quiet, host.Image{Ref: "pause:3", Pinned: true}, nil),
			step(host.Stop, "tuning", "should not run", host.Disruptive, idle, kubelet),
			step(host.Remove, "tuning", "no longer wanted", host.Quiet, nil, unread),
			step(host.Remove, "tuning", "no longer wanted", host.Quiet, nil, text("/etc/unwanted", "for all to read\n", 0o644)),
			step(host.Restore, "tuning", "no longer wanted; as it was before", host.Quiet, restored, text("/etc/restored", "newer "+password, 0o600)),
		}},
	}
}

func TestPlansAreShownWithoutSecrets(t *testing.T) {
	for format, print := range planPrinters {
		for name, d := range map[string]bootstrap.Decision{"everything": everything(), "nothing": {}} {
			var out strings.Builder
			if err := print(&out, d); err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, "testdata/plan/"+name+"."+format, out.String())
			if strings.Contains(out.String(), password) {
				t.Errorf("%s shows a secret:\n%s", format, out.String())
			}
		}
	}
}

func TestWhatCannotBeWrittenIsSaid(t *testing.T) {
	for format, print := range planPrinters {
		if err := print(broken{}, everything()); err == nil {
			t.Errorf("%s: no error", format)
		}
	}
	if err := printReport(broken{}, reports()["ok"], today); err == nil {
		t.Error("report: no error")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errFailed }

// reports returns a report for every result.
func reports() map[string]bootstrap.Report {
	later := func(d time.Duration) time.Time { return today.Add(d) }
	base := bootstrap.Report{
		Command: "init", Platform: "ec2", Started: today, Result: bootstrap.Done, Finished: later(12345 * time.Millisecond),
		Node:    bootstrap.Node{Name: "n1", NameSource: "instance metadata", Cluster: "prod", InstanceID: "i-1", Type: "m5.large", Zone: "eu-west-1a", Kubelet: "1.36.1"},
		Sources: []string{"imds://user-data", "file:///etc/eksnode/config.d/1.yaml"},
		Phases: []bootstrap.Phase{
			{Name: "load", Took: 1234 * time.Microsecond, Detail: "2 configuration texts"},
			{Name: "settle", Took: 11 * time.Second, Detail: "2 checks hold"},
		},
		Findings: []health.Finding{
			{Check: "api-tcp", Status: health.OK, Seen: "10.0.0.1:443", Took: 4 * time.Millisecond},
			{Check: "clock", Status: health.Warning, Code: fault.ClockSkew, Seen: "40s\nbehind", Remedy: "Run chrony.", Took: 20 * time.Microsecond},
		},
	}
	running, failed, config := base, base, base
	running.Result, running.Finished, running.Doing, running.Findings = bootstrap.Running, time.Time{}, "settle", nil
	running.Phases = base.Phases[:1]
	failed.Result = bootstrap.Broken
	failed.Error = &bootstrap.Failure{Code: fault.UnitFailed, Message: "cannot start kubelet.service; its journal ends with:\n  one\n  two", Remedy: "Read\nit."}
	config.Findings = nil
	config.ConfigProblems = []api.Problem{{Severity: api.Warning, Path: "spec.kubelet", Message: "unknown"}}
	config.FactProblems = []node.Problem{{Fact: "instance.mac", Message: "404", Remedy: "Run again."}}
	early := bootstrap.Report{Command: "init", Started: today, Finished: later(2 * time.Microsecond), Result: bootstrap.Broken,
		Phases: []bootstrap.Phase{{Name: "load"}}, Error: &bootstrap.Failure{Code: fault.Internal, Message: "boom"}}
	return map[string]bootstrap.Report{"ok": base, "running": running, "failed": failed, "config": config, "failed-early": early}
}

func TestReportsAsText(t *testing.T) {
	for name, r := range reports() {
		var out strings.Builder
		if err := printReport(&out, r, today.Add(3*time.Second)); err != nil {
			t.Fatal(err)
		}
		golden.Assert(t, "testdata/report/"+name+".txt", out.String())
	}
}

func TestTheVerdictIsOneLine(t *testing.T) {
	rs := reports()
	var out strings.Builder
	for _, name := range []string{"running", "ok", "failed", "failed-early", "config"} {
		out.WriteString(name + ": " + verdict(rs[name], false, today.Add(3*time.Second)) + "\n")
	}
	out.WriteString("config only: " + verdict(rs["config"], true, today) + "\n")
	golden.Assert(t, "testdata/report/verdicts.txt", out.String())
}
