package health

import (
	"context"
	"strings"
	"sync"
	"time"
)

// Run runs the checks, each once those it comes after have finished, otherwise
// all at the same time, and returns their findings in the order of checks. A
// check whose predecessor is not ok is not run. now is the clock.
//
// A name in After that no check has is ignored: platforms leave checks out.
func Run(ctx context.Context, now func() time.Time, checks []Check) []Finding {
	findings := make([]Finding, len(checks))
	done := map[string]chan struct{}{}
	at := map[string]int{}
	for i, c := range checks {
		done[c.Name], at[c.Name] = make(chan struct{}), i
	}
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			defer close(done[c.Name])
			findings[i] = runOne(ctx, now, c, func(name string) (Finding, bool) {
				ch, ok := done[name]
				if !ok || at[name] >= i { // a check can only come after an earlier one
					return Finding{}, false
				}
				<-ch
				return findings[at[name]], true
			})
		})
	}
	wg.Wait()
	return findings
}

func runOne(ctx context.Context, now func() time.Time, c Check, await func(string) (Finding, bool)) Finding {
	var blocked []string
	for _, name := range c.After {
		if f, ok := await(name); ok && (f.Status == Failed || f.Status == Unknown) {
			blocked = append(blocked, name)
		}
	}
	if len(blocked) > 0 {
		return Finding{Check: c.Name, Status: Unknown, Seen: "not looked at, because of " + strings.Join(blocked, ", ")}
	}
	start := now()
	f := c.Run(ctx)
	f.Check, f.Took = c.Name, now().Sub(start)
	return f
}

// Worst returns the first failed finding, else the first warning, else ok.
func Worst(findings []Finding) Finding {
	for _, s := range []Status{Failed, Warning} {
		for _, f := range findings {
			if f.Status == s {
				return f
			}
		}
	}
	return Finding{Status: OK}
}
