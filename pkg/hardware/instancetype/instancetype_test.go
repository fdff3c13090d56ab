package instancetype

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/hardware"
)

func TestEveryTypeOfTheTableIsFoundAgain(t *testing.T) {
	count, last := 0, ""
	for name, want := range All() {
		if name <= last {
			t.Errorf("%s comes after %s: the table is not sorted by bytes", name, last)
		}
		if want.MaxENIs < 1 || want.IPv4PerENI < 2 {
			t.Errorf("%s has limits %+v: no room for a pod", name, want)
		}
		if got, ok := Limits(name); !ok || got != want {
			t.Errorf("%s: got %+v, %t, want %+v", name, got, ok, want)
		}
		count, last = count+1, name
	}
	if lines := strings.Count(table, "\n"); count != lines || !strings.HasSuffix(table, "\n") {
		t.Errorf("%d types were read from %d lines", count, lines)
	}
	if count < 1300 {
		t.Errorf("only %d types: the table has lost some", count)
	}
}

func TestWhatIsNotInTheTableIsNotFound(t *testing.T) {
	for _, name := range []string{
		"", " ", "\n", "a", "a1.2xlarg", "a1.2xlarge 4", "a1.2xlargeX", "a1.2xlarge\n", "m5", "m5.larg", "m99.large", "zzz", "~", "0", "é",
	} {
		if got, ok := Limits(name); ok {
			t.Errorf("%q was found: %+v", name, got)
		}
	}
}

func TestLimitsAreThoseThatEC2Documents(t *testing.T) {
	for name, want := range map[string]hardware.ENILimits{
		"a1.2xlarge":    {MaxENIs: 4, IPv4PerENI: 15}, // the table's first
		"t2.micro":      {MaxENIs: 2, IPv4PerENI: 2},
		"t3.medium":     {MaxENIs: 3, IPv4PerENI: 6},
		"m5.large":      {MaxENIs: 3, IPv4PerENI: 10},
		"m5.24xlarge":   {MaxENIs: 15, IPv4PerENI: 50},
		"p4d.24xlarge":  {MaxENIs: 15, IPv4PerENI: 50},
		"z1d.xlarge":    {MaxENIs: 4, IPv4PerENI: 15}, // the table's last
		"u-24tb1.metal": {MaxENIs: 15, IPv4PerENI: 50},
	} {
		if got, ok := Limits(name); !ok || got != want {
			t.Errorf("%s: got %+v, %t, want %+v", name, got, ok, want)
		}
	}
}

func TestAllStopsWhenAsked(t *testing.T) {
	seen := 0
	for range All() {
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Fatalf("saw %d", seen)
	}
}

func BenchmarkLimits(b *testing.B) {
	for b.Loop() {
		if _, ok := Limits("m5.large"); !ok {
			b.Fatal("not found")
		}
	}
}
