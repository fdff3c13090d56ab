package host_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/host/hosttest"
)

func command(name, digest string, stage host.Stage) host.Command {
	return host.Command{Name: name, Digest: digest, Args: []string{"/bin/" + name}, Stage: stage, Env: map[string]string{"TOKEN": "hunter2"}}
}

func TestAProgramThatHasNotRunIsAStep(t *testing.T) {
	once := command("hook/once", "1", host.StagePreConfig)
	once.Once = true
	want := state(t, once, command("local-disks", "1", host.StageInPlace), command("hook/warm", "2", host.StagePostReady))
	for _, tt := range []struct {
		name string
		have map[host.ID]host.Resource
		plan []string
	}{
		{"nothing ran", nil, []string{
			"run command:hook/once (pre-config: has not run on this machine) quiet",
			"run command:local-disks (has not run since boot) quiet",
			"run command:hook/warm (post-ready: has not run since boot) quiet",
		}},
		{"one has changed", map[host.ID]host.Resource{
			{Kind: host.KindCommand, Name: "hook/once"}:   host.Command{Name: "hook/once", Digest: "1"},
			{Kind: host.KindCommand, Name: "local-disks"}: host.Command{Name: "local-disks", Digest: "1"},
			{Kind: host.KindCommand, Name: "hook/warm"}:   host.Command{Name: "hook/warm", Digest: "1"},
		}, []string{"run command:hook/warm (post-ready: has changed since it ran) quiet"}},
	} {
		if got := lines(host.Diff(want, tt.have, nil)); !slices.Equal(got, tt.plan) {
			t.Errorf("%s: plan %v, want %v", tt.name, got, tt.plan)
		}
	}
}

func TestWhatRanIsForgottenWhenNobodyWantsItAnyMore(t *testing.T) {
	m := hosttest.New()
	var owned []host.Owned
	if err := run(t, m, state(t, command("hook/a", "1", host.StagePreConfig)), &owned); err != nil {
		t.Fatal(err)
	}
	have, err := m.Host().Observe(t.Context(), host.State{}, owned)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(host.Diff(host.State{}, have, owned)), []string{"remove command:hook/a (no longer wanted) quiet"}; !slices.Equal(got, want) {
		t.Errorf("plan %v, want %v", got, want)
	}
	if err := run(t, m, host.State{}, &owned); err != nil || len(m.Things()) != 0 || len(owned) != 0 {
		t.Errorf("left %v, owned %v, %v", m.Things(), owned, err)
	}
}

// A record that was lost must not make the agent put back that a program ran, which
// it can only do by running it.
func TestThatAProgramRanIsNeverGivenBack(t *testing.T) {
	c := command("hook/a", "1", host.StagePreConfig)
	have := map[host.ID]host.Resource{c.ID(): host.Command{Name: c.Name, Digest: "0"}}
	owned := host.Own(state(t, c), have, nil, nil)
	if len(owned) != 1 || owned[0].Original.Resource != nil {
		t.Fatalf("owned %+v", owned)
	}
	if got, want := lines(host.Diff(host.State{}, have, owned)), []string{"remove command:hook/a (no longer wanted) quiet"}; !slices.Equal(got, want) {
		t.Errorf("plan %v, want %v", got, want)
	}
}

func TestWhatAProgramGetsIsInNoPrint(t *testing.T) {
	c := command("hook/a", host.Digest("hunter2"), host.StagePreConfig)
	step := host.Diff(state(t, c), nil, nil).Steps[0]
	for _, v := range []any{c, host.Stored{Resource: c}, step, host.Own(state(t, c), nil, nil, nil)} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "hunter2") || strings.Contains(string(b), c.Digest) {
			t.Errorf("%s shows the secret, or what stands for it", b)
		}
	}
}

func TestADigestTellsWhereAPartEnds(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"a", "b", ""}} {
		d := host.Digest(parts...)
		if d != host.Digest(parts...) {
			t.Errorf("%q has two digests", parts)
		}
		if other, taken := seen[d]; taken {
			t.Errorf("%q and %q have one digest", parts, other)
		}
		seen[d] = parts
	}
}

func TestOnlyAProgramsOwnFailureIsTolerated(t *testing.T) {
	cause := errors.New("exit code 1")
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false}, {cause, false}, {&host.RunError{Err: cause}, false},
		{fmt.Errorf("cannot run: %w", &host.RunError{Tolerated: true, Err: cause}), true},
	} {
		if got := host.Tolerated(tt.err); got != tt.want {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}
