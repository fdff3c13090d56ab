package aws

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	sdkv1 "github.com/aws/aws-sdk-go/aws"
	credentialsv1 "github.com/aws/aws-sdk-go/aws/credentials"
	endpointsv1 "github.com/aws/aws-sdk-go/aws/endpoints"
	sessionv1 "github.com/aws/aws-sdk-go/aws/session"
	stsv1 "github.com/aws/aws-sdk-go/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"sigs.k8s.io/aws-iam-authenticator/pkg/token"
)

const nodeARN = "arn:aws:sts::123456789012:assumed-role/node/" + nodeID

// presign makes the presigned request a token for a cluster is made of, as aws-iam-authenticator and the AWS CLI do;
// without a cluster the header is left out.
func presign(b *bench, cfg sdk.Config, cluster, expires string) string {
	b.Helper()
	out, err := sts.NewPresignClient(sts.NewFromConfig(cfg)).PresignGetCallerIdentity(b.Context(), nil, func(p *sts.PresignOptions) {
		p.ClientOptions = append(p.ClientOptions, func(o *sts.Options) {
			if cluster != "" {
				o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue(clusterIDHeader, cluster))
			}
			if expires != "" {
				o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amz-Expires", expires))
			}
		})
	})
	if err != nil {
		b.Fatal(err)
	}
	return out.URL
}

// authenticator is the verifier of the real aws-iam-authenticator server. It uses the default transport, which is this
// bench's until the test ends; tests that use it do not run in parallel.
func (b *bench) authenticator(cluster string) token.Verifier {
	before := http.DefaultTransport
	http.DefaultTransport = b.transport(nodeAddr)
	b.Cleanup(func() { http.DefaultTransport = before })
	return token.NewVerifier(cluster, "aws", "us-west-2")
}

func tokenOf(presigned string) string {
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(presigned))
}

func TestRealAuthenticatorAcceptsATokenOfTheInstance(t *testing.T) {
	b := newBench(t, Config{})
	got, err := b.authenticator("my-cluster").Verify(tokenOf(presign(b, b.sdkConfig(), "my-cluster", "60")))
	if err != nil {
		t.Fatal(err)
	}
	if got.ARN != nodeARN || got.CanonicalARN != "arn:aws:iam::123456789012:role/node" || got.SessionName != nodeID ||
		got.AccountID != "123456789012" || len(got.UserID) != 21 || got.AccessKeyID != b.node.Credentials().AccessKeyID {
		t.Errorf("it sees %+v", got)
	}
	calls := b.cloud.CallsWhere(func(c Call) bool { return c.Service == STS })
	if len(calls) != 1 || !calls[0].Presigned || calls[0].ClusterID != "my-cluster" || calls[0].Caller.Session != nodeID || calls[0].Status != 200 {
		t.Errorf("logged as %+v", calls)
	}
	if n := len(b.cloud.ControlPlaneCalls("")); n != 0 {
		t.Errorf("checking a token counts as %d control-plane calls", n)
	}
}

// The generator of aws-iam-authenticator itself, which is made with the first version of the AWS SDK.
func TestRealAuthenticatorAcceptsATokenOfItsOwn(t *testing.T) {
	b := newBench(t, Config{})
	t.Setenv("AWS_CA_BUNDLE", "") // where it is set it replaces the client's own authorities
	creds := b.node.Credentials()
	session, err := sessionv1.NewSession(&sdkv1.Config{
		Region: sdkv1.String("us-west-2"), HTTPClient: b.client(), MaxRetries: sdkv1.Int(0), STSRegionalEndpoint: endpointsv1.RegionalSTSEndpoint,
		Credentials: credentialsv1.NewStaticCredentials(creds.AccessKeyID, string(creds.SecretAccessKey), string(creds.SessionToken)),
	})
	if err != nil {
		t.Fatal(err)
	}
	generator, err := token.NewGenerator(false, false)
	if err != nil {
		t.Fatal(err)
	}
	made, err := generator.GetWithSTS("my-cluster", stsv1.New(session))
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.authenticator("my-cluster").Verify(made.Token)
	if err != nil || got.ARN != nodeARN {
		t.Errorf("it sees %+v, %v", got, err)
	}
	out, err := stsv1.New(session).GetCallerIdentity(nil)
	if err != nil || *out.Arn != nodeARN {
		t.Errorf("by POST: %v, %v", out, err)
	}
}

func TestRealAuthenticatorRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		token      func(b *bench) string
	}{
		{"a token for another cluster", "SignatureDoesNotMatch", func(b *bench) string {
			return tokenOf(presign(b, b.sdkConfig(), "other", "60"))
		}},
		{"an unknown access key", "InvalidClientTokenId", func(b *bench) string {
			url := presign(b, b.sdkConfig(), "my-cluster", "60")
			b.cloud.Revoke(b.node.Credentials().AccessKeyID)
			return tokenOf(url)
		}},
		{"a wrong secret", "SignatureDoesNotMatch", func(b *bench) string {
			wrong := b.node.Credentials()
			wrong.SecretAccessKey += "x"
			return tokenOf(presign(b, b.configAs(wrong), "my-cluster", "60"))
		}},
		{"a wrong session token", "InvalidClientTokenId", func(b *bench) string {
			wrong := b.node.Credentials()
			wrong.SessionToken += "x"
			return tokenOf(presign(b, b.configAs(wrong), "my-cluster", "60"))
		}},
		{"credentials that have expired", "ExpiredToken", func(b *bench) string {
			creds := b.cloud.AssumeRole("node", "s", time.Minute)
			b.clock.advance(2 * time.Minute)
			return tokenOf(presign(b, b.configAs(creds), "my-cluster", "60"))
		}},
		{"a token older than 15 minutes", "Signature expired", func(b *bench) string {
			url := presign(b, b.sdkConfig(), "my-cluster", "60")
			b.clock.advance(16 * time.Minute)
			return tokenOf(url)
		}},
		{"a token of a host whose clock is ahead", "Signature not yet current", func(b *bench) string {
			b.clock.advance(-10 * time.Minute)
			return tokenOf(presign(b, b.sdkConfig(), "my-cluster", "60"))
		}},
		{"a token of another region's scope", "SignatureDoesNotMatch", func(b *bench) string {
			cfg := b.sdkConfig()
			cfg.Region = "eu-west-1"
			return tokenOf(strings.Replace(presign(b, cfg, "my-cluster", "60"), "sts.eu-west-1.", "sts.us-west-2.", 1))
		}},
		{"a throttled check", "Throttling", func(b *bench) string {
			b.cloud.Inject(Target{Service: STS}, Fault{Code: "Throttling", Message: "Rate exceeded"})
			return tokenOf(presign(b, b.sdkConfig(), "my-cluster", "60"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{})
			_, err := b.authenticator("my-cluster").Verify(tt.token(b))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("it says %v", err)
			}
		})
	}
}

func TestPresignedURLLivesFifteenMinutesUnlessStrict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		strict bool
		age    time.Duration
		status int
	}{
		{"like AWS, after 14 minutes", false, 14 * time.Minute, 200},
		{"like AWS, after 16 minutes", false, 16 * time.Minute, 403},
		{"strict, within its 60 seconds", true, 30 * time.Second, 200},
		{"strict, after its 60 seconds", true, 90 * time.Second, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{StrictExpires: tt.strict})
			url := presign(b, b.sdkConfig(), "c", "60")
			b.clock.advance(tt.age)
			if status, body := b.fetch(url, clusterIDHeader, "c"); status != tt.status {
				t.Errorf("got %d: %s", status, body)
			}
		})
	}
}

func TestPresignedURLMustSignTheCluster(t *testing.T) {
	b := newBench(t, Config{})
	unbound := presign(b, b.sdkConfig(), "", "60")
	if status, body := b.fetch(unbound); status != 403 || !strings.Contains(body, "x-k8s-aws-id") {
		t.Errorf("unsigned: %d %s", status, body)
	}
	if status, _ := b.fetch(unbound, clusterIDHeader, "c"); status != 403 {
		t.Errorf("sent but not signed: %d", status)
	}
	lax := newBench(t, Config{AnyPresigned: true})
	if status, body := lax.fetch(presign(lax, lax.sdkConfig(), "", "")); status != 200 || !strings.Contains(body, "<Arn>"+nodeARN+"</Arn>") {
		t.Errorf("allowed: %d %s", status, body)
	}
}

func TestTamperedURLIsRefused(t *testing.T) {
	b := newBench(t, Config{})
	good := presign(b, b.sdkConfig(), "c", "60")
	if status, body := b.fetch(good, clusterIDHeader, "c"); status != 200 {
		t.Fatalf("untouched: %d %s", status, body)
	}
	for name, change := range map[string]func(*url.URL, url.Values){
		"signature": func(_ *url.URL, q url.Values) { q.Set("X-Amz-Signature", strings.Repeat("0", 64)) },
		"date": func(_ *url.URL, q url.Values) {
			q.Set("X-Amz-Date", time.Now().UTC().Add(time.Second).Format(amzDateFormat))
		},
		"expires":   func(_ *url.URL, q url.Values) { q.Set("X-Amz-Expires", "900") },
		"version":   func(_ *url.URL, q url.Values) { q.Set("Version", "2011-06-16") },
		"more":      func(_ *url.URL, q url.Values) { q.Set("x", "y") },
		"path":      func(u *url.URL, _ url.Values) { u.Path = "/x" },
		"algorithm": func(_ *url.URL, q url.Values) { q.Set("X-Amz-Algorithm", "none") },
		"headers":   func(_ *url.URL, q url.Values) { q.Set("X-Amz-SignedHeaders", "host") },
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(good)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			change(u, q)
			u.RawQuery = q.Encode()
			if status, _ := b.fetch(u.String(), clusterIDHeader, "c"); status < 400 || status >= 500 {
				t.Errorf("got %d", status)
			}
		})
	}
}

