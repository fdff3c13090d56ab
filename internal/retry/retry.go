// Package retry runs something that may fail for a passing reason, until it
// works, cannot work, or its time is up.
//
// Every run has a bound: a number of attempts, a duration, or the context's
// deadline. A run with none of them is refused before the first attempt, so a
// wait without end cannot be written by leaving a field out. Delays grow
// exponentially with full jitter (a random part between nothing and the
// current ceiling), so that a fleet which was started together does not knock
// together.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Defaults for a Policy that leaves its delays out.
const (
	// DefaultBase is the ceiling of the first delay.
	DefaultBase = 100 * time.Millisecond
	// DefaultMax is the ceiling that no later delay exceeds.
	DefaultMax = 5 * time.Second
)

// ErrUnbounded refuses a policy that would wait for ever: it has no attempts,
// no duration, and its context no deadline.
var ErrUnbounded = errors.New("internal error: a retry without attempts, duration or deadline would never end")

// ErrAttempts is the reason of an [Error] whose attempts were used up.
var ErrAttempts = errors.New("no attempts left")

// Policy says how long and how often. Its zero value is refused as unbounded
// unless the context has a deadline.
type Policy struct {
	// Attempts is the greatest number of attempts; 0 sets no such limit.
	Attempts int
	// Within bounds the whole run, delays included; 0 leaves it to the
	// context. The earlier of the two deadlines holds.
	Within time.Duration
	// Each bounds a single attempt; 0 sets no such limit.
	Each time.Duration
	// Base and Max are the ceilings of the first and of any delay; 0 means
	// DefaultBase and DefaultMax.
	Base, Max time.Duration
	// Log is told of failed attempts that will be repeated: of the first, and
	// then of at most one in LogEvery. nil tells nobody.
	Log func(Note)
	// LogEvery spaces the notes; 0 notes every failed attempt.
	LogEvery time.Duration
	// Clock stands in for the real clock and the real random source in tests.
	Clock Clock
}

// Clock is where time and chance come from. A nil field is the real one.
type Clock struct {
	// Now is used for the elapsed time in notes and errors, and for Within.
	Now func() time.Time
	// Sleep waits for d or until ctx ends, whose error it then returns.
	Sleep func(ctx context.Context, d time.Duration) error
	// Rand returns a number in [0,1).
	Rand func() float64
}

// Note tells of one attempt that failed and will be repeated.
type Note struct {
	// Attempt counts from 1.
	Attempt int
	// Elapsed is the time since the run began.
	Elapsed time.Duration
	// Delay is how long the run now waits.
	Delay time.Duration
	// Err is why the attempt failed.
	Err error
}

// Error says that a run gave up. It unwraps both to the last failure that said
// something about the matter and to the reason for giving up: ErrAttempts,
// context.DeadlineExceeded, or context.Canceled.
type Error struct {
	Attempts int
	Elapsed  time.Duration
	// Last may be nil when the time was up before the first attempt ended.
	Last   error
	Reason error
}

// Error implements error.
func (e *Error) Error() string {
	how := fmt.Sprintf("gave up after %d attempts in %s", e.Attempts, e.Elapsed.Round(time.Millisecond))
	if e.Attempts == 1 {
		how = fmt.Sprintf("gave up after 1 attempt in %s", e.Elapsed.Round(time.Millisecond))
	}
	if e.Last == nil {
		return how + ": " + e.Reason.Error()
	}
	return how + ": " + e.Last.Error()
}

// Unwrap returns the last failure and the reason.
func (e *Error) Unwrap() []error {
	if e.Last == nil {
		return []error{e.Reason}
	}
	return []error{e.Last, e.Reason}
}

// Stop marks err as one that repeating cannot mend: Do returns err itself at
// once. Stop(nil) is nil.
func Stop(err error) error {
	if err == nil {
		return nil
	}
	return &stopped{err}
}

type stopped struct{ error }

func (s *stopped) Unwrap() error { return s.error }

