package bootstrap

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

// gated is a machine whose node bears a startup taint.
type gated struct {
	*hooked
	held     bool
	heldErr  error
	releases int
	// refused is how often the release fails before it does not; -1 is always.
	refused int
	// after is how many looks each check needs until it holds; -1 is never.
	csi, dns int
	looks    int
}

func newGated(t *testing.T) *gated {
	t.Helper()
	m := &gated{hooked: newHooked(t), held: true}
	holds := func(name string, after *int) health.Check {
		return health.Check{Name: name, Run: func(context.Context) health.Finding {
			if *after == 0 {
				return health.Good("held")
			}
			if *after > 0 {
				*after--
			}
			return health.Bad(fault.New(fault.CSIDriverMissing, "see the pod", errors.New("not yet")))
		}}
	}
	m.engine.Now = time.Now // the fake clock of the test's bubble
	m.engine.Platform.Readiness = func(node.Input) (*platform.Readiness, error) {
		return &platform.Readiness{
			Taint: "a:NoSchedule", Within: time.Minute,
			Checks: []health.Check{holds("csi", &m.csi), holds("dns", &m.dns)},
			Held:   func(context.Context) (bool, error) { m.looks++; return m.held, m.heldErr },
			Release: func(context.Context) health.Finding {
				if m.csi != 0 || m.dns != 0 {
					t.Errorf("released with %d and %d looks to go", m.csi, m.dns)
				}
				if m.published > 0 {
					t.Error("published before the release")
				}
				m.releases++
				if m.refused != 0 {
					m.refused--
					return health.Bad(fault.New(fault.TaintRefused, "grant it", errors.New("forbidden")))
				}
				m.held = false
				return health.Good("gone")
			},
		}, nil
	}
	return m
}

func found(r Report, check string) health.Finding {
	for _, f := range r.Findings {
		if f.Check == check {
			return f
		}
	}
	return health.Finding{}
}

func detail(r Report, phase string) string {
	for _, p := range r.Phases {
		if p.Name == phase {
			return p.Detail
		}
	}
	return "no such phase"
}

func TestTheTaintGoesInTheLookInWhichAllHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newGated(t)
		m.csi, m.dns, m.refused = 3, 1, 2
		var waiting []string
		m.engine.Progress = func(r Report) {
			if w := health.Worst(r.Findings); r.Doing == "readiness" && w.Status == health.Failed && !slices.Contains(waiting, w.Check) {
				waiting = append(waiting, w.Check)
			}
		}
		r := m.mustBoot(t, Scope{})
		same(t, "phases", phases(r), []string{"load", "gather", "plan", "apply", "settle", "readiness", "publish", "post-ready"})
		same(t, "waited for", waiting, []string{"csi", releaseName})
		if m.releases != 3 || m.held {
			t.Errorf("%d releases, held %v", m.releases, m.held)
		}
		for _, check := range []string{"node-ready", "csi", "dns", releaseName} {
			if found(r, check).Status != health.OK {
				t.Errorf("%s: %+v", check, r.Findings)
			}
		}
		if d := detail(r, "readiness"); !strings.HasPrefix(d, "dns after 250ms, csi after 1.1") || !strings.Contains(d, releaseName+" after ") {
			t.Errorf("detail %q", d)
		}

		before := m.Writes()
		r = m.mustBoot(t, Scope{})
		if m.releases != 3 || len(r.Steps) != 0 || !slices.Equal(m.Writes(), before) || detail(r, "readiness") != "the taint a:NoSchedule is not there" {
			t.Errorf("second run: %d releases, %v, %q", m.releases, r.Steps, detail(r, "readiness"))
		}
	})
}

func TestWhatDoesNotHoldInTimeLeavesTheTaint(t *testing.T) {
	for name, row := range map[string]struct {
		change   func(*gated)
		code     fault.Code
		says     string
		releases bool
	}{
		"a check":              {func(m *gated) { m.csi = -1 }, fault.CSIDriverMissing, "the startup taint a:NoSchedule stays: cannot settle within 1m0s: csi: not yet", false},
		"a refused release":    {func(m *gated) { m.refused = -1 }, fault.TaintRefused, "startup-taint: forbidden", true},
		"a look at the taints": {func(m *gated) { m.heldErr = fault.New(fault.EndpointTCP, "", errors.New("no answer")) }, fault.EndpointTCP, "no answer", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newGated(t)
				row.change(m)
				start := time.Now()
				r, err := m.boot(t, Scope{})
				if fault.CodeOf(err) != row.code || !strings.Contains(err.Error(), row.says) || r.Error == nil || r.Result != Broken {
					t.Errorf("got %v, %+v", err, r.Error)
				}
				if took := time.Since(start); took > 2*time.Minute {
					t.Errorf("it took %s", took)
				}
				if !m.held || m.published != 0 || m.releases > 0 != row.releases {
					t.Errorf("held %v, published %d, released %d", m.held, m.published, m.releases)
				}
				if found(r, "node-ready").Status != health.OK {
					t.Errorf("what had settled is forgotten: %+v", r.Findings)
				}
				// Mended, the next run goes on where this one was.
				m.csi, m.refused, m.heldErr = 0, 0, nil
				if r := m.mustBoot(t, Scope{}); m.held || m.published != 1 || found(r, releaseName).Status != health.OK {
					t.Errorf("the next run: held %v, published %d, %+v", m.held, m.published, r.Findings)
				}
			})
		})
	}
}

