package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

const journalRemedy = "Read kubelet's journal: `journalctl -u kubelet -b --no-pager -n 50`."

// checkKubelet asks kubelet's health endpoint.
func (p *prober) checkKubelet(ctx context.Context) health.Finding {
	a, err := ask(ctx, p.local, http.MethodGet, p.KubeletHealth, "", nil)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return bad(fault.KubeletUnhealthy, "kubelet is not up yet: nothing listens at "+p.KubeletHealth, journalRemedy)
	case err != nil:
		return bad(fault.KubeletUnhealthy, "cannot ask kubelet for its health at "+p.KubeletHealth+": "+p.reason(err), journalRemedy)
	case a.code != http.StatusOK:
		return bad(fault.KubeletUnhealthy, "kubelet says that it is not healthy: "+a.status(), journalRemedy)
	}
	return health.Good("kubelet says that it is healthy")
}

// nameless returns the fault of a Target without a node name.
func (p *prober) nameless() error {
	if p.NodeName != "" {
		return nil
	}
	return fault.New(fault.NodeNameUnknown, "See why it is not known, or name nodes by instance id.",
		errors.New("cannot ask for this node: its name is not known"))
}

// node reads the Node object of this node.
func (p *prober) node(ctx context.Context) (*node, error) {
	if err := p.nameless(); err != nil {
		return nil, err
	}
	a, err := p.askAs(ctx, "read node "+p.NodeName, http.MethodGet, "api/v1/nodes/"+url.PathEscape(p.NodeName), nil)
	switch {
	case a.code == http.StatusNotFound:
		return nil, fault.New(fault.NotRegistered, "kubelet registers the node when it has reached the API server. "+journalRemedy,
			errors.New("the API server has no node "+p.NodeName+" yet"))
	case a.code == http.StatusForbidden:
		return nil, fault.New(fault.WrongIdentity, "A node may read its own Node object alone: the name that the API server gives this machine must be system:node:"+p.NodeName+".",
			errors.New("the API server forbids to read node "+p.NodeName+": "+a.message()))
	case err != nil:
		return nil, err
	}
	var n node
	if err := json.Unmarshal(a.body, &n); err != nil {
		return nil, fault.New(fault.EndpointHTTP, "Something else than a Kubernetes API server may answer at the endpoint.",
			fmt.Errorf("cannot understand node %s: %w", p.NodeName, err))
	}
	return &n, nil
}

// checkRegistered asks whether the API server has this node's object, and not
// that of an earlier machine of the same name.
func (p *prober) checkRegistered(ctx context.Context) health.Finding {
	node, err := p.node(ctx)
	if err != nil {
		return health.Bad(err)
	}
	if err := p.foreign(node); err != nil {
		return health.Bad(err)
	}
	return health.Good("node " + p.NodeName + " is registered")
}

// foreign returns the fault of a Node object that is another machine's.
func (p *prober) foreign(n *node) error {
	id := n.Spec.ProviderID
	if id == "" || p.ProviderID == "" || id == p.ProviderID {
		return nil
	}
	return fault.New(fault.NotRegistered,
		"If that machine is gone, `kubectl delete node "+p.NodeName+"`, then `systemctl restart kubelet` here: kubelet registers only when it starts. Naming nodes by instance id keeps names from coming back.",
		fmt.Errorf("node %s is that of another machine: its provider id is %s, this one's is %s", p.NodeName, oneLine(id), p.ProviderID))
}

// checkReady asks for the node's Ready condition, and passes on what kubelet
// says about it.
func (p *prober) checkReady(ctx context.Context) health.Finding {
	node, err := p.node(ctx)
	if err != nil {
		return health.Bad(err)
	}
	if node.old(p.BootID) {
		return bad(fault.NotReady, "node "+p.NodeName+" still shows its state from before this boot",
			"kubelet brings it up to date soon after its start. "+journalRemedy)
	}
	for _, c := range node.Status.Conditions {
		if c.Type != "Ready" {
			continue
		}
		if c.Status == "True" {
			return health.Good("node " + p.NodeName + " is Ready")
		}
		return bad(fault.NotReady, fmt.Sprintf("node %s is not Ready: %s: %s", p.NodeName, or(oneLine(c.Reason), "no reason given"), or(oneLine(c.Message), "no message")), p.notReadyRemedy(c))
	}
	return bad(fault.NotReady, "node "+p.NodeName+" has no Ready condition yet", "kubelet sets it soon after it has registered. "+journalRemedy)
}

func (p *prober) notReadyRemedy(c nodeCondition) string {
	message := strings.ToLower(c.Message)
	switch {
	case strings.Contains(message, "networkpluginnotready"), strings.Contains(message, "cni"):
		return "The CNI has not set this node's network up. See its DaemonSet's pod here (Amazon VPC CNI: aws-node): `kubectl -n kube-system get pods -o wide --field-selector spec.nodeName=" + p.NodeName + "`."
	case c.Status == "Unknown":
		return "The API server does not hear from kubelet any more. " + journalRemedy
	}
	return "The reason is kubelet's own. " + journalRemedy
}
