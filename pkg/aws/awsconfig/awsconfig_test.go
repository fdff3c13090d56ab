package awsconfig

import (
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkec2 "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/eksnode/eksnode/pkg/aws/awscall"
	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/aws/ec2"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/aws/ststoken"
	"github.com/eksnode/eksnode/pkg/fault"
)

// cleanEnv hides what the machine that runs the tests has configured.
func cleanEnv(t testing.TB) {
	t.Helper()
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "AWS_") {
			t.Setenv(k, "")
		}
	}
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
}

func metadata(t testing.TB) (*awstest.IMDS, *awstest.Net, *imds.Client) {
	t.Helper()
	s := awstest.NewIMDS()
	n := awstest.Serve(t, s)
	// The bound of 404 is short, for instances without a role.
	c, err := imds.New(imds.Options{Dial: n.Dial, NotFoundFor: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s, n, c
}

func load(t testing.TB, o Options) aws.Config {
	t.Helper()
	if o.Region == "" {
		o.Region = "us-west-2"
	}
	cfg, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestTheInstanceRoleIsAskedForThroughOurMetadataClient(t *testing.T) {
	cleanEnv(t)
	s, n, c := metadata(t)
	cfg := load(t, Options{IMDS: c})
	if len(n.Dialed()) != 0 {
		t.Error("loading has asked the metadata service")
	}
	if _, err := c.Get(t.Context(), "mac"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		creds, err := cfg.Credentials.Retrieve(t.Context())
		if err != nil || creds.AccessKeyID != "ASIAIOSFODNN7EXAMPLE" || creds.SessionToken != "role-session-token" {
			t.Fatalf("%+v, %v", creds, err)
		}
	}
	// Token, mac, the role's name, its credentials; and the cache holds.
	if rs := s.Requests(); len(rs) != 4 || s.Count(awstest.TokenRequest) != 1 {
		t.Errorf("requests %v", rs)
	}
	if cfg.Region != "us-west-2" || cfg.RetryMaxAttempts != defaultAttempts {
		t.Errorf("region %q, attempts %d", cfg.Region, cfg.RetryMaxAttempts)
	}
}

func TestCredentialsFromTheEnvironmentComeFirst(t *testing.T) {
	cleanEnv(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
	t.Setenv("AWS_MAX_ATTEMPTS", "7")
	t.Setenv("AWS_REGION", "eu-west-1") // told is told
	_, n, c := metadata(t)
	cfg := load(t, Options{IMDS: c})
	creds, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || creds.AccessKeyID != "AKIDENV" || len(n.Dialed()) != 0 {
		t.Errorf("%+v, %v, dialed %v", creds, err, n.Dialed())
	}
	if cfg.RetryMaxAttempts != 7 || cfg.Region != "us-west-2" {
		t.Errorf("attempts %d, region %q", cfg.RetryMaxAttempts, cfg.Region)
	}
}

func TestWithoutCredentialsTheErrorSaysSoAtOnce(t *testing.T) {
	for name, r := range map[string]struct {
		env  string
		edit func(*awstest.IMDS)
		none bool
		kind imds.Kind
	}{
		"outside EC2":       {none: true},
		"metadata disabled": {env: "true"},
		"no role":           {edit: func(s *awstest.IMDS) { s.Remove("meta-data/iam/security-credentials/") }, kind: imds.NotFound},
		"metadata turned off": {edit: func(s *awstest.IMDS) {
			s.Fail = func(w http.ResponseWriter, _ *http.Request, _ int) bool { w.WriteHeader(403); return true }
		}, kind: imds.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			cleanEnv(t)
			t.Setenv("AWS_EC2_METADATA_DISABLED", r.env)
			s, n, c := metadata(t)
			if r.edit != nil {
				r.edit(s)
			}
			if r.none {
				c = nil
			}
			_, err := load(t, Options{IMDS: c}).Credentials.Retrieve(t.Context())
			var ce *awscall.CredentialsError
			if !errors.As(err, &ce) || !ce.Final {
				t.Fatalf("error %v, want a final CredentialsError", err)
			}
			var e *imds.Error
			if errors.As(err, &e) != (r.kind != "") || e != nil && e.Kind != r.kind {
				t.Errorf("metadata error %v, want kind %q", e, r.kind)
			}
			if r.kind == "" && len(n.Dialed()) != 0 {
				t.Errorf("dialed %v", n.Dialed())
			}
		})
	}
}

func TestAnAnswerWithoutUsableCredentialsIsNotFinal(t *testing.T) {
	cleanEnv(t)
	s, _, c := metadata(t)
	s.Set("meta-data/iam/security-credentials/node-role", `{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}`)
	_, err := load(t, Options{IMDS: c}).Credentials.Retrieve(t.Context())
	var ce *awscall.CredentialsError
	if !errors.As(err, &ce) || ce.Final || !strings.Contains(err.Error(), "AssumeRoleUnauthorizedAccess") {
		t.Errorf("error %v", err)
	}
	s.Set("meta-data/iam/security-credentials/node-role", `{"SecretAccessKey":"hunter2`)
	if _, err = load(t, Options{IMDS: c}).Credentials.Retrieve(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

// instance answers DescribeInstances.
func instance(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-01234567</instanceId><privateDnsName>n</privateDnsName></item></instancesSet></item></reservationSet></DescribeInstancesResponse>`)
}

func static(t *testing.T) {
	cleanEnv(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
}

func TestEndpointAndAuthorityFromTheEnvironmentAreUsed(t *testing.T) {
	static(t)
	server := httptest.NewTLSServer(http.HandlerFunc(instance))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL_EC2", server.URL)

	// Without its authority the server is not trusted, and that is said.
	_, err := ec2.New(load(t, Options{}), ec2.Options{Within: 20 * time.Second}).PrivateDNSName(t.Context(), "i-01234567")
	var e *awscall.Error
	if !errors.As(err, &e) || e.Kind != awscall.TLS {
		t.Errorf("error %v, want kind %q", err, awscall.TLS)
	}
	if f, _ := fault.Find(err); f == nil || !strings.Contains(f.Remedy, "AWS_CA_BUNDLE") {
		t.Errorf("fault %+v", f)
	}

	bundle := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, block, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	name, err := ec2.New(load(t, Options{}), ec2.Options{}).PrivateDNSName(t.Context(), "i-01234567")
	if name != "n" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
}

func TestAProxysRefusalIsToldApartAndItsPasswordIsNotShown(t *testing.T) {
	static(t)
	proxied := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("joe", "hunter2")
	cfg := load(t, Options{Proxy: http.ProxyURL(u)})
	// One attempt is enough, so the bound is the attempt's own order.
	_, err = ec2.New(cfg, ec2.Options{Within: time.Second}).PrivateDNSName(t.Context(), "i-01234567")
	var e *awscall.Error
	if !errors.As(err, &e) || e.Kind != awscall.Proxy || !strings.Contains(err.Error(), "407") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
	if got := <-proxied; got != "CONNECT ec2.us-west-2.amazonaws.com:443" {
		t.Errorf("proxied %q", got)
	}
}

func TestNothingThatCannotBeARegionIsTaken(t *testing.T) {
	cleanEnv(t)
	t.Setenv("AWS_REGION", "us-west-2")
	for _, region := range []string{"", "us west", "us-west-2.evil.example"} {
		if _, err := Load(t.Context(), Options{Region: region}); err == nil || !strings.HasPrefix(err.Error(), "cannot configure AWS clients: ") {
			t.Errorf("%q: %v", region, err)
		}
	}
}

func TestABrokenConfigurationFileIsAnError(t *testing.T) {
	cleanEnv(t)
	t.Setenv("AWS_PROFILE", "absent")
	if _, err := Load(t.Context(), Options{Region: "us-west-2"}); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("error %v", err)
	}
}

func TestTheSDKsMessagesGoToTheLog(t *testing.T) {
	cleanEnv(t)
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := load(t, Options{Log: log})
	cfg.Logger.Logf("WARN", "credentials %s", "extended")
	if !strings.Contains(b.String(), "AWS SDK: credentials extended") {
		t.Errorf("log %q", b.String())
	}
	load(t, Options{}).Logger.Logf("WARN", "dropped")
}

func TestServiceClientsTakeTheConfiguration(t *testing.T) {
	static(t)
	t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
	o := sdkec2.NewFromConfig(load(t, Options{})).Options()
	if o.EndpointOptions.UseFIPSEndpoint != aws.FIPSEndpointStateEnabled {
		t.Error("the FIPS switch is lost")
	}
}

// What `eksnode token` does, all but the network's time: the budget is 30 ms for
// the whole process.
func BenchmarkTokenFromTheInstanceRole(b *testing.B) {
	cleanEnv(b)
	for b.Loop() {
		_, _, c := metadata(b)
		cfg := load(b, Options{IMDS: c})
		if _, err := ststoken.ExecCredential(b.Context(), cfg, "demo", "us-west-2", "", time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestServicesOnTheLinkAreNeverAskedForThroughAProxy(t *testing.T) {
	u, err := url.Parse("http://proxy.example:3128")
	if err != nil {
		t.Fatal(err)
	}
	choose := beyondTheLink(http.ProxyURL(u))
	for target, direct := range map[string]bool{
		"http://169.254.169.254/latest/meta-data/": true,  // metadata
		"http://[fd00:ec2::254]/latest/":           true,  // the same by IPv6
		"http://169.254.170.2/v2/credentials":      true,  // tasks
		"http://169.254.170.23/v1/credentials":     true,  // pods
		"http://[fd00:ec2::23]/v1/credentials":     true,  // the same by IPv6
		"http://[::ffff:169.254.169.254]/":         true,  // in IPv6's clothes
		"http://[fe80::1%25eth0]:80/":              true,  // a neighbour
		"https://[fd00:ec2:1::1]/":                 true,  // of the same block
		"https://[fd01:ec2::254]/":                 false, // somebody's own network
		"https://169.253.169.254/":                 false,
		"https://169.254.169.254.evil.example/":    false,
		"https://sts.us-west-2.amazonaws.com/":     false,
	} {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		got, err := choose(&http.Request{URL: u})
		if err != nil || (got == nil) != direct {
			t.Errorf("%s goes by %v (%v)", target, got, err)
		}
	}
}
