// Package caller asks STS whose credentials these are.
package caller

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// ARN returns the principal of cfg's credentials:
// arn:aws:sts::123456789012:assumed-role/node/i-0123456789abcdef0. It is one
// call with the SDK's usual retries, bounded by ctx.
func ARN(ctx context.Context, cfg aws.Config) (string, error) {
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("cannot ask STS who this is: %w", err)
	}
	return aws.ToString(out.Arn), nil
}
