package api_test

import (
	"os"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
)

func TestARefusalIsPlacedAtTheFieldThatItNames(t *testing.T) {
	raw, err := os.ReadFile("testdata/shapes/superset-everything.in")
	if err != nil {
		t.Fatal(err)
	}
	m, _ := load(t, raw, api.Options{})
	placeOf := func(path string) string {
		o := m.Origin(path)
		if len(o) == 0 {
			t.Fatalf("%s is not given", path)
		}
		return o[0].Pos.String()
	}
	for path, at := range map[string]string{
		"spec.hugePages[1].count":                          placeOf(`spec.hugePages["1Gi:0"].count`),
		`spec.hooks["prepare"].command[2]`:                 placeOf(`spec.hooks["prepare"].command[2]`),
		`spec.hooks["prepare"].missing`:                    placeOf(`spec.hooks["prepare"]`),
		"spec.registries[0].mirrors[1].url":                placeOf(`spec.registries["docker.io"].mirrors[1].url`),
		`spec.sysctls["net.ipv4.conf.eth0/100.rp_filter"]`: placeOf(`spec.sysctls["net.ipv4.conf.eth0/100.rp_filter"]`),
		"spec.cni.profile.deeper":                          placeOf("spec.cni.profile"),
		"spec.kubelet.config.maxPods":                      "",
		"spec.nothing":                                     "",
		"spec":                                             "",
		"":                                                 "",
		`spec.hooks["`:                                     placeOf("spec.hooks"),
		"spec.hugePages[99]":                               placeOf("spec.hugePages"),
		"spec.hugePages[-1]":                               placeOf("spec.hugePages"),
	} {
		got := m.Locate(api.Problem{Severity: api.Error, Path: path, Message: "no"})
		if got.Pos.String() != at || got.Path != path || got.Message != "no" {
			t.Errorf("%s: got %+v, want %s", path, got, at)
		}
	}
	kept := api.Pos{Source: "elsewhere", Line: 3}
	if got := m.Locate(api.Problem{Pos: kept, Path: "spec.cni"}); got.Pos != kept {
		t.Errorf("a place that was known became %v", got.Pos)
	}
	if got := m.Locate(api.Problem{Path: "spec.cni", Message: "http://user:hunter2@proxy\x1b"}); strings.Contains(got.String(), "hunter2") || strings.Contains(got.String(), "\x1b") {
		t.Errorf("got %q", got)
	}
	if got := (api.Merged{}).Locate(api.Problem{Path: "spec.cni", Message: "no"}); !got.Pos.IsZero() {
		t.Errorf("without documents: %v", got)
	}
}

func TestASecretThatWasNotShownIsNoSecret(t *testing.T) {
	raw, err := os.ReadFile("testdata/shapes/superset-everything.in")
	if err != nil {
		t.Fatal(err)
	}
	m, _ := load(t, raw, api.Options{})
	shown, err := api.Encode(m.Config, api.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, problems := load(t, shown, api.Options{})
	hidden := strings.Count(string(shown), "[redacted]")
	var told, other int
	for _, p := range problems {
		switch {
		case strings.Contains(p.Message, "where secrets are not shown"):
			told++
		case p.Severity == api.Error:
			other++
		}
	}
	if told != hidden || hidden < 5 || other > 0 {
		t.Errorf("%d hidden, %d told, %d other errors:\n%s", hidden, told, other, render(problems))
	}
	got := problemsOf(t, "", "", "instance: {environment: {default: {A: '[redacted]'}}}")
	if got != "warning: this stands for a secret where secrets are not shown" {
		t.Errorf("a field that nodeadm has: %s", got)
	}
}
