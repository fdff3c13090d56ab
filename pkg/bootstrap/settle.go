package bootstrap

import (
	"context"
	"fmt"
	"time"

	"github.com/eksnode/eksnode/pkg/cluster"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/node"
)

// settle waits until the platform's checks hold or the bound has passed. What
// is waited for is in the log and in the published report all the while.
func (r *recorder) settle(ctx context.Context, in node.Input, bound time.Duration) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("not Ready within %s", bound))
	defer cancel()
	findings, err := cluster.Settle(ctx, r.e.Platform.Checks(in), cluster.Options{
		Now: r.e.Now,
		Progress: func(fs []health.Finding) {
			r.report.Findings = fs
			if w := health.Worst(fs); w.Status == health.Failed {
				r.e.Log.Info("waiting", "for", w.Check, "code", w.Code, "seen", w.Seen, "remedy", w.Remedy)
			}
			r.publish()
		},
	})
	r.report.Findings = findings
	return fmt.Sprintf("%d checks hold", len(findings)), err
}
