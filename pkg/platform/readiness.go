package platform

import (
	"context"
	"time"

	"github.com/eksnode/eksnode/pkg/health"
)

// Readiness is what keeps pods off a node that is Ready, a startup taint, and what
// must hold for it to go.
type Readiness struct {
	// Taint is its key and effect, for messages.
	Taint string
	// Within bounds the wait for the checks and the release together.
	Within time.Duration
	// Checks must all hold in the same look.
	Checks []health.Check
	// Held reports whether the taint is there. It brings its own bound.
	Held func(ctx context.Context) (bool, error)
	// Release takes the taint away, and nothing else. Doing it again does nothing. It
	// brings its own bound.
	Release func(ctx context.Context) health.Finding
}
