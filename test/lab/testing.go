//go:build linux

package lab

import (
	"context"
	"os"
	"testing"
	"time"
)

// ForTest starts a lab that is closed with the test, and fails the test when either does not work. Without root it skips
// the test. ctx bounds the start alone; builds that the cache does not have yet may take many minutes.
func ForTest(ctx context.Context, t testing.TB, options Options) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the lab makes namespaces and cgroups, so this test must be run by root")
	}
	if options.Progress == nil {
		options.Progress = t.Output()
	}
	l, err := Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		began := time.Now()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("logs, consoles and journals are in %s (closed in %.1fs)", l.Dir, time.Since(began).Seconds())
		}
	})
	return l
}
