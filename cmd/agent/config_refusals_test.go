package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
)

func TestACheckForAMachineShowsWhatWouldBeRefusedThere(t *testing.T) {
	all := []string{"--as", "ec2:t3.medium", "--os", "ubuntu-24.04"}
	for _, tt := range []struct {
		name, file string
		args       []string
		code       int
	}{
		{"refused.txt", "machine.yaml", all, 1},
		{"refused.json", "machine.yaml", append([]string{"-o", "json"}, all...), 1},
		{"refused.sarif", "machine.yaml", append([]string{"-o", "sarif"}, all...), 1},
		{"fits.txt", "machine.yaml", []string{"--as", "ec2:m5.4xlarge", "--containerd", "1.7", "--fact", "instance.tags.team=ml"}, 0},
		{"fits-strictly.txt", "machine.yaml", []string{"--strict", "--as", "ec2:m5.4xlarge", "--containerd", "1.7", "--fact", "instance.tags.team=ml"}, 1},
		{"usable.txt", "superset.yaml", described(), 0},
		{"usable.json", "superset.yaml", described("-o", "json"), 0},
		{"not-decided.txt", "dropin.yaml", all, 1},
		{"plugin.txt", "valid.yaml", []string{"--as", "ec2:m5.large", "--cni", "calico+maxENIs=2"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := agent(append([]string{"config", "check", "testdata/" + tt.file}, tt.args...)...).by(1000).run(t)
			golden.Assert(t, filepath.Join("testdata", "check", "as", tt.name), c.stdout)
			if c.code != tt.code || c.stderr != "" {
				t.Errorf("exit status %d, want %d; stderr %s", c.code, tt.code, c.stderr)
			}
		})
	}
}

// TestACheckRefusesWhatAPlanRefuses holds the two verbs to each other.
func TestACheckRefusesWhatAPlanRefuses(t *testing.T) {
	for _, file := range []string{"valid.yaml", "superset.yaml", "machine.yaml", "karpenter.mime"} {
		for _, args := range [][]string{
			{"--as", "ec2:m5.large"}, {"--as", "ec2:t3.nano", "--containerd", "1.7"}, {"--as", "ec2:p5.48xlarge", "--os", "ubuntu-24.04"},
			{"--as", "ec2:m5.4xlarge", "--containerd", "1.7", "--fact", "instance.tags.team=ml"}, {"--as", "ec2:mac2.metal", "--kubernetes", "1.28"},
		} {
			plan := agent(append([]string{"plan", "testdata/" + file}, args...)...).by(1000).run(t)
			check := agent(append([]string{"config", "check", "-o", "json", "testdata/" + file}, args...)...).by(1000).run(t)
			var got struct{ Valid bool }
			if err := json.Unmarshal([]byte(check.stdout), &got); err != nil {
				t.Fatal(err)
			}
			if got.Valid != (plan.code == int(exitChanges)) || got.Valid != (check.code == 0) {
				t.Errorf("%s %v: check says %v with exit status %d, plan ends with %d: %s", file, args, got.Valid, check.code, plan.code, plan.stderr)
			}
		}
	}
}

func TestACheckForAMachineIsForOneMachine(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"--cni", "calico"}, "cannot use --cni without --as"},
		{[]string{"--zone", "us-west-2a"}, "cannot use --zone without --as"},
		{[]string{"--as", "ec2:m5.*"}, "cannot check for many machines at once"},
		{[]string{"--as", "ec2:m5.large", "--cni", "all"}, "cannot check for many machines at once"},
		{[]string{"--as", "m5.large"}, "write ec2:m5.large"},
		{[]string{"--as", "ec2:m5.large", "--kubernetes", "new"}, "cannot read the version of Kubernetes"},
		{[]string{"--as", "ec2:m5.large", "--cni", "vpc-cni+x"}, "known options are"},
	} {
		agent(append([]string{"config", "check", "testdata/valid.yaml"}, tt.args...)...).by(1000).run(t).expect(t, 1, "", tt.stderr)
	}
	agent("config", "check", "--as", "ec2:m5.large").by(1000).run(t).expect(t, 1, "", "code:   ConfigMissing")
	agent("config", "check", "--as", "ec2:m5.large", "-").stdin("#!/bin/sh\n").by(1000).run(t).expect(t, 1, "this is a script", "code:   ConfigMissing")
}

func TestEachRefusalIsAProblemOfItsOwn(t *testing.T) {
	file := "testdata/superset.yaml"
	merged, _ := api.Load([]api.Input{{Name: "file://" + file, Raw: []byte(read(t, file))}}, api.Options{}, today)
	loaded := bootstrap.Loaded{Merged: merged, Texts: []string{"file://" + file}}
	missing := fault.New(fault.BinaryMissing, "Install it.", errors.New(`cannot use spec.registries "docker.io": no program`))
	err := errors.Join(
		fmt.Errorf("cannot decide tuning: %w", errors.Join(errors.New("one"), fmt.Errorf("cannot use spec.hooks[0].env: %w", fault.New(fault.HookFailed, "", errors.New("two"))))),
		fmt.Errorf("cannot decide containerd: %w", missing),
		fmt.Errorf("cannot decide kubelet: %w", errors.New("cannot resolve ${instance.type}: http://user:"+password+"@proxy")),
	)
	var got []string
	for _, p := range refusals(loaded, err) {
		got = append(got, fmt.Sprintf("%s %s (%s)", p.Code, p, p.Remedy))
	}
	want := []string{
		"Internal testdata/superset.yaml: error: one ()",
		`HookFailed testdata/superset.yaml:22:86: error: spec.hooks[0].env: two ()`,
		`BinaryMissing testdata/superset.yaml:17:7: error: spec.registries["docker.io"]: no program (Install it.)`,
		`Internal testdata/superset.yaml:10:23: error: spec.labels["example.com/type"]: cannot resolve ${instance.type}: http://[redacted]@proxy ()`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if refusals(loaded, nil) != nil {
		t.Error("nothing was refused")
	}
}
