package hardware

import (
	"slices"
	"strings"
	"testing"
)

func TestCPUSetsAreWrittenInOneWay(t *testing.T) {
	for text, want := range map[string]CPUSet{
		"": "", " \n": "", "3": "3", "3,1,2": "1-3", "0-3,2-5": "0-5", "8,0-1": "0-1,8", "0-47,96-143\n": "0-47,96-143", "1,1,1": "1", "5-9,0-20": "0-20",
	} {
		got, err := ParseCPUSet(text)
		if err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	if got, err := ParseCPUSet("0-3:1/2"); err == nil {
		t.Errorf("got %q", got)
	}
}

func TestCPUSetsAreCountedAndSubtracted(t *testing.T) {
	s := CPUSet("0-3,8")
	if s.Count() != 5 || !s.Has(8) || s.Has(4) || !slices.Equal(s.Numbers(), []int{0, 1, 2, 3, 8}) {
		t.Errorf("%s: %d, %v", s, s.Count(), s.Numbers())
	}
	for _, tc := range []struct{ from, away, want CPUSet }{
		{"0-7", "1,5", "0,2-4,6-7"}, {"0-3", "", "0-3"}, {"0-3", "0-9", ""}, {"", "1", ""},
	} {
		if got := tc.from.Minus(tc.away); got != tc.want {
			t.Errorf("%s less %s is %s, want %s", tc.from, tc.away, got, tc.want)
		}
	}
	if s := CPUSet("made by hand"); s.Count() != 0 || s.Has(0) || s.Numbers() != nil {
		t.Errorf("%s holds %v", s, s.Numbers())
	}
}

func FuzzCPUSet(f *testing.F) {
	for _, s := range []string{"", "0-3", "3,1", "0-5,2-9", "65535", "8-8", "1,,2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseCPUSet(text)
		if err != nil {
			return
		}
		again, err := ParseCPUSet(string(s))
		if err != nil || again != s {
			t.Fatalf("%q reads as %q, which reads as %q, %v", text, s, again, err)
		}
		l, _ := parseCPUList(text)
		for _, n := range s.Numbers() {
			if !l.has(n) {
				t.Fatalf("%q reads as %q, which has %d", text, s, n)
			}
		}
		if s.Minus(s) != "" || len(s.Numbers()) != s.Count() || strings.Contains(string(s), " ") {
			t.Fatalf("%q reads as %q of %d", text, s, s.Count())
		}
	})
}

func TestNumbersOfCPUsAreASet(t *testing.T) {
	for want, cpus := range map[CPUSet][]int{"": nil, "3": {3, 3}, "0-2,8": {2, 8, 0, 1}, "0,2": {2, 0}} {
		if got := CPUSetOf(cpus); got != want {
			t.Errorf("%v: %q, want %q", cpus, got, want)
		}
	}
}
