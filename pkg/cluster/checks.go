package cluster

import (
	"context"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

// Names of the checks, in the order in which they come.
const (
	CheckDNS        = "api-dns"
	CheckTCP        = "api-tcp"
	CheckTLS        = "api-tls"
	CheckClock      = "api-clock"
	CheckToken      = "node-token"
	CheckIdentity   = "api-identity"
	CheckKubelet    = "kubelet-healthz"
	CheckRegistered = "node-registered"
	CheckReady      = "node-ready"
)

// Checks returns the checks of the way from this machine to a Ready node, in
// the order in which their causes lie: the first that fails is the one to
// mend. Each is bounded by t.Timeout. They may run at the same time and more
// than once. A Target that cannot be used makes the check fail that needs it.
func Checks(t Target) []health.Check {
	p := newProber(t)
	checks := []health.Check{
		{Name: CheckDNS, Title: "API server's host name resolves", Run: p.checkDNS},
		{Name: CheckTCP, Title: "API server accepts connections", After: []string{CheckDNS}, Run: p.checkTCP},
		{Name: CheckTLS, Title: "API server presents a certificate of the cluster's CA", After: []string{CheckTCP}, Run: p.checkTLS},
		{Name: CheckClock, Title: "clock agrees with the API server's", After: []string{CheckTLS}, Run: p.checkClock},
		{Name: CheckToken, Title: "node has a token for the API server", Run: p.checkToken},
		{Name: CheckIdentity, Title: "API server knows this machine as this node", After: []string{CheckClock, CheckToken}, Run: p.checkIdentity},
		{Name: CheckKubelet, Title: "kubelet is healthy", Run: p.checkKubelet},
		{Name: CheckRegistered, Title: "node is registered", After: []string{CheckIdentity, CheckKubelet}, Run: p.checkRegistered},
		{Name: CheckReady, Title: "node is Ready", After: []string{CheckRegistered}, Run: p.checkReady},
	}
	for i := range checks {
		run := checks[i].Run
		checks[i].Run = func(ctx context.Context) health.Finding {
			ctx, cancel := context.WithTimeout(ctx, p.Timeout)
			defer cancel()
			return run(ctx)
		}
	}
	return checks
}

// warn returns the finding of something that works but should be looked at.
func warn(code fault.Code, seen, remedy string) health.Finding {
	return health.Finding{Status: health.Warning, Code: code, Seen: seen, Remedy: remedy}
}

// bad returns a failed finding.
func bad(code fault.Code, seen, remedy string) health.Finding {
	return health.Finding{Status: health.Failed, Code: code, Seen: seen, Remedy: remedy}
}
