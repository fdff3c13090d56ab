package aws

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const pauseImage = "123456789012.dkr.ecr.us-west-2.amazonaws.com/eks/pause:3.10"

// ecrLogin asks the real ECR API for a login, as a credential provider does, and returns it with the registry's URL.
func ecrLogin(b *bench, cfg sdk.Config) (*authn.Basic, string) {
	b.Helper()
	out, err := ecr.NewFromConfig(cfg).GetAuthorizationToken(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	data := out.AuthorizationData[0]
	if left := time.Until(*data.ExpiresAt); left < 11*time.Hour || left > 12*time.Hour {
		b.Errorf("the token lives %s", left)
	}
	return basic(b, *data.AuthorizationToken), *data.ProxyEndpoint
}

func basic(b *bench, token string) *authn.Basic {
	b.Helper()
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		b.Fatal(err)
	}
	user, password, _ := strings.Cut(string(raw), ":")
	return &authn.Basic{Username: user, Password: password}
}

// pull gets an image with all of its layers.
func pull(b *bench, ref string, auth authn.Authenticator) (v1.Hash, error) {
	b.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		b.Fatal(err)
	}
	img, err := remote.Image(parsed, remote.WithTransport(b.transport(nodeAddr)), remote.WithAuth(auth), remote.WithContext(b.Context()),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithRetryPredicate(func(error) bool { return false }))
	if err != nil {
		return v1.Hash{}, err
	}
	layers, err := img.Layers()
	if err != nil {
		return v1.Hash{}, err
	}
	for _, l := range layers {
		blob, err := l.Compressed()
		if err != nil {
			return v1.Hash{}, err
		}
		_, err = io.Copy(io.Discard, blob)
		blob.Close()
		if err != nil {
			return v1.Hash{}, err
		}
	}
	return img.Digest()
}

