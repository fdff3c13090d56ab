package ec2

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
	"github.com/eksnode/eksnode/pkg/system/image"
)

// recorder is a proxy that writes down where it is asked to go. Requests for http
// it answers itself, as the services of AWS would; with CONNECT it leads to the
// server behind, wherever one wants to go.
type recorder struct {
	behind string // an address

	mu    sync.Mutex
	asked []string
}

func (p *recorder) hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Clone(p.asked)
	slices.Sort(all)
	return slices.Compact(all)
}

func (p *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.Host)
	p.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Method == http.MethodConnect:
		p.tunnel(w)
	case strings.Contains(string(body), "Action=DescribeInstanceTypes"):
		_, _ = io.WriteString(w, `<DescribeInstanceTypesResponse><instanceTypeSet><item><instanceType>m99.huge</instanceType><networkInfo>`+
			`<maximumNetworkInterfaces>7</maximumNetworkInterfaces><ipv4AddressesPerInterface>20</ipv4AddressesPerInterface></networkInfo></item></instanceTypeSet></DescribeInstanceTypesResponse>`)
	case strings.Contains(string(body), "Action=GetCallerIdentity"):
		_, _ = io.WriteString(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::111122223333:assumed-role/node/i-1</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	case strings.Contains(r.Header.Get("X-Amz-Target"), "GetAuthorizationToken"):
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = fmt.Fprintf(w, `{"authorizationData":[{"authorizationToken":%q,"expiresAt":%d}]}`, base64.StdEncoding.EncodeToString([]byte("AWS:of-the-mirror")), time.Now().Add(time.Hour).Unix())
	default:
		w.WriteHeader(http.StatusBadGateway)
	}
}

func (p *recorder) tunnel(w http.ResponseWriter) {
	server, err := net.Dial("tcp", p.behind)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = server.Close() }()
	client, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = client.Close() }()
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(server, buffered); _ = server.(*net.TCPConn).CloseWrite() })
	wg.Go(func() { _, _ = io.Copy(client, server); _ = client.Close() })
	wg.Wait()
}

// cleanEnv hides what the machine that runs the tests has configured, and sends
// every service of AWS to a name in the clear, so that the proxy can answer.
func cleanEnv(t *testing.T) {
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
	for _, service := range []string{"EC2", "ECR", "STS"} {
		t.Setenv("AWS_ENDPOINT_URL_"+service, "http://"+strings.ToLower(service)+".aws.example")
	}
}

// The way of the whole agent, from the first question to the last check: everything
// goes by the proxy, and instance metadata, by which it gets its credentials, never.
func TestAllThatTheAgentAsksGoesByTheProxyAndMetadataNever(t *testing.T) {
	for name, endpoint := range map[string]string{"IPv4": imds.DefaultEndpoint, "IPv6": imds.DefaultEndpointIPv6} {
		t.Run(name, func(t *testing.T) {
			cleanEnv(t)
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
			defer server.Close()
			record := &recorder{behind: server.Listener.Addr().String()}
			way := httptest.NewServer(record)
			defer way.Close()

			metadata := awstest.NewIMDS()
			metadata.Set("dynamic/instance-identity/document", strings.Replace(awstest.Document, "m5.large", "m99.huge", 1))
			network := awstest.Serve(t, metadata)
			client, err := imds.New(imds.Options{Dial: network.Dial, NotFoundFor: time.Nanosecond, Endpoint: endpoint})
			if err != nil {
				t.Fatal(err)
			}
			log := slog.New(slog.DiscardHandler)
			p := &place{imds: client, metadata: client, layout: node.AL2023(), log: log}
			p.ec2 = p.askEC2

			yes := true
			u, err := url.Parse(way.URL)
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword("joe", "hunter2")
			var config api.NodeConfig
			config.Spec.Proxy = api.Proxy{HTTP: api.Secret(u.String()), HTTPS: api.Secret(u.String()), ProxyAPIServer: &yes}
			config.Spec.Cluster = api.Cluster{
				Name: "demo", APIServerEndpoint: "https://example.com", CIDR: "10.100.0.0/16", // the name in the server's certificate
				CertificateAuthority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			}
			in, err := p.gather(t.Context(), platform.Question{Config: config, Log: log})
			if err != nil || in.Instance.Limits == nil || in.Instance.Limits.MaxENIs != 7 {
				t.Fatalf("%v, %+v, %+v", err, in.Instance, in.Problems)
			}
			user, password, err := p.pullCredentials(t.Context(), "docker.io/library/pause:1", "111122223333.dkr.ecr.eu-west-1.amazonaws.com")
			if user != "AWS" || password != "of-the-mirror" || err != nil {
				t.Errorf("credentials of the mirror: %q, %q, %v", user, password, err)
			}
			identity := check(t, p, in, "api-identity")
			if identity.Code != fault.Unauthorized || !strings.Contains(identity.Seen+identity.Remedy, "assumed-role/node") && !strings.Contains(identity.Remedy, "role/node") {
				t.Errorf("the check of the identity saw %+v", identity)
			}
			if strings.Contains(fmt.Sprintf("%+v %+v", in, identity), "hunter2") {
				t.Error("the password is shown")
			}

			want := []string{"CONNECT example.com:443", "POST ec2.aws.example", "POST ecr.aws.example", "POST sts.aws.example"}
			if got := record.hosts(); !slices.Equal(got, want) {
				t.Errorf("through the proxy went %q, want %q", got, want)
			}
			if len(network.Dialed()) == 0 || metadata.Count("GET /latest/meta-data/iam/security-credentials/node-role") == 0 {
				t.Fatal("metadata was not asked: the test shows nothing")
			}
			for _, a := range network.Dialed() {
				if a != "169.254.169.254:80" && a != "[fd00:ec2::254]:80" {
					t.Errorf("metadata was asked for at %s", a)
				}
			}
		})
	}
}

// check runs one of the platform's checks.
func check(t *testing.T, p *place, in node.Input, name string) health.Finding {
	t.Helper()
	checks := p.checks(in)
	i := slices.IndexFunc(checks, func(c health.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("there is no check %s", name)
	}
	return checks[i].Run(t.Context())
}

func TestImagesOfTheAgentComeByTheSameWay(t *testing.T) {
	p := &place{layout: node.AL2023(), log: slog.New(slog.DiscardHandler)}
	h, done, err := p.host(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = done() }()
	driver, ok := h[host.KindImage].(*image.Driver)
	if !ok {
		t.Fatalf("images are looked after by %T", h[host.KindImage])
	}
	// The drivers may be there before the configuration is.
	p.out.follow(behind(api.Proxy{HTTPS: "http://proxy.example:3128"}))
	if got := goesBy(t, driver.Proxy, "https://registry-1.docker.io/v2/"); got != "http://proxy.example:3128" {
		t.Errorf("an image comes by %q", got)
	}
}

func TestCredentialsAreForECRAlone(t *testing.T) {
	p := &place{log: slog.New(slog.DiscardHandler)}
	user, password, err := p.pullCredentials(t.Context(), "docker.io/library/pause:1", "registry-1.docker.io")
	if user != "" || password != "" || err != nil {
		t.Errorf("%q, %q, %v", user, password, err)
	}
}

func TestEveryKindOfResourceHasADriver(t *testing.T) {
	p := &place{layout: node.AL2023(), log: slog.New(slog.DiscardHandler)}
	h, done, err := p.host(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = done() }()
	for _, kind := range host.Kinds() {
		if h[kind] == nil {
			t.Errorf("nobody looks after resources of kind %s", kind)
		}
	}
}
