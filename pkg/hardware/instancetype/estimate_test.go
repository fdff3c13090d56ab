package instancetype

import (
	"slices"
	"testing"

	"github.com/eksnode/eksnode/pkg/hardware"
)

func TestAnUnknownTypeIsEstimatedFromItsKin(t *testing.T) {
	for name, want := range map[string]struct {
		limits hardware.ENILimits
		from   string
	}{
		"m5.96xlarge":     {hardware.ENILimits{MaxENIs: 12, IPv4PerENI: 50}, "the least of m5.24xlarge and the 6 known types m*.96xlarge"},
		"m99i.large":      {hardware.ENILimits{MaxENIs: 3, IPv4PerENI: 10}, "the least of the 35 known types m*.large"},
		"m5.medium":       {hardware.ENILimits{MaxENIs: 2, IPv4PerENI: 4}, "the least of the 13 known types m*.medium"},
		"q1.xlarge":       {hardware.ENILimits{MaxENIs: 2, IPv4PerENI: 3}, "the least of the 127 known types of the size xlarge"},
		"p5.96xlarge":     {hardware.ENILimits{MaxENIs: 2, IPv4PerENI: 50}, "p5.48xlarge, the next smaller size that is known"},
		"c9g.metal-192xl": {hardware.ENILimits{MaxENIs: 24, IPv4PerENI: 64}, "c9g.48xlarge, the next smaller size that is known"},
	} {
		l, from, ok := Estimate(name)
		if !ok || l != want.limits || from != want.from {
			t.Errorf("%s: %+v from %q, %t; want %+v from %q", name, l, from, ok, want.limits, want.from)
		}
	}
	for _, name := range []string{"", "m5.large", "m99.huge", "m.large", ".large", "m5", "q."} {
		if l, from, ok := Estimate(name); ok {
			t.Errorf("%q was estimated: %+v from %s", name, l, from)
		}
	}
}

// Every known type but those on Xen, of which there will be no new ones, is taken
// away once and estimated from all others. The few whose limits are above them all,
// or above their own larger sizes, are named.
func TestAnEstimateIsALowerBound(t *testing.T) {
	var over []string
	for name, l := range All() {
		if s, _ := ShapeOf(name); s.Hypervisor == Xen {
			continue
		}
		e, _, ok := estimate(name)
		if !ok {
			t.Errorf("%s cannot be estimated", name)
		}
		if e.MaxENIs*(e.IPv4PerENI-1) > l.MaxENIs*(l.IPv4PerENI-1) {
			over = append(over, name)
		}
	}
	odd := []string{
		"c6in.metal", "g4ad.xlarge", "g4dn.16xlarge", "g5.48xlarge", "g6f.large", "hpc6id.32xlarge",
		"i4i.24xlarge", "inf1.xlarge", "t3a.small", "trn2.3xlarge", "u-3tb1.56xlarge",
	}
	if !slices.Equal(over, odd) {
		t.Errorf("estimates are above the limits of %v, want %v", over, odd)
	}
}
