package hardware

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCPUListReadsWhatKernelsWrite(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       cpuList
	}{
		{"no CPU offline", "\n", nil},
		{"one CPU", "0\n", cpuList{{0, 0}}},
		{"range", "0-3", cpuList{{0, 3}}},
		{"enclave took 1 and 5", "0,2-4,6-7", cpuList{{0, 0}, {2, 4}, {6, 7}}},
		{"NUMA interleaved", "0-47,96-143", cpuList{{0, 47}, {96, 143}}},
		{"largest", "65535", cpuList{{65535, 65535}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseCPUList(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(cpuRange{})); d != "" {
				t.Errorf("want (-), got (+):\n%s", d)
			}
		})
	}
}

func TestCPUListRefusesGarbage(t *testing.T) {
	for _, text := range []string{
		",", "0,", ",0", "0-", "-0", "-", "3-1", "0-3-5", "+1", "-1", "0x1", "1.5", "0 1", "0-3:1/2", "all", "65536", "0-65536",
		"99999999999999999999", "0\n1", "0\x00", "٣",
	} {
		if got, err := parseCPUList(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		} else if strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%q: raw bytes in message %q", text, err)
		}
	}
}

func TestAMessageQuotesLittleOfALongLine(t *testing.T) {
	_, err := parseCPUList(strings.Repeat("x", 1<<16))
	if err == nil || len(err.Error()) > 250 {
		t.Errorf("got %v", err)
	}
}

// render writes the set as the kernel does, for reading it again.
func render(l cpuList) string {
	var parts []string
	for _, r := range l {
		if r.first == r.last {
			parts = append(parts, fmt.Sprint(r.first))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", r.first, r.last))
		}
	}
	return strings.Join(parts, ",")
}

func FuzzCPUList(f *testing.F) {
	for _, s := range []string{"", "0", "0-3", "0-47,96-143", "0,2-4,6-7\n", "3-1", "0-3:1/2", "00-01", "65536", ",,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseCPUList(text)
		if err != nil {
			return
		}
		for _, r := range l {
			if r.first < 0 || r.last > maxCPU || r.last < r.first {
				t.Fatalf("%q reads as %v", text, l)
			}
			if !l.has(r.first) || !l.has(r.last) || l.has(-1) || l.has(maxCPU+1) {
				t.Fatalf("%q: %v does not hold its own ends", text, l)
			}
		}
		again, err := parseCPUList(render(l))
		if d := cmp.Diff(l, again, cmp.AllowUnexported(cpuRange{})); err != nil || d != "" {
			t.Fatalf("%q: written %q, read %v, %v", text, render(l), again, err)
		}
	})
}
