package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// told keeps what the service manager is told.
type told struct {
	mu    sync.Mutex
	said  []string
	alive int
}

func (n *told) notify(state string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if state == "WATCHDOG=1" {
		n.alive++
		return
	}
	n.said = append(n.said, state)
}

func (n *told) has(prefix string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.said, func(s string) bool { return strings.HasPrefix(s, prefix) })
}

func (n *told) options() Options {
	return Options{Log: slog.New(slog.DiscardHandler), Notify: n.notify}
}

// until is a watch that is ready after a while, and ends with its context.
func until(name string, ready time.Duration) Watch {
	return Watch{Name: name, Run: func(ctx context.Context, done func()) error {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(ready):
			done()
		}
		<-ctx.Done()
		return nil
	}}
}

// start runs the daemon in the background and returns what ends it and waits.
func start(t *testing.T, o Options, watches ...Watch) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { Run(ctx, watches, o); close(done) }()
	return func() { cancel(); <-done }
}

func TestItIsReadyWhenAllWatchesAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n told
		stop := start(t, n.options(), until("a", time.Second), until("b", 3*time.Second))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n.has("READY") {
			t.Errorf("told before b is ready: %q", n.said)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if want := []string{"READY=1\nSTATUS=watching a, b"}; !slices.Equal(n.said, want) {
			t.Errorf("told %q", n.said)
		}
		stop()
		if !n.has("STOPPING=1") {
			t.Errorf("told %q", n.said)
		}
	})
}

func TestAWatchThatIsNeverReadyDoesNotHoldUpTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n told
		stop := start(t, n.options(), until("a", time.Hour))
		time.Sleep(readyBound + time.Second)
		synctest.Wait()
		if !n.has("READY=1") {
			t.Errorf("told %q", n.said)
		}
		stop()
	})
}

func TestSignsOfLifeComeTwiceAsOftenAsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n told
		o := n.options()
		o.Watchdog = 10 * time.Second
		stop := start(t, o)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		stop()
		if n.alive != 12 {
			t.Errorf("%d signs in a minute", n.alive)
		}
	})
}

func TestAWatchThatFailsIsStartedAgainWithoutHarmToOthers(t *testing.T) {
	for what, fail := range map[string]func() error{
		"an error": func() error { return errors.New("gone") },
		"a panic":  func() error { panic("gone") },
		"an end":   func() error { return nil },
	} {
		for _, first := range []bool{false, true} { // whether it is ready before it fails
			synctest.Test(t, func(t *testing.T) {
				var n told
				var starts []time.Time
				failing := Watch{Name: "failing", Run: func(ctx context.Context, ready func()) error {
					starts = append(starts, time.Now())
					if len(starts) <= 20 {
						if first {
							ready()
						}
						return fail()
					}
					ready()
					<-ctx.Done()
					return nil
				}}
				other := 0
				steady := Watch{Name: "steady", Run: func(ctx context.Context, ready func()) error {
					other++
					ready()
					<-ctx.Done()
					return nil
				}}
				stop := start(t, n.options(), failing, steady)
				time.Sleep(time.Hour)
				synctest.Wait()
				if len(starts) != 21 || other != 1 {
					t.Errorf("%s: %d starts, the other watch %d", what, len(starts), other)
				}
				longest := time.Duration(0)
				for i := 1; i < len(starts); i++ {
					longest = max(longest, starts[i].Sub(starts[i-1]))
				}
				if longest > mostAgain || first && longest != time.Second {
					t.Errorf("%s: a pause of %s", what, longest)
				}
				stop()
			})
		}
	}
}

func TestItEndsBeforeItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n told
		stop := start(t, n.options(), until("a", time.Hour), Watch{Name: "b", Run: func(context.Context, func()) error { return errors.New("no") }})
		time.Sleep(time.Second)
		stop()
		if n.has("READY") || !n.has("STOPPING") {
			t.Errorf("told %q", n.said)
		}
	})
}
