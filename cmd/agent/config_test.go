package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
)

func TestConfigCheckShowsAllThatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name  string
		args  []string
		stdin string
		code  int
		// out names a golden file of standard output; "" for none.
		out, stderr string
	}{
		{"a usable file", []string{"testdata/valid.yaml"}, "", 0, "valid.txt", ""},
		{"a usable file, for machines", []string{"-o", "json", "testdata/valid.yaml"}, "", 0, "valid.json", ""},
		{"a misspelt field in the second file", []string{"testdata/valid.yaml", "testdata/typo.yaml"}, "", 1, "typo.txt", ""},
		{"the same for machines", []string{"-o", "json", "testdata/valid.yaml", "testdata/typo.yaml"}, "", 1, "typo.json", ""},
		{"a drop-in alone", []string{"testdata/dropin.yaml"}, "", 1, "dropin.txt", ""},
		{"a source and a file", []string{"-c", "file://testdata/valid.yaml", "testdata/dropin.yaml"}, "", 0, "valid.txt", ""},
		{"standard input", []string{"-"}, "kind: NodeConfg\napiVersion: node.eks.aws/v1alpha1\n", 1, "kind.txt", ""},
		{"a part of the wrong type", []string{"testdata/missed-part.mime"}, "", 1, "missed-part.txt", "code:   ConfigMissing"},
		{"the same for machines, wrong type", []string{"-o", "json", "testdata/missed-part.mime"}, "", 1, "missed-part.json", "code:   ConfigMissing"},
		{"a file that is not there", []string{"testdata/valid.yaml", "testdata/vaild.yaml"}, "", 1, "", "testdata/vaild.yaml"},
		{"a source that holds nothing", []string{"-c", "file://testdata/none"}, "", 1, "none.txt", "code:   ConfigMissing"},
		{"a source of no known kind", []string{"-c", "s3://bucket/key"}, "", 1, "", "unsupported scheme"},
		{"an output of no known kind", []string{"-o", "xml", "testdata/valid.yaml"}, "", 1, "", `as "xml": known are text, json and sarif`},
		{"for code scanners", []string{"-o", "sarif", "testdata/valid.yaml", "testdata/typo.yaml"}, "", 1, "typo.sarif", ""},
		{"for code scanners, usable", []string{"-o", "sarif", "testdata/valid.yaml"}, "", 0, "valid.sarif", ""},
		{"warnings", []string{"testdata/karpenter.mime"}, "", 0, "karpenter.txt", ""},
		{"warnings, strictly", []string{"--strict", "testdata/karpenter.mime"}, "", 1, "karpenter-strict.txt", ""},
		{"warnings, strictly, for machines", []string{"--strict", "-o", "json", "testdata/karpenter.mime"}, "", 1, "karpenter-strict.json", ""},
		{"no warnings, strictly", []string{"--strict", "testdata/valid.yaml"}, "", 0, "valid.txt", ""},
		{"the superset", []string{"--strict", "testdata/superset.yaml"}, "", 0, "valid.txt", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := agent(append([]string{"config", "check"}, tt.args...)...).stdin(tt.stdin).by(1000).run(t)
			if tt.out == "" {
				c.expect(t, tt.code, "", tt.stderr)
				return
			}
			golden.Assert(t, filepath.Join("testdata", "check", tt.out), c.stdout)
			if c.code != tt.code || !strings.Contains(c.stderr, tt.stderr) || tt.stderr == "" && c.stderr != "" {
				t.Errorf("exit status %d, want %d; stderr %s", c.code, tt.code, c.stderr)
			}
		})
	}
}

func TestConfigShowMergesAndKeepsSecretsToItself(t *testing.T) {
	for _, format := range []string{"yaml", "json"} {
		c := agent("config", "show", "-o", format, "testdata/valid.yaml", "testdata/dropin.yaml").by(1000).run(t)
		golden.Assert(t, "testdata/show/merged."+format, c.stdout)
		c.expect(t, 0, "redacted", "")
		if strings.Contains(c.stdout, password) {
			t.Errorf("%s shows the secret", format)
		}
	}
	agent("config", "show", "-o", "toml", "testdata/valid.yaml").run(t).expect(t, 1, "", `as "toml": known are yaml and json`)
	agent("config", "show", "testdata/none.yaml").run(t).expect(t, 1, "", "code:   ConfigUnreadable")
	agent("config", "show", "testdata/valid.yaml", "testdata/typo.yaml").run(t).expect(t, 1, "", "code:   ConfigInvalid")
}

