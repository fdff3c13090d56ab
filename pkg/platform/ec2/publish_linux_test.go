package ec2

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

// published runs publish against an API server that has one node, and returns the
// requests that it got.
func published(t *testing.T, change func(*node.Input)) (requests []string, err error) {
	t.Helper()
	cleanEnv(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests = append(requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+string(body)))
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer k8s-aws-v1.") {
			t.Errorf("Authorization is %.20q", r.Header.Get("Authorization"))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"name": "i-0", "resourceVersion": "7", "labels": map[string]string{"kubernetes.io/os": "linux"}}})
	}))
	defer server.Close()
	client, err := imds.New(imds.Options{Dial: awstest.Serve(t, awstest.NewIMDS()).Dial, NotFoundFor: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	p := &place{imds: client, metadata: client, layout: node.AL2023(), log: slog.New(slog.DiscardHandler)}
	var in node.Input
	in.Config.APIVersion = api.APIVersionSuperset
	in.Config.Spec.Cluster = api.Cluster{
		Name: "demo", APIServerEndpoint: server.URL, CertificateAuthority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}
	in.Instance = node.Instance{ID: "i-0", NodeName: "i-0", Region: "us-west-2", Zone: "us-west-2a", Type: "m5.large"}
	change(&in)
	err = p.publish(t.Context(), in)
	return requests, err
}

func TestWhatTheConfigurationGivesTheNodeIsPublished(t *testing.T) {
	requests, err := published(t, func(in *node.Input) {
		in.Config.Spec.Labels = map[string]string{"type": "${instance.type}", "flagged": "x", "gone": "${gpu.model}"}
		in.Config.Spec.Annotations = map[string]string{"example.com/from": "${cluster.name}"}
		in.Config.Spec.Kubelet.Flags = []string{"--node-labels=flagged=y"}
	})
	want := []string{"GET /api/v1/nodes/i-0",
		`PATCH /api/v1/nodes/i-0 {"metadata":{"annotations":{"eksnode.dev/managed-keys":"{\"annotations\":[\"example.com/from\"],\"labels\":[\"type\"]}","example.com/from":"demo"},"labels":{"type":"m5.large"},"resourceVersion":"7"}}`}
	if err != nil || strings.Join(requests, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %v\n%s\nwant\n%s", err, strings.Join(requests, "\n"), strings.Join(want, "\n"))
	}
}

func TestAPlainConfigurationAsksTheClusterNothing(t *testing.T) {
	if requests, err := published(t, func(in *node.Input) { in.Config.APIVersion = api.APIVersion }); err != nil || len(requests) != 0 {
		t.Errorf("got %v, %q", err, requests)
	}
	// One of the superset looks whether an earlier one has left something.
	if requests, err := published(t, func(*node.Input) {}); err != nil || len(requests) != 1 {
		t.Errorf("got %v, %q", err, requests)
	}
}

func TestALabelThatCannotBeMadeIsNotPublished(t *testing.T) {
	for _, fill := range []func(*api.Spec){
		func(s *api.Spec) { s.Labels = map[string]string{"a": "1", "b": "${instance.tags.x}"} },
		func(s *api.Spec) { s.Annotations = map[string]string{"a": "1", "b": "${instance.tags.x}"} },
	} {
		requests, err := published(t, func(in *node.Input) { fill(&in.Config.Spec) })
		if fault.CodeOf(err) != fault.FactMissing || len(requests) != 0 {
			t.Errorf("got %v, %q", err, requests)
		}
	}
}
