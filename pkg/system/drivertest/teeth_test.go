package drivertest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/host/hosttest"
	"github.com/eksnode/eksnode/pkg/system/drivertest"
)

// brokenEnv names the broken driver that the test binary, started again by the
// test below, runs the suite against.
const brokenEnv = "EKSNODE_DRIVERTEST_BROKEN"

// broken is a driver with one fault.
type broken struct {
	host.Driver
	fault string
	n     int
}

func (b *broken) Observe(ctx context.Context, want host.Resource) (host.Resource, error) {
	switch b.fault {
	case "ObservingNeverWrites":
		b.n++
	case "WhatNobodyMadeIsAbsent":
		if seen, err := b.Driver.Observe(ctx, want); seen != nil || err != nil {
			return seen, err
		}
		return host.Link{Path: want.ID().Name}, nil
	case "ACancelledContextStopsWithoutWriting":
		if err := ctx.Err(); err != nil {
			<-time.After(time.Hour)
		}
	}
	return b.Driver.Observe(ctx, want)
}

func (b *broken) Apply(ctx context.Context, want host.Resource) error {
	switch b.fault {
	case "AppliedSatisfiesTheWish":
		if b.n++; b.n > 1 {
			return nil
		}
	case "ApplyingTwiceWritesOnce":
		b.n++
	}
	return b.Driver.Apply(ctx, want)
}

func (b *broken) Remove(ctx context.Context, id host.ID) error {
	switch b.fault {
	case "RemovedIsGoneAndRemovingAgainSucceeds":
		return nil
	case "RemovingWhatWasNeverThereSucceeds":
		return os.ErrNotExist
	}
	return b.Driver.Remove(ctx, id)
}

func TestTheSuiteCatchesADriverThatBreaksALaw(t *testing.T) {
	if fault := os.Getenv(brokenEnv); fault != "" {
		drivertest.Run(t, func(t *testing.T) drivertest.Case {
			m := hosttest.New()
			b := &broken{Driver: m.Host()[host.KindLink], fault: fault}
			return drivertest.Case{
				Driver: b,
				Wants:  []host.Resource{host.Link{Path: "/l", Target: "a"}, host.Link{Path: "/l", Target: "b"}},
				Print:  func() (string, error) { p, err := printMemory(m); return p + strings.Repeat("!", b.n), err },
				Bound:  100 * time.Millisecond,
			}
		})
		return
	}
	for _, law := range []string{
		"WhatNobodyMadeIsAbsent", "AppliedSatisfiesTheWish", "ApplyingTwiceWritesOnce", "ObservingNeverWrites",
		"RemovedIsGoneAndRemovingAgainSucceeds", "RemovingWhatWasNeverThereSucceeds", "ACancelledContextStopsWithoutWriting",
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), brokenEnv+"="+law)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "--- FAIL: "+t.Name()+"/"+law) {
			t.Errorf("a driver that breaks %s passes:\n%s", law, out)
		}
	}
}
