package health

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
)

func clock() func() time.Time {
	t := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time { return t }
}

func check(name string, f Finding, after ...string) Check {
	return Check{Name: name, After: after, Run: func(context.Context) Finding { return f }}
}

func statuses(fs []Finding) []string {
	var out []string
	for _, f := range fs {
		out = append(out, f.Check+" "+string(f.Status))
	}
	return out
}

func TestACheckBehindAFailedOneIsNotLookedAt(t *testing.T) {
	ran := false
	checks := []Check{
		check("dns", Good("10.0.0.1")),
		check("tcp", Bad(fault.New(fault.EndpointTCP, "open the way", errors.New("refused"))), "dns"),
		{Name: "tls", After: []string{"tcp"}, Run: func(context.Context) Finding { ran = true; return Good("") }},
		check("ready", Good(""), "tls"),
		check("kubelet", Good("ok")),
	}
	got := Run(t.Context(), clock(), checks)
	want := []string{"dns ok", "tcp failed", "tls unknown", "ready unknown", "kubelet ok"}
	if !slices.Equal(statuses(got), want) {
		t.Errorf("got %v, want %v", statuses(got), want)
	}
	if ran {
		t.Error("tls was looked at")
	}
	if got[1].Code != fault.EndpointTCP || got[1].Remedy != "open the way" {
		t.Errorf("the fault is lost: %+v", got[1])
	}
	if w := Worst(got); w.Check != "tcp" {
		t.Errorf("worst is %+v", w)
	}
}

func TestAWarningDoesNotBlockWhatComesAfter(t *testing.T) {
	got := Run(t.Context(), clock(), []Check{
		check("clock", Finding{Status: Warning, Code: fault.ClockSkew, Seen: "40s"}),
		check("token", Good(""), "clock"),
	})
	if want := []string{"clock warning", "token ok"}; !slices.Equal(statuses(got), want) {
		t.Errorf("got %v, want %v", statuses(got), want)
	}
	if w := Worst(got); w.Status != Warning {
		t.Errorf("worst is %+v", w)
	}
}

func TestAnUnknownOrLaterPredecessorCannotDeadlock(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got := Run(ctx, clock(), []Check{
		check("a", Good(""), "b", "no such check", "a"),
		check("b", Good(""), "a"),
	})
	if want := []string{"a ok", "b ok"}; !slices.Equal(statuses(got), want) {
		t.Errorf("got %v, want %v", statuses(got), want)
	}
}
