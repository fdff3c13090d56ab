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

// cniManifest is the DaemonSet that stands for the VPC CNI's. Like it, it runs on the node's network, tolerates everything
// and comes from EKS' registry, so a node is only Ready when it can pull from ECR.
const cniManifest = `apiVersion: apps/v1
kind: DaemonSet
metadata: {name: aws-node, namespace: kube-system, labels: {k8s-app: aws-node}}
spec:
  selector: {matchLabels: {k8s-app: aws-node}}
  updateStrategy: {rollingUpdate: {maxUnavailable: "100%"}}
  template:
    metadata: {labels: {k8s-app: aws-node}}
    spec:
      hostNetwork: true
      priorityClassName: system-node-critical
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers:
      - name: aws-node
        image: IMAGE
        volumeMounts: [{name: net, mountPath: /host/etc/cni/net.d}]
      volumes: [{name: net, hostPath: {path: /etc/cni/net.d, type: DirectoryOrCreate}}]
`

// addOns publishes the lab's images and gives the cluster its network.
func (l *Lab) addOns(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for repository, program := range map[string]string{PauseImage: "pause", CNIImage: "awsnode", HelloImage: "hello"} {
		path, err := l.imageProgram(ctx, program)
		if err != nil {
			return err
		}
		if err := l.PushImage(ctx, repository, path); err != nil {
			return err
		}
	}
	if l.options.NoPodNetwork {
		return nil
	}
	manifest := strings.ReplaceAll(cniManifest, "IMAGE", l.Image(CNIImage))
	// The API server is ready before its priority classes are there.
	err := Wait(ctx, "the network's DaemonSet is applied", func(ctx context.Context) error { return l.Apply(ctx, manifest) })
	if err != nil {
		return err
	}
	l.progress("the pod network's DaemonSet is applied")
	return nil
}

// PodSpec describes a pod of [Lab.RunPod].
type PodSpec struct {
	// Name is required; Namespace is default when empty.
	Name, Namespace string
	// Node pins the pod to a node, past the scheduler; the scheduler chooses when it is empty.
	Node string
	// Image is the lab's HelloImage when empty.
	Image string
	// Args follow the image's entry point.
	Args []string
}

// RunPod creates a pod and waits until it runs. ctx bounds it.
func (l *Lab) RunPod(ctx context.Context, spec PodSpec) error {
	if spec.Namespace == "" {
		spec.Namespace = "default"
	}
	if spec.Image == "" {
		spec.Image = l.Image(HelloImage)
	}
	pod := map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": spec.Name},
		"spec": map[string]any{
			"nodeName": spec.Node, "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false,
			"containers": []any{map[string]any{"name": "main", "image": spec.Image, "args": spec.Args}},
		},
	}
	path := "/api/v1/namespaces/" + spec.Namespace + "/pods"
	err := Wait(ctx, "pod "+spec.Name+" is accepted", func(ctx context.Context) error {
		err := l.API(ctx, http.MethodPost, path, pod, nil)
		var status *StatusError
		if errors.As(err, &status) && status.Code == http.StatusConflict {
			return nil // an earlier try was heard
		}
		return err // a namespace has its service account only after a moment
	})
	if err != nil {
		return fmt.Errorf("cannot run pod %s: %w", spec.Name, err)
	}
	return l.WaitPod(ctx, spec.Namespace, spec.Name, "Running")
}
