package ec2

import (
	"context"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/cluster"
	"github.com/eksnode/eksnode/pkg/kubelet"
	"github.com/eksnode/eksnode/pkg/node"
)

// publish sets the labels and annotations of the node's own object in the cluster.
// kubelet gives a node its labels when it registers, and none that were asked for
// since; of annotations it knows nothing.
//
// A configuration that has neither and never had one asks the cluster nothing: only
// documents of the superset can have had them.
func (p *place) publish(ctx context.Context, in node.Input) error {
	if in.Config.APIVersion != api.APIVersionSuperset && len(in.Config.Spec.Labels)+len(in.Config.Spec.Annotations) == 0 {
		return nil
	}
	want, err := metadata(in)
	if err != nil {
		return err
	}
	t := p.target(in)
	changed, err := cluster.Publish(ctx, t, want)
	if err == nil && changed {
		p.log.Info("published on the node", "labels", len(want.Labels), "annotations", len(want.Annotations))
	}
	return err
}

// metadata is what the configuration gives the node. A label of the user's kubelet
// flags stays kubelet's.
func metadata(in node.Input) (cluster.Metadata, error) {
	labels, _, err := kubelet.Labels(in)
	if err != nil {
		return cluster.Metadata{}, err
	}
	annotations, _, err := kubelet.Annotations(in)
	return cluster.Metadata{Labels: labels, Annotations: annotations}, err
}
