package imds

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/fault"
)

// world is one test's metadata service, network and client, in a bubble of fake
// time.
type world struct {
	*testing.T
	imds   *awstest.IMDS
	net    *awstest.Net
	client *Client
	log    *recorder
	start  time.Time
}

func inWorld(t *testing.T, o Options, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, imds: awstest.NewIMDS(), log: &recorder{}, start: time.Now()}
		w.net = awstest.Serve(t, w.imds)
		o.Dial, o.Log = w.net.Dial, slog.New(w.log)
		var err error
		if w.client, err = New(o); err != nil {
			t.Fatal(err)
		}
		test(w)
	})
}

func (w *world) elapsed() time.Duration { return time.Since(w.start) }

// wantError checks kind, code and that somebody is told what to do.
func (w *world) wantError(err error, kind Kind, code fault.Code) *Error {
	w.Helper()
	var e *Error
	if !errors.As(err, &e) {
		w.Fatalf("error %v has no *Error", err)
	}
	if e.Kind != kind {
		w.Errorf("kind %q, want %q: %v", e.Kind, kind, err)
	}
	f, ok := fault.Find(err)
	if !ok || f.Code != code || f.Remedy == "" {
		w.Errorf("fault %+v, want code %s and a remedy", f, code)
	}
	if !strings.HasPrefix(err.Error(), "cannot read instance metadata ") {
		w.Errorf("error %q", err)
	}
	return e
}

// recorder is a slog handler that keeps its records as text.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }
func (r *recorder) Handle(_ context.Context, rec slog.Record) error {
	var b strings.Builder
	b.WriteString(rec.Message)
	rec.Attrs(func(a slog.Attr) bool {
		b.WriteString(" " + a.String())
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, b.String())
	return nil
}
