package retry

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var errBusy = errors.New("busy")

// fakeClock advances by what is slept and always draws the same lot.
type fakeClock struct {
	now   time.Time
	slept []time.Duration
	lot   float64
}

func (c *fakeClock) clock() Clock {
	return Clock{
		Now: func() time.Time { return c.now },
		Sleep: func(ctx context.Context, d time.Duration) error {
			c.slept = append(c.slept, d)
			c.now = c.now.Add(d)
			return ctx.Err()
		},
		Rand: func() float64 { return c.lot },
	}
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Now(), lot: 0.5}
}

func TestDelaysGrowToTheCeilingWithFullJitter(t *testing.T) {
	c := newFakeClock()
	n := 0
	err := Do(t.Context(), Policy{Attempts: 6, Base: 100 * time.Millisecond, Max: time.Second, Clock: c.clock()},
		func(context.Context) error { n++; return errBusy })

	want := []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 500 * time.Millisecond}
	if d := cmp.Diff(want, c.slept); d != "" {
		t.Errorf("delays (-want +got):\n%s", d)
	}
	if n != 6 {
		t.Errorf("%d attempts, want 6", n)
	}
	if !errors.Is(err, ErrAttempts) || !errors.Is(err, errBusy) {
		t.Errorf("error %v is not both the reason and the last failure", err)
	}
	if got, want := err.Error(), "gave up after 6 attempts in 1.25s: busy"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func TestADelayIsAnywhereBetweenNothingAndItsCeiling(t *testing.T) {
	for _, lot := range []float64{0, 0.25, 0.999999} {
		p := Policy{Base: time.Second, Max: time.Minute, Clock: Clock{Rand: func() float64 { return lot }}}.withDefaults()
		if got, want := p.delay(1), time.Duration(lot*float64(time.Second)); got != want {
			t.Errorf("lot %v: %v, want %v", lot, got, want)
		}
	}
}

func TestALargeAttemptNumberDoesNotOverflow(t *testing.T) {
	p := Policy{Base: time.Hour, Max: 2 * time.Hour, Clock: Clock{Rand: func() float64 { return 1 }}}.withDefaults()
	for _, attempt := range []int{2, 29, 30, 31, 63, 64, 65, 1 << 20} {
		if got := p.delay(attempt); got != 2*time.Hour {
			t.Errorf("attempt %d: %v, want the ceiling", attempt, got)
		}
	}
}

func TestAPolicyWithoutABoundIsRefusedBeforeTheFirstAttempt(t *testing.T) {
	err := Do(context.Background(), Policy{}, func(context.Context) error {
		t.Error("called")
		return nil
	})
	if !errors.Is(err, ErrUnbounded) {
		t.Errorf("error %v", err)
	}
}

func TestAStoppedErrorEndsTheRunAsItself(t *testing.T) {
	denied := errors.New("denied")
	n := 0
	err := Do(t.Context(), Policy{Attempts: 5}, func(context.Context) error { n++; return Stop(denied) })
	if err != denied || n != 1 {
		t.Errorf("error %v after %d attempts, want the plain error after 1", err, n)
	}
	if Stop(nil) != nil {
		t.Error("Stop(nil) is not nil")
	}
}

func TestSuccessAfterFailuresReturnsTheValue(t *testing.T) {
	c := newFakeClock()
	n := 0
	got, err := Value(t.Context(), Policy{Attempts: 5, Clock: c.clock()}, func(context.Context) (string, error) {
		if n++; n < 3 {
			return "half", errBusy
		}
		return "whole", nil
	})
	if got != "whole" || err != nil || n != 3 {
		t.Errorf("%q, %v after %d", got, err, n)
	}
}

func TestAFailedValueIsZero(t *testing.T) {
	got, err := Value(t.Context(), Policy{Attempts: 1}, func(context.Context) (string, error) { return "half", errBusy })
	if got != "" || err == nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestADelayPastTheDeadlineEndsTheRunAtOnce(t *testing.T) {
	c := newFakeClock()
	c.lot = 1
	err := Do(t.Context(), Policy{Within: time.Second, Base: 600 * time.Millisecond, Clock: c.clock()},
		func(context.Context) error { return errBusy })
	// 0.6 s fit, the next 1.2 s do not.
	if len(c.slept) != 1 {
		t.Errorf("slept %v, want one delay", c.slept)
	}
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errBusy) {
		t.Errorf("error %v", err)
	}
}

func TestTheLastFailureIsWhatWasWrongAndNotThatTimeWasUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		err := Do(t.Context(), Policy{Within: time.Second, Base: 100 * time.Millisecond, Max: 100 * time.Millisecond}, func(ctx context.Context) error {
			if n++; n == 1 {
				return errBusy
			}
			<-ctx.Done()
			return ctx.Err()
		})
		var e *Error
		if !errors.As(err, &e) || e.Last != errBusy || e.Reason != context.DeadlineExceeded {
			t.Errorf("error %#v", err)
		}
		if e.Elapsed != time.Second {
			t.Errorf("elapsed %v, want exactly the bound", e.Elapsed)
		}
	})
}

func TestAnAttemptThatHangsIsCutAtItsOwnBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		n := 0
		err := Do(t.Context(), Policy{Attempts: 2, Each: 3 * time.Second, Clock: Clock{Rand: func() float64 { return 0 }}}, func(ctx context.Context) error {
			n++
			<-ctx.Done()
			return ctx.Err()
		})
		if n != 2 || time.Since(start) != 6*time.Second {
			t.Errorf("%d attempts in %v, want 2 in 6s", n, time.Since(start))
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestACancelledContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		start := time.Now()
		err := Do(ctx, Policy{Attempts: 100, Base: time.Hour, Max: time.Hour, Clock: Clock{Rand: func() float64 { return 1 }}},
			func(context.Context) error { return errBusy })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errBusy) {
			t.Errorf("error %v", err)
		}
		if time.Since(start) != time.Second {
			t.Errorf("ended after %v", time.Since(start))
		}
	})
}

func TestAContextThatIsOverIsNotTried(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Do(ctx, Policy{Attempts: 3}, func(context.Context) error {
		t.Error("called")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if !strings.HasPrefix(err.Error(), "gave up after 0 attempts") {
		t.Errorf("error %q", err)
	}
}

func TestNotesTellReasonAndAttemptOnceAWhile(t *testing.T) {
	c := newFakeClock()
	c.lot = 1
	var notes []Note
	err := Do(t.Context(), Policy{
		Attempts: 8, Base: time.Second, Max: time.Second, LogEvery: 3 * time.Second, Clock: c.clock(),
		Log: func(n Note) { notes = append(notes, n) },
	}, func(context.Context) error { return errBusy })
	if err == nil {
		t.Fatal("no error")
	}
	var attempts []int
	for _, n := range notes {
		attempts = append(attempts, n.Attempt)
		if n.Err != errBusy || n.Delay != time.Second || n.Elapsed != time.Duration(n.Attempt-1)*time.Second {
			t.Errorf("note %+v", n)
		}
	}
	if d := cmp.Diff([]int{1, 4, 7}, attempts); d != "" {
		t.Errorf("noted attempts (-want +got):\n%s", d)
	}
}
