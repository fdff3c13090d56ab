package ec2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/aws/nodename"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

// nameSource returns how the node is named, with auto resolved.
func nameSource(c api.NodeConfig) api.NodeNameSource {
	source := c.Spec.NodeName.Source
	switch {
	case source != "" && source != api.NodeNameAuto:
		return source
	case c.Spec.FeatureGates.Enabled(api.InstanceIDNodeName):
		return api.NodeNameInstanceID
	}
	return api.NodeNamePrivateDNS
}

// name fills in the node's name, except a fixed one: that may refer to facts which
// are still being gathered; see fixedName.
func name(ctx context.Context, in *node.Instance, id imds.Identity, c api.NodeConfig, ask func() (EC2, error), log *slog.Logger) []node.Problem {
	var n, why string
	var ok bool
	source := nameSource(c)
	switch source {
	case api.NodeNameFixed:
		return nil
	case api.NodeNamePrivateDNS:
		return privateDNSName(ctx, in, id, ask, log)
	case api.NodeNameInstanceID:
		n, ok, why = nodename.InstanceIDName(id.InstanceID)
	case api.NodeNameIPName:
		n, ok, why = nodename.IPName(id.PrivateIPv4, id.Region)
	case api.NodeNameResourceName:
		n, ok, why = nodename.ResourceName(id.InstanceID, id.Region)
	default:
		why = fmt.Sprintf("there is no source %q of names", source)
	}
	if !ok {
		return []node.Problem{problem("instance.nodeName", fault.New(fault.NodeNameUnknown,
			"Set spec.nodeName.source to another one: instanceId and resourceName need nothing but the instance id.", errors.New(why)))}
	}
	in.NodeName, in.NodeNameSource = n, "spec.nodeName.source "+string(source)+": "+why
	if c.Spec.NodeName.Source != source { // auto
		in.NodeNameSource = "instance id, as InstanceIdNodeName asks"
	}
	return nil
}

// privateDNSName fills in the name that EC2 calls PrivateDnsName.
func privateDNSName(ctx context.Context, in *node.Instance, id imds.Identity, ask func() (EC2, error), log *slog.Logger) []node.Problem {
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

// fixedName fills in spec.nodeName.name where that is the node's name. It comes
// last: the name may refer to any fact.
func fixedName(in *node.Input) {
	if nameSource(in.Config) != api.NodeNameFixed {
		return
	}
	text := in.Config.Spec.NodeName.Name
	n, err := in.Expand(text)
	if err == nil {
		err = checkFixed(text, n)
	}
	if err != nil {
		in.Problems = append(in.Problems, problem("instance.nodeName", err))
		return
	}
	in.Instance.NodeName, in.Instance.NodeNameSource = n, "spec.nodeName.name"
	if n != text {
		in.Instance.NodeNameSource += " " + text
	}
}

// checkFixed refuses what cannot be a node's name, and says what could.
func checkFixed(text, name string) error {
	bad := nodename.Check(name)
	if bad == "" {
		return nil
	}
	remedy := "Correct spec.nodeName.name."
	if lower := strings.ToLower(name); nodename.Check(lower) == "" {
		remedy = fmt.Sprintf("Write it in lower case: %s.", lower)
	}
	if name != text {
		return fault.New(fault.NodeNameUnknown, remedy, fmt.Errorf("spec.nodeName.name %q gives %q: %s", text, name, bad))
	}
	return fault.New(fault.NodeNameUnknown, remedy, fmt.Errorf("spec.nodeName.name is %q: %s", name, bad))
}
