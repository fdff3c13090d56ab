package cluster

import (
	"context"
	"net/http"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

const (
	// maxSkew is what AWS allows between a signature's time and its own:
	// Signature Version 4 requests, and the presigned one in the token, are
	// refused beyond five minutes (IAM User Guide, "Signature Version 4").
	maxSkew = 5 * time.Minute
	// oddSkew is beyond what the Date header's whole seconds and a slow
	// answer explain: the clock is not being kept.
	oddSkew = 30 * time.Second

	clockRemedy = "Let chrony or systemd-timesyncd reach 169.254.169.123 (or another time server), and see that it steps the clock; then run again."
)

// checkClock compares the clock with the Date header of an answer. Any answer
// has one: that the request may be refused does not matter.
func (p *prober) checkClock(ctx context.Context) health.Finding {
	if err := p.unusable(); err != nil {
		return health.Bad(err)
	}
	before := p.Now()
	a, err := ask(ctx, p.http, http.MethodGet, p.endpoint.JoinPath("version").String(), "", nil)
	if err != nil {
		return health.Bad(p.transportFault("ask the API server for its clock", err))
	}
	// The header was written somewhere in between. It has whole seconds, so
	// the server's clock may be up to one further.
	middle := before.Add(p.Now().Sub(before) / 2)
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return warn(fault.EndpointHTTP, "cannot compare clocks: the API server's answer has no date ("+a.status()+")",
			"Look for a proxy on the way that takes headers off.")
	}
	return skewFinding(middle.Sub(date))
}

// skewFinding judges by how much this machine's clock is ahead.
func skewFinding(ahead time.Duration) health.Finding {
	size, where := ahead, "ahead of"
	if ahead < 0 {
		size, where = -ahead, "behind"
	}
	if size <= 2*time.Second {
		return health.Good("clock agrees with the API server's")
	}
	seen := "this machine's clock is " + size.Round(time.Second).String() + " " + where + " the API server's"
	switch {
	case size > maxSkew:
		return bad(fault.ClockSkew, seen+"; AWS refuses signatures, and with them the node's token, beyond "+maxSkew.String(), clockRemedy)
	case size > oddSkew:
		return warn(fault.ClockSkew, seen, clockRemedy)
	}
	return health.Good(seen)
}

// unusable returns the fault of a Target that cannot be asked anything.
func (p *prober) unusable() error {
	if p.badEndpoint != nil {
		return p.badEndpoint
	}
	return p.badCA
}
