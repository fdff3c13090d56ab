package systemd

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/eksnode/eksnode/pkg/fault"
)

func TestAUnitStandsOnlyWhenOneRunOfItLasts(t *testing.T) {
	notify := running("a")
	notify.Type = "notify"
	starting := dying(0)
	starting.Sub, starting.Type = "start", "notify"
	for _, row := range []struct {
		name   string
		starts []unit
		result string
	}{
		{name: "stays", starts: []unit{running("a")}},
		{name: "Type=notify is ready at once", starts: []unit{notify}},
		{name: "takes its time to become ready", starts: []unit{starting, starting, notify}},
		{name: "dies once, is restarted by systemd and stays", starts: []unit{running("a"), dying(0), running("b")}},
		{name: "died and was restarted between two looks", starts: []unit{running("a"), running("b")}},
		{name: "job failed, but systemd restarted it", starts: []unit{dying(0), running("b")}, result: "failed"},
		{name: "someone else's job took the place of ours", starts: []unit{running("b")}, result: "canceled"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, _ := on(t, &fakeUnit{now: stopped(), starts: row.starts, result: row.result})
			if err := d.Apply(t.Context(), wanted(true, false)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAUnitThatDoesNotStandIsExplained(t *testing.T) {
	noExec := failed(203)
	killed := failed(9)
	killed.Result, killed.ExecMainCode = "signal", 2
	preStart := failed(0)
	preStart.ExecMainCode = 0
	core := failed(11)
	core.Result, core.ExecMainCode = "core-dump", 3
	for _, row := range []struct {
		name, result, want string
		starts             []unit
	}{
		{"exits", "failed", "cannot start kubelet.service: it is failed (failed): result exit-code, exit status 1; its journal ends with:\n  2026-01-01T00:00:00+0000 node kubelet[7]: unknown flag: --bogus", []unit{failed(1)}},
		{"exits within the window", "done", "result exit-code, exit status 1;", []unit{running("a"), failed(1)}},
		{"program missing", "failed", "exit status 203/EXEC;", []unit{noExec}},
		{"killed for memory", "failed", "result signal, killed by signal 9;", []unit{killed}},
		{"dumps core", "failed", "result core-dump, dumped core on signal 11;", []unit{core}},
		{"ExecStartPre fails", "failed", "result exit-code, before its main process started;", []unit{preStart}},
		{"restarts for ever", "done", "it is activating (auto-restart): result exit-code, exit status 1, restarted 3 times;", []unit{running("a"), dying(1), running("b"), dying(2), dying(3)}},
		{"condition does not hold", "done", "or a start condition does not hold;", []unit{stopped()}},
		{"ends with success", "done", "it ended at once, without an error, or", []unit{running("a"), stopped()}},
		{"requirement fails", "dependency", "a unit that it requires failed (systemctl list-dependencies kubelet.service);", []unit{stopped()}},
		{"stopped by someone", "canceled", "something else stopped it or cancelled its start;", []unit{stopped()}},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, _ := on(t, &fakeUnit{now: stopped(), starts: row.starts, result: row.result})
			err := d.Apply(t.Context(), wanted(true, false))
			f, ok := fault.Find(err)
			if !ok || f.Code != fault.UnitFailed || !strings.Contains(f.Remedy, "journalctl -u kubelet.service") {
				t.Fatalf("got %v with %+v", err, f)
			}
			if !strings.Contains(err.Error(), row.want) {
				t.Errorf("message is %q, want it to have %q", err, row.want)
			}
		})
	}
}

func TestAUnitThatCannotBeLoadedIsExplained(t *testing.T) {
	masked, bad := stopped(), stopped()
	masked.LoadState = "masked"
	bad.LoadState, bad.LoadError = "bad-setting", "Unit kubelet.service has a bad unit file setting."
	for _, row := range []struct {
		name         string
		unit         *fakeUnit
		want, remedy string
	}{
		{"no unit file", nil, "there is no unit file of kubelet.service", "/etc/systemd/system"},
		{"masked", &fakeUnit{now: masked}, "kubelet.service is masked", "systemctl unmask kubelet.service"},
		{"broken", &fakeUnit{now: bad}, "systemd cannot use the unit file of kubelet.service: Unit kubelet.service has a bad unit file setting.", "systemd-analyze verify kubelet.service"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, b := on(t, row.unit)
			err := d.Apply(t.Context(), wanted(true, false))
			f, ok := fault.Find(err)
			if !ok || f.Code != fault.UnitMissing || err.Error() != row.want || !strings.Contains(f.Remedy, row.remedy) {
				t.Errorf("got %v with %+v", err, f)
			}
			for _, c := range b.took() {
				if strings.HasPrefix(c, "start ") || strings.HasPrefix(c, "restart ") {
					t.Errorf("it was asked to %s", c)
				}
			}
		})
	}
}

func TestAWaitEndsAtItsBound(t *testing.T) {
	starting := dying(0)
	starting.Sub = "start-pre"
	for name, f := range map[string]*fakeUnit{
		"the job never ends":    {now: starting, hangs: true},
		"it is activating ever": {now: stopped(), starts: []unit{starting}},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := on(t, f)
			d.Bound = 500 * time.Millisecond
			err := d.Apply(t.Context(), wanted(true, false))
			if fault.CodeOf(err) != fault.UnitTimeout || !strings.Contains(err.Error(), "not active within 500ms, its state is activating (start-pre); its journal ends with:") {
				t.Errorf("got %s: %v", fault.CodeOf(err), err)
			}
		})
	}
	d, _ := on(t, &fakeUnit{now: running("a"), hangs: true})
	d.Bound = 500 * time.Millisecond
	if err := d.Remove(t.Context(), wanted(true, false).ID()); fault.CodeOf(err) != fault.UnitTimeout {
		t.Errorf("a stop that never ends: %v", err)
	}
}

