package aws

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Effect is what a [Fault] does to a request.
type Effect string

// The effects. An empty Effect with a Code or a Status is an Answer, without is a Pass.
const (
	// Pass answers as if there were no fault, after the Delay.
	Pass Effect = "pass"
	// Answer replies with the fault's Status, Code, Message and Body.
	Answer Effect = "answer"
	// Hang keeps the request without an answer until the fault ends (by Until or by removal) or the client leaves; a
	// request that is still there when it ends is answered normally.
	Hang Effect = "hang"
	// Reset ends the connection with a TCP reset.
	Reset Effect = "reset"
	// Truncate announces the length of the whole body, sends half of it and closes.
	Truncate Effect = "truncate"
	// Short sends half of the body as if it were all: nothing on the wire tells that something is missing.
	Short Effect = "short"
	// Garbage sends bytes that are not HTTP and closes.
	Garbage Effect = "garbage"
	// Refuse makes nobody listen: [Machine.ServeIMDS] closes its listener, so the kernel refuses connections. Where
	// several instances share a listener, and on the TLS side, it is a Reset.
	Refuse Effect = "refuse"
)

// Fault is a misbehaviour. Several may match one request: their delays add up, and the first (in order of injection)
// whose effect is not Pass decides.
type Fault struct {
	Effect Effect
	// Times is how many matching requests it applies to; zero means all of them.
	Times int
	// Until is when it ends by the cloud's clock; zero means when it is removed.
	Until time.Time
	// Delay comes before the effect.
	Delay time.Duration
	// Status is the HTTP status of an Answer. For an API it may be zero: the usual one of Code is taken.
	Status int
	// Code and Message make an API error in the service's own format, such as UnauthorizedOperation. Message may be empty.
	Code, Message string
	// Body is sent literally by an Answer without Code. An IMDS answer without Body has the usual page of its status.
	Body []byte
}

func (f Fault) effect() Effect {
	switch {
	case f.Effect != "":
		return f.Effect
	case f.Code != "" || f.Status != 0:
		return Answer
	default:
		return Pass
	}
}

// faultSet is an ordered list of faults, each with what it applies to.
type faultSet[T any] struct {
	now     func() time.Time
	mu      sync.Mutex
	next    int
	rules   []*faultRule[T]
	changed chan struct{} // closed and replaced at every change
}

type faultRule[T any] struct {
	id     int
	target T
	fault  Fault
	left   int // matching requests still to come; negative means no limit
}

func newFaultSet[T any](now func() time.Time) *faultSet[T] {
	return &faultSet[T]{now: now, changed: make(chan struct{})}
}

// inject adds a fault and returns the function that removes it again.
func (s *faultSet[T]) inject(target T, f Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	rule := &faultRule[T]{id: s.next, target: target, fault: f, left: -1}
	if f.Times > 0 {
		rule.left = f.Times
	}
	s.rules = append(s.rules, rule)
	s.notify()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rules = slices.DeleteFunc(s.rules, func(r *faultRule[T]) bool { return r.id == rule.id })
		s.notify()
	}
}

func (s *faultSet[T]) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
	s.notify()
}

// notify wakes those who wait for a change. The caller holds s.mu.
func (s *faultSet[T]) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// activeFault is a fault that applies to a request, and how to tell whether it is still in force.
type activeFault struct {
	Fault
	ended func() bool
}

// take returns the faults in force for a request and counts it against their Times.
func (s *faultSet[T]) take(match func(T) bool) []activeFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []activeFault
	for _, r := range s.rules {
		if r.left == 0 || s.over(r.fault) || !match(r.target) {
			continue
		}
		if r.left > 0 {
			r.left--
		}
		out = append(out, activeFault{r.fault, func() bool { return !s.has(r.id) || s.over(r.fault) }})
	}
	return out
}

// active returns a fault in force that match accepts, without counting.
func (s *faultSet[T]) active(match func(T, Fault) bool) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if r.left != 0 && !s.over(r.fault) && match(r.target, r.fault) {
			return r.fault, true
		}
	}
	return Fault{}, false
}

func (s *faultSet[T]) over(f Fault) bool { return !f.Until.IsZero() && !s.now().Before(f.Until) }

func (s *faultSet[T]) has(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.rules, func(r *faultRule[T]) bool { return r.id == id })
}

// await blocks until over says so, looking again at every change and at the time that until tells (zero: none), which may
// be another one after a change. It returns false when ctx ends first.
func (s *faultSet[T]) await(ctx context.Context, until func() time.Time, over func() bool) bool {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if over() {
			return true
		}
		look, stop := s.alarm(until())
		select {
		case <-changed:
		case <-look:
		case <-ctx.Done():
			stop()
			return false
		}
		stop()
	}
}

// alarm rings at the given time of the cloud's clock, never when it is zero. That clock may be a test's and jump, so it
// also rings every now and then.
func (s *faultSet[T]) alarm(until time.Time) (<-chan time.Time, func()) {
	if until.IsZero() {
		return nil, func() {}
	}
	timer := time.NewTimer(min(max(until.Sub(s.now()), time.Millisecond), 100*time.Millisecond))
	return timer.C, func() { timer.Stop() }
}
