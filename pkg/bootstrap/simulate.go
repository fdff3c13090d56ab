package bootstrap

import (
	"context"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Compare decides for an input and compares with a machine that holds exactly what
// base says, made by the agent: a plan without a machine. The zero base is an empty
// machine. It asks nobody and reads nothing.
func Compare(ctx context.Context, in node.Input, components []node.Component, base host.State) (Decision, error) {
	d := Decision{Input: in, Notes: node.Notes(in, components), Reasons: node.Reasons(in, components)}
	var err error
	if d.Want, err = node.Desired(in, components); err != nil {
		return d, err
	}
	d.Owned = host.Owning(base)
	if d.Have, err = host.Snapshot(base).Observe(ctx, d.Want, d.Owned); err != nil {
		return d, err
	}
	d.Plan = host.Diff(d.Want, d.Have, d.Owned)
	return d, nil
}