func randomImage(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(64<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// publish puts a fresh image there and returns its digest.
func publish(b *bench, ref string) v1.Hash {
	b.Helper()
	img := randomImage(b.T)
	if err := b.cloud.Publish(b.Context(), ref, img); err != nil {
		b.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		b.Fatal(err)
	}
	return digest
}

func TestImageIsPushedAndPulledThroughECRsLogin(t *testing.T) {
	b := newBench(t, Config{})
	login, endpoint := ecrLogin(b, b.sdkConfig())
	if endpoint != "https://"+b.cloud.RegistryHost("") || login.Username != "AWS" {
		t.Errorf("a login of %s for %s", login.Username, endpoint)
	}
	img := randomImage(t)
	ref, err := name.ParseReference(pauseImage)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, remote.WithTransport(b.transport(nodeAddr)), remote.WithAuth(login)); err != nil {
		t.Fatal(err)
	}
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pull(b, pauseImage, login); got != want || err != nil {
		t.Errorf("pulled %s, %v, want %s", got, err, want)
	}
	if n := b.cloud.Count(ECR, "GetAuthorizationToken"); n != 1 {
		t.Errorf("%d logins", n)
	}
	if n := b.cloud.Count(Registry, "GetBlob"); n != 2 {
		t.Errorf("%d layers pulled", n)
	}
	if got := b.cloud.ControlPlaneCalls(nodeID); len(got) != 1 {
		t.Errorf("control-plane calls: %+v", got)
	}
	for _, c := range b.cloud.CallsWhere(func(c Call) bool { return c.Service == Registry && c.Status < 400 }) {
		if c.Caller.ARN != nodeARN {
			t.Errorf("logged as %+v", c)
		}
	}
}

func TestPublishedImageIsThereForThoseWhoLogIn(t *testing.T) {
	b := newBench(t, Config{})
	want := publish(b, pauseImage)
	if len(b.cloud.Calls()) != 0 {
		t.Error("publishing is in the log")
	}
	login, _ := ecrLogin(b, b.sdkConfig())
	if got, err := pull(b, pauseImage, login); got != want || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := pull(b, strings.Replace(pauseImage, "1234", "9994", 1), login); err == nil {
		t.Error("it is in another account too")
	}
	for ref, why := range map[string]string{"docker.io/library/x:1": "none of this cloud", "sts.us-west-2.amazonaws.com/x:1": "none of this cloud", "not a ref": "could not parse"} {
		if err := b.cloud.Publish(t.Context(), ref, randomImage(t)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestRegistryRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		auth   func(b *bench) authn.Authenticator
		status int
		code   string
	}{
		{"nobody", func(*bench) authn.Authenticator { return authn.Anonymous }, 401, ""},
		{"a wrong password", func(*bench) authn.Authenticator { return &authn.Basic{Username: "AWS", Password: "x"} }, 401, ""},
		{"another user name", func(b *bench) authn.Authenticator {
			login, _ := ecrLogin(b, b.sdkConfig())
			return &authn.Basic{Username: "aws", Password: login.Password}
		}, 401, ""},
		{"a login of ECR Public", func(b *bench) authn.Authenticator { return publicLogin(b) }, 401, ""},
		{"a login that was forgotten", func(b *bench) authn.Authenticator {
			login, _ := ecrLogin(b, b.sdkConfig())
			b.cloud.ExpireLogins()
			return login
		}, 401, ""},
		{"a login after twelve hours", func(b *bench) authn.Authenticator {
			login, _ := ecrLogin(b, b.sdkConfig())
			b.clock.advance(13 * time.Hour)
			return login
		}, 403, "DENIED"},
		{"a role without the right", func(b *bench) authn.Authenticator {
			login, _ := ecrLogin(b, b.sdkConfig())
			if err := b.cloud.PutRole(Role{Name: "node", Deny: []string{"ecr:BatchGetImage"}}); err != nil {
				b.Fatal(err)
			}
			return login
		}, 403, "DENIED"},
		{"too many pulls", func(b *bench) authn.Authenticator {
			login, _ := ecrLogin(b, b.sdkConfig())
			b.cloud.Inject(Target{Service: Registry, Action: "GetManifest"}, Fault{Code: "TOOMANYREQUESTS"})
			return login
		}, 429, "TOOMANYREQUESTS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{})
			publish(b, pauseImage)
			_, err := pull(b, pauseImage, tt.auth(b))
			var refused *transport.Error
			if !errors.As(err, &refused) || refused.StatusCode != tt.status || tt.code != "" && string(refused.Errors[0].Code) != tt.code {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRegistryChallenges(t *testing.T) {
	b := newBench(t, Config{})
	for host, want := range map[string]string{
		b.cloud.RegistryHost(""): `Basic realm="https://123456789012.dkr.ecr.us-west-2.amazonaws.com/",service="ecr.amazonaws.com"`,
		publicRegistry:           `Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws"`,
	} {
		resp, err := b.client().Get("https://" + host + "/v2/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Www-Authenticate"); resp.StatusCode != 401 || got != want {
			t.Errorf("%s: %s %q", host, resp.Status, got)
		}
	}
}

func publicLogin(b *bench) *authn.Basic {
	b.Helper()
	cfg := b.sdkConfig()
	cfg.Region = publicRegion
	out, err := ecrpublic.NewFromConfig(cfg).GetAuthorizationToken(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	return basic(b, *out.AuthorizationData.AuthorizationToken)
}

func TestPublicRegistryServesAnybodyAndThoseWhoLogIn(t *testing.T) {
	b := newBench(t, Config{})
	const ref = "public.ecr.aws/eks-distro/kubernetes/pause:3.10"
	want := publish(b, ref)
	for who, auth := range map[string]authn.Authenticator{"anybody": authn.Anonymous, "somebody": publicLogin(b)} {
		if got, err := pull(b, ref, auth); got != want || err != nil {
			t.Errorf("%s: %s, %v", who, got, err)
		}
	}
	if _, err := pull(b, ref, &authn.Basic{Username: "AWS", Password: "x"}); err == nil {
		t.Error("a wrong password was taken")
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(parsed, randomImage(t), remote.WithTransport(b.transport(nodeAddr))); err == nil {
		t.Error("anybody may push")
	}
}

func TestLayersComeFromS3WhenRedirected(t *testing.T) {
	b := newBench(t, Config{RedirectLayers: true})
	want := publish(b, pauseImage)
	login, _ := ecrLogin(b, b.sdkConfig())
	if got, err := pull(b, pauseImage, login); got != want || err != nil {
		t.Fatalf("got %s, %v", got, err)
	}
	layers := b.cloud.CallsWhere(func(c Call) bool { return c.Service == S3 && c.Status == 200 })
	if len(layers) != 2 {
		t.Fatalf("%d layers came from S3", len(layers))
	}
	if n := len(b.cloud.CallsWhere(func(c Call) bool { return c.Action == "GetBlob" && c.Status == 307 })); n != 2 {
		t.Errorf("%d redirects", n)
	}
	blob := "https://" + b.cloud.RegistryHost("") + strings.Replace(layers[0].Path, "/123456789012", "/v2", 1)
	req, err := http.NewRequest("GET", blob, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(login.Username, login.Password)
	resp, err := b.transport(nodeAddr).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	url := resp.Header.Get("Location")
	if status, _ := b.fetch(url); status != 200 {
		t.Errorf("presigned: %d", status)
	}
	if status, body := b.fetch(url, "Authorization", req.Header.Get("Authorization")); status != 400 || !strings.Contains(body, "Only one auth mechanism allowed") {
		t.Errorf("with the registry's credentials: %d %s", status, body)
	}
	if status, _ := b.fetch(strings.Replace(url, "sha256", "sha512", 1)); status != 403 {
		t.Errorf("another key: %d", status)
	}
	if status, _ := b.fetch(strings.Split(url, "?")[0]); status != 403 {
		t.Errorf("unsigned: %d", status)
	}
	b.clock.advance(2 * time.Hour)
	if status, _ := b.fetch(url); status != 403 {
		t.Errorf("after its end: %d", status)
	}
}

func TestLayerIsServedInParts(t *testing.T) {
	b := newBench(t, Config{})
	img := randomImage(t)
	if err := b.cloud.Publish(t.Context(), pauseImage, img); err != nil {
		t.Fatal(err)
	}
	login, _ := ecrLogin(b, b.sdkConfig())
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	blob, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(blob)
	if err != nil {
		t.Fatal(err)
	}
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte(login.Username+":"+login.Password))
	status, rest := b.fetch("https://"+b.cloud.RegistryHost("")+"/v2/eks/pause/blobs/"+digest.String(), "Authorization", header, "Range", "bytes=100-")
	if status != 206 || !bytes.Equal([]byte(rest), whole[100:]) {
		t.Errorf("got %d, %d bytes of %d", status, len(rest), len(whole)-100)
	}
}

func TestRegistryFaultsAsTheRealClientSeesThem(t *testing.T) {
	for effect, want := range map[Effect]func(error) bool{
		Reset:    func(err error) bool { return errors.Is(err, syscall.ECONNRESET) },
		Truncate: func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) },
		Short:    func(err error) bool { return err != nil },
		Garbage:  func(err error) bool { return err != nil },
	} {
		t.Run(string(effect), func(t *testing.T) {
			b := newBench(t, Config{})
			want, wantErr := publish(b, pauseImage), want
			login, _ := ecrLogin(b, b.sdkConfig())
			b.cloud.Inject(Target{Service: Registry, Action: "GetBlob", Caller: nodeID}, Fault{Effect: effect, Times: 1})
			if _, err := pull(b, pauseImage, login); !wantErr(err) {
				t.Errorf("the client got %v", err)
			}
			if got, err := pull(b, pauseImage, login); got != want || err != nil {
				t.Errorf("afterwards: %s, %v", got, err)
			}
		})
	}
}

func TestECRErrorsAsTheRealClientSeesThem(t *testing.T) {
	b := newBench(t, Config{})
	wrong := b.node.Credentials()
	wrong.SecretAccessKey = "x"
	expired := b.cloud.AssumeRole("node", "s", time.Second)
	good := b.configAs(b.node.Credentials())
	b.clock.advance(time.Minute)
	for _, tt := range []struct {
		name, want string
		cfg        sdk.Config
		before     func()
	}{
		{"wrong secret", "InvalidSignatureException", b.configAs(wrong), nil},
		{"nobody's key", "UnrecognizedClientException", b.configAs(Credentials{AccessKeyID: "AKIANOBODY", SecretAccessKey: "x"}), nil},
		{"expired credentials", "ExpiredTokenException", b.configAs(expired), nil},
		{"clock ahead", "InvalidSignatureException", good, func() { b.clock.advance(-10 * time.Minute) }},
		{"throttled", "ThrottlingException", good, func() {
			b.clock.advance(9 * time.Minute)
			b.cloud.Inject(Target{Service: ECR}, Fault{Code: "ThrottlingException", Times: 1})
		}},
		{"denied", "AccessDeniedException", good, func() {
			if err := b.cloud.PutRole(Role{Name: "node", Deny: []string{"ecr:GetAuthorizationToken"}}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.before != nil {
				tt.before()
			}
			_, err := ecr.NewFromConfig(tt.cfg).GetAuthorizationToken(context.WithoutCancel(t.Context()), nil)
			if got := errorCode(err); got != tt.want {
				t.Errorf("got %q: %v", got, err)
			}
		})
	}
}

func TestLoginForOtherAccountsRegistries(t *testing.T) {
	b := newBench(t, Config{})
	out, err := ecr.NewFromConfig(b.sdkConfig()).GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{RegistryIds: []string{"602401143452", "000000000001"}})
	if err != nil || len(out.AuthorizationData) != 2 || *out.AuthorizationData[1].ProxyEndpoint != "https://602401143452.dkr.ecr.us-west-2.amazonaws.com" {
		t.Fatalf("got %+v, %v", out, err)
	}
	const ref = "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon-k8s-cni:v1.20.0"
	want := publish(b, ref)
	if got, err := pull(b, ref, basic(b, *out.AuthorizationData[1].AuthorizationToken)); got != want || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}
