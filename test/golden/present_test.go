package golden_test

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

// A machine image whose units cannot be looked at must not be taken for one
// that has none: the agent would write its own over them.
func TestWhatTheImageBringsMustBeKnown(t *testing.T) {
	in := input(t, machineOf(t, "m5.large"), "v1.35.0", "2.1.4", "10.100.0.0/16")
	in.Problems = append(in.Problems, node.Problem{Fact: "present", Code: fault.FactMissing, Message: "input/output error"})
	_, err := node.Desired(in, components())
	for _, component := range []string{"kubelet", "containerd"} {
		if err == nil || !strings.Contains(err.Error(), "cannot decide "+component+": cannot tell present: input/output error") {
			t.Errorf("%s decides all the same: %v", component, err)
		}
	}
	if fault.CodeOf(err) != fault.FactMissing {
		t.Errorf("code %s", fault.CodeOf(err))
	}
}
