package systemd

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/godbus/dbus/v5"
)

// fakeBus is a systemd in memory. It records what it is asked for and fails on
// demand.
type fakeBus struct {
	mu    sync.Mutex
	units map[string]*fakeUnit
	calls []string
	// fail maps "verb unit" or "verb" to the error of that call.
	fail map[string]error
}

// fakeUnit is a unit and what it will do when it is started.
type fakeUnit struct {
	now unit
	// starts is what the unit looks like after a start, look by look; the last
	// look lasts. Empty: it runs and stays.
	starts []unit
	// result is that of a start job; done when empty.
	result string
	// hangs makes every job wait until its context ends.
	hangs bool
	// reloaded is what the unit becomes when unit files are read again.
	reloaded *unit
	// runs counts invocations.
	runs int
	// looks are the rest of starts.
	looks   []unit
	watched chan struct{}
}

func newFake(units map[string]*fakeUnit) *fakeBus {
	return &fakeBus{units: units, fail: map[string]error{}}
}

func errUnknown() error { return dbus.Error{Name: "org.freedesktop.systemd1.NoSuchUnit"} }

// called records a call and returns the error that it is to have.
func (b *fakeBus) called(ctx context.Context, verb, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if verb != "look" { // looking is no deed
		b.calls = append(b.calls, verb+" "+name)
	}
	if err := b.fail[verb]; err != nil {
		return err
	}
	return b.fail[verb+" "+name]
}

func (b *fakeBus) Unit(ctx context.Context, name string) (unit, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.called(ctx, "look", name); err != nil {
		return unit{}, err
	}
	f := b.units[name]
	if f == nil {
		return unit{LoadState: "not-found", Active: "inactive", Sub: "dead"}, nil
	}
	if len(f.looks) > 0 {
		f.now, f.looks = f.looks[0], f.looks[1:]
	}
	if len(f.looks) > 0 && f.watched != nil {
		select {
		case f.watched <- struct{}{}:
		default:
		}
	}
	return f.now, nil
}

func (b *fakeBus) State(ctx context.Context, name string) (unit, error) {
	u, err := b.Unit(ctx, name)
	return unit{LoadState: u.LoadState, Active: u.Active, Sub: u.Sub}, err
}

func (b *fakeBus) Reload(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.called(ctx, "reload", ""); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(b.units)) {
		if f := b.units[name]; f.reloaded != nil {
			f.now, f.reloaded = *f.reloaded, nil
		}
		b.units[name].now.NeedReload = false
	}
	return nil
}

func (b *fakeBus) ResetFailed(ctx context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.called(ctx, "reset", name); err != nil {
		return err
	}
	if f := b.units[name]; f != nil {
		f.now.Restarts = 0
		if f.now.Active == "failed" {
			f.now.Active, f.now.Sub, f.now.Result = "inactive", "dead", "success"
		}
	}
	return nil
}

func (b *fakeBus) Job(ctx context.Context, v verb, name string) (string, error) {
	b.mu.Lock()
	err := b.called(ctx, string(v), name)
	f := b.units[name]
	b.mu.Unlock()
	if err != nil {
		return "", err
	}
	if f == nil {
		return "", errUnknown()
	}
	if f.hangs {
		<-ctx.Done()
		return "", ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if v == stop {
		f.now.Active, f.now.Sub, f.looks = "inactive", "dead", nil
		return "done", nil
	}
	f.runs++
	f.looks = slices.Clone(f.starts)
	if len(f.looks) == 0 {
		u := f.now
		u.Active, u.Sub, u.Result, u.Invocation = "active", "running", "success", string(rune('a'+f.runs))
		f.looks = []unit{u}
	}
	if f.result != "" {
		return f.result, nil
	}
	return "done", nil
}

func (b *fakeBus) Enable(ctx context.Context, name string) error {
	return b.setFileState(ctx, "enable", name, "enabled")
}

func (b *fakeBus) Disable(ctx context.Context, name string) error {
	return b.setFileState(ctx, "disable", name, "disabled")
}

func (b *fakeBus) setFileState(ctx context.Context, verb, name, state string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.called(ctx, verb, name); err != nil {
		return err
	}
	if b.units[name] == nil {
		return errUnknown()
	}
	b.units[name].now.FileState = state
	return nil
}

func (b *fakeBus) Watch(ctx context.Context, name string) (<-chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.called(ctx, "watch", name); err != nil {
		return nil, err
	}
	ch := make(chan struct{}, 1)
	if f := b.units[name]; f != nil {
		f.watched = ch
	}
	return ch, nil
}

func (b *fakeBus) Open(context.Context) error { return nil }

func (b *fakeBus) Close() {}

// took returns the calls since the last time it was asked, without watching.
func (b *fakeBus) took() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, c := range b.calls {
		if len(c) < 5 || c[:5] != "watch" {
			out = append(out, c)
		}
	}
	b.calls = nil
	return out
}

// Units in the states that tests need.

func stopped() unit {
	return unit{LoadState: "loaded", Active: "inactive", Sub: "dead", FileState: "disabled", Type: "simple", Result: "success"}
}

func running(invocation string) unit {
	return unit{LoadState: "loaded", Active: "active", Sub: "running", FileState: "disabled", Type: "simple", Result: "success", Invocation: invocation}
}

func dying(restarts uint32) unit {
	return unit{LoadState: "loaded", Active: "activating", Sub: "auto-restart", FileState: "disabled", Type: "simple",
		Result: "exit-code", ExecMainCode: 1, ExecMainStatus: 1, Restarts: restarts}
}

func failed(status int32) unit {
	return unit{LoadState: "loaded", Active: "failed", Sub: "failed", FileState: "disabled", Type: "simple",
		Result: "exit-code", ExecMainCode: 1, ExecMainStatus: status}
}
