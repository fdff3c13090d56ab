// Package ec2 asks the EC2 API the two questions that the metadata service and
// the embedded tables cannot always answer: the instance's private DNS name, and
// the limits of an instance type. A boot that goes well asks neither.
package ec2

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/eksnode/eksnode/pkg/aws/awscall"
	"github.com/eksnode/eksnode/pkg/fault"
)

const (
	// DefaultWithin bounds a question with all its attempts. EC2 may not have the
	// private DNS name for the first seconds of an instance, and an endpoint may
	// be late; nodeadm's ten minutes outlast any hope.
	DefaultWithin = time.Minute
	// attemptTimeout bounds one attempt. The calls answer within a few hundred
	// milliseconds; a hanging one must not use up the whole bound.
	attemptTimeout = 3 * time.Second
)

// Options configure a Client.
type Options struct {
	// Within bounds each question; 0 means DefaultWithin. The caller's context may
	// end it earlier.
	Within time.Duration
	// Log is told once a while why a call is repeated; nil tells nobody.
	Log *slog.Logger
}

// Client asks EC2 in one region. It is safe for concurrent use.
type Client struct {
	sdk    *sdk.Client
	region string
	o      Options
}

// New returns a client for cfg's region. It sends nothing.
func New(cfg aws.Config, o Options) *Client {
	if o.Within <= 0 {
		o.Within = DefaultWithin
	}
	return &Client{region: cfg.Region, o: o, sdk: sdk.NewFromConfig(cfg, func(so *sdk.Options) {
		so.Retryer = awscall.NoRetries()
	})}
}

func (c *Client) call(verb, action, alternative string) awscall.Call {
	return awscall.Call{
		Verb: verb, Action: action, Alternative: alternative,
		Endpoint: awscall.VPCEndpoint("ec2", c.region),
		Denied:   fault.EC2Denied, Unreachable: fault.EC2Unreachable, Throttled: fault.EC2Throttled, Absent: fault.EC2NotFound,
		Within: c.o.Within, Each: attemptTimeout, Log: c.o.Log,
	}
}

// PrivateDNSName returns EC2's private DNS name of an instance, never an empty
// one: while EC2 has none yet it is asked again. A refusal is returned at once,
// throttling and failures to connect are waited out, all within the bound.
//
// It needs ec2:DescribeInstances. The error is a fault.
func (c *Client) PrivateDNSName(ctx context.Context, instanceID string) (string, error) {
	call := c.call("ask EC2 for the private DNS name of "+instanceID, "ec2:DescribeInstances",
		"Nodes that are named by instance id need no such call.")
	return awscall.Do(ctx, call, func(ctx context.Context) (string, error) {
		out, err := c.sdk.DescribeInstances(ctx, &sdk.DescribeInstancesInput{InstanceIds: []string{instanceID}})
		if err != nil {
			return "", err
		}
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				if aws.ToString(i.InstanceId) == instanceID && aws.ToString(i.PrivateDnsName) != "" {
					return *i.PrivateDnsName, nil
				}
			}
		}
		return "", fmt.Errorf("EC2 has no private DNS name for the instance: %w", awscall.ErrNotYet)
	})
}

// Limits are what pods' addresses depend on.
type Limits struct {
	// MaxENIs is the number of network interfaces of the default network card.
	MaxENIs int
	// IPv4PerENI is the number of IPv4 addresses of one interface, its primary one
	// included.
	IPv4PerENI int
}

// InstanceTypeLimits returns the limits of an instance type; both are positive.
//
// It needs ec2:DescribeInstanceTypes. The error is a fault; a type that EC2 does
// not know is one with the kind awscall.Rejected.
func (c *Client) InstanceTypeLimits(ctx context.Context, instanceType string) (Limits, error) {
	call := c.call("ask EC2 for the network limits of "+instanceType, "ec2:DescribeInstanceTypes",
		"Without the answer the node joins all the same, with 110 pods at most, or with an estimate where spec.cni.profile is set.")
	return awscall.Do(ctx, call, func(ctx context.Context) (Limits, error) {
		out, err := c.sdk.DescribeInstanceTypes(ctx, &sdk.DescribeInstanceTypesInput{
			InstanceTypes: []types.InstanceType{types.InstanceType(instanceType)},
		})
		if err != nil {
			return Limits{}, err
		}
		for _, t := range out.InstanceTypes {
			if string(t.InstanceType) == instanceType {
				return limitsOf(t)
			}
		}
		return Limits{}, fmt.Errorf("EC2's answer does not have the type: %w", awscall.ErrUnusable)
	})
}

// limitsOf reads the default card's limit where cards are listed, as on types
// with several, else the type's.
func limitsOf(t types.InstanceTypeInfo) (Limits, error) {
	n := t.NetworkInfo
	if n == nil {
		return Limits{}, fmt.Errorf("EC2's answer has no network information: %w", awscall.ErrUnusable)
	}
	l := Limits{
		MaxENIs:    int(aws.ToInt32(n.MaximumNetworkInterfaces)),
		IPv4PerENI: int(aws.ToInt32(n.Ipv4AddressesPerInterface)),
	}
	for _, card := range n.NetworkCards {
		if aws.ToInt32(card.NetworkCardIndex) == aws.ToInt32(n.DefaultNetworkCardIndex) && card.MaximumNetworkInterfaces != nil {
			l.MaxENIs = int(*card.MaximumNetworkInterfaces)
		}
	}
	if l.MaxENIs <= 0 || l.IPv4PerENI <= 0 {
		return Limits{}, fmt.Errorf("EC2's answer has no network limits: %w", awscall.ErrUnusable)
	}
	return l, nil
}