func TestACallerWhoLeavesIsNotHeldUpNorToldOfATimeout(t *testing.T) {
	d, b := on(t, &fakeUnit{now: stopped(), hangs: true})
	d.Journal = func(context.Context, string, int) ([]string, error) {
		t.Error("the journal is read for someone who left")
		return nil, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Apply(ctx, wanted(true, false)) }()
	for len(b.jobs()) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// jobs returns the start jobs asked for so far.
func (b *fakeBus) jobs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, c := range b.calls {
		if strings.HasPrefix(c, "start ") {
			out = append(out, c)
		}
	}
	return out
}

func TestARefusalBySystemdIsExplained(t *testing.T) {
	for name, row := range map[string]struct {
		err  error
		code fault.Code
	}{
		"masked while we looked": {dbus.Error{Name: "org.freedesktop.systemd1.UnitMasked"}, fault.UnitMissing},
		"shutting down":          {dbus.Error{Name: "org.freedesktop.systemd1.TransactionIsDestructive"}, fault.UnitFailed},
		"systemd is gone":        {fault.New(fault.SystemdGone, "x", errors.New("gone")), fault.SystemdGone},
	} {
		t.Run(name, func(t *testing.T) {
			d, b := on(t, &fakeUnit{now: stopped()})
			b.fail["start "+kubelet] = row.err
			if err := d.Apply(t.Context(), wanted(true, false)); fault.CodeOf(err) != row.code {
				t.Errorf("got %s: %v", fault.CodeOf(err), err)
			}
		})
	}
}

func TestAJournalThatCannotBeReadIsNoReasonToFailDifferently(t *testing.T) {
	for want, journal := range map[string]func(context.Context, string, int) ([]string, error){
		"its journal has no lines":                func(context.Context, string, int) ([]string, error) { return nil, nil },
		"its journal could not be read: no space": func(context.Context, string, int) ([]string, error) { return nil, errors.New("no space") },
		"its journal could not be read in time":   func(context.Context, string, int) ([]string, error) { return nil, context.DeadlineExceeded },
	} {
		d, _ := on(t, &fakeUnit{now: stopped(), starts: []unit{failed(1)}})
		d.Journal = journal
		if err := d.Apply(t.Context(), wanted(true, false)); fault.CodeOf(err) != fault.UnitFailed || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want it to end with %q", err, want)
		}
	}
}
