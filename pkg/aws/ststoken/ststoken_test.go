package ststoken

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
	clientauthv1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	clientauthv1beta1 "k8s.io/client-go/pkg/apis/clientauthentication/v1beta1"

	"github.com/eksnode/eksnode/pkg/aws/awscall"
	"github.com/eksnode/eksnode/pkg/fault"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.FixedZone("CET", 3600))

func static(session string) aws.Config {
	return aws.Config{Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session)}
}

func presigned(t *testing.T, token string) *url.URL {
	t.Helper()
	rest, ok := strings.CutPrefix(token, "k8s-aws-v1.")
	if !ok {
		t.Fatalf("token %.20q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestTheTokenIsTheSameBytesForTheSameInput(t *testing.T) {
	got, err := New(t.Context(), static("SESSION/+="), "demo", "us-west-2", now)
	if err != nil {
		t.Fatal(err)
	}
	const want = "https://sts.us-west-2.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15" +
		"&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Fus-west-2%2Fsts%2Faws4_request" +
		"&X-Amz-Date=20260102T020405Z&X-Amz-Expires=60&X-Amz-Security-Token=SESSION%2F%2B%3D&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id" +
		"&X-Amz-Signature=SIGNATURE"
	u := presigned(t, got.Value.Reveal())
	signature := u.Query().Get("X-Amz-Signature")
	if d := cmp.Diff(want, strings.Replace(u.String(), signature, "SIGNATURE", 1)); d != "" {
		t.Errorf("URL (-want +got):\n%s", d)
	}
	if len(signature) != 64 {
		t.Errorf("signature %q", signature)
	}
	if want := now.Add(14 * time.Minute); !got.Expires.Equal(want) {
		t.Errorf("expires %v, want %v", got.Expires, want)
	}
	if again, err := New(t.Context(), static("SESSION/+="), "demo", "us-west-2", now); err != nil || again != got {
		t.Errorf("another token from the same input: %v", err)
	}
	if other, err := New(t.Context(), static("SESSION/+="), "demo2", "us-west-2", now); err != nil || other.Value == got.Value {
		t.Errorf("the same token for another cluster: %v", err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", got, got, got), "k8s-aws") {
		t.Error("the token prints itself")
	}
}

// The SDK's STS presigner is the oracle for everything: with our header and our
// time it must give the same URL.
func TestTheTokenIsWhatTheSDKsPresignerGives(t *testing.T) {
	for _, region := range []string{"us-east-1", "us-west-2", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1"} {
		cfg := static("SESSION")
		cfg.Region = region
		req, err := sts.NewPresignClient(sts.NewFromConfig(cfg)).PresignGetCallerIdentity(t.Context(), nil, func(o *sts.PresignOptions) {
			o.Presigner = atNow{o.Presigner}
			o.ClientOptions = append(o.ClientOptions, sts.WithAPIOptions(
				smithyhttp.SetHeaderValue("x-k8s-aws-id", "demo"), smithyhttp.SetHeaderValue("X-Amz-Expires", "60")))
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := New(t.Context(), cfg, "demo", region, now)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(req.URL, presigned(t, got.Value.Reveal()).String()); d != "" {
			t.Errorf("%s: URL (-SDK +ours):\n%s", region, d)
		}
	}
}

// atNow signs at the tests' time in place of the wall clock's.
type atNow struct{ sts.HTTPPresignerV4 }

func (p atNow) PresignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, _ time.Time, o ...func(*v4.SignerOptions)) (string, http.Header, error) {
	return p.HTTPPresignerV4.PresignHTTP(ctx, c, r, hash, service, region, now, o...)
}

func TestAConfiguredEndpointDoesNotChangeTheHost(t *testing.T) {
	cfg := static("")
	cfg.BaseEndpoint = aws.String("https://vpce-1.sts.us-west-2.vpce.amazonaws.com")
	t.Setenv("AWS_ENDPOINT_URL_STS", "https://elsewhere.example")
	t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
	got, err := New(t.Context(), cfg, "demo", "us-west-2", now)
	if err != nil || presigned(t, got.Value.Reveal()).Host != "sts.us-west-2.amazonaws.com" {
		t.Errorf("host %v, %v", presigned(t, got.Value.Reveal()).Host, err)
	}
}

func TestATokenEndsWithItsCredentials(t *testing.T) {
	for name, r := range map[string]struct {
		left, want time.Duration
	}{
		"hours left":     {6 * time.Hour, 14 * time.Minute},
		"minutes left":   {5 * time.Minute, 5 * time.Minute},
		"seconds left":   {5 * time.Second, time.Minute},
		"already ended":  {-time.Hour, time.Minute},
		"exactly enough": {14 * time.Minute, 14 * time.Minute},
	} {
		cfg := aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "A", SecretAccessKey: "S", CanExpire: true, Expires: now.Add(r.left)}, nil
		})}
		got, err := New(t.Context(), cfg, "demo", "us-west-2", now)
		if err != nil || !got.Expires.Equal(now.Add(r.want)) {
			t.Errorf("%s: %v left of the token, want %v (%v)", name, got.Expires.Sub(now), r.want, err)
		}
	}
}

