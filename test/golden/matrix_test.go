package golden_test

import (
	"path/filepath"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestEveryMachineGetsItsWholeState(t *testing.T) {
	count := 0
	everyInput(t, func(name string, in node.Input) {
		count++
		t.Run(name, func(t *testing.T) {
			golden.Assert(t, filepath.Join("testdata", name+".txt"), show(t, in))
		})
	})
	if want := len(machines) * len(minors) * 2; count != want {
		t.Errorf("%d states, want %d", count, want)
	}
}

// show is the content of one golden file.
func show(t testing.TB, in node.Input) string {
	t.Helper()
	why, err := decisions(in)
	if err != nil {
		t.Fatal(err)
	}
	return why + text(desired(t, in))
}
