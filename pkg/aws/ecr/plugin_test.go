package ecr

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	kubelet "k8s.io/kubelet/pkg/apis/credentialprovider/v1"

	"github.com/eksnode/eksnode/pkg/aws/awscall"
	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/fault"
)

const (
	privateImage = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/app"
	publicImage  = "public.ecr.aws/eks-distro/kubernetes/pause"
	thePassword  = "eyJwYXlsb2FkIjoi:x"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// ecrAPI answers both services, and records where and what it was asked.
type ecrAPI struct {
	answer http.HandlerFunc

	mu      sync.Mutex
	hosts   []string
	targets []string
	scopes  []string
}

func (a *ecrAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.hosts = append(a.hosts, r.Host)
	a.targets = append(a.targets, r.Header.Get("X-Amz-Target"))
	if _, scope, ok := strings.Cut(r.Header.Get("Authorization"), "Credential=AKID/"); ok {
		scope, _, _ = strings.Cut(scope, ",")
		_, scope, _ = strings.Cut(scope, "/")
		a.scopes = append(a.scopes, scope)
	}
	a.mu.Unlock()
	a.answer(w, r)
}

// asked returns hosts, credential scopes and targets of the requests so far.
func (a *ecrAPI) asked() [][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return [][]string{slices.Clone(a.hosts), slices.Clone(a.scopes), slices.Clone(a.targets)}
}

func gives(pair string, expires time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		data := fmt.Sprintf(`{"authorizationToken":%q,"expiresAt":%d,"proxyEndpoint":"https://x"}`, base64.StdEncoding.EncodeToString([]byte(pair)), expires.Unix())
		if !strings.Contains(r.Header.Get("X-Amz-Target"), "Spencer") { // ECR public's name in its target
			data = "[" + data + "]"
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(w, `{"authorizationData":`+data+`}`)
	}
}

func refuses(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":%q,"message":"told so"}`, code)
	}
}

func answers(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func bubble(t *testing.T, a *ecrAPI, test func(t *testing.T, p Provider)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := awstest.Serve(t, a)
		test(t, Provider{
			Now: func() time.Time { return now },
			Log: slog.New(slog.DiscardHandler),
			Config: aws.Config{
				Region:      "us-west-2", // the node's; images are elsewhere
				Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
				HTTPClient:  &http.Client{Transport: plain{&http.Transport{DialContext: n.Dial}}},
			},
		})
	})
}

// plain sends https requests without TLS.
type plain struct{ next http.RoundTripper }

func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = "http"
	return p.next.RoundTrip(r)
}

func requestFor(image string) *strings.Reader {
	return strings.NewReader(`{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"` + image + `"}`)
}

func TestKubeletGetsCredentialsForTheRegistry(t *testing.T) {
	a := &ecrAPI{answer: gives("AWS:"+thePassword, now.Add(12*time.Hour))}
	bubble(t, a, func(t *testing.T, p Provider) {
		var out bytes.Buffer
		if err := p.Serve(t.Context(), requestFor(privateImage), &out); err != nil {
			t.Fatal(err)
		}
		want := `{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Registry","cacheDuration":"6h0m0s",` +
			`"auth":{"111122223333.dkr.ecr.eu-west-1.amazonaws.com":{"username":"AWS","password":"` + thePassword + `"}}}` + "\n"
		if d := cmp.Diff(want, out.String()); d != "" {
			t.Errorf("response (-want +got):\n%s", d)
		}
		// kubelet's own types read it, strictly.
		var resp kubelet.CredentialProviderResponse
		d := json.NewDecoder(&out)
		d.DisallowUnknownFields()
		if err := d.Decode(&resp); err != nil {
			t.Fatal(err)
		}
		if resp.CacheKeyType != kubelet.RegistryPluginCacheKeyType || resp.CacheDuration.Duration != 6*time.Hour || len(resp.Auth) != 1 {
			t.Errorf("%+v", resp)
		}
	})
}

