package ec2

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/system/lock"
)

// watched is a watch whose keeper writes down what it is asked to do.
type watched struct {
	eniWatch
	mu   sync.Mutex
	did  []string
	fail int // so many calls of add fail
	// slow is how long add takes.
	slow time.Duration
	cni  bool
}

func newWatched() *watched {
	w := &watched{}
	w.eniWatch = eniWatch{
		named: func(context.Context, int) error { return nil },
		isENI: func(name string) bool { return strings.HasPrefix(name, "ens") },
		kept:  func(context.Context, string) (bool, error) { return false, nil },
		add: func(ctx context.Context, name string) (cni.Manager, error) {
			select {
			case <-ctx.Done():
				w.note("stopped " + name)
				return "", ctx.Err()
			case <-time.After(w.slow):
			}
			w.note("add " + name)
			if w.fail > 0 {
				w.fail--
				return "", errors.New("metadata is late")
			}
			if w.cni {
				return cni.ManagerCNI, nil
			}
			return cni.ManagerNetworkd, nil
		},
		gone:   func(_ context.Context, name string) error { w.note("gone " + name); return nil },
		reload: func(context.Context) error { w.note("reload"); return nil },
		log:    slog.New(slog.DiscardHandler),
	}
	return w
}

func (w *watched) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did = append(w.did, what)
}

func TestTheWatchFollowsTheKernel(t *testing.T) {
	there := func(index int, name string) link { return link{index: index, name: name} }
	gone := func(index int, name string) link { return link{index: index, name: name, gone: true} }
	for name, row := range map[string]struct {
		change func(*watched)
		events []link
		want   []string
	}{
		"one that comes":                   {nil, []link{there(2, "ens5")}, []string{"add ens5", "reload"}},
		"one of the plugin's":              {func(w *watched) { w.cni = true }, []link{there(2, "ens5")}, []string{"add ens5"}},
		"changes of one that is there":     {nil, []link{there(2, "ens5"), there(2, "ens5")}, []string{"add ens5", "reload"}},
		"one that is no ENI":               {nil, []link{there(2, "dummy0"), gone(2, "dummy0")}, []string{"gone dummy0"}},
		"one that goes":                    {nil, []link{there(2, "ens5"), gone(2, "ens5")}, []string{"add ens5", "reload", "gone ens5"}},
		"one that goes and was not seen":   {nil, []link{gone(2, "ens5")}, nil},
		"one that comes again":             {nil, []link{there(2, "ens5"), gone(2, "ens5"), there(3, "ens5")}, []string{"add ens5", "reload", "gone ens5", "add ens5", "reload"}},
		"one that udev renames":            {func(w *watched) { w.slow = time.Second }, []link{there(2, "ens9tmp"), there(2, "ens5")}, []string{"stopped ens9tmp", "add ens5", "reload"}},
		"one that is kept already":         {func(w *watched) { w.kept = func(context.Context, string) (bool, error) { return true, nil } }, []link{there(2, "ens5")}, nil},
		"metadata that is late":            {func(w *watched) { w.fail = 3 }, []link{there(2, "ens5")}, []string{"add ens5", "add ens5", "add ens5", "add ens5", "reload"}},
		"one that goes while it is waited": {func(w *watched) { w.fail = 1 << 20; w.slow = time.Hour }, []link{there(2, "ens5"), gone(2, "ens5")}, []string{"stopped ens5", "gone ens5"}},
		"a name that is no path":           {nil, []link{there(2, "a/b"), gone(2, "a/b")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched()
				if row.change != nil {
					row.change(w)
				}
				for _, l := range row.events {
					w.see(t.Context(), l)
					synctest.Wait()
				}
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				if !slices.Equal(w.did, row.want) {
					t.Errorf("did %q, want %q", w.did, row.want)
				}
			})
		})
	}
}

func TestTheWatchGivesUpUntilTheNextEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		w.fail = 1 << 20
		w.see(t.Context(), link{index: 2, name: "ens5"})
		begun := time.Now()
		w.settled()(t.Context())
		if took := time.Since(begun); took > eniPatience || took < eniPatience/2 {
			t.Errorf("tried for %s", took)
		}
		w.fail = 0
		w.see(t.Context(), link{index: 2, name: "ens5", gone: true})
		w.see(t.Context(), link{index: 3, name: "ens5"})
		w.settled()(t.Context())
		if n := len(w.did); !slices.Equal(w.did[n-3:], []string{"gone ens5", "add ens5", "reload"}) {
			t.Errorf("did %q", w.did[n-3:])
		}
	})
}

func TestWaitingForTheFirstLinksEndsWithTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		w.slow = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		w.see(ctx, link{index: 2, name: "ens5"})
		settled := w.settled()
		synctest.Wait()
		cancel()
		settled(ctx)
		synctest.Wait()
		if !slices.Equal(w.did, []string{"stopped ens5"}) {
			t.Errorf("did %q", w.did)
		}
	})
}

func TestAnENIIsKeptWhenItsManagerHasWhatItNeeds(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	kept := func(want bool) {
		t.Helper()
		if got, err := b.Kept(t.Context(), "ens6"); err != nil || got != want {
			t.Errorf("kept: %t, %v", got, err)
		}
	}
	kept(false)
	b.add(t, "ens6", cni.ManagerNetworkd)
	kept(true)
	// As after a reboot: what systemd-networkd reads is gone, the record is not.
	if err := os.RemoveAll(filepath.Join(b.dir, "run")); err != nil {
		t.Fatal(err)
	}
	kept(false)
	b.add(t, "ens6", cni.ManagerNetworkd)
	kept(true)
	if n := b.imds.Count("GET /latest/dynamic/instance-identity/document"); n != 3 { // two for Add
		t.Errorf("metadata was asked %d times who this is", n)
	}
	if _, err := b.Kept(t.Context(), "../x"); err == nil {
		t.Error("a path is taken for a link")
	}
	b = newBench(t)
	b.started(t)
	b.add(t, "ens6", cni.ManagerCNI)
	kept(true)
	b.imds.Set("dynamic/instance-identity/document", "{}")
	other := newBench(t)
	other.imds.Set("dynamic/instance-identity/document", "{}")
	if _, err := other.Kept(t.Context(), "ens6"); err == nil {
		t.Error("it is kept by an instance that nobody knows")
	}
}

func TestThePrimaryIsAlwaysSystemdNetworkds(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.started(t)
	b.add(t, "ens5", cni.ManagerNetworkd)
	b.add(t, "ens6", cni.ManagerCNI)
}

func TestOneProcessAtATimeDecidesAboutENIs(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	dir := filepath.Join(b.dir, b.layout.RunDir, "eni")
	held, err := lock.Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Add(ctx, "ens6"); fault.CodeOf(err) != fault.AlreadyRunning {
		t.Errorf("beside another: %v", err)
	}
	added := make(chan error)
	go func() {
		_, err := b.Add(t.Context(), "ens6")
		added <- err
	}()
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-added; err != nil {
		t.Error(err)
	}
}
