package aws

import (
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestARoleIsAssumedByWhomItsTrustPolicyNames(t *testing.T) {
	b := newBench(t, Config{})
	const arn = "arn:aws:iam::123456789012:role/other"
	client := sts.NewFromConfig(b.sdkConfig())
	assume := func(seconds int32) (*sts.AssumeRoleOutput, error) {
		return client.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: sdk.String(arn), RoleSessionName: sdk.String("me"), DurationSeconds: sdk.Int32(seconds)})
	}
	put := func(r Role) {
		t.Helper()
		if err := b.cloud.PutRole(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := assume(900); errorCode(err) != "AccessDenied" {
		t.Errorf("a role that nobody has made: %v", err)
	}
	put(Role{Name: "other", AssumedBy: []string{"somebody"}})
	if _, err := assume(900); errorCode(err) != "AccessDenied" {
		t.Errorf("a role that trusts somebody else: %v", err)
	}
	put(Role{Name: "other", AssumedBy: []string{"node"}})
	put(Role{Name: "node", Deny: []string{"sts:AssumeRole"}})
	if _, err := assume(900); errorCode(err) != "AccessDenied" {
		t.Errorf("a caller that may not: %v", err)
	}
	put(Role{Name: "node"})
	if _, err := assume(60); errorCode(err) != "ValidationError" {
		t.Errorf("a minute is too short: %v", err)
	}
	out, err := assume(900)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(*out.Credentials.Expiration); left <= 0 || left > 15*time.Minute || *out.AssumedRoleUser.Arn != "arn:aws:sts::123456789012:assumed-role/other/me" {
		t.Errorf("%s left, %+v", left, out.AssumedRoleUser)
	}
	who, err := sts.NewFromConfig(b.configAs(Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: Secret(*out.Credentials.SecretAccessKey), SessionToken: Secret(*out.Credentials.SessionToken),
	})).GetCallerIdentity(t.Context(), nil)
	if err != nil || *who.Arn != "arn:aws:sts::123456789012:assumed-role/other/me" {
		t.Errorf("with its credentials: %+v, %v", who, err)
	}
}