func TestTheTokenIsAskedForWhereTheImageIs(t *testing.T) {
	for image, r := range map[string]struct{ host, scope, target string }{
		privateImage: {"api.ecr.eu-west-1.amazonaws.com", "eu-west-1/ecr/aws4_request", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"},
		"111122223333.dkr.ecr-fips.us-east-1.amazonaws.com/app":     {"api.ecr-fips.us-east-1.amazonaws.com", "us-east-1/ecr/aws4_request", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"},
		"111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com/app": {"api.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1/ecr/aws4_request", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"},
		"111122223333.dkr-ecr.eu-west-1.on.aws/app":                 {"ecr.eu-west-1.api.aws", "eu-west-1/ecr/aws4_request", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"},
		"111122223333.dkr-ecr-fips.us-east-1.on.aws/app":            {"ecr-fips.us-east-1.api.aws", "us-east-1/ecr/aws4_request", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"},
		"111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/app":      {"api.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1/ecr/aws4_request", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"},
		"111122223333.dkr.ecr.us-iso-east-1.c2s.ic.gov/app":         {"api.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1/ecr/aws4_request", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"},
		publicImage: {"api.ecr-public.us-east-1.amazonaws.com", "us-east-1/ecr-public/aws4_request", "SpencerFrontendService.GetAuthorizationToken"},
	} {
		a := &ecrAPI{answer: gives("AWS:"+thePassword, now.Add(12*time.Hour))}
		bubble(t, a, func(t *testing.T, p Provider) {
			user, password, err := p.Credentials(t.Context(), image)
			if user != "AWS" || password.Reveal() != thePassword || err != nil {
				t.Errorf("%s: %q, %v", image, user, err)
			}
			if d := cmp.Diff([][]string{{r.host}, {r.scope}, {r.target}}, a.asked()); d != "" {
				t.Errorf("%s (-want +got):\n%s", image, d)
			}
		})
	}
}

func TestAConfiguredEndpointIsAskedForEveryKindOfHost(t *testing.T) {
	for _, image := range []string{privateImage, "111122223333.dkr-ecr-fips.us-east-1.on.aws/app"} {
		a := &ecrAPI{answer: gives("AWS:p", now.Add(time.Hour))}
		bubble(t, a, func(t *testing.T, p Provider) {
			p.Config.BaseEndpoint = aws.String("https://vpce-1.example")
			if _, _, err := p.Credentials(t.Context(), image); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]string{"vpce-1.example"}, a.asked()[0]); d != "" {
				t.Errorf("%s (-want +got):\n%s", image, d)
			}
		})
	}
}

func TestCredentialsAreKeptForHalfTheirLifeAndSixHoursAtMost(t *testing.T) {
	for name, r := range map[string]struct {
		left time.Duration
		want string
	}{
		"new":              {12 * time.Hour, "6h0m0s"},
		"longer than ever": {100 * time.Hour, "6h0m0s"},
		"half used":        {6 * time.Hour, "3h0m0s"},
		"odd seconds":      {61 * time.Second, "30s"},
		"ended":            {-time.Hour, "0s"},
	} {
		p := Provider{Now: func() time.Time { return now }}
		if got := p.cacheFor(now.Add(r.left)).String(); got != r.want {
			t.Errorf("%s: %s, want %s", name, got, r.want)
		}
	}
	if got := (Provider{}).cacheFor(time.Time{}); got != 0 {
		t.Errorf("without an end: %v", got)
	}
	if got := (Provider{}).cacheFor(time.Now().Add(12 * time.Hour)); got < 5*time.Hour {
		t.Errorf("with the real clock: %v", got)
	}
}

func TestPrivateImagesWithoutCredentialsAreAnErrorThatSaysWhy(t *testing.T) {
	for name, r := range map[string]struct {
		answer http.HandlerFunc
		kind   awscall.Kind
		code   fault.Code
		remedy string
		tries  int
	}{
		"not allowed":    {refuses(400, "AccessDeniedException"), awscall.Denied, fault.ECRDenied, "Allow ecr:GetAuthorizationToken in the node role (the managed policy AmazonEC2ContainerRegistryPullOnly has it)", 1},
		"key not known":  {refuses(400, "UnrecognizedClientException"), awscall.BadCredentials, fault.CredentialsAbsent, "not accepted", 3},
		"throttled":      {refuses(400, "ThrottlingException"), awscall.Throttled, fault.ECRUnreachable, "rate", 0},
		"broken":         {refuses(500, "ServerException"), awscall.Server, fault.ECRUnreachable, "itself", 0},
		"hangs":          {awstest.Hang, awscall.Timeout, fault.ECRUnreachable, "com.amazonaws.eu-west-1.ecr.api", 0},
		"no data":        {answers(`{}`), awscall.Garbage, fault.ECRUnreachable, "login page", 3},
		"empty data":     {answers(`{"authorizationData":[]}`), awscall.Garbage, fault.ECRUnreachable, "login page", 3},
		"no token":       {answers(`{"authorizationData":[{}]}`), awscall.Garbage, fault.ECRUnreachable, "login page", 3},
		"not base64":     {answers(`{"authorizationData":[{"authorizationToken":"%%%"}]}`), awscall.Garbage, fault.ECRUnreachable, "login page", 3},
		"no colon":       {gives("AWS", now), awscall.Garbage, fault.ECRUnreachable, "login page", 3},
		"empty password": {gives("AWS:", now), awscall.Garbage, fault.ECRUnreachable, "login page", 3},
		"web page":       {answers(`<html>`), awscall.Garbage, fault.ECRUnreachable, "login page", 3},
	} {
		t.Run(name, func(t *testing.T) {
			a := &ecrAPI{answer: r.answer}
			bubble(t, a, func(t *testing.T, p Provider) {
				start := time.Now()
				var out bytes.Buffer
				err := p.Serve(t.Context(), requestFor(privateImage), &out)
				var e *awscall.Error
				if !errors.As(err, &e) || e.Kind != r.kind {
					t.Fatalf("error %v, want kind %q", err, r.kind)
				}
				if f, ok := fault.Find(err); !ok || f.Code != r.code || !strings.Contains(f.Remedy, r.remedy) {
					t.Errorf("fault %+v, want %s with %q", f, r.code, r.remedy)
				}
				if out.Len() != 0 {
					t.Errorf("wrote %q", out.String())
				}
				if n := len(a.asked()[0]); r.tries > 0 && n != r.tries {
					t.Errorf("%d requests, want %d", n, r.tries)
				}
				// kubelet's bound is a minute.
				if d := time.Since(start); d > privateWithin {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}

func TestPublicImagesAreServedWithoutCredentialsWhereThereAreNone(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"not allowed": refuses(400, "AccessDeniedException"),
		"hangs":       awstest.Hang,
		"no data":     answers(`{}`),
		"web page":    answers(`<html>`),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, &ecrAPI{answer: answer}, func(t *testing.T, p Provider) {
				start := time.Now()
				var out bytes.Buffer
				if err := p.Serve(t.Context(), requestFor(publicImage), &out); err != nil {
					t.Fatal(err)
				}
				const want = `{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Registry","cacheDuration":"10m0s"}` + "\n"
				if d := cmp.Diff(want, out.String()); d != "" {
					t.Errorf("response (-want +got):\n%s", d)
				}
				if d := time.Since(start); d > publicWithin {
					t.Errorf("took %v", d)
				}
				user, password, err := p.Credentials(t.Context(), publicImage)
				if user != "" || password != "" || err != nil {
					t.Errorf("%q, %v", user, err)
				}
			})
		})
	}
}

func TestImagesFromElsewhereAreNotOurs(t *testing.T) {
	a := &ecrAPI{}
	bubble(t, a, func(t *testing.T, p Provider) {
		if err := p.Serve(t.Context(), requestFor("docker.io/library/ubuntu"), io.Discard); !errors.Is(err, ErrNotECR) {
			t.Errorf("error %v", err)
		}
		if _, _, err := p.Credentials(t.Context(), "localhost/kubernetes/pause"); !errors.Is(err, ErrNotECR) {
			t.Errorf("error %v", err)
		}
		if hosts := a.asked()[0]; len(hosts) != 0 {
			t.Errorf("asked %v", hosts)
		}
	})
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("pipe broken") }

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("pipe broken") }

func TestRequestsThatCannotBeReadAreRefused(t *testing.T) {
	const secret = "eyJhbGciOiJSUzI1NiJ9"
	for name, r := range map[string]struct {
		in   io.Reader
		want string
	}{
		"empty":         {strings.NewReader(""), "not a CredentialProviderRequest"},
		"not JSON":      {strings.NewReader("<" + secret), "not a CredentialProviderRequest"},
		"cut off":       {strings.NewReader(`{"serviceAccountToken":"` + secret), "not a CredentialProviderRequest"},
		"wrong type":    {strings.NewReader(`{"image":["` + secret + `"]}`), "not a CredentialProviderRequest"},
		"old version":   {strings.NewReader(`{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1beta1","image":"x"}`), "v1beta1"},
		"other kind":    {strings.NewReader(`{"kind":"Pod","apiVersion":"v1"}`), `"Pod"`},
		"no image":      {requestFor(""), "no image"},
		"endless":       {strings.NewReader(strings.Repeat(" ", maxRequest+1)), "more than"},
		"broken pipe":   {failingReader{}, "pipe broken"},
		"line in image": {requestFor(`a\nb`), "not an ECR registry"},
	} {
		err := Provider{}.Serve(context.Background(), r.in, io.Discard)
		if err == nil || !strings.Contains(err.Error(), r.want) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, r.want)
		}
	}
	// The longest request that is read.
	long := `{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"i"`
	if image, err := readRequest(strings.NewReader(long + strings.Repeat(" ", maxRequest-len(long)-1) + "}")); image != "i" || err != nil {
		t.Errorf("%q, %v", image, err)
	}
}

func TestAResponseThatCannotBeWrittenIsAnError(t *testing.T) {
	bubble(t, &ecrAPI{answer: gives("AWS:"+thePassword, now.Add(time.Hour))}, func(t *testing.T, p Provider) {
		err := p.Serve(t.Context(), requestFor(privateImage), failingWriter{})
		if err == nil || !strings.Contains(err.Error(), "pipe broken") || strings.Contains(err.Error(), thePassword) {
			t.Errorf("error %v", err)
		}
	})
}

func TestKubeletsOwnRequestIsRead(t *testing.T) {
	in, err := json.Marshal(kubelet.CredentialProviderRequest{Image: privateImage, ServiceAccountToken: "t", ServiceAccountAnnotations: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	in = bytes.Replace(in, []byte("{"), []byte(`{"kind":"CredentialProviderRequest","apiVersion":"`+kubelet.SchemeGroupVersion.String()+`",`), 1)
	if image, err := readRequest(bytes.NewReader(in)); image != privateImage || err != nil {
		t.Errorf("%q, %v", image, err)
	}
}

func FuzzRequest(f *testing.F) {
	seed, _ := io.ReadAll(requestFor(privateImage))
	for _, s := range []string{string(seed), "", "{}", "null", "[]", `{"kind":7}`, "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		image, err := readRequest(bytes.NewReader(in))
		if (err == nil) != (image != "") {
			t.Errorf("%q, %v", image, err)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q", err)
		}
	})
}

// Kubelet finds credentials by the registry that an image names; the token is that
// of the mirror, from the place where the mirror is.
func TestAMirrorsTokenIsGivenForTheRegistryThatItStandsFor(t *testing.T) {
	a := &ecrAPI{answer: gives("AWS:"+thePassword, now.Add(12*time.Hour))}
	bubble(t, a, func(t *testing.T, p Provider) {
		p.Mirrors = map[string]string{
			"docker.io":            "111122223333.dkr.ecr.eu-west-1.amazonaws.com",
			"registry.example:500": "111122223333.dkr.ecr.ap-south-1.amazonaws.com",
		}
		for image, registry := range map[string]string{"docker.io/library/nginx": "docker.io", "registry.example:500/a/b": "registry.example:500"} {
			var out bytes.Buffer
			if err := p.Serve(t.Context(), requestFor(image), &out); err != nil {
				t.Fatal(err)
			}
			var resp kubelet.CredentialProviderResponse
			if err := json.Unmarshal(out.Bytes(), &resp); err != nil {
				t.Fatal(err)
			}
			if got := resp.Auth[registry]; len(resp.Auth) != 1 || got.Password != thePassword || resp.CacheKeyType != kubelet.RegistryPluginCacheKeyType {
				t.Errorf("%s: %+v", image, resp)
			}
		}
		hosts := a.asked()[0]
		slices.Sort(hosts)
		if !slices.Equal(hosts, []string{"api.ecr.ap-south-1.amazonaws.com", "api.ecr.eu-west-1.amazonaws.com"}) {
			t.Errorf("asked %v", hosts)
		}
	})
}

func TestOnlyRegistriesWithAMirrorInECRAreServedByIt(t *testing.T) {
	a := &ecrAPI{answer: gives("AWS:"+thePassword, now.Add(12*time.Hour))}
	bubble(t, a, func(t *testing.T, p Provider) {
		p.Mirrors = map[string]string{"docker.io": "harbor.example", "quay.io": "111122223333.dkr.ecr.eu-west-1.amazonaws.com.evil.example"}
		for _, image := range []string{"docker.io/library/nginx", "quay.io/x", "ghcr.io/x", privateImage, "docker.io.evil.example/x", "nginx"} {
			var out bytes.Buffer
			if err := p.Serve(t.Context(), requestFor(image), &out); !errors.Is(err, ErrNotECR) || out.Len() > 0 {
				t.Errorf("%s: %v, %s", image, err, out.String())
			}
		}
		if got := a.asked()[0]; len(got) > 0 {
			t.Errorf("asked %v", got)
		}
	})
}
