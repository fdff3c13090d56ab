package golden_test

import (
	"testing"

	"github.com/eksnode/eksnode/pkg/node"
)

// What the components need to decide about one node.
func BenchmarkDesired(b *testing.B) {
	in := input(b, machineOf(b, "m5.large"), "v1.35.0", "2.1.4", "10.100.0.0/16")
	for b.Loop() {
		if _, err := node.Desired(in, components()); err != nil {
			b.Fatal(err)
		}
	}
}
