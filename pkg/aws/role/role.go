// Package role assumes another IAM role with the credentials at hand.
package role

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eksnode/eksnode/internal/lazyregexp"
	"github.com/eksnode/eksnode/pkg/aws/awscall"
	"github.com/eksnode/eksnode/pkg/fault"
)

const (
	// lifetime is the shortest that STS gives (API reference of AssumeRole,
	// DurationSeconds).
	lifetime = 15 * time.Minute
	// within bounds the call with all its attempts, attemptTimeout one of them.
	within         = 20 * time.Second
	attemptTimeout = 5 * time.Second
)

// sessionForm is what STS takes as the name of a session.
var sessionForm = lazyregexp.New(`^[\w+=,.@-]{2,64}$`)

// Assume returns cfg with the credentials of the role arn, which are fetched when
// they are first needed, kept, and fetched again before they end. session names the
// session in logs and in the user name that a cluster sees; it is "eksnode" where
// STS would not take it. Nothing is sent yet.
//
// The error of the credentials is a fault, RoleNotAssumable where it is the role.
func Assume(cfg aws.Config, arn, session string, log *slog.Logger) aws.Config {
	if !sessionForm.MatchString(session) {
		session = "eksnode"
	}
	client := sts.NewFromConfig(cfg, func(o *sts.Options) { o.Retryer = awscall.NoRetries() })
	call := awscall.Call{
		Verb: "assume the role " + arn, Action: "sts:AssumeRole", Endpoint: awscall.VPCEndpoint("sts", cfg.Region),
		Alternative: "The trust policy of " + arn + " must name the role of this instance, too.",
		Denied:      fault.RoleDenied, Unreachable: fault.RoleDenied, Throttled: fault.RoleDenied,
		Within: within, Each: attemptTimeout, Log: log,
	}
	cfg = cfg.Copy()
	cfg.Credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		return awscall.Do(ctx, call, func(ctx context.Context) (aws.Credentials, error) {
			out, err := client.AssumeRole(ctx, &sts.AssumeRoleInput{
				RoleArn: aws.String(arn), RoleSessionName: aws.String(session), DurationSeconds: aws.Int32(int32(lifetime / time.Second)),
			})
			if err != nil {
				return aws.Credentials{}, err
			}
			c := out.Credentials
			if c == nil || aws.ToString(c.AccessKeyId) == "" || aws.ToString(c.SecretAccessKey) == "" || c.Expiration == nil {
				return aws.Credentials{}, fmt.Errorf("%w: it holds no credentials", awscall.ErrUnusable)
			}
			return aws.Credentials{
				AccessKeyID: aws.ToString(c.AccessKeyId), SecretAccessKey: aws.ToString(c.SecretAccessKey), SessionToken: aws.ToString(c.SessionToken),
				Source: "AssumeRole", CanExpire: true, Expires: *c.Expiration,
			}, nil
		})
	}))
	return cfg
}
