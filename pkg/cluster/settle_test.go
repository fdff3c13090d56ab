package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

// play is a clock that moves only when somebody waits, and what was seen while
// it did.
type play struct {
	now      time.Time
	end      time.Time // when ctx is done; zero for never
	cancel   context.CancelCauseFunc
	pauses   []time.Duration
	progress []string

	mu   sync.Mutex // checks run at the same time
	runs map[string]int
}

func newPlay(t *testing.T, lasts time.Duration) (*play, context.Context) {
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	p := &play{now: noon, cancel: cancel, runs: map[string]int{}}
	if lasts > 0 {
		p.end = noon.Add(lasts)
	}
	return p, timely{ctx}
}

// timely is a context that passed its deadline when it was cancelled for that.
type timely struct{ context.Context }

func (c timely) Err() error {
	if cause := context.Cause(c.Context); errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return c.Context.Err()
}

func (p *play) options() Options {
	return Options{
		Now: func() time.Time { return p.now },
		Wait: func(ctx context.Context, d time.Duration) error {
			p.pauses = append(p.pauses, d)
			p.now = p.now.Add(d)
			if !p.end.IsZero() && p.now.After(p.end) {
				p.cancel(context.DeadlineExceeded)
			}
			return ctx.Err()
		},
		Progress: func(findings []health.Finding) {
			w := worst(findings)
			p.progress = append(p.progress, fmt.Sprintf("%s %s %s", p.now.Sub(noon).Truncate(time.Second), w.Check, w.Seen))
		},
	}
}

func (p *play) since() time.Duration { return p.now.Sub(noon) }

// check is ok except in the spans given, [from, until) since noon.
func (p *play) check(name string, after []string, code fault.Code, badSpans ...time.Duration) health.Check {
	return health.Check{Name: name, After: after, Run: func(context.Context) health.Finding {
		p.mu.Lock()
		p.runs[name]++
		p.mu.Unlock()
		for i := 0; i+1 < len(badSpans); i += 2 {
			if p.since() >= badSpans[i] && p.since() < badSpans[i+1] {
				return bad(code, fmt.Sprintf("broken since %s", badSpans[i]), "Mend "+name+".")
			}
		}
		return health.Good("fine")
	}}
}

func TestSettleIsDoneAtOnceWhenAllIsWell(t *testing.T) {
	p, ctx := newPlay(t, 0)
	findings, err := Settle(ctx, []health.Check{p.check("a", nil, ""), p.check("b", []string{"a"}, "")}, p.options())
	if err != nil || len(findings) != 2 || len(p.pauses) != 0 {
		t.Errorf("got %v, %v after pauses %v", findings, err, p.pauses)
	}
	if len(p.progress) != 1 {
		t.Errorf("progress %q", p.progress)
	}
}

func TestSettleReportsEachChangeOfTheFirstFailureOnce(t *testing.T) {
	p, ctx := newPlay(t, 0)
	checks := []health.Check{
		p.check("tcp", nil, fault.EndpointTCP, 0, 3*time.Second),
		p.check("kubelet", nil, fault.KubeletUnhealthy, 0, 10*time.Second),
		p.check("ready", []string{"tcp", "kubelet"}, fault.NotReady, 0, 60*time.Second),
	}
	findings, err := Settle(ctx, checks, p.options())
	if err != nil || !settled(findings) {
		t.Fatalf("got %v, %v", findings, err)
	}
	var checksSeen []string
	for _, line := range p.progress {
		checksSeen = append(checksSeen, strings.Fields(line + " - -")[1])
	}
	if want := []string{"tcp", "kubelet", "ready", "-"}; !slices.Equal(checksSeen, want) {
		t.Errorf("progress %q", p.progress)
	}
	if late := p.since() - 60*time.Second; late < 0 || late > 5*time.Second {
		t.Errorf("settled at %s", p.since())
	}
}

func TestSettleStartsBrisklyAndSlowsDown(t *testing.T) {
	p, ctx := newPlay(t, 10*time.Minute)
	_, err := Settle(ctx, []health.Check{p.check("never", nil, fault.NotReady, 0, time.Hour)}, p.options())
	if err == nil {
		t.Fatal("settled")
	}
	if p.pauses[0] != 250*time.Millisecond || p.pauses[len(p.pauses)-1] != 5*time.Second || !slices.IsSorted(p.pauses) {
		t.Errorf("pauses %v", p.pauses)
	}
	if len(p.pauses) > 150 {
		t.Errorf("%d looks in ten minutes", len(p.pauses))
	}
}

