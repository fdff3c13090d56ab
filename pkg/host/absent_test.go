package host_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/host/hosttest"
)

// steps prints a plan, a step a line.
func steps(p host.Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%s %s: %s\n", s.Verb, s.ID, s.Why)
	}
	return b.String()
}

func TestAFileOfAServiceIsClearedBeforeItStartsAnewAndNeverComesBack(t *testing.T) {
	ctx := context.Background()
	m := hosttest.New(host.File{Path: "/state", Content: []byte("old")}, host.Service{Name: "a.service", Running: true, Current: true})
	gone := host.Absent{Path: "/state", Digest: host.ContentDigest([]byte("old")), Because: "too old"}
	service := host.Service{Name: "a.service", Running: true, Current: true, Reads: []host.ID{gone.ID()}}
	var want host.State
	if err := want.Add("a", gone, service); err != nil {
		t.Fatal(err)
	}
	plan := func(want host.State, owned []host.Owned) host.Plan {
		have, err := m.Host().Observe(ctx, want, owned)
		if err != nil {
			t.Fatal(err)
		}
		return host.Diff(want, have, owned)
	}
	p := plan(want, nil)
	if got := steps(p); got != "owe-restart service:a.service: reads absent:/state\nclear absent:/state: too old\nrestart service:a.service: something it reads changes\n" {
		t.Errorf("plan:\n%s", got)
	}
	owned := host.Own(want, map[host.ID]host.Resource{service.ID(): service}, nil, nil)
	for _, s := range p.Steps {
		if err := m.Host().Do(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	if f := m.Get(host.File{Path: "/state"}.ID()); f != nil {
		t.Errorf("it is there: %v", f)
	}
	if p := plan(want, owned); !p.Empty() {
		t.Errorf("still to do:\n%s", steps(p))
	}
	m.Put(host.File{Path: "/state", Content: []byte("new")})
	if p := plan(want, owned); !p.Empty() {
		t.Errorf("another content is none of its business:\n%s", steps(p))
	}
	var less host.State
	service.Reads = nil
	if err := less.Add("a", service); err != nil {
		t.Fatal(err)
	}
	if p := plan(less, owned); !p.Empty() {
		t.Errorf("a dropped wish leaves something to do:\n%s", steps(p))
	}
}
