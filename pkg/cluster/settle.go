package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

// Options are how Settle waits. The zero value is good for use.
type Options struct {
	// First is the pause after the first look and after each change, Most the
	// longest; between them pauses grow by half. Zero means 250 ms and 5 s.
	First, Most time.Duration
	// Believe is for how long an ok finding is believed before its check is
	// run again, so that a node which waits long asks the API server little.
	// Zero means 15 s.
	Believe time.Duration
	// Progress is called with all findings after the first look and after each
	// in which the first failing check, or what it has seen, has changed. Nil
	// means nobody wants to know.
	Progress func([]health.Finding)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Wait waits for d or until ctx is done, and returns ctx's error if that
	// came first; nil means to do so with a timer.
	Wait func(ctx context.Context, d time.Duration) error
}

func (o Options) filled() Options {
	if o.First <= 0 {
		o.First = 250 * time.Millisecond
	}
	if o.Most < o.First {
		o.Most = max(o.First, 5*time.Second)
	}
	if o.Believe <= 0 {
		o.Believe = 15 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func([]health.Finding) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	return o
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Settle runs the checks again and again until none of them fails, and returns
// the findings of that look. A warning is no failure.
//
// When ctx is done first it returns the findings of the last look that ctx did
// not cut short, and an error with code and remedy of the first failed check.
// It does not give up earlier: most of what it finds can be mended from
// outside while it waits, an access entry for instance. Without a deadline in
// ctx it may wait for ever.
func Settle(ctx context.Context, checks []health.Check, o Options) ([]health.Finding, error) {
	o = o.filled()
	s := settler{checks: checks, options: o, believed: map[string]belief{}}
	start, pause := o.Now(), o.First
	var last []health.Finding
	var reported *health.Finding
	for {
		findings := s.look(ctx)
		if ctx.Err() == nil || last == nil || settled(findings) {
			last = findings
		}
		if w := worst(last); reported == nil || !same(*reported, w) {
			o.Progress(last)
			reported, pause = &w, o.First
		}
		if settled(last) {
			return last, nil
		}
		if ctx.Err() != nil || o.Wait(ctx, pause) != nil {
			return last, gaveUp(ctx, worst(last), o.Now().Sub(start))
		}
		pause = min(pause+pause/2, o.Most)
	}
}

// settler looks repeatedly and remembers what was ok a moment ago.
type settler struct {
	checks   []health.Check
	options  Options
	believed map[string]belief
}

type belief struct {
	finding health.Finding
	since   time.Time
}

func (s *settler) look(ctx context.Context) []health.Finding {
	checks := make([]health.Check, len(s.checks))
	now := s.options.Now()
	for i, c := range s.checks {
		checks[i] = c
		if b, ok := s.believed[c.Name]; ok && now.Sub(b.since) < s.options.Believe {
			checks[i].Run = func(context.Context) health.Finding { return b.finding }
		} else {
			delete(s.believed, c.Name)
		}
	}
	findings := health.Run(ctx, s.options.Now, checks)
	for i, f := range findings {
		b, ok := s.believed[f.Check]
		switch {
		case f.Status != health.OK:
		case ok:
			findings[i] = b.finding // with the time that the real look took
		default:
			s.believed[f.Check] = belief{f, now}
		}
	}
	return findings
}

// settled reports whether no check failed or could not look.
func settled(findings []health.Finding) bool {
	for _, f := range findings {
		if f.Status != health.OK && f.Status != health.Warning {
			return false
		}
	}
	return true
}

// worst returns the first failed finding, or else the first that could not
// look; a zero Finding when all is well.
func worst(findings []health.Finding) health.Finding {
	for _, s := range []health.Status{health.Failed, health.Unknown} {
		for _, f := range findings {
			if f.Status == s {
				return f
			}
		}
	}
	return health.Finding{}
}

// same reports whether two findings say the same.
func same(a, b health.Finding) bool {
	a.Took, b.Took = 0, 0
	return a == b
}

func gaveUp(ctx context.Context, w health.Finding, after time.Duration) error {
	how := ": interrupted after"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		how = " within"
	}
	code := w.Code
	if code == "" {
		code = fault.Internal
	}
	return fault.New(code, w.Remedy, fmt.Errorf("cannot settle%s %s: %s: %s", how, after.Round(time.Second), w.Check, w.Seen))
}
