package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/eksnode/eksnode/internal/retry"
	"github.com/eksnode/eksnode/pkg/fault"
)

// ManagedKeys is the annotation in which a Node bears the keys that Publish has set,
// as JSON: {"annotations":["a"],"labels":["b"]}. It is how a key that is not wanted
// any more is told from somebody else's.
const ManagedKeys = "eksnode.dev/managed-keys"

// Metadata are the labels and annotations that a Node should bear.
type Metadata struct {
	Labels, Annotations map[string]string
}

// Bounds of one publication. The API server answers within milliseconds; what makes
// it refuse for a moment is that kubelet or a controller has changed the Node
// between our look and our patch, which is most frequent just after the node has
// come up.
const (
	publishAttempts = 8
	publishWithin   = 30 * time.Second
	publishBase     = 50 * time.Millisecond
	publishMax      = 2 * time.Second
)

// Publish sees that the Target's Node bears the wanted labels and annotations, with
// the node's own credentials, and that it does not bear those any more which an
// earlier Publish has set and nobody wants now. It touches no other key, and writes
// nothing when all is as it should be; changed says whether it wrote.
//
// The patch holds for the state that was looked at alone: if somebody has changed
// the Node in between, it looks again, so that nothing is decided on what has
// passed. That, and answers of a server in trouble, is repeated within 30 seconds
// and 8 attempts. The error is a fault: ConfigInvalid for keys that the API server
// lets no node set, NodeNotRegistered for a Node that is not there or another
// machine's.
func Publish(ctx context.Context, t Target, want Metadata) (changed bool, err error) {
	return newProber(t).publishUntil(ctx, want, retry.Clock{})
}

// publishUntil makes attempts until one succeeds or there is no sense in more.
func (p *prober) publishUntil(ctx context.Context, want Metadata, clock retry.Clock) (changed bool, err error) {
	err = retry.Do(ctx, retry.Policy{
		Attempts: publishAttempts, Within: publishWithin, Each: 2 * p.Timeout, Base: publishBase, Max: publishMax, Clock: clock,
		Log: func(n retry.Note) {
			p.Log.Info("publishing the node's labels and annotations again", "reason", n.Err, "attempt", n.Attempt, "elapsed", n.Elapsed.Round(time.Millisecond))
		},
	}, func(ctx context.Context) error {
		var err error
		changed, err = p.publish(ctx, want)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("cannot publish labels and annotations of node %s: %w", p.NodeName, err)
	}
	return changed, nil
}

// publish makes one attempt. Errors that repeating cannot mend are marked.
func (p *prober) publish(ctx context.Context, want Metadata) (changed bool, err error) {
	n, err := p.node(ctx)
	if err == nil {
		err = p.foreign(n)
	}
	if err != nil {
		return false, final(err)
	}
	patch, err := patchOf(n.Metadata, want)
	if patch == nil || err != nil {
		return false, retry.Stop(err)
	}
	a, err := p.askAs(ctx, "change node "+p.NodeName, http.MethodPatch, "api/v1/nodes/"+url.PathEscape(p.NodeName), patch)
	switch a.code {
	case http.StatusConflict:
		return false, fault.New(fault.EndpointHTTP, "See what else changes this Node all the time: `kubectl get node "+p.NodeName+" -o yaml --show-managed-fields`.",
			errors.New("somebody else changes it at the same time, each time"))
	case http.StatusForbidden:
		return false, retry.Stop(p.forbiddenPatch(a))
	case http.StatusNotFound:
		return false, retry.Stop(fault.New(fault.NotRegistered, "See who deletes nodes; kubelet registers again when it is started: `systemctl restart kubelet`.",
			errors.New("the node has been deleted in this moment")))
	case http.StatusUnprocessableEntity:
		return false, retry.Stop(fault.New(fault.ConfigInvalid, "Correct spec.labels and spec.annotations.", errors.New("the API server does not take them: "+a.message())))
	}
	return err == nil, final(err)
}

// final marks an error that stays: a refusal, unlike a server in trouble or a
// network that fails.
func final(err error) error {
	if err == nil {
		return nil
	}
	switch fault.CodeOf(err) {
	case fault.Unauthorized, fault.WrongIdentity, fault.NotRegistered, fault.ConfigInvalid, fault.NodeNameUnknown, fault.Internal, fault.EndpointCA, fault.RoleDenied:
		return retry.Stop(err)
	}
	return err
}

// forbiddenPatch says what the API server does not let a node do to itself. The
// admission plugin NodeRestriction names the labels; without them it is the
// identity that is wrong.
func (p *prober) forbiddenPatch(a answer) error {
	message := a.message()
	if strings.Contains(message, "modify labels") {
		return fault.New(fault.ConfigInvalid,
			"Take these labels out of spec.labels: the cluster lets no node give them to itself (admission plugin NodeRestriction). Have them set from outside, with `kubectl label node` or by what made the node.",
			errors.New("the API server forbids it: "+message))
	}
	return fault.New(fault.WrongIdentity, "A node may change its own Node object alone: the name that the API server gives this machine must be system:node:"+p.NodeName+".",
		errors.New("the API server forbids it: "+message))
}

// keys are the value of ManagedKeys.
type keys struct {
	Annotations []string `json:"annotations,omitempty"`
	Labels      []string `json:"labels,omitempty"`
}

// patchOf returns the merge patch from what a Node has to what it should have; nil
// when nothing differs.
func patchOf(have nodeMetadata, want Metadata) ([]byte, error) {
	wanted := maps.Clone(want.Annotations)
	delete(wanted, ManagedKeys) // ours alone
	managed := keys{slices.Sorted(maps.Keys(wanted)), slices.Sorted(maps.Keys(want.Labels))}
	var before keys
	// What cannot be read is nobody's promise: nothing is taken away for it, and it
	// is written anew.
	if err := json.Unmarshal([]byte(have.Annotations[ManagedKeys]), &before); err != nil {
		before = keys{}
	}
	labels := changes(have.Labels, want.Labels, before.Labels)
	annotations := changes(have.Annotations, wanted, before.Annotations)
	delete(annotations, ManagedKeys)
	text, err := json.Marshal(managed)
	if err != nil {
		return nil, fmt.Errorf("cannot render the managed keys: %w", err)
	}
	record, recorded := have.Annotations[ManagedKeys]
	switch {
	case len(managed.Annotations)+len(managed.Labels) > 0 && record != string(text):
		annotations[ManagedKeys] = string(text)
	case len(managed.Annotations)+len(managed.Labels) == 0 && recorded:
		annotations[ManagedKeys] = nil
	}
	if len(labels)+len(annotations) == 0 {
		return nil, nil
	}
	metadata := map[string]any{"resourceVersion": have.ResourceVersion}
	if len(labels) > 0 {
		metadata["labels"] = labels
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil, fmt.Errorf("cannot render the patch: %w", err)
	}
	return patch, nil
}

// changes returns what has to be set, and as nil what has to go.
func changes(have, want map[string]string, before []string) map[string]any {
	out := map[string]any{}
	for key, value := range want {
		if old, ok := have[key]; !ok || old != value {
			out[key] = value
		}
	}
	for _, key := range before {
		_, wanted := want[key]
		if _, there := have[key]; there && !wanted {
			out[key] = nil
		}
	}
	return out
}
