package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The interface between kubelet and its image credential providers.
// https://kubernetes.io/docs/reference/config-api/kubelet-credentialprovider.v1/
const (
	apiVersion   = "credentialprovider.kubelet.k8s.io/v1"
	requestKind  = "CredentialProviderRequest"
	responseKind = "CredentialProviderResponse"
	// maxRequest bounds a request: an image, and perhaps a service account token
	// with annotations.
	maxRequest = 1 << 20
)

const (
	// maxCache bounds how long kubelet keeps a credential; ECR's tokens live 12
	// hours.
	maxCache = 6 * time.Hour
	// anonymousCache is for how long kubelet pulls public images without asking
	// again, where no token could be had.
	anonymousCache = 10 * time.Minute
)

type request struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Image      string `json:"image"`
}

type response struct {
	Kind          string          `json:"kind"`
	APIVersion    string          `json:"apiVersion"`
	CacheKeyType  string          `json:"cacheKeyType"`
	CacheDuration string          `json:"cacheDuration"`
	Auth          map[string]auth `json:"auth,omitempty"`
}

// auth holds a password in the clear; it goes nowhere but into the response.
type auth struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Serve reads one CredentialProviderRequest from in and writes the response,
// ended by a line break, to out. On an error nothing has been written, and the
// caller should exit with a code other than 0: kubelet then goes on without
// credentials. The error is a fault where AWS was asked.
//
// The response is for the whole registry, for half of the token's remaining life
// and six hours at most. For the public gallery it may hold no credentials. With
// Mirrors it is for the registry that the image names, with the token of its mirror:
// kubelet passes it on without saying for which host it is.
func (p Provider) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	image, err := readRequest(in)
	if err != nil {
		return fmt.Errorf("cannot read kubelet's request: %w", err)
	}
	name, r, err := p.registry(image)
	if err != nil {
		return err
	}
	t, err := p.token(ctx, r)
	if err != nil {
		return err
	}
	b, err := json.Marshal(p.respond(name, t))
	if err != nil {
		return fmt.Errorf("cannot write the response: %w", err)
	}
	if _, err := out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("cannot write the response: %w", err)
	}
	return nil
}

// registry tells whose token an image needs, and for which host the response is.
func (p Provider) registry(image string) (name string, r Registry, err error) {
	if len(p.Mirrors) == 0 {
		r, err = ParseImage(image)
		return r.Host, r, err
	}
	name, _, _ = strings.Cut(image, "/")
	mirror, ok := p.Mirrors[name]
	if !ok {
		return "", Registry{}, fmt.Errorf("cannot tell the mirror of image %.200q: none is named for its registry: %w", image, ErrNotECR)
	}
	r, err = ParseImage(mirror)
	return name, r, err
}

func (p Provider) respond(name string, t token) response {
	resp := response{
		Kind: responseKind, APIVersion: apiVersion, CacheKeyType: "Registry",
		CacheDuration: anonymousCache.String(),
	}
	if t.password != "" {
		resp.CacheDuration = p.cacheFor(t.expires).String()
		resp.Auth = map[string]auth{name: {Username: t.user, Password: t.password.Reveal()}}
	}
	return resp
}

// cacheFor returns half of the time that is left, in whole seconds within
// maxCache. Without a known end nothing is cached.
func (p Provider) cacheFor(expires time.Time) time.Duration {
	if expires.IsZero() {
		return 0
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	half := expires.Sub(now()) / 2
	return max(0, min(half.Truncate(time.Second), maxCache))
}

func readRequest(in io.Reader) (image string, err error) {
	b, err := io.ReadAll(io.LimitReader(in, maxRequest+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxRequest {
		return "", fmt.Errorf("it has more than %d bytes", maxRequest)
	}
	var req request
	if json.Unmarshal(b, &req) != nil {
		// It may hold a token: nothing of it goes into an error.
		return "", errors.New("it is not a CredentialProviderRequest in JSON")
	}
	if req.Kind != requestKind || req.APIVersion != apiVersion {
		return "", fmt.Errorf("it is a %.64q of %.64q; this plugin answers a %s of %s, so say that version in the provider's apiVersion", req.Kind, req.APIVersion, requestKind, apiVersion)
	}
	if req.Image == "" {
		return "", errors.New("it names no image")
	}
	return req.Image, nil
}
