package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/eksnode/eksnode/pkg/api"
)

func TestSecretsShowThemselvesNowhere(t *testing.T) {
	s := api.Secret("hunter2")
	holder := struct {
		S api.Secret
		M map[string]map[string]api.Secret
		P *api.Secret
	}{s, map[string]map[string]api.Secret{"default": {"A": s}}, &s}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%t"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, holder.M))
	}
	raw, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	inYAML, err := yaml.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "h", holder)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "h", holder, "m", holder.M)
	config := api.NodeConfig{Spec: api.Spec{Instance: api.Instance{Environment: holder.M}}}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", config)
	shown = append(shown, string(raw), string(inYAML), log.String(), fmt.Sprintf("%+v", config), fmt.Sprint(fmt.Errorf("bad: %v", s)))
	for _, text := range shown {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") || strings.Contains(text, "68756E74657232") {
			t.Errorf("shown: %s", text)
		}
	}
	if s.Reveal() != "hunter2" {
		t.Error("Reveal does not give the text")
	}
	if got := fmt.Sprintf("%v %q", s, s); got != `[redacted] "[redacted]"` {
		t.Errorf("got %s", got)
	}
}

func TestSecretsAreReadFromJSON(t *testing.T) {
	var c api.NodeConfig
	if err := json.Unmarshal([]byte(`{"spec":{"instance":{"environment":{"default":{"A":"hunter2"}}}}}`), &c); err != nil {
		t.Fatal(err)
	}
	if got := c.Spec.Instance.Environment["default"]["A"].Reveal(); got != "hunter2" {
		t.Errorf("got %q", got)
	}
}

// Broken documents are shown in reports too; whatever is broken around an
// environment block, its values must not show.
func TestReportsHideSecretsInDocumentsThatDoNotParse(t *testing.T) {
	for name, text := range map[string]string{
		"tab":                  "spec:\n  instance:\n    environment:\n      default:\n\t A: hunter2\n",
		"tab below":            "spec:\n  instance:\n    environment:\n      default:\n        \tA: hunter2\n",
		"second colon":         "spec:\n  instance:\n    environment:\n      default:\n        A: x: hunter2\n",
		"key with value":       "spec:\n  instance:\n    environment:\n      default:\n        HTTP_PROXY=http://u:hunter2@p\n        B: c\n",
		"quote":                "spec:\n  instance:\n    environment:\n      default:\n        A: \"hunter2\n",
		"at sign":              "spec:\n  instance:\n    environment:\n      default:\n        A: @hunter2\n",
		"bad indentation":      "spec:\n  instance:\n    environment:\n      default:\n        A: b\n       B: hunter2\n",
		"flow":                 "spec: {instance: {environment: {default: {A: hunter2]}}}\n",
		"json":                 "{\n \"spec\": {\n  \"instance\": {\n   \"environment\": {\n    \"default\": {\n     \"A\": \"hunter2\",,\n",
		"list":                 header + "spec:\n  instance:\n    environment:\n      - hunter2\n",
		"string":               header + "spec:\n  instance:\n    environment: hunter2\n",
		"value is a list":      header + "spec:\n  instance:\n    environment:\n      default:\n        A: [hunter2]\n",
		"value is a tag":       header + "spec:\n  instance:\n    environment:\n      default:\n        A: !secret hunter2\n",
		"value is binary":      header + "spec:\n  instance:\n    environment:\n      default:\n        A: !!int hunter2\n",
		"value is block":       header + "spec:\n  instance:\n    environment:\n      default:\n        A: |\n          x\n          hunter2\n",
		"name holds value":     header + "spec:\n  instance:\n    environment:\n      default:\n        A=hunter2: b\n",
		"twice":                header + "spec:\n  instance:\n    environment:\n      default: {A: hunter2, A: hunter2}\n",
		"variables one higher": header + "spec:\n  instance:\n    environment:\n      HTTPS_PROXY: http://u:hunter2@p\n",
		"toml password":        header + "spec:\n  containerd:\n    config: |\n      [x.auth]\n      password = hunter2\n",
		"unknown field":        header + "spec:\n  instance:\n    enviroment: {default: {HTTPS_PROXY: \"http://u:hunter2@p\"}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			m, problems := load(t, []byte(text), api.Options{})
			if !api.HasErrors(problems) {
				t.Fatal("no error")
			}
			report := render(problems) + fmt.Sprint(api.AsError(problems)) + fmt.Sprint(m.Leaves())
			if raw, err := json.Marshal(problems); err != nil || strings.Contains(string(raw)+report, "hunter2") {
				t.Errorf("the report shows the secret (%v):\n%s", err, report)
			}
		})
	}
}
