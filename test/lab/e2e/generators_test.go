//go:build linux

package e2e_test

import (
	"encoding/base64"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// disks stands for the program of EKS images that prepares local disks: it says how it was called.
const disks = "#!/bin/sh\necho \"$@\" >>/var/log/setup-local-disks\n"

// generated is user data as a tool makes it, for the lab's cluster: the same texts that the configuration's own tests
// read, with another cluster in them.
func generated(t *testing.T, l *lab.Lab, shape string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../../pkg/api/testdata/shapes/" + shape + ".in")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, r := range []struct{ was, is string }{
		{`https://[A-Z0-9]+\.gr7\.[a-z0-9-]+\.eks\.amazonaws\.com`, l.Cluster.Endpoint},
		{`LS0tLS1CRUdJTi[A-Za-z0-9+/=]+`, base64.StdEncoding.EncodeToString(l.Cluster.CA)},
		{`(?m)(cidr: ["']?)10\.100\.0\.0/16`, "${1}" + l.Cluster.CIDR},
		{`(?m)^(\s+name: ["']?)my-cluster`, "${1}" + l.Cluster.Name},
	} {
		re := regexp.MustCompile(r.was)
		if !re.MatchString(text) {
			t.Fatalf("%s: nothing matches %s", shape, r.was)
		}
		text = re.ReplaceAllString(text, r.is)
	}
	// The lab's cluster lets nodes in by their private DNS name.
	return []byte(strings.ReplaceAll(text, "InstanceIdNodeName: true", "InstanceIdNodeName: false"))
}

func TestNodesJoinWithTheUserDataThatOthersGenerate(t *testing.T) {
	l := start(t, lab.Options{})
	drop := plain(t, l, lab.NodeConfigOptions{NoCluster: true})
	for _, tt := range []struct {
		shape  string
		pods   string
		labels map[string]string
		taint  string
	}{
		{shape: "karpenter", pods: "58", labels: map[string]string{"karpenter.sh/nodepool": "general", "karpenter.k8s.aws/ec2nodeclass": "default"}, taint: "karpenter.sh/unregistered"},
		{shape: "karpenter-custom", pods: "110", labels: map[string]string{"karpenter.sh/nodepool": "general"}, taint: "karpenter.sh/unregistered"},
		{shape: "managed-node-group", pods: "17", labels: map[string]string{"eks.amazonaws.com/nodegroup": "workers"}},
		{shape: "eksctl", pods: "17", labels: map[string]string{"eks.amazonaws.com/nodegroup": "workers"}},
		{shape: "terraform-aws-eks", pods: "17", labels: map[string]string{"eks.amazonaws.com/nodegroup": "workers"}},
		{shape: "cdk", pods: "29"},
		{shape: "cluster-api", pods: "29", labels: map[string]string{"eks.amazonaws.com/capacityType": "ON_DEMAND"}},
	} {
		t.Run(tt.shape, func(t *testing.T) {
			i := launch(t, l, lab.InstanceSpec{UserData: generated(t, l, tt.shape), Files: map[string][]byte{
				"/etc/eksnode/config.d/90-lab.yaml": drop, "/usr/bin/setup-local-disks": []byte(disks),
			}})
			settled(t, l, i)
			n := must(l.Node(within(t, time.Minute), i.NodeName()))(t)
			if n.Status.Allocatable["pods"] != tt.pods {
				t.Errorf("%s pods, want %s", n.Status.Allocatable["pods"], tt.pods)
			}
			for k, v := range tt.labels {
				if n.Metadata.Labels[k] != v {
					t.Errorf("label %s is %q, want %q", k, n.Metadata.Labels[k], v)
				}
			}
			if has := slices.ContainsFunc(n.Spec.Taints, func(x lab.Taint) bool { return x.Key == tt.taint && x.Effect == "NoExecute" }); tt.taint != "" && !has {
				t.Errorf("taints %+v, want %s", n.Spec.Taints, tt.taint)
			}
			if tt.shape == "karpenter" {
				if got := shell(t, i, "cat /var/log/setup-local-disks"); got != "raid0" {
					t.Errorf("the disks were prepared by %q", got)
				}
			}
			nothingToDo(t, i)
			if err := i.Terminate(within(t, time.Minute)); err != nil {
				t.Fatal(err)
			}
		})
	}
}
