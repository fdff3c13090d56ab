// Package ecr gets pull credentials for images in Amazon ECR: as kubelet's image
// credential provider plugin, and for the agent's own pull of the sandbox image.
package ecr

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	private "github.com/aws/aws-sdk-go-v2/service/ecr"
	public "github.com/aws/aws-sdk-go-v2/service/ecrpublic"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/awscall"
	"github.com/eksnode/eksnode/pkg/fault"
)

// Bounds of getting a token. kubelet kills its plugins after a minute
// (pkg/credentialprovider/plugin). The public gallery can be pulled from without
// a token, so little time is spent on getting one.
const (
	privateWithin = 30 * time.Second
	privateEach   = 5 * time.Second
	publicWithin  = 6 * time.Second
	publicEach    = 3 * time.Second
)

// Provider gets credentials for images.
type Provider struct {
	// Mirrors are the hosts of ECR by the names of the registries that they mirror.
	// With some, Serve answers for images of these registries and no others.
	Mirrors map[string]string
	// Config has the credentials and the HTTP client. Its region does not matter:
	// a token is asked for where the image is.
	Config aws.Config
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log is told why a call is repeated, and why a public image is pulled
	// without credentials; nil tells nobody.
	Log *slog.Logger
}

// token is what ECR gives: one pair for every registry of a region.
type token struct {
	user     string
	password api.Secret
	expires  time.Time // zero when ECR does not say
}

// Credentials returns the user and password for pulling ref. The error is a
// fault, or wraps ErrNotECR. For the public gallery both are empty, without an
// error, where no token can be had: it may be pulled from anonymously.
func (p Provider) Credentials(ctx context.Context, ref string) (user string, password api.Secret, err error) {
	r, err := ParseImage(ref)
	if err != nil {
		return "", "", err
	}
	t, err := p.token(ctx, r)
	return t.user, t.password, err
}

func (p Provider) token(ctx context.Context, r Registry) (token, error) {
	if !r.Public {
		return p.privateToken(ctx, r)
	}
	t, err := p.publicToken(ctx, r)
	if err != nil {
		if p.Log != nil {
			p.Log.Warn("pulling from the public gallery without credentials", "registry", r.Host, "reason", err)
		}
		return token{}, nil
	}
	return t, nil
}

func (p Provider) privateToken(ctx context.Context, r Registry) (token, error) {
	client := private.NewFromConfig(p.Config, func(o *private.Options) {
		o.Region, o.Retryer = r.Region, awscall.NoRetries()
		// An endpoint that somebody configured is the one to ask, of whatever kind;
		// the SDK refuses to combine the two.
		if o.BaseEndpoint == nil && r.FIPS {
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
		}
		if o.BaseEndpoint == nil && r.DualStack {
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
		}
	})
	call := p.call(r, "ecr:GetAuthorizationToken", privateWithin, privateEach)
	call.Endpoint = awscall.VPCEndpoint("ecr.api", r.Region)
	call.Policy = "AmazonEC2ContainerRegistryPullOnly"
	return awscall.Do(ctx, call, func(ctx context.Context) (token, error) {
		out, err := client.GetAuthorizationToken(ctx, &private.GetAuthorizationTokenInput{})
		if err != nil {
			return token{}, err
		}
		if len(out.AuthorizationData) == 0 {
			return token{}, fmt.Errorf("ECR gives no authorization data: %w", awscall.ErrUnusable)
		}
		d := out.AuthorizationData[0]
		return decode(d.AuthorizationToken, d.ExpiresAt)
	})
}

func (p Provider) publicToken(ctx context.Context, r Registry) (token, error) {
	client := public.NewFromConfig(p.Config, func(o *public.Options) {
		o.Region, o.Retryer = r.Region, awscall.NoRetries()
	})
	call := p.call(r, "ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken", publicWithin, publicEach)
	return awscall.Do(ctx, call, func(ctx context.Context) (token, error) {
		out, err := client.GetAuthorizationToken(ctx, &public.GetAuthorizationTokenInput{})
		if err != nil {
			return token{}, err
		}
		if out.AuthorizationData == nil {
			return token{}, fmt.Errorf("ECR gives no authorization data: %w", awscall.ErrUnusable)
		}
		return decode(out.AuthorizationData.AuthorizationToken, out.AuthorizationData.ExpiresAt)
	})
}

func (p Provider) call(r Registry, action string, within, each time.Duration) awscall.Call {
	return awscall.Call{
		Verb: "get pull credentials for " + r.Host, Action: action,
		Denied: fault.ECRDenied, Unreachable: fault.ECRUnreachable, Throttled: fault.ECRUnreachable,
		Within: within, Each: each, Log: p.Log,
	}
}

// decode reads base64("user:password").
func decode(encoded *string, expires *time.Time) (token, error) {
	b, err := base64.StdEncoding.DecodeString(aws.ToString(encoded))
	user, password, ok := strings.Cut(string(b), ":")
	if err != nil || !ok || user == "" || password == "" {
		return token{}, fmt.Errorf("ECR's token is not a user and a password: %w", awscall.ErrUnusable)
	}
	return token{user: user, password: api.Secret(password), expires: aws.ToTime(expires)}, nil
}
