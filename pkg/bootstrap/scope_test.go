package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

func TestAPartialRunOwnsOnlyWhatItMakes(t *testing.T) {
	m := newMachine(t)
	m.mustInit(t, Scope{Only: []string{"kubelet"}})
	// Someone else makes what another component would have made.
	m.Put(host.File{Path: "/etc/runtime", Content: []byte("an administrator's"), Mode: 0o644})
	if _, err := m.engine.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.Get(host.ID{Kind: host.KindFile, Name: "/etc/runtime"}) == nil {
		t.Error("a file that the agent never made was taken away")
	}
	// And the config phase owns no service.
	m = newMachine(t)
	m.mustInit(t, Scope{ConfigOnly: true})
	owned, err := m.engine.Store.Owned()
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(owned, func(o host.Owned) bool { return o.ID.Kind == host.KindService || o.ID.Kind == host.KindImage }) {
		t.Errorf("owned %v", owned)
	}
}

func TestADebtGoesWithTheWriteThatCausesIt(t *testing.T) {
	m := newMachine(t)
	m.mustInit(t, Scope{})
	m.Put(host.File{Path: "/etc/runtime", Content: []byte("drifted"), Mode: 0o644})
	r := m.mustInit(t, Scope{Only: []string{"kubelet"}})
	if len(r.Steps) != 0 {
		t.Errorf("a run for kubelet alone did %v", steps(r))
	}
	r = m.mustInit(t, Scope{Only: []string{"runtime"}})
	want := []string{"owe-restart service:runtime.service", "update file:/etc/runtime", "restart service:runtime.service"}
	if !slices.Equal(steps(r), want) {
		t.Errorf("steps %v, want %v", steps(r), want)
	}
}

func TestARunThatIsOverSaysWhy(t *testing.T) {
	late, cancel := context.WithTimeoutCause(t.Context(), time.Nanosecond, errors.New("not done within 1ns"))
	defer cancel()
	<-late.Done()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, tt := range []struct {
		ctx  context.Context
		code fault.Code
		says string
	}{{late, fault.TimedOut, "not done within 1ns"}, {stopped, fault.Interrupted, "canceled"}} {
		m := newMachine(t)
		r, err := m.engine.Init(tt.ctx, InitOptions{Load: LoadOptions{Now: m.engine.Now()}})
		if fault.CodeOf(err) != tt.code || !strings.Contains(fmt.Sprint(err), tt.says) || r.Error == nil || r.Error.Code != tt.code {
			t.Errorf("got %v (%s), want %s", err, fault.CodeOf(err), tt.code)
		}
		if len(m.Writes()) != 0 {
			t.Errorf("written: %v", m.Writes())
		}
	}
}

func TestTheFallbackIsReadOnlyWhenNothingElseIsThere(t *testing.T) {
	m := newMachine(t)
	p := m.engine.Platform
	options := LoadOptions{URIs: []string{"file:///does/not/exist"}, Fallback: []string{"mem://config"}, Now: m.engine.Now()}
	if l, err := Load(t.Context(), p, options); err != nil || l.Merged.Config.Spec.Cluster.Name != "prod" {
		t.Errorf("got %v, %v", l.Merged.Config.Spec.Cluster.Name, err)
	}
	options.Fallback = []string{"file:///nor/this"}
	if _, err := Load(t.Context(), p, options); fault.CodeOf(err) != fault.ConfigMissing || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("got %v", err)
	}
}
