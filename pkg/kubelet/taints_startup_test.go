package kubelet

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestTheStartupTaintJoinsTheOthers(t *testing.T) {
	on := true
	for name, row := range map[string]struct {
		change func(*api.Spec)
		want   string // registerWithTaints; empty when it is not the agent's
		note   string
	}{
		"nothing is asked":   {func(s *api.Spec) { s.Readiness.Timeout, s.Readiness.RoleARN = "1m", "arn:aws:iam::1:role/x" }, "", ""},
		"a check asks":       {func(s *api.Spec) { s.Readiness.Checks.CNI = &on }, `[{"effect":"NoSchedule","key":"eksnode.dev/initializing"}]`, ""},
		"a check that is no": {func(s *api.Spec) { s.Readiness.Checks.CNI = new(bool) }, "", ""},
		"a taint asks": {func(s *api.Spec) { s.Readiness.Taint = api.StartupTaint{Key: "a.b/c", Value: "d", Effect: "NoExecute"} },
			`[{"effect":"NoExecute","key":"a.b/c","value":"d"}]`, ""},
		"beside those of the user": {func(s *api.Spec) {
			s.Readiness.Checks.DNS = []string{"a"}
			s.Taints = []api.Taint{{Key: "z", Effect: "NoSchedule"}, {Key: "a", Value: "1", Effect: "NoSchedule"}}
		}, `[{"effect":"NoSchedule","key":"a","value":"1"},{"effect":"NoSchedule","key":"eksnode.dev/initializing"},{"effect":"NoSchedule","key":"z"}]`, ""},
		"beside those of kubelet's flag": {func(s *api.Spec) {
			s.Readiness.Checks.CSIDrivers = []string{"a"}
			s.Kubelet.Flags = []string{"--register-with-taints=f=1:NoSchedule"}
		}, `[{"effect":"NoSchedule","key":"eksnode.dev/initializing"},{"effect":"NoSchedule","key":"f","value":"1"}]`, "its taints stand with those of spec.readiness in"},
	} {
		t.Run(name, func(t *testing.T) {
			s := decide(t, func(in *node.Input) { row.change(&in.Config.Spec) })
			got := ""
			if list, ok := s.DropIn["registerWithTaints"]; ok {
				b, err := json.Marshal(list)
				if err != nil {
					t.Fatal(err)
				}
				got = string(b)
			}
			if got != row.want {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
			if notes := strings.Join(s.Notes, "\n"); !strings.Contains(notes, row.note) || row.note == "" && notes != "" {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

func TestAStartupTaintThatKubeletWouldNotStartWithIsRefused(t *testing.T) {
	for says, taint := range map[string]api.StartupTaint{
		`there is no effect "Never"`: {Effect: "Never"},
		`the value is "a b"`:         {Value: "a b"},
		"' '":                        {Key: "a b"},
	} {
		refused(t, func(in *node.Input) { in.Config.Spec.Readiness.Taint = taint }, fault.ConfigInvalid, "cannot set the startup taint", says)
	}
}