func TestSettleIsBriskAgainAfterAChange(t *testing.T) {
	p, ctx := newPlay(t, 0)
	_, err := Settle(ctx, []health.Check{
		p.check("tcp", nil, fault.EndpointTCP, 0, 2*time.Minute),
		p.check("ready", []string{"tcp"}, fault.NotReady, 0, 3*time.Minute),
	}, p.options())
	if err != nil {
		t.Fatal(err)
	}
	brisk := 0
	for _, d := range p.pauses {
		if d == 250*time.Millisecond {
			brisk++
		}
	}
	if brisk != 2 {
		t.Errorf("started afresh %d times: %v", brisk, p.pauses)
	}
}

func TestSettleSaysTheFirstFailureWhenTimeIsUp(t *testing.T) {
	p, ctx := newPlay(t, 5*time.Minute)
	findings, err := Settle(ctx, []health.Check{
		p.check("tcp", nil, ""),
		p.check("identity", []string{"tcp"}, fault.Unauthorized, 0, time.Hour),
		p.check("kubelet", nil, fault.KubeletUnhealthy, 0, time.Hour),
		p.check("ready", []string{"identity"}, ""),
	}, p.options())
	f, ok := fault.Find(err)
	if !ok || f.Code != fault.Unauthorized || f.Remedy != "Mend identity." {
		t.Errorf("got fault %+v", f)
	}
	if !strings.HasPrefix(err.Error(), "cannot settle within 5m") || !strings.HasSuffix(err.Error(), ": identity: broken since 0s") {
		t.Errorf("got %v", err)
	}
	var got []string
	for _, f := range findings {
		got = append(got, f.Check+" "+string(f.Status))
	}
	if want := []string{"tcp ok", "identity failed", "kubelet failed", "ready unknown"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A caller may give its deadline a cause of its own.
func TestSettleTellsADeadlineFromAnInterruptionWhateverItsCause(t *testing.T) {
	p, _ := newPlay(t, 0)
	checks := []health.Check{p.check("ready", nil, fault.NotReady, 0, time.Hour)}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 0, errors.New("not Ready in time"))
	defer cancel()
	if _, err := Settle(ctx, checks, p.options()); err == nil || !strings.Contains(err.Error(), "cannot settle within") {
		t.Errorf("deadline: got %v", err)
	}
	interrupted, stop := context.WithCancelCause(t.Context())
	stop(errors.New("SIGTERM"))
	if _, err := Settle(interrupted, checks, p.options()); err == nil || !strings.Contains(err.Error(), "cannot settle: interrupted") {
		t.Errorf("interruption: got %v", err)
	}
}

func TestSettleTakesAWarningForGood(t *testing.T) {
	p, ctx := newPlay(t, 0)
	odd := health.Check{Name: "odd", Run: func(context.Context) health.Finding { return warn(fault.ClockSkew, "odd", "") }}
	findings, err := Settle(ctx, []health.Check{odd, p.check("b", []string{"odd"}, "")}, p.options())
	if err != nil || findings[0].Status != health.Warning || len(p.pauses) != 0 {
		t.Errorf("got %v, %v", findings, err)
	}
}

func TestSettleBelievesWhatWasOkForAWhile(t *testing.T) {
	p, ctx := newPlay(t, 0)
	_, err := Settle(ctx, []health.Check{
		p.check("tls", nil, ""),
		p.check("ready", []string{"tls"}, fault.NotReady, 0, 5*time.Minute),
	}, p.options())
	if err != nil {
		t.Fatal(err)
	}
	// Once every 15 s, give or take the length of a pause.
	if p.runs["tls"] < 5*60/20 || p.runs["tls"] > 5*60/15+1 {
		t.Errorf("tls ran %d times in five minutes, ready %d times", p.runs["tls"], p.runs["ready"])
	}
}

func TestSettleSeesWhatBreaksWhileItWaits(t *testing.T) {
	p, ctx := newPlay(t, 2*time.Minute)
	_, err := Settle(ctx, []health.Check{
		p.check("kubelet", nil, fault.KubeletUnhealthy, 30*time.Second, time.Hour),
		p.check("ready", []string{"kubelet"}, fault.NotReady, 0, time.Hour),
	}, p.options())
	if fault.CodeOf(err) != fault.KubeletUnhealthy {
		t.Errorf("got %v", err)
	}
	if len(p.progress) != 2 || !strings.Contains(p.progress[1], "kubelet") {
		t.Errorf("progress %q", p.progress)
	}
}

// A look that ctx cuts short says "interrupted" everywhere, which would hide
// what was seen before.
func TestSettleKeepsTheLastWholeLook(t *testing.T) {
	p, ctx := newPlay(t, 0)
	looks := 0
	check := health.Check{Name: "ready", Run: func(ctx context.Context) health.Finding {
		if looks++; looks == 1 {
			return bad(fault.NotReady, "cni plugin not initialized", "Mend the CNI.")
		}
		p.cancel(nil)
		<-ctx.Done()
		return bad(fault.EndpointTCP, "interrupted", "")
	}}
	findings, err := Settle(ctx, []health.Check{check}, p.options())
	if findings[0].Seen != "cni plugin not initialized" || fault.CodeOf(err) != fault.NotReady {
		t.Errorf("got %+v, %v", findings, err)
	}
	if !strings.Contains(err.Error(), "interrupted after") {
		t.Errorf("got %v", err)
	}
}

func TestSettleSucceedsOnTheLastMoment(t *testing.T) {
	p, ctx := newPlay(t, 0)
	looks := 0
	check := health.Check{Name: "ready", Run: func(context.Context) health.Finding {
		if looks++; looks == 1 {
			return bad(fault.NotReady, "not yet", "")
		}
		p.cancel(context.DeadlineExceeded) // time is up while the good answer comes in
		return health.Good("ready")
	}}
	if findings, err := Settle(ctx, []health.Check{check}, p.options()); err != nil || findings[0].Status != health.OK {
		t.Errorf("got %+v, %v", findings, err)
	}
}

func TestSettleLooksOnceEvenWhenTimeIsUpAlready(t *testing.T) {
	p, ctx := newPlay(t, 0)
	p.cancel(context.DeadlineExceeded)
	findings, err := Settle(ctx, []health.Check{p.check("ready", nil, fault.NotReady, 0, time.Hour)}, p.options())
	if len(findings) != 1 || fault.CodeOf(err) != fault.NotReady || len(p.pauses) != 0 {
		t.Errorf("got %+v, %v, pauses %v", findings, err, p.pauses)
	}
}

func TestSettleOfNothingIsSettled(t *testing.T) {
	if findings, err := Settle(t.Context(), nil, Options{}); err != nil || len(findings) != 0 {
		t.Errorf("got %v, %v", findings, err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wait(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := wait(t.Context(), time.Nanosecond); err != nil {
		t.Errorf("got %v", err)
	}
}

// The whole way: kubelet comes up, registers, and the CNI is slow.
func TestSettleFollowsANodeUntilItIsReady(t *testing.T) {
	w := newWorld(t)
	var looks atomic.Int32
	healthy, unready := w.kubelet, w.stored
	unready.Status.Conditions = ready("False", "KubeletNotReady", "cni plugin not initialized")
	w.kubelet = func(rw http.ResponseWriter, r *http.Request) {
		if looks.Load() < 2 {
			http.Error(rw, "starting", http.StatusServiceUnavailable)
			return
		}
		healthy(rw, r)
	}
	w.node = func(rw http.ResponseWriter, r *http.Request) {
		switch n := looks.Load(); {
		case n < 4:
			refuse(http.StatusNotFound, "not found")(rw, r)
		case n < 6:
			writeJSON(rw, http.StatusOK, unready)
		default:
			w.answerNode(rw, r)
		}
	}
	var codes []fault.Code
	findings, err := Settle(t.Context(), Checks(w.start()), Options{
		Wait:     func(context.Context, time.Duration) error { looks.Add(1); return nil },
		Progress: func(f []health.Finding) { codes = append(codes, worst(f).Code) },
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, w.show(findings))
	}
	if want := []fault.Code{fault.KubeletUnhealthy, fault.NotRegistered, fault.NotReady, ""}; !slices.Equal(codes, want) {
		t.Errorf("progress %q", codes)
	}
}