func TestAMisspeltVerbIsNoSuccess(t *testing.T) {
	agent("config", "chekc").run(t).expect(t, 1, "", `unknown command "chekc"`)
	agent("config").run(t).expect(t, 0, "Available Commands", "")
	agent("inti").run(t).expect(t, 1, "", `unknown command "inti"`)
	agent("init", "--fazes").run(t).expect(t, 1, "", "unknown flag: --fazes")
	agent("status", "now").run(t).expect(t, 1, "", `unknown command "now"`)
	agent("--log-format", "xml", "version").run(t).expect(t, 1, "", "known are text, json and none")
	agent("--platform", "moon", "status").run(t).expect(t, 1, "", `platform "moon": known is ec2`)
}

func TestNodeadmChecksAsLenientlyAsNodeadm(t *testing.T) {
	both := []string{"config", "check", "-c", "file://testdata/valid.yaml", "-c", "file://testdata/typo.yaml"}
	nodeadm(both...).by(1000).run(t).expect(t, 0, `warning: spec.kubelet: unknown field "configs"`, "")
	nodeadm("config", "check", "--config-source", "file://testdata/dropin.yaml").by(1000).run(t).expect(t, 1, "error: ", "")
	if c := nodeadm(both...).run(t); !strings.HasSuffix(c.stdout, "\nConfiguration is valid\n") {
		t.Errorf("stdout %s", c.stdout)
	}
}

func TestNodeadmsUsageErrorsExitWith2(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		stderr string
	}{
		{nil, "nodeadm: no command specified"},
		{[]string{"-d"}, "nodeadm: no command specified"},
		{[]string{"bogus"}, `nodeadm: unknown command "bogus"`},
		{[]string{"config", "bogus"}, `nodeadm: unknown command "bogus"`},
		{[]string{"init", "--bogus"}, "nodeadm: unknown flag: --bogus"},
		{[]string{"init", "-d", "kubelet"}, `nodeadm: unknown command "kubelet"`},
		{[]string{"init", "--skip"}, "nodeadm: flag needs an argument"},
	} {
		nodeadm(tt.args...).run(t).expect(t, 2, "", tt.stderr)
	}
	internal := nodeadm("bogus")
	internal.app.name = "nodeadm-internal"
	internal.run(t).expect(t, 2, "", "unknown command")
	nodeadm("--version").run(t).expect(t, 0, version, "")
}

func TestNodeadmDumpsOneLineWithSecrets(t *testing.T) {
	c := nodeadm("-d", "config", "dump", "-c", "file://testdata/valid.yaml", "-c", "file://testdata/dropin.yaml").by(1000).run(t)
	c.expect(t, 0, password, "")
	golden.Assert(t, "testdata/show/dump.json", c.stdout)
	if strings.Count(strings.TrimSuffix(c.stdout, "\n"), "\n") != 0 || !json.Valid([]byte(c.stdout)) {
		t.Errorf("not one line of JSON: %s", c.stdout)
	}
	// What cannot be used is dumped all the same.
	nodeadm("config", "dump", "-c", "file://testdata/dropin.yaml").run(t).expect(t, 0, `"maxPods":20`, "")
	nodeadm("config", "dump", "-c", "file://testdata/none.yaml").run(t).expect(t, 1, "", "code:   ConfigMissing")
	// The cache serves when the sources hold nothing, and only then.
	cache := write(t, "cache.json", c.stdout)
	nodeadm("config", "dump", "-c", "file://testdata/none.yaml", "--config-cache", cache).run(t).expect(t, 0, password, "")
	if d := nodeadm("config", "dump", "-c", "file://testdata/dropin.yaml", "--config-cache", cache).run(t); strings.Contains(d.stdout, password) {
		t.Error("the cache was read beside a source that holds a NodeConfig")
	}
}
