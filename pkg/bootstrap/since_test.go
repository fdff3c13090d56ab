package bootstrap

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
)

// since makes two files beside the runs, as a unit does when a device comes: one that is
// wanted from now on and one that never is.
func since(m *machine) (wanted, other host.File) {
	wanted = host.File{Path: "/etc/kubelet/conf.d/40", Content: []byte("10"), Mode: 0o600}
	other = host.File{Path: "/etc/runtime.d/device", Content: []byte("1"), Mode: 0o644}
	for _, f := range []host.File{wanted, other} {
		m.Put(f)
	}
	m.engine.Platform.MadeSince = func() ([]host.Owned, error) {
		var out []host.Owned
		for _, f := range []host.File{wanted, other} {
			if m.Get(f.ID()) != nil {
				out = append(out, host.Owned{ID: f.ID(), Owner: "runtime", Readers: []host.ID{{Kind: host.KindService, Name: "runtime.service"}}})
			}
		}
		return out, nil
	}
	return wanted, other
}

func TestWhatWasMadeBesideTheRunsIsTheAgentsOwn(t *testing.T) {
	m := newMachine(t)
	m.Put(host.Service{Name: "runtime.service", Running: true, Current: true}) // ran before
	wanted, other := since(m)
	m.mustInit(t, Scope{})
	if m.Get(other.ID()) == nil {
		t.Error("a run has taken away what may have come while it looked")
	}
	r, err := m.engine.Reset(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []host.File{wanted, other} {
		if !slices.Contains(steps(r), "remove "+f.ID().String()) || m.Get(f.ID()) != nil {
			t.Errorf("a reset leaves %s: %v", f.ID(), steps(r))
		}
	}
	if !slices.Contains(steps(r), "restore service:runtime.service") {
		t.Errorf("what reads it is not told: %v", steps(r))
	}
	if r, err := m.engine.Reset(t.Context()); err != nil || len(r.Steps) != 0 {
		t.Errorf("a second reset: %v, %v", steps(r), err)
	}
}

func TestWhatWasMadeBesideTheRunsAndIsWantedNoMoreIsNotGivenBack(t *testing.T) {
	m := newMachine(t)
	wanted, _ := since(m)
	m.mustInit(t, Scope{})
	m.Delete(wanted.ID()) // its device went
	m.config, _, _ = strings.Cut(m.config, "  kubelet:")
	if r := m.mustInit(t, Scope{}); m.Get(wanted.ID()) != nil {
		t.Errorf("it is there again: %v", steps(r))
	}
}

func TestThatItCannotBeToldWhatWasMadeBesideTheRunsEndsThem(t *testing.T) {
	m := newMachine(t)
	broken := errors.New("input/output error")
	m.engine.Platform.MadeSince = func() ([]host.Owned, error) { return nil, broken }
	if _, err := m.init(t, Scope{}); !errors.Is(err, broken) {
		t.Errorf("a run: %v", err)
	}
	if _, err := m.engine.Reset(t.Context()); !errors.Is(err, broken) {
		t.Errorf("a reset: %v", err)
	}
}