func TestWhatCannotBecomeATokenIsRefused(t *testing.T) {
	noRole := fault.New(fault.IMDSNotFound, "wait", errors.New("HTTP 404"))
	noIMDS := fault.New(fault.IMDSUnreachable, "mend the route", errors.New("no route"))
	for name, r := range map[string]struct {
		cfg             aws.Config
		cluster, region string
		code            fault.Code
		text            string
	}{
		"no cluster":              {static(""), "", "us-west-2", fault.TokenFailed, "empty"},
		"cluster with line break": {static(""), "a\r\nx: y", "us-west-2", fault.TokenFailed, "not the name"},
		"cluster with spaces":     {static(""), "a  b", "us-west-2", fault.TokenFailed, "not the name"},
		"cluster too long":        {static(""), strings.Repeat("a", 254), "us-west-2", fault.TokenFailed, "not the name"},
		"region that is a host":   {static(""), "demo", "us-west-2.evil.example/", fault.TokenFailed, "not a region"},
		"no region":               {static(""), "demo", "", fault.TokenFailed, "not a region"},
		"huge session token":      {static(strings.Repeat("x", 4000)), "demo", "us-west-2", fault.TokenFailed, "4096"},
		"no provider":             {aws.Config{}, "demo", "us-west-2", fault.CredentialsAbsent, "none are configured"},
		"empty static keys":       {aws.Config{Credentials: credentials.NewStaticCredentialsProvider("", "", "")}, "demo", "us-west-2", fault.CredentialsAbsent, "cannot get AWS credentials"},
		"no role":                 {failing(noRole), "demo", "us-west-2", fault.CredentialsAbsent, "HTTP 404"},
		"no metadata service":     {failing(noIMDS), "demo", "us-west-2", fault.IMDSUnreachable, "no route"},
	} {
		got, err := New(t.Context(), r.cfg, r.cluster, r.region, now)
		if err == nil || got != (Token{}) || fault.CodeOf(err) != r.code || !strings.Contains(err.Error(), r.text) {
			t.Errorf("%s: %v with code %s; want %s and %q", name, err, fault.CodeOf(err), r.code, r.text)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "cannot make a token for cluster ") || strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 400) {
			t.Errorf("%s: error %q", name, err)
		}
	}
}

func failing(err error) aws.Config {
	return aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, &awscall.CredentialsError{Err: err}
	})}
}

func TestCredentialsThatHangAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := aws.Config{Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			<-ctx.Done()
			return aws.Credentials{}, ctx.Err()
		})}
		start := time.Now()
		_, err := New(t.Context(), cfg, "demo", "us-west-2", now)
		if fault.CodeOf(err) != fault.CredentialsAbsent || time.Since(start) != credentialsTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestExecCredentialsAnswerInTheVersionThatIsAsked(t *testing.T) {
	const info = `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/%s","spec":{"cluster":{"server":"https://x"},"interactive":false}}`
	for execInfo, version := range map[string]string{
		fmt.Sprintf(info, "v1"): "v1", fmt.Sprintf(info, "v1beta1"): "v1beta1", "": "v1beta1",
	} {
		b, err := ExecCredential(t.Context(), static("SESSION"), "demo", "us-west-2", execInfo, now)
		if err != nil {
			t.Fatal(err)
		}
		token, err := New(t.Context(), static("SESSION"), "demo", "us-west-2", now)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/` + version + `","spec":{},"status":{"expirationTimestamp":"2026-01-02T02:18:05Z","token":"` + token.Value.Reveal() + `"}}` + "\n"
		if d := cmp.Diff(want, string(b)); d != "" {
			t.Errorf("%s (-want +got):\n%s", version, d)
		}
	}
}

// client-go's own types must read what we write, strictly.
func TestExecCredentialsAreReadByClientGo(t *testing.T) {
	token := Token{Value: "k8s-aws-v1.x", Expires: now}
	b, err := marshal(v1, token)
	if err != nil {
		t.Fatal(err)
	}
	var one clientauthv1.ExecCredential
	strictly(t, b, &one)
	if one.APIVersion != clientauthv1.SchemeGroupVersion.String() || one.Kind != "ExecCredential" ||
		one.Status.Token != "k8s-aws-v1.x" || !one.Status.ExpirationTimestamp.Time.Equal(now.Truncate(time.Second)) {
		t.Errorf("%+v", one)
	}
	if b, err = marshal(v1beta1, token); err != nil {
		t.Fatal(err)
	}
	var beta clientauthv1beta1.ExecCredential
	strictly(t, b, &beta)
	if beta.APIVersion != clientauthv1beta1.SchemeGroupVersion.String() || beta.Status.Token != "k8s-aws-v1.x" {
		t.Errorf("%+v", beta)
	}
}

func strictly(t *testing.T, b []byte, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatal(err)
	}
}

func TestExecInfoThatCannotBeAnsweredIsRefused(t *testing.T) {
	for name, in := range map[string]string{
		"alpha":      `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1alpha1","spec":{}}`,
		"future":     `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v2"}`,
		"no version": `{}`,
		"not JSON":   `<html>`,
		"a list":     `[]`,
		"space":      ` `,
	} {
		b, err := ExecCredential(t.Context(), static(""), "demo", "us-west-2", in, now)
		f, ok := fault.Find(err)
		if b != nil || !ok || f.Code != fault.TokenFailed || !strings.Contains(f.Remedy, "v1beta1") {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

func FuzzExecInfo(f *testing.F) {
	for _, s := range []string{"", "{}", `{"apiVersion":"client.authentication.k8s.io/v1"}`, `{"spec":3}`, "null", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		v, err := versionFor(in)
		if (err == nil) != (v == v1 || v == v1beta1) {
			t.Errorf("%q: %q, %v", in, v, err)
		}
		if err != nil && (len(err.Error()) > 700 || strings.Contains(err.Error(), "\n")) {
			t.Errorf("error %q", err)
		}
	})
}

func BenchmarkToken(b *testing.B) {
	cfg := static("SESSION")
	for b.Loop() {
		if _, err := ExecCredential(b.Context(), cfg, "demo", "us-west-2", "", now); err != nil {
			b.Fatal(err)
		}
	}
}
