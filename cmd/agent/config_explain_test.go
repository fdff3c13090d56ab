package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
)

func TestConfigExplainShowsWhereAValueComesFrom(t *testing.T) {
	const karpenter, superset = "testdata/karpenter.mime", "testdata/superset.yaml"
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"replaced.txt", []string{"spec.kubelet.config.maxPods", karpenter}},
		{"replaced.json", []string{"-o", "json", "maxPods", karpenter}},
		{"three-files.txt", []string{"maxPods", karpenter, "testdata/dropin.yaml"}},
		{"ignored.txt", []string{"registerWithTaints", karpenter}},
		{"secret.txt", []string{"instance.environment", karpenter}},
		{"default.txt", []string{"mountPath", karpenter}},
		{"section.txt", []string{"cni", superset}},
		{"registries.txt", []string{"registries", superset}},
		{"all.txt", []string{karpenter}},
		{"all-superset.txt", []string{superset}},
		{"all.json", []string{"-o", "json", karpenter}},
		{"by-source.txt", []string{"-c", "file://" + karpenter, "clusterDNS"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := agent(append([]string{"config", "explain"}, tt.args...)...).by(1000).run(t)
			golden.Assert(t, filepath.Join("testdata/explain", tt.name), c.stdout)
			if c.code != 0 || c.stderr != "" || strings.Contains(c.stdout, password) {
				t.Errorf("exit status %d, stderr %s", c.code, c.stderr)
			}
		})
	}
}

func TestConfigExplainSaysWhyItCannot(t *testing.T) {
	const file = "testdata/karpenter.mime"
	for _, tt := range []struct {
		name   string
		args   []string
		stderr string
	}{
		{"no such field", []string{"maxPod", file}, "did you mean spec.kubelet.config.maxPods?"},
		{"several fields", []string{"name", file}, "it may be metadata.name, spec.cluster.name, spec.nodeName.name"},
		{"no such file", []string{"maxPods", "testdata/none.yaml"}, "code:   ConfigUnreadable"},
		{"a file alone that is not there", []string{"testdata/none.yaml"}, "code:   ConfigUnreadable"},
		{"no NodeConfig", []string{"maxPods", "-"}, "code:   ConfigMissing"},
		{"an output of no known kind", []string{"-o", "yaml", "maxPods", file}, `as "yaml": known are text and json`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			agent(append([]string{"config", "explain"}, tt.args...)...).by(1000).run(t).expect(t, 1, "", tt.stderr)
		})
	}
	agent("config", "explain", "maxPods", "-").stdin("a: b: c\n").run(t).expect(t, 1, "", "code:   ConfigInvalid")
}

func TestConfigExplainExplainsWhatIsNotUsable(t *testing.T) {
	c := agent("config", "explain", "maxPods", "testdata/dropin.yaml").by(1000).run(t)
	c.expect(t, 0, "value:    20", "`eksnode config check` shows them")
	refused := "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {cluster: {name: [a]}}\n"
	agent("config", "explain", "cluster.name", "-").stdin(refused).run(t).expect(t, 0, "refused:  a document gives a value", "has errors")
}

func TestConfigSchemaIsJSON(t *testing.T) {
	c := agent("config", "schema").by(1000).run(t)
	c.expect(t, 0, "https://json-schema.org/draft/2020-12/schema", "")
	if !json.Valid([]byte(c.stdout)) || c.stdout != agent("config", "schema", "-o", "json").run(t).stdout {
		t.Error("not JSON, or not the same each time")
	}
	agent("config", "schema", "-o", "yaml").run(t).expect(t, 1, "", `as "yaml": known is json`)
	agent("config", "schema", "file.yaml").run(t).expect(t, 1, "", "unknown command")
}

func TestConfigShowPrintsTheSuperset(t *testing.T) {
	for _, format := range []string{"yaml", "json"} {
		c := agent("config", "show", "-o", format, "testdata/superset.yaml").by(1000).run(t)
		golden.Assert(t, "testdata/show/superset."+format, c.stdout)
		if c.code != 0 || strings.Contains(c.stdout, password) {
			t.Errorf("%s: exit status %d, or the secret shows", format, c.code)
		}
	}
}
