//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Node is what tests need of a Node object.
type Node struct {
	Metadata struct {
		Name        string            `json:"name"`
		UID         string            `json:"uid"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		ProviderID string  `json:"providerID"`
		Taints     []Taint `json:"taints"`
	} `json:"spec"`
	Status struct {
		Conditions            []struct{ Type, Status, Reason, Message string }                 `json:"conditions"`
		Addresses             []Address                                                        `json:"addresses"`
		NodeInfo              struct{ KubeletVersion, ContainerRuntimeVersion, BootID string } `json:"nodeInfo"`
		Capacity, Allocatable map[string]string
	} `json:"status"`
}

// Taint is a node's taint.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Address is a node's address.
type Address struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// Condition returns the status of a condition ("True", "False", "Unknown", or "" where there is none) and its message.
func (n Node) Condition(kind string) (status, message string) {
	for _, c := range n.Status.Conditions {
		if c.Type == kind {
			return c.Status, c.Message
		}
	}
	return "", "no such condition yet"
}

// Node reads a node.
func (l *Lab) Node(ctx context.Context, name string) (Node, error) {
	var n Node
	err := l.API(ctx, http.MethodGet, "/api/v1/nodes/"+name, nil, &n)
	return n, err
}

// WaitNodeReady waits until the API server says that the node is Ready. ctx bounds it.
func (l *Lab) WaitNodeReady(ctx context.Context, name string) error {
	return l.WaitNode(ctx, name, "is Ready", func(n Node) error {
		if status, message := n.Condition("Ready"); status != "True" {
			return fmt.Errorf("its condition Ready is %q: %s", status, message)
		}
		return nil
	})
}

// WaitNode waits until the node exists and holds returns nil for it. ctx bounds it.
func (l *Lab) WaitNode(ctx context.Context, name, what string, holds func(Node) error) error {
	return Wait(ctx, "node "+name+" "+what, func(ctx context.Context) error {
		n, err := l.Node(ctx, name)
		if err != nil {
			return err
		}
		return holds(n)
	})
}

// WaitPod waits until the pod is in a phase, such as "Running". ctx bounds it.
func (l *Lab) WaitPod(ctx context.Context, namespace, name, phase string) error {
	return Wait(ctx, "pod "+namespace+"/"+name+" is "+phase, func(ctx context.Context) error {
		var pod struct {
			Status struct {
				Phase             string
				ContainerStatuses []struct {
					State map[string]struct{ Reason, Message string }
				}
			}
		}
		if err := l.API(ctx, http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods/"+name, nil, &pod); err != nil {
			return err
		}
		if pod.Status.Phase == phase {
			return nil
		}
		return fmt.Errorf("it is %s %v", pod.Status.Phase, pod.Status.ContainerStatuses)
	})
}

// PodLog waits until the pod's log holds something, and returns it. ctx bounds it.
func (l *Lab) PodLog(ctx context.Context, namespace, name string) (string, error) {
	var out string
	err := Wait(ctx, "pod "+namespace+"/"+name+" has a log", func(ctx context.Context) (err error) {
		out, err = l.Kubectl(ctx, "logs", "--namespace", namespace, name)
		if err == nil && out == "" {
			err = errors.New("it is empty")
		}
		return err
	})
	return out, err
}

// playEKS does what EKS does in a cluster and no open program: it approves the serving certificates of kubelets, and
// initialises nodes as the cloud controller manager would. It ends with ctx.
func (l *Lab) playEKS(ctx context.Context) {
	log, err := l.openLog("eks.log")
	if err != nil {
		l.progress("cannot log what the lab's controller does: %v", err)
		return
	}
	defer log.Close()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		if l.APIServer.Running() {
			for _, step := range []func(context.Context) (string, error){l.approve, l.initialise} {
				did, err := step(ctx)
				if err != nil && ctx.Err() == nil {
					did += "error: " + err.Error() + "\n"
				}
				if did != "" {
					fmt.Fprint(log, time.Now().UTC().Format(time.RFC3339Nano), " ", did)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

type csr struct {
	Metadata struct{ Name string }
	Spec     struct {
		SignerName, Username string
		Groups               []string
	}
	Status struct {
		Conditions []map[string]any `json:"conditions"`
	}
}

// approve approves serving certificates that nodes ask for themselves, as EKS's approver does.
func (l *Lab) approve(ctx context.Context) (string, error) {
	const path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
	var list struct{ Items []csr }
	if err := l.API(ctx, http.MethodGet, path, nil, &list); err != nil {
		return "", err
	}
	var did strings.Builder
	for _, c := range list.Items {
		if c.Spec.SignerName != "kubernetes.io/kubelet-serving" || len(c.Status.Conditions) > 0 || !strings.HasPrefix(c.Spec.Username, "system:node:") {
			continue
		}
		approval := map[string]any{"status": map[string]any{"conditions": []any{map[string]any{
			"type": "Approved", "status": "True", "reason": "LabApproved", "message": "the lab approves serving certificates of nodes"}}}}
		if err := l.API(ctx, http.MethodPatch, path+"/"+c.Metadata.Name+"/approval", approval, nil); err != nil {
			return did.String(), err
		}
		fmt.Fprintf(&did, "approved %s of %s\n", c.Metadata.Name, c.Spec.Username)
	}
	return did.String(), nil
}

// uninitialised is the taint of a node whose cloud controller has not seen it yet
// (Kubernetes documentation, "Cloud Controller Manager Administration").
const uninitialised = "node.cloudprovider.kubernetes.io/uninitialized"

// initialise gives new nodes the labels and addresses AWS' cloud controller gives, and takes the taint away.
func (l *Lab) initialise(ctx context.Context) (string, error) {
	var list struct{ Items []Node }
	if err := l.API(ctx, http.MethodGet, "/api/v1/nodes", nil, &list); err != nil {
		return "", err
	}
	var did strings.Builder
	for _, n := range list.Items {
		var keep []Taint
		for _, t := range n.Spec.Taints {
			if t.Key != uninitialised {
				keep = append(keep, t)
			}
		}
		if len(keep) == len(n.Spec.Taints) {
			continue
		}
		id := n.Spec.ProviderID[strings.LastIndex(n.Spec.ProviderID, "/")+1:]
		m := l.Cloud.Machine(id)
		if m == nil {
			continue // no instance of ours: the taint stays, as it would
		}
		inst := m.Instance()
		labels := map[string]string{"node.kubernetes.io/instance-type": inst.Type, "topology.kubernetes.io/region": inst.Region, "topology.kubernetes.io/zone": inst.Zone}
		addresses := []Address{{"InternalIP", inst.Interfaces[0].IPv4s[0]}, {"InternalDNS", inst.PrivateDNSName}, {"Hostname", inst.PrivateDNSName}}
		for _, a := range inst.Interfaces[0].IPv6s {
			addresses = append(addresses, Address{"InternalIP", a})
		}
		path := "/api/v1/nodes/" + n.Metadata.Name
		if err := l.API(ctx, http.MethodPatch, path+"/status", map[string]any{"status": map[string]any{"addresses": addresses}}, nil); err != nil {
			return did.String(), err
		}
		patch := map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"taints": keep}}
		if err := l.API(ctx, http.MethodPatch, path, patch, nil); err != nil {
			return did.String(), err
		}
		fmt.Fprintf(&did, "initialised node %s (%s)\n", n.Metadata.Name, id)
	}
	return did.String(), nil
}
