// Package ststoken makes the bearer tokens that an EKS API server accepts: a
// presigned request for sts:GetCallerIdentity, which the server's authenticator
// sends to learn who made it. Nothing is sent from here but what the credentials
// provider needs.
//
// The token is signed by the SDK's version 4 signer itself and not by its STS
// client, because that one takes the time from the wall clock; it is the signer
// which the client's presigner uses, and a test holds that both agree.
package ststoken

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/awscall"
	"github.com/eksnode/eksnode/pkg/aws/partition"
	"github.com/eksnode/eksnode/pkg/fault"
)

// What aws-iam-authenticator's verifier (v0.6, pkg/token) demands.
const (
	prefix        = "k8s-aws-v1."
	clusterHeader = "x-k8s-aws-id"
	// maxLength is the longest token that it reads.
	maxLength = 4096
)

const (
	// expires is the X-Amz-Expires of the request in seconds. STS ignores it; old
	// authenticators want at most 60.
	expires = "60"
	// Lifetime is for how long a token is used: the request is valid for 15
	// minutes from its date, less one for clocks that differ and for its way.
	Lifetime = 14 * time.Minute
	// minLifetime keeps kubelet from calling in a loop where credentials are
	// about to end.
	minLifetime = time.Minute
	// credentialsTimeout bounds the credentials provider. kubelet waits.
	credentialsTimeout = 20 * time.Second
	// emptyPayload is the SHA-256 of a request without a body.
	emptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Token is a bearer token.
type Token struct {
	Value api.Secret
	// Expires is when to get another: Lifetime from now, or when the credentials
	// that signed it end, if that is earlier.
	Expires time.Time
}

// New makes a token for a cluster (its name; for a local cluster on an Outpost
// its id) with cfg's credentials, signed for STS in region at the time now.
//
// The host is always the region's standard STS host, whatever endpoint cfg has:
// it is the API server that calls it, and it accepts no other. The error is a
// fault.
func New(ctx context.Context, cfg aws.Config, cluster, region string, now time.Time) (Token, error) {
	t, err := newToken(ctx, cfg, cluster, region, now)
	if err == nil {
		return t, nil
	}
	err = fmt.Errorf("cannot make a token for cluster %.128q: %w", cluster, err)
	var ce *awscall.CredentialsError
	switch f, ok := fault.Find(err); {
	case ok && f.Code != fault.IMDSNotFound:
		return Token{}, fault.New(f.Code, f.Remedy, err)
	case errors.As(err, &ce):
		return Token{}, fault.New(fault.CredentialsAbsent, "Give the instance an instance profile with the node role.", err)
	}
	return Token{}, fault.New(fault.TokenFailed, "", err)
}

func newToken(ctx context.Context, cfg aws.Config, cluster, region string, now time.Time) (Token, error) {
	if err := checkCluster(cluster); err != nil {
		return Token{}, err
	}
	if !partition.ValidRegion(region) {
		return Token{}, fmt.Errorf("%.64q is not a region", region)
	}
	creds, err := retrieve(ctx, cfg.Credentials)
	if err != nil {
		return Token{}, err
	}
	signed, err := presign(ctx, creds, cluster, region, now)
	if err != nil {
		return Token{}, err
	}
	value := prefix + base64.RawURLEncoding.EncodeToString([]byte(signed))
	if len(value) > maxLength {
		return Token{}, fmt.Errorf("it would have %d characters, more than the %d that the API server reads; the credentials' session token is too long", len(value), maxLength)
	}
	return Token{Value: api.Secret(value), Expires: expiry(creds, now)}, nil
}

func retrieve(ctx context.Context, p aws.CredentialsProvider) (aws.Credentials, error) {
	if p == nil {
		return aws.Credentials{}, &awscall.CredentialsError{Err: errors.New("none are configured"), Final: true}
	}
	ctx, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	creds, err := p.Retrieve(ctx)
	if ce := (*awscall.CredentialsError)(nil); err != nil && !errors.As(err, &ce) {
		err = &awscall.CredentialsError{Err: err}
	}
	return creds, err
}

func presign(ctx context.Context, creds aws.Credentials, cluster, region string, now time.Time) (string, error) {
	u := url.URL{
		Scheme: "https", Host: Host(region), Path: "/",
		RawQuery: url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}, "X-Amz-Expires": {expires}}.Encode(),
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set(clusterHeader, cluster)
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, creds, req, emptyPayload, "sts", region, now)
	return signed, err
}

// Host returns the standard STS host of a region.
func Host(region string) string {
	return "sts." + region + "." + partition.Of(region).DNSSuffix
}

func expiry(creds aws.Credentials, now time.Time) time.Time {
	t := now.Add(Lifetime)
	if creds.CanExpire && creds.Expires.Before(t) {
		t = creds.Expires
	}
	if least := now.Add(minLifetime); t.Before(least) {
		t = least
	}
	return t
}

// checkCluster refuses what cannot be signed as a header as it is. EKS names are
// letters, digits, hyphens and underscores.
func checkCluster(cluster string) error {
	if cluster == "" {
		return errors.New("the name is empty")
	}
	if len(cluster) > 253 || strings.ContainsFunc(cluster, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("that is not the name of a cluster")
	}
	return nil
}
