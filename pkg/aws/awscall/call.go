// Package awscall makes one call to an AWS service: bounded, repeated only where
// repeating helps, and with an error that says what a person must do: which IAM
// permission, which VPC endpoint, which clock.
//
// The SDK's own retries are off in the clients that use it, because they repeat
// behind the caller's back and know no overall bound.
package awscall

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/eksnode/eksnode/internal/retry"
	"github.com/eksnode/eksnode/pkg/aws/partition"
	"github.com/eksnode/eksnode/pkg/fault"
)

const (
	retryBase = 200 * time.Millisecond
	retryMax  = 5 * time.Second
	logEvery  = 10 * time.Second
)

// Call describes a call, for its bounds and for the people who read its errors.
type Call struct {
	// Verb completes "cannot …": "ask EC2 for the private DNS name".
	Verb string
	// Action is the IAM action: "ec2:DescribeInstances".
	Action string
	// Policy is the AWS managed policy that has Action; may be empty.
	Policy string
	// Endpoint is the interface VPC endpoint that stands in for a route to the
	// internet, as VPCEndpoint gives it; empty where there is none.
	Endpoint string
	// Alternative is a way to do without the call, as a sentence; may be empty.
	Alternative string
	// Denied, Unreachable, Throttled are the fault codes of this service; Absent
	// is the one for an answer that never comes to have the thing, Unreachable
	// where it is empty.
	Denied, Unreachable, Throttled, Absent fault.Code
	// Within bounds the call with all its attempts, Each one attempt. Both must
	// be positive; the context may end the call earlier.
	Within, Each time.Duration
	// Log is told once a while why the call is repeated; nil tells nobody.
	Log *slog.Logger
}

// ErrNotYet says that the service has answered and does not have the thing yet.
// A function given to Do wraps it in what it returns to be called again.
var ErrNotYet = errors.New("not there yet")

// ErrUnusable says that the service has answered with success and without what
// was asked for. A function given to Do wraps it in what it returns.
var ErrUnusable = errors.New("unusable answer")

// Do calls fn until it succeeds, fails for a reason that time does not mend, or
// the bound is reached. The error is a fault whose chain holds an *Error.
func Do[T any](ctx context.Context, c Call, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if c.Within <= 0 || c.Each <= 0 {
		return zero, fmt.Errorf("internal error: %s has no bound", c.Action)
	}
	seen := map[Kind]int{}
	v, err := retry.Value(ctx, retry.Policy{
		Within: c.Within, Each: c.Each, Base: retryBase, Max: retryMax,
		LogEvery: logEvery, Log: c.logRetry,
	}, func(ctx context.Context) (T, error) {
		v, err := fn(ctx)
		if err == nil {
			return v, nil
		}
		e := classify(err)
		seen[e.Kind]++
		if n := limit(e); n > 0 && seen[e.Kind] >= n {
			return v, retry.Stop(e)
		}
		return v, e
	})
	return v, c.fault(err)
}

func (c Call) logRetry(n retry.Note) {
	if c.Log != nil {
		c.Log.Warn("an AWS call failed and is repeated",
			"action", c.Action, "reason", n.Err, "attempt", n.Attempt, "elapsed", n.Elapsed.Round(time.Millisecond))
	}
}

// fault gives the end of a call its sentence, code and remedy.
func (c Call) fault(err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Kind: Timeout, Err: err}
	}
	return fault.New(c.code(e), c.remedy(e), fmt.Errorf("cannot %s (%s): %w", c.Verb, c.Action, err))
}

func (c Call) code(e *Error) fault.Code {
	switch e.Kind {
	case Denied:
		return c.Denied
	case Throttled:
		return c.Throttled
	case NoCredentials, BadCredentials:
		return fault.CredentialsAbsent
	case Clock:
		return fault.ClockSkew
	case Pending:
		if c.Absent != "" {
			return c.Absent
		}
	}
	return c.Unreachable
}

// remedy says what to do, in a sentence or two.
func (c Call) remedy(e *Error) string {
	s := c.ownRemedy(e)
	if c.Alternative != "" {
		s += " " + c.Alternative
	}
	return s
}

func (c Call) ownRemedy(e *Error) string {
	switch e.Kind {
	case Denied:
		policy := ""
		if c.Policy != "" {
			policy = " (the managed policy " + c.Policy + " has it)"
		}
		return fmt.Sprintf("Allow %s in the node role%s, and look for a service control policy, permissions boundary or VPC endpoint policy that denies it.", c.Action, policy)
	case NoCredentials:
		// The metadata service's own remedy is better, unless it only lacks a role.
		if f, ok := fault.Find(e.Err); ok && f.Remedy != "" && f.Code != fault.IMDSNotFound {
			return f.Remedy
		}
		return "Give the instance an instance profile with the node role; the message says why it has no credentials."
	case BadCredentials:
		return "The node role's credentials are not accepted. Check that the role still exists, that the region is enabled for the account, and the machine's clock."
	case Clock:
		return "Set the machine's clock: let chrony or systemd-timesyncd reach 169.254.169.123."
	case Throttled:
		return "The account's request rate is used up by other callers; it passes."
	case Name:
		return "The name does not resolve: check the VPC's DNS support and resolver rules." + c.way()
	case TLS:
		return "Check for a proxy or middlebox that replaces certificates (its authority belongs in AWS_CA_BUNDLE or the system's trust store), and the machine's clock."
	case Proxy:
		return "Check the proxy that HTTPS_PROXY names, or put the service into NO_PROXY."
	case Timeout, Refused, Unreachable:
		return "No connection or no answer in time: check route tables, security groups and network ACLs." + c.way()
	case Server:
		return "The service itself fails; it passes."
	case Garbage:
		return "Check that nothing between this machine and the service answers in its place, such as a proxy's login page."
	case Pending:
		return "Usually a very young instance; it passes."
	}
	return "See the message; the service does not accept the request."
}

func (c Call) way() string {
	if c.Endpoint == "" {
		return ""
	}
	return fmt.Sprintf(" In a subnet without a way out create the interface VPC endpoint %s.", c.Endpoint)
}

// VPCEndpoint names the interface endpoint of a service ("ec2", "ecr.api") in a
// region, in full where the partition's naming is documented.
func VPCEndpoint(service, region string) string {
	switch partition.Of(region).ID {
	case "aws", "aws-us-gov":
		return "com.amazonaws." + region + "." + service
	}
	return "for " + service
}

// NoRetries turns the SDK's retries off in a service client's options.
func NoRetries() aws.Retryer { return aws.NopRetryer{} }
