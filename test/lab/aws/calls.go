package aws

import (
	"context"
	"fmt"
	"time"
)

// Call is an entry of the log of the TLS side: one request to one service. It is there from the moment the request is
// read; Status and Code are set before the client can see the answer.
type Call struct {
	Time time.Time
	// Duration is final when Done is set: the request is over.
	Duration time.Duration
	Done     bool
	// Service is one of the constants, or "" for a host that is none of ours; Action is the API's, such as
	// DescribeInstances, and for a registry GetManifest, HeadBlob and the like, Ping and GetToken.
	Service, Action string
	Region          string
	Host            string
	Method, Path    string
	// Caller is who signed the request, as the access key says; it is filled in even when the signature was refused.
	Caller Identity
	// Presigned tells a GetCallerIdentity that came as a presigned URL: somebody checked a token. ClusterID is the
	// cluster it was signed for.
	Presigned bool
	ClusterID string
	// Status is the answer's, zero when the client got none or not yet; Code the API error code, "" for success.
	Status int
	Code   string
	// Fault is the effect of an injected fault, Pass when there was none (or only a delay).
	Fault     Effect
	Source    string
	UserAgent string
}

// ControlPlane tells whether a call was one to an AWS API, as opposed to a registry's data plane and to the check of a
// token, which the API server's side makes and not the node.
func (c Call) ControlPlane() bool {
	switch c.Service {
	case EC2, ECR, ECRPublic, EKS:
		return true
	case STS:
		return !c.Presigned
	default:
		return false
	}
}

// Target says which calls a fault is for; an empty field matches all.
type Target struct {
	Service, Action string
	// Caller is the session name of the caller, which is the instance id for an instance role.
	Caller string
}

func (t Target) matches(c Call) bool {
	return (t.Service == "" || t.Service == c.Service) && (t.Action == "" || t.Action == c.Action) &&
		(t.Caller == "" || t.Caller == c.Caller.Session)
}

// Calls returns the log of the TLS side, oldest first.
func (c *Cloud) Calls() []Call { return c.calls.all() }

// Count returns how often an action of a service was called; all actions when action is empty.
func (c *Cloud) Count(service, action string) int {
	return len(c.CallsWhere(func(call Call) bool {
		return call.Service == service && (action == "" || call.Action == action)
	}))
}

// CallsWhere returns the calls in the log that match accepts.
func (c *Cloud) CallsWhere(match func(Call) bool) []Call {
	var out []Call
	for _, call := range c.calls.all() {
		if match(call) {
			out = append(out, call)
		}
	}
	return out
}

// ControlPlaneCalls returns the calls to AWS APIs that a session made, of all callers when session is empty. For an
// instance role the session is the instance id.
func (c *Cloud) ControlPlaneCalls(session string) []Call {
	return c.CallsWhere(func(call Call) bool {
		return call.ControlPlane() && (session == "" || call.Caller.Session == session)
	})
}

// WaitCall returns the first call that match accepts, now or when it comes; the error is ctx's.
func (c *Cloud) WaitCall(ctx context.Context, match func(Call) bool) (Call, error) {
	call, err := c.calls.wait(ctx, match)
	if err != nil {
		return call, fmt.Errorf("cannot see the call awaited: %w", err)
	}
	return call, nil
}

// ResetCalls empties the log of the TLS side.
func (c *Cloud) ResetCalls() { c.calls.reset() }

// Inject makes calls fail, and returns the function that ends it.
func (c *Cloud) Inject(target Target, f Fault) (remove func()) {
	c.log.Info("fault injected", "service", target.Service, "action", target.Action, "caller", target.Caller,
		"effect", f.effect(), "code", f.Code, "status", f.Status, "times", f.Times)
	return c.faults.inject(target, f)
}

// ClearFaults ends all faults of the TLS side. Those of metadata services are their machines' ([Machine.ClearFaults]).
func (c *Cloud) ClearFaults() { c.faults.clear() }
