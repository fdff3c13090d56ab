package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/eksnode/eksnode/internal/retry"
	"github.com/eksnode/eksnode/pkg/fault"
)

// Taint names a taint of a Node, of which there is only one with a key and an
// effect.
type Taint struct{ Key, Effect string }

func (t Taint) String() string { return t.Key + ":" + t.Effect }

// Remover is who takes a taint away. A node may not do so itself: the admission
// plugin NodeRestriction, which every EKS cluster has, forbids the users
// system:node:NAME any change of the taints of a registered Node. The zero value is
// the node nevertheless, for clusters without the plugin.
type Remover struct {
	// RoleARN is the IAM role that Token speaks for, for messages.
	RoleARN string
	// Token returns a bearer token. Its error's fault is passed on.
	Token func(context.Context) (string, error)
}

// ReadinessGroup is the name under which remedies and the documentation let a role
// patch nodes: the group of its access entry, the ClusterRole and its binding.
const ReadinessGroup = "eksnode-readiness"

// taintAttempts bound how often a removal begins anew because somebody else has
// changed the taints between the look and the patch.
const taintAttempts = 8

// Tainted reports whether the Target's Node bears the taint. What fails for a
// passing reason is tried again within 30 seconds. Its faults are those of Publish.
func Tainted(ctx context.Context, t Target, taint Taint) (bool, error) {
	p := newProber(t)
	var there bool
	err := retry.Do(ctx, p.taintPolicy("looking for the startup taint again", retry.Clock{}), func(ctx context.Context) error {
		n, err := p.ownNode(ctx)
		if err == nil {
			there = n.taint(taint) >= 0
		}
		return final(err)
	})
	if err != nil {
		return false, fmt.Errorf("cannot see whether node %s bears the taint %s: %w", p.NodeName, taint, err)
	}
	return there, nil
}

// RemoveTaint takes one taint off the Target's Node, and nothing else; removed says
// whether it was there. The Node is read as the node, and changed as by.
//
// It is a JSON patch (RFC 6902) that tests the Node's UID and the whole taint at its
// place and removes that place: the API server applies all of it or nothing, to
// whatever the Node is in that moment, so that neither a taint that somebody else
// sets or takes at the same time is lost, nor does each heartbeat of kubelet make a
// conflict. A test that fails begins anew with a look, within 30 seconds and 8
// attempts. The error is a fault: StartupTaintRefused where by may not do it.
func RemoveTaint(ctx context.Context, t Target, by Remover, taint Taint) (removed bool, err error) {
	return newProber(t).removeTaint(ctx, by, taint, retry.Clock{})
}

func (p *prober) taintPolicy(doing string, clock retry.Clock) retry.Policy {
	return retry.Policy{
		Attempts: taintAttempts, Within: publishWithin, Each: 2 * p.Timeout, Base: publishBase, Max: publishMax, Clock: clock,
		Log: func(n retry.Note) {
			p.Log.Info(doing, "reason", n.Err, "attempt", n.Attempt, "elapsed", n.Elapsed.Round(time.Millisecond))
		},
	}
}

func (p *prober) removeTaint(ctx context.Context, by Remover, taint Taint, clock retry.Clock) (removed bool, err error) {
	err = retry.Do(ctx, p.taintPolicy("removing the startup taint again", clock), func(ctx context.Context) error {
		var err error
		removed, err = p.tryRemoveTaint(ctx, by, taint)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("cannot take the taint %s off node %s: %w", taint, p.NodeName, err)
	}
	return removed, nil
}

// tryRemoveTaint makes one attempt. Errors that repeating at once cannot mend are
// marked.
func (p *prober) tryRemoveTaint(ctx context.Context, by Remover, taint Taint) (removed bool, err error) {
	n, err := p.ownNode(ctx)
	if err != nil {
		return false, final(err)
	}
	i := n.taint(taint)
	if i < 0 {
		return false, nil
	}
	patch, err := removal(n, i)
	if err != nil {
		return false, retry.Stop(err)
	}
	remover := *p
	if by.Token != nil {
		remover.Token, remover.Identity = by.Token, nil
	}
	a, err := remover.askAs(ctx, "change node "+p.NodeName, http.MethodPatch, "api/v1/nodes/"+url.PathEscape(p.NodeName), patch)
	switch a.code {
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return false, fault.New(fault.EndpointHTTP, "See what else changes this Node all the time: `kubectl get node "+p.NodeName+" -o yaml --show-managed-fields`.",
			errors.New("the API server does not apply the patch, because somebody else changes the taints at the same time: "+a.message()))
	case http.StatusUnauthorized, http.StatusForbidden:
		return false, retry.Stop(p.refusedTaint(by, a))
	case http.StatusNotFound:
		return false, retry.Stop(fault.New(fault.NotRegistered, "See who deletes nodes; kubelet registers again when it is started: `systemctl restart kubelet`.",
			errors.New("the node has been deleted in this moment")))
	}
	return err == nil, final(err)
}

// ownNode reads the Node object of this node, and refuses another machine's.
func (p *prober) ownNode(ctx context.Context) (*node, error) {
	n, err := p.node(ctx)
	if err == nil {
		err = p.foreign(n)
	}
	return n, err
}

// taint returns the place of a taint among those of the Node, or -1.
func (n *node) taint(t Taint) int {
	return slices.IndexFunc(n.Spec.Taints, func(raw json.RawMessage) bool {
		var one nodeTaint
		return json.Unmarshal(raw, &one) == nil && one.Key == t.Key && one.Effect == t.Effect
	})
}

// operation is one of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// removal returns the patch that removes the taint at a place, if it is still the
// one there.
func removal(n *node, place int) ([]byte, error) {
	at := "/spec/taints/" + strconv.Itoa(place)
	patch, err := json.Marshal([]operation{
		{Op: "test", Path: "/metadata/uid", Value: n.Metadata.UID},
		{Op: "test", Path: at, Value: n.Spec.Taints[place]},
		{Op: "remove", Path: at},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot render the patch: %w", err)
	}
	return patch, nil
}

// refusedTaint says what is missing for somebody to be let take the taint away.
func (p *prober) refusedTaint(by Remover, a answer) error {
	entry := func(arn string) string {
		return "`aws eks create-access-entry --cluster-name " + or(p.ClusterName, "CLUSTER") + " --principal-arn " + arn +
			" --type STANDARD --kubernetes-groups " + ReadinessGroup + p.regionFlag() + "`"
	}
	const rights = "`kubectl create clusterrole " + ReadinessGroup + " --verb=patch --resource=nodes && kubectl create clusterrolebinding " +
		ReadinessGroup + " --clusterrole=" + ReadinessGroup + " --group=" + ReadinessGroup + "`"
	switch {
	case by.Token == nil:
		return fault.New(fault.TaintRefused,
			"Name an IAM role in spec.readiness.roleArn which the role of this instance may assume (sts:AssumeRole), let it into the cluster: "+entry("ROLE_ARN")+", and let its group patch nodes: "+rights+". Or have a controller in the cluster take the taint away.",
			errors.New("a node may not change its own taints, and no other identity is configured: the API server answers "+a.status()))
	case a.code == http.StatusUnauthorized:
		return fault.New(fault.TaintRefused, "Let the role into the cluster: "+entry(by.RoleARN)+", and let its group patch nodes: "+rights+".",
			errors.New("the API server does not know the role "+by.RoleARN+" (401 Unauthorized)"))
	}
	return fault.New(fault.TaintRefused, "Let the group of the role's access entry patch nodes: "+rights+".",
		errors.New("the API server does not let the role "+by.RoleARN+" do it: "+a.status()))
}