// Do calls fn until it returns nil, and returns nil then. Otherwise it returns
// the error that fn marked with Stop, without the mark; ErrUnbounded; or an
// *Error. The context that fn gets ends at the attempt's bound or the run's,
// whichever is earlier.
//
// When the next delay would reach past the deadline the run ends at once:
// sleeping first would only make the caller wait for the same answer.
func Do(ctx context.Context, p Policy, fn func(context.Context) error) error {
	p = p.withDefaults()
	deadline, bounded := ctx.Deadline()
	if p.Attempts <= 0 && p.Within <= 0 && !bounded {
		return ErrUnbounded
	}
	start := p.Clock.Now()
	if p.Within > 0 {
		if d := start.Add(p.Within); !bounded || d.Before(deadline) {
			deadline, bounded = d, true
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.Within)
		defer cancel()
	}

	r := run{p: p, start: start}
	for {
		if err := ctx.Err(); err != nil {
			return r.giveUp(err)
		}
		r.attempts++
		err := attempt(ctx, p.Each, fn)
		if err == nil {
			return nil
		}
		var s *stopped
		if errors.As(err, &s) {
			return s.error
		}
		r.remember(ctx, err)
		if err := ctx.Err(); err != nil {
			return r.giveUp(err)
		}
		if p.Attempts > 0 && r.attempts >= p.Attempts {
			return r.giveUp(ErrAttempts)
		}
		delay := p.delay(r.attempts)
		if bounded && p.Clock.Now().Add(delay).After(deadline) {
			return r.giveUp(context.DeadlineExceeded)
		}
		r.note(delay)
		if err := p.Clock.Sleep(ctx, delay); err != nil {
			return r.giveUp(err)
		}
	}
}

// Value is Do for a function with a result.
func Value[T any](ctx context.Context, p Policy, fn func(context.Context) (T, error)) (T, error) {
	var v T
	err := Do(ctx, p, func(ctx context.Context) error {
		var err error
		v, err = fn(ctx)
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

func attempt(ctx context.Context, each time.Duration, fn func(context.Context) error) error {
	if each > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, each)
		defer cancel()
	}
	return fn(ctx)
}

// run is the state of one Do.
type run struct {
	p        Policy
	start    time.Time
	attempts int
	last     error
	noted    time.Time
}

// remember keeps the failure, unless it only says that the run's own time was
// up while an earlier one said what was wrong.
func (r *run) remember(ctx context.Context, err error) {
	if r.last != nil && ctx.Err() != nil && isContextError(err) {
		return
	}
	r.last = err
}

func isContextError(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func (r *run) giveUp(reason error) error {
	return &Error{Attempts: r.attempts, Elapsed: r.p.Clock.Now().Sub(r.start), Last: r.last, Reason: reason}
}

func (r *run) note(delay time.Duration) {
	if r.p.Log == nil {
		return
	}
	now := r.p.Clock.Now()
	if !r.noted.IsZero() && now.Sub(r.noted) < r.p.LogEvery {
		return
	}
	r.noted = now
	r.p.Log(Note{Attempt: r.attempts, Elapsed: now.Sub(r.start), Delay: delay, Err: r.last})
}

// delay returns the wait after the given attempt (counted from 1).
func (p Policy) delay(attempt int) time.Duration {
	ceiling := p.Max
	// Past 2^30 the shift would overflow, and Max has long been reached.
	if n := attempt - 1; n < 30 {
		if d := p.Base << n; d > 0 && d < p.Max {
			ceiling = d
		}
	}
	return time.Duration(p.Clock.Rand() * float64(ceiling))
}

func (p Policy) withDefaults() Policy {
	if p.Base <= 0 {
		p.Base = DefaultBase
	}
	if p.Max <= 0 {
		p.Max = DefaultMax
	}
	if p.Clock.Now == nil {
		p.Clock.Now = time.Now
	}
	if p.Clock.Sleep == nil {
		p.Clock.Sleep = sleep
	}
	if p.Clock.Rand == nil {
		p.Clock.Rand = rand.Float64
	}
	return p
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
