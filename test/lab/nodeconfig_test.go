//go:build linux

package lab

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"testing"
)

func TestNodeConfigCarriesTheClusterAndWhatTheMachineNeeds(t *testing.T) {
	l := &Lab{Cluster: Cluster{Name: "lab", Endpoint: "https://api.example", CA: []byte("PEM"), CIDR: "10.100.0.0/16"}}
	named := &Lab{Cluster: l.Cluster, options: Options{NodeNaming: InstanceID}}
	const cluster = `  cluster:
    apiServerEndpoint: https://api.example
    certificateAuthority: UEVN
    cidr: 10.100.0.0/16
    name: lab
`
	const limits = `    baseRuntimeSpec:
      process:
        rlimits:
        - hard: 16384
          soft: 16384
          type: RLIMIT_NOFILE
`
	for name, row := range map[string]struct {
		lab     *Lab
		options NodeConfigOptions
		want    string
	}{
		"containerd 2": {l, NodeConfigOptions{}, cluster + `  containerd:
` + limits + `    config: |
      version = 3
      [plugins.'io.containerd.cri.v1.runtime']
      restrict_oom_score_adj = true
  kubelet:
    config:
      failCgroupV1: false
`},
		"containerd 1.7": {l, NodeConfigOptions{Containerd: "1.7", KubeletFlags: []string{"--v=4"}}, cluster + `  containerd:
` + limits + `    config: |
      version = 2
      [plugins.'io.containerd.grpc.v1.cri']
      restrict_oom_score_adj = true
  kubelet:
    config:
      failCgroupV1: false
    flags:
    - --v=4
`},
		"instance ids as names, and what a test wants wrong": {named, NodeConfigOptions{NoOverrides: true, Endpoint: "https://other", CA: []byte("X")}, `  cluster:
    apiServerEndpoint: https://other
    certificateAuthority: WA==
    cidr: 10.100.0.0/16
    name: lab
  featureGates:
    InstanceIdNodeName: true
`},
		"a part for merging": {named, NodeConfigOptions{NoCluster: true, NoOverrides: true, KubeletConfig: map[string]any{"maxPods": 9}}, `  kubelet:
    config:
      maxPods: 9
`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := row.lab.NodeConfig(row.options)
			if want := "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n" + row.want; err != nil || got != want {
				t.Errorf("%v\n%s\nwant\n%s", err, got, want)
			}
		})
	}
}

func TestMIMEIsReadBackPartByPart(t *testing.T) {
	parts := []Part{ShellPart("#!/bin/sh\necho hi\n"), NodeConfigPart("kind: NodeConfig"), {"text/plain", "--BOUNDARY\nnot a boundary"}}
	message, err := mail.ReadMessage(bytes.NewReader(MIME(parts...)))
	if err != nil {
		t.Fatal(err)
	}
	kind, parameters, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" {
		t.Fatal(kind, err)
	}
	r := multipart.NewReader(message.Body, parameters["boundary"])
	for n, want := range parts {
		part, err := r.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil || string(body) != strings.TrimSuffix(want.Body, "\n") || part.Header.Get("Content-Type") != want.ContentType {
			t.Errorf("part %d is %q %q (%v)", n, part.Header.Get("Content-Type"), body, err)
		}
	}
	if _, err := r.NextPart(); err != io.EOF {
		t.Errorf("after the last part: %v", err)
	}
}