func TestCallerIdentityByPost(t *testing.T) {
	b := newBench(t, Config{})
	out, err := sts.NewFromConfig(b.sdkConfig()).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *out.Arn != nodeARN || *out.Account != "123456789012" || !strings.HasSuffix(*out.UserId, ":"+nodeID) {
		t.Errorf("got %s %s %s", *out.Arn, *out.Account, *out.UserId)
	}
	if got := b.cloud.ControlPlaneCalls(nodeID); len(got) != 1 || got[0].Action != "GetCallerIdentity" {
		t.Errorf("logged as %+v", got)
	}
	user, err := sts.NewFromConfig(b.configAs(b.cloud.AddUser("ann"))).GetCallerIdentity(t.Context(), nil)
	if err != nil || *user.Arn != "arn:aws:iam::123456789012:user/ann" {
		t.Errorf("the user: %v", err)
	}
}

func TestSTSErrorsAsTheRealClientSeesThem(t *testing.T) {
	b := newBench(t, Config{})
	wrong := b.node.Credentials()
	wrong.SecretAccessKey = "x"
	old := b.configAs(b.node.Credentials())
	for _, tt := range []struct {
		name, want string
		cfg        sdk.Config
		before     func()
	}{
		{"wrong secret", "SignatureDoesNotMatch", b.configAs(wrong), nil},
		{"nobody's key", "InvalidClientTokenId", b.configAs(Credentials{AccessKeyID: "AKIANOBODY", SecretAccessKey: "x"}), nil},
		{"clock six minutes behind", "SignatureDoesNotMatch", old, func() { b.clock.advance(6 * time.Minute) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.before != nil {
				tt.before()
			}
			_, err := sts.NewFromConfig(tt.cfg).GetCallerIdentity(t.Context(), nil)
			if got := errorCode(err); got != tt.want {
				t.Errorf("got %q: %v", got, err)
			}
		})
	}
	if status, body := b.fetch("https://sts.us-west-2.amazonaws.com/?Action=GetCallerIdentity"); status != 403 || !strings.Contains(body, "<Code>MissingAuthenticationToken</Code>") {
		t.Errorf("unsigned: %d %s", status, body)
	}
	_, body := b.fetch("https://sts.us-west-2.amazonaws.com/?Action=GetCallerIdentity", "Accept", "application/json")
	if !strings.Contains(body, `"Error":{"Code":"MissingAuthenticationToken"`) {
		t.Errorf("as JSON: %s", body)
	}
}

func TestUnknownHostIsNotServed(t *testing.T) {
	b := newBench(t, Config{})
	b.roots.AppendCertsFromPEM(nil)
	transport := b.transport(nodeAddr)
	transport.TLSClientConfig.ServerName = "sts.amazonaws.com"
	for _, host := range []string{"s3.us-west-2.amazonaws.com", "sts.eu-west-1.amazonaws.com", "example.com", "amazonaws.com"} {
		resp, err := (&http.Client{Transport: transport}).Get("https://" + host + "/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 404 {
			t.Errorf("%s: %s", host, resp.Status)
		}
	}
	if got := b.cloud.Count("", ""); got != 4 {
		t.Errorf("%d calls to unknown hosts in the log", got)
	}
}

func TestFaultsOverHTTP2EndTheStream(t *testing.T) {
	b := newBench(t, Config{})
	server := httptest.NewUnstartedServer(b.cloud.Handler())
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	ask := func() (*http.Response, error) {
		req, err := http.NewRequest("GET", server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "sts.us-west-2.amazonaws.com"
		resp, err := server.Client().Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return resp, err
	}
	for _, effect := range []Effect{Reset, Garbage, Refuse} {
		b.cloud.Inject(Target{}, Fault{Effect: effect, Times: 1})
		if _, err := ask(); err == nil {
			t.Errorf("%s: it was answered", effect)
		}
		if resp, err := ask(); err != nil || resp.ProtoMajor != 2 || resp.StatusCode != 403 {
			t.Errorf("after %s: %+v, %v", effect, resp, err)
		}
	}
}

// fetch gets a URL of the TLS side.
func (b *bench) fetch(url string, header ...string) (int, string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), "GET", url, nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client().Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// errorCode is the code of an API error as the real client understood it.
func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