func TestATaintThatSomebodyElseHasTakenIsNothingToWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newGated(t)
		m.held, m.csi = false, -1
		if r := m.mustBoot(t, Scope{}); m.releases != 0 || len(r.Findings) != 1 {
			t.Errorf("%d releases, %+v", m.releases, r.Findings)
		}
	})
}

func TestARunThatDoesNotWaitLeavesTheTaintAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newGated(t)
		r, err := m.engine.Init(t.Context(), InitOptions{Load: LoadOptions{Now: m.engine.Now()}})
		if err != nil || m.looks != 0 || m.releases != 0 || !strings.Contains(strings.Join(r.Notes, "\n"), "the startup taint a:NoSchedule stays") {
			t.Errorf("%v, %d looks, notes %q", err, m.looks, r.Notes)
		}
	})
}

func TestReadinessHasTheTimeThatItAsksForBesideTheRuns(t *testing.T) {
	for _, row := range []struct {
		config, err string
	}{
		{"  readiness: {checks: {cni: true}, timeout: 40m}\n", ""},
		{"  hooks:\n  - {name: a, stage: post-ready, command: [/a], timeout: 20m}\n  - {name: b, stage: post-ready, command: [/b], timeout: 20m}\n", ""},
		{"  hooks:\n  - {name: a, stage: post-ready, command: [/a], timeout: 5m}\n", "within 6m0s"},
		{"", "within 1m0s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newGated(t)
			m.config = strings.Replace(m.config, api.APIVersion, api.APIVersionSuperset, 1) + row.config
			m.csi = 200 // looks, some seconds apart
			gate := m.engine.Platform.Readiness
			m.engine.Platform.Readiness = func(in node.Input) (*platform.Readiness, error) {
				r, err := gate(in)
				r.Within = 40 * time.Minute
				return r, err
			}
			_, err := m.engine.Init(t.Context(), InitOptions{Timeout: time.Minute, Settle: time.Minute, Load: LoadOptions{Now: m.engine.Now()}})
			switch {
			case row.err == "" && (err != nil || m.releases != 1):
				t.Errorf("%s: %v, %d releases", row.config, err, m.releases)
			case row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err) || m.releases != 0):
				t.Errorf("%s: %v, want %s", row.config, err, row.err)
			}
		})
	}
}

func TestWithoutReadinessThereIsNoPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newGated(t)
		m.engine.Platform.Readiness = func(node.Input) (*platform.Readiness, error) { return nil, nil }
		same(t, "phases", phases(m.mustBoot(t, Scope{})), []string{"load", "gather", "plan", "apply", "settle", "publish", "post-ready"})
		m.engine.Platform.Readiness = func(node.Input) (*platform.Readiness, error) { return nil, errors.New("no facts") }
		if _, err := m.boot(t, Scope{}); err == nil || !strings.Contains(err.Error(), "no facts") {
			t.Error(err)
		}
	})
}

func TestACheckThatFailsAgainHasNotHeld(t *testing.T) {
	now := time.Unix(0, 0)
	s := &stopwatch{now: func() time.Time { now = now.Add(time.Second); return now }, start: now}
	status := health.OK
	c := s.watch(health.Check{Name: "x", Run: func(context.Context) health.Finding { return health.Finding{Status: status} }})
	for _, row := range []struct {
		status health.Status
		want   string
	}{{health.OK, "x after 1s"}, {health.OK, "x after 1s"}, {health.Failed, ""}, {health.OK, "x after 2s"}} {
		status = row.status
		c.Run(t.Context())
		if s.String() != row.want {
			t.Errorf("after %s: %q, want %q", row.status, s, row.want)
		}
	}
}

func TestWhatHeldInAnEarlierLookIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newGated(t)
		gate, err := m.engine.Platform.Readiness(node.Input{})
		if err != nil {
			t.Fatal(err)
		}
		// Each check counts its own looks: they run at the same time.
		look, late, holds := 0, 0, false
		gate.Checks = []health.Check{
			{Name: "flaps", Run: func(context.Context) health.Finding {
				if look++; look == 1 || look > 3 {
					holds = true
					return health.Good("held")
				}
				holds = false
				return health.Bad(errors.New("gone again"))
			}},
			{Name: "late", Run: func(context.Context) health.Finding {
				if late++; late == 1 {
					return health.Bad(errors.New("not yet"))
				}
				return health.Good("held")
			}},
		}
		release := gate.Release
		gate.Release = func(ctx context.Context) health.Finding {
			if !holds {
				t.Errorf("released in look %d, in which one check does not hold", look)
			}
			return release(ctx)
		}
		m.engine.Platform.Readiness = func(node.Input) (*platform.Readiness, error) { return gate, nil }
		m.mustBoot(t, Scope{})
		if look != 4 || m.releases != 1 {
			t.Errorf("%d looks, %d releases", look, m.releases)
		}
	})
}
