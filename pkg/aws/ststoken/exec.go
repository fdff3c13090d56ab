package ststoken

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/eksnode/eksnode/pkg/fault"
)

// The versions of the exec credential interface, and the one that is answered
// where the caller does not say, as by hand.
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
const (
	group          = "client.authentication.k8s.io"
	v1             = group + "/v1"
	v1beta1        = group + "/v1beta1"
	defaultVersion = v1beta1
)

// execCredential has the fields of ExecCredential that are asked for and given.
type execCredential struct {
	Kind       string      `json:"kind"`
	APIVersion string      `json:"apiVersion"`
	Spec       struct{}    `json:"spec"`
	Status     *execStatus `json:"status,omitempty"`
}

type execStatus struct {
	ExpirationTimestamp string `json:"expirationTimestamp"`
	Token               string `json:"token"`
}

// ExecCredential returns the JSON that a Kubernetes client expects from its exec
// credential plugin, ended by a line break. execInfo is the value of the
// environment variable KUBERNETES_EXEC_INFO, in whose version it answers; with an
// empty one it answers in v1beta1. Everything else is as in New.
//
// The bytes hold the token: write them to standard output and nowhere else.
func ExecCredential(ctx context.Context, cfg aws.Config, cluster, region, execInfo string, now time.Time) ([]byte, error) {
	version, err := versionFor(execInfo)
	if err != nil {
		return nil, fault.New(fault.TokenFailed, "Use client.authentication.k8s.io/v1 or v1beta1 as apiVersion of exec in the kubeconfig.", err)
	}
	t, err := New(ctx, cfg, cluster, region, now)
	if err != nil {
		return nil, err
	}
	return marshal(version, t)
}

func marshal(version string, t Token) ([]byte, error) {
	b, err := json.Marshal(execCredential{
		Kind: "ExecCredential", APIVersion: version,
		Status: &execStatus{ExpirationTimestamp: t.Expires.UTC().Format(time.RFC3339), Token: t.Value.Reveal()},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot write the exec credential: %w", err)
	}
	return append(b, '\n'), nil
}

func versionFor(execInfo string) (string, error) {
	if execInfo == "" {
		return defaultVersion, nil
	}
	var in execCredential
	if err := json.Unmarshal([]byte(execInfo), &in); err != nil {
		// The variable may hold a cluster's CA and is long; the cause says enough.
		return "", errors.New("cannot read KUBERNETES_EXEC_INFO: it is not an ExecCredential in JSON")
	}
	switch in.APIVersion {
	case v1, v1beta1:
		return in.APIVersion, nil
	}
	return "", fmt.Errorf("cannot answer in apiVersion %.128q, which KUBERNETES_EXEC_INFO asks for", in.APIVersion)
}
