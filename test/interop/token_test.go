package interop

import (
	"context"
	"encoding/base64"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsv1 "github.com/aws/aws-sdk-go/aws"
	credentialsv1 "github.com/aws/aws-sdk-go/aws/credentials"
	sessionv1 "github.com/aws/aws-sdk-go/aws/session"
	authenticator "sigs.k8s.io/aws-iam-authenticator/pkg/token"

	"github.com/eksnode/eksnode/pkg/aws/ststoken"
)

const (
	keyID   = "ASIAIOSFODNN7EXAMPLE"
	secret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	session = "IQoJb3JpZ2luX2VjE/+=Token with a space"
	cluster = "demo_Cluster-1"
)

func config() aws.Config {
	return aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: session}, nil
	})}
}

func token(t *testing.T, cluster, region string, now time.Time) string {
	t.Helper()
	tok, err := ststoken.New(t.Context(), config(), cluster, region, now)
	if err != nil {
		t.Fatal(err)
	}
	return tok.Value.Reveal()
}

// Tokens go through the verifier of aws-iam-authenticator's server, the one that
// an EKS API server asks, to an STS that checks their signature.
func TestTheRealVerifierAcceptsTokensInEveryPartition(t *testing.T) {
	sts := &fakeSTS{keyID: keyID, secret: secret, session: session}
	sts.install(t)
	for _, r := range []struct{ partition, region, host string }{
		{"aws", "us-east-1", "sts.us-east-1.amazonaws.com"},
		{"aws", "us-west-2", "sts.us-west-2.amazonaws.com"},
		{"aws", "ap-southeast-7", "sts.ap-southeast-7.amazonaws.com"},
		{"aws-cn", "cn-north-1", "sts.cn-north-1.amazonaws.com.cn"},
		{"aws-us-gov", "us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"},
		{"aws-iso", "us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov"},
		{"aws-iso-b", "us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov"},
		// aws-iso-e and aws-iso-f have no STS in the verifier's own tables: it accepts
		// nobody's tokens there.
	} {
		t.Run(r.region, func(t *testing.T) {
			sts.hosts = nil
			id, err := authenticator.NewVerifier(cluster, r.partition, r.region).Verify(token(t, cluster, r.region, time.Now()))
			if err != nil {
				t.Fatal(err)
			}
			if id.CanonicalARN != "arn:aws:iam::111122223333:role/node-role" || id.SessionName != "i-0123456789abcdef0" || id.AccessKeyID != keyID {
				t.Errorf("identity %+v", id)
			}
			if len(sts.hosts) != 1 || sts.hosts[0] != r.host {
				t.Errorf("asked %v, want %s", sts.hosts, r.host)
			}
		})
	}
}

func TestTheRealVerifierAcceptsATokenUntilItsExpiry(t *testing.T) {
	sts := &fakeSTS{keyID: keyID, secret: secret, session: session}
	sts.install(t)
	verifier := authenticator.NewVerifier(cluster, "aws", "us-west-2")
	made := time.Now().Add(-ststoken.Lifetime)
	if _, err := verifier.Verify(token(t, cluster, "us-west-2", made)); err != nil {
		t.Errorf("at its expiry: %v", err)
	}
	if _, err := verifier.Verify(token(t, cluster, "us-west-2", made.Add(-2*time.Minute))); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("two minutes later: %v", err)
	}
}

func TestATokenIsForOneClusterAndOneKey(t *testing.T) {
	sts := &fakeSTS{keyID: keyID, secret: secret, session: session}
	sts.install(t)
	tok := token(t, cluster, "us-west-2", time.Now())
	if _, err := authenticator.NewVerifier("another", "aws", "us-west-2").Verify(tok); err == nil || !strings.Contains(err.Error(), "signature does not match") {
		t.Errorf("another cluster: %v", err)
	}
	sts.secret = "another"
	if _, err := authenticator.NewVerifier(cluster, "aws", "us-west-2").Verify(tok); err == nil || !strings.Contains(err.Error(), "signature does not match") {
		t.Errorf("another key: %v", err)
	}
}

// The authenticator's own generator is the oracle for the form of a token. It
// means to ask for 60 seconds as X-Amz-Expires, as the AWS CLI does, and asks for
// 60 nanoseconds, which gives 0; the verifier takes anything up to 900.
func TestATokenHasTheFormOfTheRealGeneratorsTokens(t *testing.T) {
	generator, err := authenticator.NewGenerator(false, false)
	if err != nil {
		t.Fatal(err)
	}
	sess, err := sessionv1.NewSession(awsv1.NewConfig().WithRegion("us-west-2").WithSTSRegionalEndpoint(2).
		WithCredentials(credentialsv1.NewStaticCredentials(keyID, secret, session)))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := generator.GetWithOptions(&authenticator.GetTokenOptions{ClusterID: cluster, Session: sess})
	if err != nil {
		t.Fatal(err)
	}
	want, got := decode(t, theirs.Token), decode(t, token(t, cluster, "us-west-2", time.Now()))
	if want.Scheme != got.Scheme || want.Host != got.Host || want.Path != got.Path {
		t.Errorf("%s, want %s", got, want)
	}
	wq, gq := want.Query(), got.Query()
	if w, g := keys(wq), keys(gq); w != g {
		t.Errorf("parameters %s, want %s", g, w)
	}
	for k := range wq {
		if k != "X-Amz-Date" && k != "X-Amz-Signature" && k != "X-Amz-Expires" && wq.Get(k) != gq.Get(k) {
			t.Errorf("%s is %q, want %q", k, gq.Get(k), wq.Get(k))
		}
	}
}

func decode(t *testing.T, token string) *url.URL {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "k8s-aws-v1."))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func keys(q url.Values) string {
	var ks []string
	for k := range q {
		ks = append(ks, k)
	}
	sort.Strings(ks)
	return strings.Join(ks, " ")
}
