package ec2

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/ec2"
	"github.com/eksnode/eksnode/pkg/aws/ecr"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/fault"
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
	id, missing, err := p.metadata.Identity(ctx, needs(config))
	if err != nil {
		return node.Instance{}, nil, fmt.Errorf("cannot tell who this instance is: %w", err)
	}
	in := node.Instance{
		ID: id.InstanceID, Type: id.InstanceType, Region: id.Region, Zone: id.Zone, ZoneID: id.ZoneID,
		AccountID: id.AccountID, ImageID: id.ImageID, Partition: id.Partition, DNSSuffix: id.DNSSuffix, MAC: id.MAC,
		OutpostARN: id.OutpostARN, Lifecycle: id.Lifecycle, PlacementGroup: id.PlacementGroup, PartitionNumber: id.PartitionNumber, Tags: id.Tags,
		SandboxSource: ecr.EKSRegistry(id.Region) + "/" + sandboxRepository,
	}
	if id.PrivateIPv4.IsValid() {
		in.PrivateIPv4 = []string{id.PrivateIPv4.String()}
	}
	for _, a := range id.IPv6 {
		in.IPv6 = append(in.IPv6, a.String())
	}
	for _, n := range id.VPCNetworks {
		in.VPCNetworks = append(in.VPCNetworks, n.String())
	}
	var problems []node.Problem
	for _, m := range missing {
		if m.Fact == "instance.localHostname" {
			continue // it matters for the name alone, which says so itself
		}
		problems = append(problems, problem(m.Fact, m.Err))
	}
	ask := func() (EC2, error) { return p.ec2(ctx, config, id.Region) }
	problems = append(problems, name(ctx, &in, id, config, ask, log)...)
	problems = append(problems, limits(ctx, config, &in, ask, log)...)
	return in, problems, nil
}

// sandboxRepository is the pause image in EKS' own registries, for machine
// images that bring none (platform versions since 1.29 use 3.10).
const sandboxRepository = "eks/pause:3.10"

// needs says what instance metadata is asked for beyond the identity document. A
// configuration that refers to no facts and names no proxy makes six requests of
// it, with the token and the user data; each fact referred to makes one more.
func needs(c api.NodeConfig) imds.Need {
	referred := node.ReferredFacts(c)
	refersTo := func(fact string) bool { return slices.Contains(referred, fact) }
	return imds.Need{
		LocalHostname:   nameSource(c) == api.NodeNamePrivateDNS,
		ZoneID:          true,
		MAC:             true,
		IPv6:            isIPv6(c.Spec.Cluster.CIDR),
		Lifecycle:       refersTo("instance.lifecycle"),
		PlacementGroup:  refersTo("instance.placementGroup"),
		OutpostARN:      refersTo("instance.outpostArn"),
		PartitionNumber: refersTo("instance.partitionNumber"),
		Tags:            node.ReferredTags(referred),
		VPCNetworks:     c.Spec.Proxy.HTTP != "" || c.Spec.Proxy.HTTPS != "",
	}
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
