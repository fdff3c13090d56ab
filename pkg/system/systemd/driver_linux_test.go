package systemd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/drivertest"
)

const kubelet = "kubelet.service"

// on returns a driver on a fake systemd with one unit, nil for none.
func on(t *testing.T, f *fakeUnit) (*Driver, *fakeBus) {
	t.Helper()
	b := newFake(map[string]*fakeUnit{})
	if f != nil {
		b.units[kubelet] = f
	}
	dir := t.TempDir()
	d := newDriver(Options{
		RunDir: filepath.Join(dir, "run"), StateDir: filepath.Join(dir, "lib"),
		Bound: 10 * time.Second, Window: 5 * time.Millisecond,
		Journal: func(context.Context, string, int) ([]string, error) {
			return []string{"2026-01-01T00:00:00+0000 node kubelet[7]: unknown flag: --bogus"}, nil
		},
	}, b)
	return d, b
}

func wanted(running, enabled bool) host.Service {
	return host.Service{Name: kubelet, Running: running, Enabled: enabled, Current: true}
}

func (d *Driver) see(t *testing.T, want host.Service) host.Resource {
	t.Helper()
	seen, err := d.Observe(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestServiceDriverKeepsTheLawsOnAFakeSystemd(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Case {
		// The unit's file has just been written, as a plan has it.
		loaded := stopped()
		d, b := on(t, &fakeUnit{now: unit{LoadState: "not-found", Active: "inactive", Sub: "dead"}, reloaded: &loaded})
		return drivertest.Case{
			Driver:  d,
			Wants:   []host.Resource{wanted(true, false), wanted(false, false), wanted(true, true)},
			Removed: func(seen host.Resource) bool { s, ok := seen.(host.Service); return ok && !s.Running && !s.Enabled },
			Print: func() (string, error) {
				b.mu.Lock()
				defer b.mu.Unlock()
				return strings.Join(b.calls, "\n") + strings.Join(notes(t, d), " "), nil
			},
		}
	})
}

// notes lists the files that the driver keeps.
func notes(t *testing.T, d *Driver) []string {
	var out []string
	for _, dir := range []string{d.RunDir, d.StateDir} {
		err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				rel, _ := filepath.Rel(filepath.Dir(d.RunDir), p)
				out = append(out, rel)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	return out
}

func TestWhatCountsAsRunning(t *testing.T) {
	for active, want := range map[string]bool{
		"active": true, "reloading": true, "refreshing": true,
		"activating": false, "deactivating": false, "inactive": false, "failed": false, "maintenance": false,
	} {
		u := running("a")
		u.Active = active
		d, _ := on(t, &fakeUnit{now: u})
		if err := d.Owe(t.Context(), wanted(true, false).ID()); err != nil {
			t.Fatal(err)
		}
		got := d.see(t, wanted(true, false))
		if want := (host.Service{Name: kubelet, Running: want, Current: !want}); !cmp.Equal(got, host.Resource(want)) {
			t.Errorf("%s with a debt: seen %+v, want %+v", active, got, want)
		}
	}
}

func TestAUnitThatLostItsFileAndStillRunsIsNotAbsent(t *testing.T) {
	u := running("a")
	u.LoadState = "not-found"
	d, b := on(t, &fakeUnit{now: u})
	if seen, _ := d.see(t, wanted(true, false)).(host.Service); !seen.Running {
		t.Errorf("seen %+v", seen)
	}
	if err := d.Remove(t.Context(), wanted(true, false).ID()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"stop kubelet.service", "reset kubelet.service"}, b.took()); diff != "" {
		t.Errorf("calls differ (-want +got):\n%s", diff)
	}
}

func TestJobsFollowFromWhatIsThere(t *testing.T) {
	reset, startIt, restartIt := "reset "+kubelet, "start "+kubelet, "restart "+kubelet
	changed := running("a")
	changed.NeedReload = true
	deactivating := running("a")
	deactivating.Active = "deactivating"
	reloading := wanted(true, false)
	reloading.Reloads = true
	for _, row := range []struct {
		name  string
		now   unit
		want  host.Service
		owes  bool
		calls []string
	}{
		{name: "stopped", now: stopped(), want: wanted(true, false), calls: []string{reset, startIt}},
		{name: "failed", now: failed(1), want: wanted(true, false), calls: []string{reset, startIt}},
		{name: "running", now: running("a"), want: wanted(true, false)},
		{name: "running with a debt", now: running("a"), want: wanted(true, false), owes: true, calls: []string{"reload ", reset, restartIt}},
		{name: "running with a debt that a reload pays", now: running("a"), want: reloading, owes: true, calls: []string{"reload ", reset, "reload " + kubelet}},
		{name: "stopped with a debt that a reload would pay", now: stopped(), want: reloading, owes: true, calls: []string{"reload ", reset, startIt}},
		{name: "someone's start is under way", now: dying(0), want: wanted(true, false), calls: []string{reset, restartIt}},
		{name: "someone's stop is under way", now: deactivating, want: wanted(true, false), calls: []string{reset, restartIt}},
		{name: "running, unit file changed, no debt", now: changed, want: wanted(true, false)},
		{name: "running, to be enabled", now: running("a"), want: wanted(true, true), calls: []string{"enable " + kubelet}},
		{name: "running, not wanted", now: running("a"), want: wanted(false, false), calls: []string{"reload ", "stop " + kubelet, reset}},
		{name: "restarting itself, not wanted", now: dying(2), want: wanted(false, false), calls: []string{"reload ", "stop " + kubelet, reset}},
		{name: "failed, not wanted", now: failed(1), want: wanted(false, false), calls: []string{reset}},
		{name: "stopped, not wanted", now: stopped(), want: wanted(false, false)},
		{
			name: "stopped, reads the manager's environment", now: stopped(),
			want:  host.Service{Name: kubelet, Running: true, Current: true, Reads: []host.ID{{Kind: host.KindFile, Name: "/etc/systemd/system.conf.d/environment.conf"}}},
			calls: []string{"reload ", reset, startIt},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, b := on(t, &fakeUnit{now: row.now})
			if row.owes {
				if err := d.Owe(t.Context(), row.want.ID()); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Apply(t.Context(), row.want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.calls, b.took()); diff != "" {
				t.Errorf("calls differ (-want +got):\n%s", diff)
			}
			for _, n := range notes(t, d) {
				if strings.HasPrefix(n, "run/") {
					t.Errorf("the debt %s is still there", n)
				}
			}
		})
	}
}

func TestAServiceThatSomeoneElseStartedInBetweenIsRestarted(t *testing.T) {
	d, b := on(t, &fakeUnit{now: stopped()})
	d.see(t, wanted(true, false))
	b.units[kubelet].now = running("someone's")
	if err := d.Apply(t.Context(), wanted(true, false)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"reset " + kubelet, "restart " + kubelet}, b.took()); diff != "" {
		t.Errorf("calls differ (-want +got):\n%s", diff)
	}
}

