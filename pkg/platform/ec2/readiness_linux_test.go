package ec2

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestReadinessIsWhatTheConfigurationAsksFor(t *testing.T) {
	on := true
	for name, row := range map[string]struct {
		change func(*node.Input)
		taint  string // empty when there is nothing to wait for
		checks string
		within time.Duration
	}{
		"nothing": {func(*node.Input) {}, "", "", 0},
		"a role and a bound ask for nothing": {func(in *node.Input) {
			in.Config.Spec.Readiness.RoleARN, in.Config.Spec.Readiness.Timeout = "arn:aws:iam::111122223333:role/x", "1m"
		}, "", "", 0},
		"a taint alone": {func(in *node.Input) { in.Config.Spec.Readiness.Taint.Key = "a" }, "a:NoSchedule", "", 10 * time.Minute},
		"everything": {func(in *node.Input) {
			r := &in.Config.Spec.Readiness
			r.Taint.Effect, r.Timeout = "NoExecute", "90s"
			r.Checks.CNI, r.Checks.CSIDrivers, r.Checks.DNS = &on, []string{"b", "a"}, []string{"x.y"}
			r.Checks.Devices = map[string]string{"nvidia.com/gpu": "auto"}
		}, "eksnode.dev/initializing:NoExecute", "pod-network csi-driver/a csi-driver/b devices/nvidia.com/gpu cluster-dns/x.y", 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			in := readyInput(t, "172.20.0.0/16", "")
			row.change(&in)
			got, err := (&place{}).readiness(in)
			if err != nil || (got == nil) != (row.taint == "") {
				t.Fatalf("got %+v, %v", got, err)
			}
			if got == nil {
				return
			}
			var names []string
			for _, c := range got.Checks {
				names = append(names, c.Name)
			}
			if got.Taint != row.taint || strings.Join(names, " ") != row.checks || got.Within != row.within {
				t.Errorf("got %s, %q, %s", got.Taint, names, got.Within)
			}
		})
	}
}

func TestReadinessThatCannotBeToldIsRefused(t *testing.T) {
	in := readyInput(t, "172.20.0.0/16", "")
	in.Problems = []node.Problem{{Fact: "hardware.pci", Code: fault.FactMissing, Message: "cannot read it"}}
	in.Config.Spec.Readiness.Checks.Devices = map[string]string{"nvidia.com/gpu": "auto"}
	if _, err := (&place{}).readiness(in); fault.CodeOf(err) != fault.FactMissing {
		t.Error(err)
	}
}

func TestASandboxThatWasMadeIsNotMadeAgain(t *testing.T) {
	calls := 0
	look := once(func(context.Context) (string, error) {
		if calls++; calls < 3 {
			return "", errors.New("not yet")
		}
		return "seen", nil
	})
	for i, want := range []string{"", "", "seen", "seen", "seen"} {
		if got, err := look(t.Context()); got != want || (err == nil) != (want != "") {
			t.Errorf("look %d: %q, %v", i, got, err)
		}
	}
	if calls != 3 {
		t.Errorf("%d calls", calls)
	}
}
