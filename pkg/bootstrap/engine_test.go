package bootstrap

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/host/hosttest"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

// machine is a node in memory: a host, a store in a temporary directory, and a
// configuration that the test may change.
type machine struct {
	*hosttest.Memory
	engine *Engine
	config string
}

var pem = base64.StdEncoding.EncodeToString([]byte(testCA))

func configText(cluster, maxPods string) string {
	return fmt.Sprintf(`apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster:
    name: %s
    apiServerEndpoint: https://example.eks.amazonaws.com
    certificateAuthority: %s
    cidr: 10.100.0.0/16
  kubelet:
    config:
      maxPods: %s
`, cluster, pem, maxPods)
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{Memory: hosttest.New(), config: configText("prod", "10")}
	tick := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m.engine = &Engine{
		Store: &Store{StateDir: filepath.Join(dir, "state"), RunDir: filepath.Join(dir, "run")},
		Log:   slog.New(slog.DiscardHandler),
		Now:   func() time.Time { tick = tick.Add(time.Millisecond); return tick },
		Platform: platform.Platform{
			Name:           "test",
			DefaultSources: []string{"mem://config"},
			Source: func(uri string) (platform.Source, bool) {
				return platform.Source{Name: uri, Read: func(context.Context) ([]platform.Text, error) {
					if m.config == "" {
						return nil, nil
					}
					return []platform.Text{{Name: uri, Body: []byte(m.config)}}, nil
				}}, uri == "mem://config"
			},
			Gather: func(_ context.Context, q platform.Question) (node.Input, error) {
				return node.Input{Config: q.Config, Instance: node.Instance{NodeName: "n1"}}, nil
			},
			Components: []node.Component{{Name: "runtime", Desired: runtimeComponent}, {Name: "kubelet", Desired: kubeletComponent}},
			Host: func(context.Context) (host.Host, func() error, error) {
				return m.Host(), func() error { return nil }, nil
			},
		},
	}
	return m
}

func runtimeComponent(node.Input) ([]host.Resource, error) {
	return []host.Resource{
		host.File{Path: "/etc/runtime", Content: []byte("1"), Mode: 0o644},
		host.Service{Name: "runtime.service", Running: true, Current: true, Reads: []host.ID{{Kind: host.KindFile, Name: "/etc/runtime"}}},
		host.Image{Ref: "pause", Pinned: true},
	}, nil
}

// kubeletComponent writes one file, and a second one when pods are limited.
func kubeletComponent(in node.Input) ([]host.Resource, error) {
	rs := []host.Resource{host.File{Path: "/etc/kubelet/config", Content: []byte(in.Config.Spec.Cluster.Name), Mode: 0o644}}
	if n, ok := in.Config.Spec.Kubelet.Config.Lookup("maxPods"); ok {
		rs = append(rs, host.File{Path: "/etc/kubelet/conf.d/40", Content: fmt.Append(nil, n), Mode: 0o600})
	}
	return append(rs, host.Service{Name: "kubelet.service", Running: true, Current: true, Reads: []host.ID{
		{Kind: host.KindFile, Name: "/etc/kubelet/config"}, {Kind: host.KindDir, Name: "/etc/kubelet/conf.d"},
	}}), nil
}

func (m *machine) init(t *testing.T, scope Scope) (Report, error) {
	t.Helper()
	return m.engine.Init(t.Context(), InitOptions{Scope: scope, Load: LoadOptions{Now: m.engine.Now()}})
}