func TestADebtOutlivesAFailedRestart(t *testing.T) {
	d, b := on(t, &fakeUnit{now: running("a"), starts: []unit{failed(1)}, result: "failed"})
	want := wanted(true, false)
	if err := d.Owe(t.Context(), want.ID()); err != nil {
		t.Fatal(err)
	}
	if err := d.Apply(t.Context(), want); fault.CodeOf(err) != fault.UnitFailed {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff([]string{"run/restart/kubelet.service"}, notes(t, d)); diff != "" {
		t.Errorf("notes differ (-want +got):\n%s", diff)
	}
	b.units[kubelet].starts, b.units[kubelet].result = nil, ""
	if err := d.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string(nil), notes(t, d)); diff != "" {
		t.Errorf("notes differ (-want +got):\n%s", diff)
	}
}

func TestOnlyWhatWeEnabledIsDisabledAgain(t *testing.T) {
	d, b := on(t, &fakeUnit{now: running("a")})
	if err := d.Apply(t.Context(), wanted(true, true)); err != nil {
		t.Fatal(err)
	}
	// Nobody wants it enabled any more: a plan must see that.
	seen := d.see(t, wanted(true, false)).(host.Service)
	if !seen.Enabled || host.Satisfies(seen, wanted(true, false)) {
		t.Errorf("seen %+v", seen)
	}
	b.took()
	if err := d.Apply(t.Context(), wanted(true, false)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"disable " + kubelet}, b.took()); diff != "" {
		t.Errorf("calls differ (-want +got):\n%s", diff)
	}

	u := running("a")
	u.FileState = "enabled" // by the machine image
	d, b = on(t, &fakeUnit{now: u})
	for _, want := range []host.Service{wanted(true, true), wanted(true, false)} {
		if err := d.Apply(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Remove(t.Context(), wanted(true, false).ID()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"stop " + kubelet, "reset " + kubelet}, b.took()); diff != "" {
		t.Errorf("calls differ (-want +got):\n%s", diff)
	}
}

func TestNamesThatAreNoUnitsAreRefused(t *testing.T) {
	d, b := on(t, nil)
	for _, name := range []string{"", "kubelet", "../../etc/passwd.service", "a/b.service", "a b.service", "x.service\n", strings.Repeat("a", 300) + ".service"} {
		r := host.Service{Name: name, Running: true, Current: true}
		_, errObserve := d.Observe(t.Context(), r)
		for _, err := range []error{errObserve, d.Apply(t.Context(), r), d.Owe(t.Context(), r.ID()), d.Remove(t.Context(), r.ID())} {
			if err == nil || !strings.Contains(err.Error(), "is no name of a systemd unit") {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if calls := b.took(); len(calls) > 0 || len(notes(t, d)) > 0 {
		t.Errorf("calls %v, notes %v", calls, notes(t, d))
	}
}

func TestARunDirectoryThatCannotBeWrittenIsSaid(t *testing.T) {
	d, _ := on(t, &fakeUnit{now: running("a")})
	if err := os.WriteFile(d.RunDir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.Owe(t.Context(), wanted(true, false).ID()); fault.CodeOf(err) != fault.WriteFailed {
		t.Errorf("got %v", err)
	}
}

func TestAReloadThatFailsIsStillOwed(t *testing.T) {
	want := wanted(true, false)
	want.Reloads = true
	d, _ := on(t, &fakeUnit{now: running("a"), result: "failed"})
	if err := d.Owe(t.Context(), want.ID()); err != nil {
		t.Fatal(err)
	}
	err := d.Apply(t.Context(), want)
	if f, ok := fault.Find(err); !ok || f.Code != fault.UnitFailed || !strings.Contains(err.Error(), "cannot reload "+kubelet) {
		t.Errorf("got %v", err)
	}
	if seen, _ := d.see(t, want).(host.Service); seen.Current {
		t.Error("the debt is forgotten")
	}
}
