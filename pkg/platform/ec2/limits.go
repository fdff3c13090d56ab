package ec2

import (
	"context"
	"log/slog"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/ec2"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/node"
)

// limits fills in the ENI limits of an instance type that the embedded table does
// not know, by one question to EC2 within ec2Deadline: only EC2's answer is exact, and
// a node lives with its number of pods for good. Without an answer, and EC2 may deny
// it or be out of reach, the Problem says so, and the number of pods is decided from
// what is at hand: see kubelet.
func limits(ctx context.Context, config api.NodeConfig, in *node.Instance, ask func() (EC2, error), log *slog.Logger) []node.Problem {
	if _, known := instancetype.Limits(in.Type); known || !needsLimits(config) {
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
		log.Warn("EC2 does not tell the limits of the instance type; the node joins with an estimate or a default", "type", in.Type, "err", err)
		return []node.Problem{problem("instance.limits", err)}
	}
	in.Limits = &hardware.ENILimits{MaxENIs: l.MaxENIs, IPv4PerENI: l.IPv4PerENI}
	return nil
}

// needsLimits reports whether the number of pods depends on ENI limits at all. It
// does not where pods have no addresses of ENIs, or more than they can use, as in an
// IPv6 cluster; but an expression may speak of them.
func needsLimits(config api.NodeConfig) bool {
	if strings.TrimSpace(config.Spec.Kubelet.MaxPodsExpression) != "" {
		return true
	}
	switch config.Spec.CNI.Profile {
	case api.CNICiliumOverlay, api.CNICalico, api.CNIBridge, api.CNIPointToPoint, api.CNINone:
		return false
	case api.CNIVPC, api.CNICiliumENI:
		return !isIPv6(config.Spec.Cluster.CIDR)
	}
	return true
}
