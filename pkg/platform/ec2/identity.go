package ec2

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/ec2"
	"github.com/eksnode/eksnode/pkg/aws/ecr"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/aws/nodename"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/node"
)

// EC2 is what the platform asks of the EC2 API, where IMDS cannot tell.
type EC2 interface {
	PrivateDNSName(ctx context.Context, instanceID string) (string, error)
	InstanceTypeLimits(ctx context.Context, instanceType string) (ec2.Limits, error)
}

// ec2Deadline bounds each question to the EC2 API, with all its retries: a
// node must not hang on an API that it may not even be allowed to reach.
const ec2Deadline = 20 * time.Second

// identify asks IMDS who this machine is, and EC2 only for what IMDS cannot
// tell. What could not be had is a Problem; the error is for a machine about
// which nothing is known.
func (p *place) identify(ctx context.Context, config api.NodeConfig, log *slog.Logger) (node.Instance, []node.Problem, error) {
	byID := config.Spec.FeatureGates.Enabled(api.InstanceIDNodeName)
	id, missing, err := p.metadata.Identity(ctx, imds.Need{
		LocalHostname: !byID,
		ZoneID:        true,
		MAC:           true,
		IPv6:          isIPv6(config.Spec.Cluster.CIDR),
	})
	if err != nil {
		return node.Instance{}, nil, fmt.Errorf("cannot tell who this instance is: %w", err)
	}
	in := node.Instance{
		ID: id.InstanceID, Type: id.InstanceType, Region: id.Region, Zone: id.Zone, ZoneID: id.ZoneID,
		AccountID: id.AccountID, ImageID: id.ImageID, Partition: id.Partition, DNSSuffix: id.DNSSuffix, MAC: id.MAC,
		SandboxSource: ecr.EKSRegistry(id.Region) + "/" + sandboxRepository,
	}
	if id.PrivateIPv4.IsValid() {
		in.PrivateIPv4 = []string{id.PrivateIPv4.String()}
	}
	for _, a := range id.IPv6 {
		in.IPv6 = append(in.IPv6, a.String())
	}
	var problems []node.Problem
	for _, m := range missing {
		if m.Fact == "instance.localHostname" {
			continue // it matters for the name alone, which says so itself
		}
		problems = append(problems, problem(m.Fact, m.Err))
	}
	ask := func() (EC2, error) { return p.ec2(ctx, config, id.Region) }
	problems = append(problems, name(ctx, &in, id, byID, ask, log)...)
	problems = append(problems, limits(ctx, &in, ask, log)...)
	return in, problems, nil
}

// sandboxRepository is the pause image in EKS' own registries, for machine
// images that bring none (platform versions since 1.29 use 3.10).
const sandboxRepository = "eks/pause:3.10"

// name fills in the node's name.
func name(ctx context.Context, in *node.Instance, id imds.Identity, byID bool, ask func() (EC2, error), log *slog.Logger) []node.Problem {
	if byID {
		n, ok, why := nodename.InstanceIDName(id.InstanceID)
		if !ok {
			return []node.Problem{problem("instance.nodeName", fault.New(fault.NodeNameUnknown, "", fmt.Errorf("%s", why)))}
		}
		in.NodeName, in.NodeNameSource = n, "instance id, as InstanceIdNodeName asks"
		return nil
	}
	m := nodename.Machine{InstanceID: id.InstanceID, Region: id.Region, LocalHostname: id.LocalHostname}
	if id.PrivateIPv4.IsValid() {
		m.PrivateIPs = []netip.Addr{id.PrivateIPv4}
	}
	n, ok, why := nodename.FromLocalHostname(m)
	if ok {
		in.NodeName, in.NodeNameSource = n, "instance metadata: "+why
		return nil
	}
	log.Info("asking EC2 for the private DNS name, because instance metadata cannot tell it", "why", why, "bound", ec2Deadline)
	ctx, cancel := context.WithTimeout(ctx, ec2Deadline)
	defer cancel()
	api, err := ask()
	if err == nil {
		n, err = api.PrivateDNSName(ctx, id.InstanceID)
	}
	if err == nil {
		if bad := nodename.Check(n); bad != "" {
			err = fmt.Errorf("EC2 says %q: %s", n, bad)
		}
	}
	if err != nil {
		return []node.Problem{problem("instance.nodeName", fault.New(codeOr(err, fault.NodeNameUnknown), remedyOr(err, "Set featureGates.InstanceIdNodeName, which needs no EC2 call, or allow ec2:DescribeInstances."),
			fmt.Errorf("instance metadata cannot tell it (%s), and EC2 did not: %w", why, err)))}
	}
	in.NodeName, in.NodeNameSource = n, "EC2, because "+why
	return nil
}

// limits fills in the ENI limits of an instance type that the embedded table
// does not know. Without them pods are limited to a default, not to nothing.
func limits(ctx context.Context, in *node.Instance, ask func() (EC2, error), log *slog.Logger) []node.Problem {
	if _, known := instancetype.Limits(in.Type); known {
		return nil
	}
	log.Info("asking EC2 for the limits of an instance type that this version does not know", "type", in.Type, "bound", ec2Deadline)
	ctx, cancel := context.WithTimeout(ctx, ec2Deadline)
	defer cancel()
	var l ec2.Limits
	api, err := ask()
	if err == nil {
		l, err = api.InstanceTypeLimits(ctx, in.Type)
	}
	if err != nil {
		return []node.Problem{problem("instance.limits", err)}
	}
	in.Limits = &hardware.ENILimits{MaxENIs: l.MaxENIs, IPv4PerENI: l.IPv4PerENI}
	return nil
}

func problem(fact string, err error) node.Problem {
	p := node.Problem{Fact: fact, Code: codeOr(err, fault.FactMissing), Message: err.Error()}
	p.Remedy = remedyOr(err, "")
	return p
}

func codeOr(err error, code fault.Code) fault.Code {
	if f, ok := fault.Find(err); ok {
		return f.Code
	}
	return code
}

func remedyOr(err error, remedy string) string {
	if f, ok := fault.Find(err); ok && f.Remedy != "" {
		return f.Remedy
	}
	return remedy
}

func isIPv6(cidr string) bool {
	p, err := netip.ParsePrefix(cidr)
	return err == nil && p.Addr().Is6()
}
