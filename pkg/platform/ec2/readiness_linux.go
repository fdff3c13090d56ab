package ec2

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/eksnode/eksnode/pkg/aws/awsconfig"
	"github.com/eksnode/eksnode/pkg/aws/role"
	"github.com/eksnode/eksnode/pkg/aws/ststoken"
	"github.com/eksnode/eksnode/pkg/cluster"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
	"github.com/eksnode/eksnode/pkg/system/cri"
)

// readiness says what keeps pods off the node, and what must hold for that to end;
// nil where the configuration asks for nothing.
func (p *place) readiness(in node.Input) (*platform.Readiness, error) {
	asked := in.Config.Spec.Readiness
	if !asked.Asked() {
		return nil, nil
	}
	declared, err := declaredChecks(in)
	if err != nil {
		return nil, err
	}
	t := p.target(in)
	startup := asked.StartupTaint()
	taint := cluster.Taint{Key: startup.Key, Effect: startup.Effect}
	remover := p.remover(in)
	return &platform.Readiness{
		Taint:  taint.String(),
		Within: asked.Within(),
		Checks: cluster.ReadinessChecks(t, declared),
		Held:   func(ctx context.Context) (bool, error) { return cluster.Tainted(ctx, t, taint) },
		Release: func(ctx context.Context) health.Finding {
			removed, err := cluster.RemoveTaint(ctx, t, remover, taint)
			switch {
			case err != nil:
				return health.Bad(err)
			case !removed:
				return health.Good("somebody else has taken the taint " + taint.String() + " away")
			}
			return health.Good("the taint " + taint.String() + " was taken away")
		},
	}, nil
}

// declaredChecks are the checks of spec.readiness.
func declaredChecks(in node.Input) (cluster.Declared, error) {
	checks := in.Config.Spec.Readiness.Checks
	d := cluster.Declared{CSIDrivers: checks.CSIDrivers, Names: checks.DNS}
	var err error
	if d.Devices, err = deviceCounts(in); err != nil {
		return d, err
	}
	if len(checks.DNS) > 0 {
		if d.Nameservers, err = dnsServers(in); err != nil {
			return d, err
		}
	}
	if checks.CNI != nil && *checks.CNI {
		runtime := cri.Runtime{Socket: strings.TrimPrefix(in.Layout.ContainerdSocket, "unix://"), Now: time.Now}
		d.Network = once(runtime.Network)
	}
	return d, nil
}

// once keeps the first success: a sandbox for trial takes an address of the VPC,
// which the VPC CNI does not give out again for half a minute.
func once(look func(context.Context) (string, error)) func(context.Context) (string, error) {
	var mu sync.Mutex
	var seen string
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if seen != "" {
			return seen, nil
		}
		var err error
		seen, err = look(ctx)
		return seen, err
	}
}

// remover is the role that takes the startup taint away, with the instance ID as the
// name of its session; the node itself where the configuration names none.
func (p *place) remover(in node.Input) cluster.Remover {
	arn := in.Config.Spec.Readiness.RoleARN
	if arn == "" {
		return cluster.Remover{}
	}
	cfg := sync.OnceValues(func() (aws.Config, error) {
		cfg, err := awsconfig.Load(context.Background(), awsconfig.Options{Region: in.Instance.Region, IMDS: p.imds, Proxy: proxy(in), Log: p.log})
		if err != nil {
			return cfg, err
		}
		return role.Assume(cfg, arn, in.Instance.ID, p.log), nil
	})
	t := &tokens{make: func(ctx context.Context) (ststoken.Token, error) {
		cfg, err := cfg()
		if err != nil {
			return ststoken.Token{}, err
		}
		return ststoken.New(ctx, cfg, tokenCluster(in), in.Instance.Region, time.Now())
	}}
	return cluster.Remover{RoleARN: arn, Token: t.get}
}