func (m *machine) mustInit(t *testing.T, scope Scope) Report {
	t.Helper()
	r, err := m.init(t, scope)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func steps(r Report) []string {
	var out []string
	for _, s := range r.Steps {
		out = append(out, fmt.Sprintf("%s %s", s.Verb, s.ID))
	}
	return out
}

func TestInitMakesTheNodeAndASecondOneChangesNothing(t *testing.T) {
	m := newMachine(t)
	r := m.mustInit(t, Scope{})
	want := []string{"create file:/etc/runtime", "start service:runtime.service", "create image:pause",
		"create file:/etc/kubelet/config", "create file:/etc/kubelet/conf.d/40", "start service:kubelet.service"}
	if !slices.Equal(steps(r), want) {
		t.Errorf("steps %v, want %v", steps(r), want)
	}
	before, record := m.Writes(), ownedBytes(t, m)
	r = m.mustInit(t, Scope{})
	if len(r.Steps) != 0 || !slices.Equal(m.Writes(), before) {
		t.Errorf("the second run took steps: %v", steps(r))
	}
	if ownedBytes(t, m) != record {
		t.Error("the second run rewrote its record differently")
	}
}

func ownedBytes(t *testing.T, m *machine) string {
	t.Helper()
	b, err := os.ReadFile(m.engine.Store.ownedPath())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAChangedSettingRestartsExactlyWhatReadsIt(t *testing.T) {
	m := newMachine(t)
	m.mustInit(t, Scope{})
	m.config = configText("prod", "20")
	r := m.mustInit(t, Scope{})
	want := []string{"owe-restart service:kubelet.service", "update file:/etc/kubelet/conf.d/40", "restart service:kubelet.service"}
	if !slices.Equal(steps(r), want) {
		t.Errorf("steps %v, want %v", steps(r), want)
	}
	m.config = strings.Replace(configText("prod", "20"), "kubelet:\n    config:\n      maxPods: 20\n", "kubelet: {}\n", 1)
	r = m.mustInit(t, Scope{})
	want = []string{"owe-restart service:kubelet.service", "remove file:/etc/kubelet/conf.d/40", "restart service:kubelet.service"}
	if !slices.Equal(steps(r), want) {
		t.Errorf("after removal: steps %v, want %v", steps(r), want)
	}
}

func TestTheConfigPhaseLeavesServicesAndTheRunPhaseDoesTheRest(t *testing.T) {
	m := newMachine(t)
	r := m.mustInit(t, Scope{ConfigOnly: true})
	if want := []string{"create file:/etc/runtime", "create file:/etc/kubelet/config", "create file:/etc/kubelet/conf.d/40"}; !slices.Equal(steps(r), want) {
		t.Errorf("config phase: %v, want %v", steps(r), want)
	}
	r = m.mustInit(t, Scope{})
	if want := []string{"start service:runtime.service", "create image:pause", "start service:kubelet.service"}; !slices.Equal(steps(r), want) {
		t.Errorf("run phase: %v, want %v", steps(r), want)
	}
	// A later config phase beside running services owes the restart, and the
	// next run pays it.
	m.config = configText("prod", "30")
	m.mustInit(t, Scope{ConfigOnly: true})
	r = m.mustInit(t, Scope{})
	if want := []string{"restart service:kubelet.service"}; !slices.Equal(steps(r), want) {
		t.Errorf("second run phase: %v, want %v", steps(r), want)
	}
}

func TestOnlyOneComponent(t *testing.T) {
	m := newMachine(t)
	r := m.mustInit(t, Scope{Only: []string{"runtime"}})
	if want := []string{"create file:/etc/runtime", "start service:runtime.service", "create image:pause"}; !slices.Equal(steps(r), want) {
		t.Errorf("steps %v, want %v", steps(r), want)
	}
}

func TestKilledAtAnyWriteTheNextRunConverges(t *testing.T) {
	for n := 0; ; n++ {
		m := newMachine(t)
		m.mustInit(t, Scope{})
		m.config = configText("other", "11")
		m.CrashAfter(n)
		_, err := m.init(t, Scope{})
		if err == nil {
			if n < 3 {
				t.Fatalf("only %d writes: the test is empty", n)
			}
			return
		}
		m.CrashAfter(-1)
		m.mustInit(t, Scope{})
		if r := m.mustInit(t, Scope{}); len(r.Steps) != 0 {
			t.Errorf("killed at write %d: still %v", n, steps(r))
		}
		if err := m.Stale(host.ID{Kind: host.KindService, Name: "kubelet.service"}, []host.ID{{Kind: host.KindFile, Name: "/etc/kubelet/config"}, {Kind: host.KindFile, Name: "/etc/kubelet/conf.d/40"}}); err != nil {
			t.Errorf("killed at write %d: %v", n, err)
		}
	}
}

func TestResetGivesTheMachineBack(t *testing.T) {
	m := newMachine(t)
	m.Put(host.File{Path: "/etc/runtime", Content: []byte("the image's"), Mode: 0o640})
	m.Put(host.File{Path: "/etc/hosts", Content: []byte("other"), Mode: 0o644})
	m.mustInit(t, Scope{})
	r, err := m.engine.Reset(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"remove service:kubelet.service", "remove file:/etc/kubelet/conf.d/40", "remove file:/etc/kubelet/config",
		"remove image:pause", "remove service:runtime.service", "restore file:/etc/runtime"}
	if !slices.Equal(steps(r), want) {
		t.Errorf("steps %v, want %v", steps(r), want)
	}
	var left []string
	for _, x := range m.Things() {
		left = append(left, x.ID().String())
	}
	if want := []string{"file:/etc/hosts", "file:/etc/runtime"}; !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
	if f := m.Get(host.ID{Kind: host.KindFile, Name: "/etc/runtime"}).(host.File); string(f.Content) != "the image's" || f.Mode != 0o640 {
		t.Errorf("given back as %+v", f)
	}
	if r, err := m.engine.Reset(t.Context()); err != nil || len(r.Steps) != 0 {
		t.Errorf("a second reset: %v, %v", steps(r), err)
	}
}

func TestFailuresHaveACodeAndTouchNothing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(*machine)
		code    fault.Code
	}{
		{"no configuration anywhere", func(m *machine) { m.config = "" }, fault.ConfigMissing},
		{"user data is a shell script", func(m *machine) { m.config = "#!/bin/sh\necho hello\n" }, fault.ConfigMissing},
		{"a misspelt field", func(m *machine) { m.config += "  kubletes: {}\n" }, fault.ConfigInvalid},
		{"a component misses a fact", func(m *machine) {
			m.engine.Platform.Components = append(m.engine.Platform.Components, node.Component{Name: "picky", Desired: func(in node.Input) ([]host.Resource, error) {
				return nil, fault.New(fault.FactMissing, "look", errors.New("cannot tell hardware.cpu"))
			}})
		}, fault.FactMissing},
		{"the record is garbage", func(m *machine) {
			must(os.MkdirAll(m.engine.Store.StateDir, 0o700))
			must(os.WriteFile(m.engine.Store.ownedPath(), []byte("{"), 0o600))
		}, fault.StateUnreadable},
		{"the record is a newer agent's", func(m *machine) {
			must(os.MkdirAll(m.engine.Store.StateDir, 0o700))
			must(os.WriteFile(m.engine.Store.ownedPath(), []byte(`{"version": 99}`), 0o600))
		}, fault.StateUnreadable},
		{"the place has no images", func(m *machine) {
			m.engine.Platform.Host = func(context.Context) (host.Host, func() error, error) {
				h := m.Host()
				delete(h, host.KindImage)
				return h, func() error { return nil }, nil
			}
		}, fault.Internal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			tt.prepare(m)
			r, err := m.init(t, Scope{})
			if fault.CodeOf(err) != tt.code {
				t.Fatalf("code %s (%v), want %s", fault.CodeOf(err), err, tt.code)
			}
			if w := m.Writes(); len(w) != 0 {
				t.Errorf("something was written: %v", w)
			}
			published, ok, err := m.engine.Store.Status()
			if err != nil || !ok || published.Result != Broken || published.Error == nil || published.Error.Code != r.Error.Code {
				t.Errorf("published %+v, %v, %v", published, ok, err)
			}
		})
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func TestWhatAComponentRemarksIsInTheReport(t *testing.T) {
	m := newMachine(t)
	m.engine.Platform.Components[1].Notes = func(in node.Input) []string { return []string{"cluster " + in.Config.Spec.Cluster.Name} }
	if r := m.mustInit(t, Scope{}); !slices.Equal(r.Notes, []string{"kubelet: cluster prod"}) {
		t.Errorf("notes %v", r.Notes)
	}
}

func TestAFailedWriteStopsTheRunAndIsClassified(t *testing.T) {
	for err, code := range map[error]fault.Code{
		&fs.PathError{Op: "write", Path: "/etc/kubelet/config", Err: syscall.ENOSPC}: fault.DiskFull,
		&fs.PathError{Op: "write", Path: "/etc/kubelet/config", Err: syscall.EROFS}:  fault.WriteFailed,
		fault.New(fault.UnitFailed, "look", errors.New("exit status 1")):             fault.UnitFailed,
	} {
		m := newMachine(t)
		m.FailOn(host.ID{Kind: host.KindFile, Name: "/etc/kubelet/config"}, err)
		r, got := m.init(t, Scope{})
		if fault.CodeOf(got) != code || !errors.Is(got, err) {
			t.Errorf("%v: got %v (%s)", err, got, fault.CodeOf(got))
		}
		if want := []string{"create file:/etc/runtime", "start service:runtime.service", "create image:pause"}; !slices.Equal(steps(r), want) {
			t.Errorf("%v: steps %v", err, steps(r))
		}
		// What was made before the failure is remembered, so a reset finds it.
		if _, err := m.engine.Reset(t.Context()); err != nil || len(m.Things()) != 0 {
			t.Errorf("reset after failure: %v, left %v", err, m.Things())
		}
	}
}

func TestACancelledRunStopsBetweenSteps(t *testing.T) {
	m := newMachine(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("told to stop"))
	_, err := m.engine.Init(ctx, InitOptions{Load: LoadOptions{Now: m.engine.Now()}})
	if err == nil || !strings.Contains(err.Error(), "told to stop") || len(m.Writes()) != 0 {
		t.Errorf("got %v, writes %v", err, m.Writes())
	}
}

func TestSecretsAreInNoFileThatOthersCanRead(t *testing.T) {
	m := newMachine(t)
	m.config += "  instance:\n    environment:\n      default:\n        HTTPS_PROXY: http://user:hunter2@proxy:3128\n"
	m.mustInit(t, Scope{})
	err := filepath.WalkDir(filepath.Dir(m.engine.Store.RunDir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if info, _ := d.Info(); strings.Contains(string(b), "hunter2") && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s (%s) shows the secret", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(m.engine.Store.StatusPath()); len(b) == 0 || !json.Valid(b) {
		t.Error("no status was published")
	}
}
