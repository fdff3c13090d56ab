package winhardware

import (
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// The kernel of Linux asks the same processor. It hides what it knows to be broken, as
// RDSEED on some, what it does not use (vmx and svm without a way to run guests), and
// what a constant clock needs on old ones.
func TestTheKernelSeesTheSameFeatures(t *testing.T) {
	p, ok := thisProcessor()
	if !ok {
		t.Skip("CPUID is x86's")
	}
	f := hardware.Inspect(os.DirFS("/"), runtime.GOARCH)
	if len(f.CPU.Features) == 0 {
		t.Skip("/proc/cpuinfo tells no features here")
	}
	got, level := hardware.NotableFeatures(runtime.GOARCH, p.flags())
	if level != f.CPU.Level {
		t.Errorf("level %q, the kernel says %q", level, f.CPU.Level)
	}
	table := featureBits()
	for _, name := range f.CPU.Features {
		if slices.ContainsFunc(table, func(b bit) bool { return b.name == name }) && !slices.Contains(got, name) {
			t.Errorf("the kernel sees %s, CPUID does not", name)
		}
	}
	hidden := []string{"rdseed", "vmx", "svm", "constant_tsc", "nonstop_tsc"}
	for _, name := range got {
		if !slices.Contains(f.CPU.Features, name) && !slices.Contains(hidden, name) {
			t.Errorf("CPUID says %s, the kernel does not", name)
		}
	}
}
