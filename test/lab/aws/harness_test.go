package aws

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/eksnode/eksnode/test/lab/internal/pki"
)

// clock is a clock that tests can put forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(by time.Duration) { c.ahead.Add(int64(by)) }

// bench is a cloud that is served on this machine, and the clients of one instance in it.
type bench struct {
	*testing.T
	cloud *Cloud
	clock *clock
	node  *Machine
	// imdsAddr and tlsAddr are where the two sides really listen.
	imdsAddr, tlsAddr string
	roots             *x509.CertPool
}

const (
	nodeID   = "i-0123456789abcdef0"
	nodeAddr = "127.0.0.11" // every address of 127/8 is ours on Linux, so source addresses tell instances apart
)

// newBench serves a cloud with one instance.
func newBench(t *testing.T, cfg Config) *bench {
	t.Helper()
	b := &bench{T: t, clock: &clock{}}
	cfg.Now = b.clock.now
	b.cloud = New(cfg)
	var err error
	b.node, err = b.cloud.Launch(Instance{
		ID: nodeID, Role: "node", UserData: []byte("#!/bin/sh\n\x00\xff"), Zone: "us-west-2b",
		Interfaces: []Interface{{MAC: "0a:00:00:00:00:01", IPv4s: []string{nodeAddr}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.NewCA("test")
	if err != nil {
		t.Fatal(err)
	}
	b.roots = x509.NewCertPool()
	b.roots.AddCert(ca.Cert)
	pair, err := ca.Issue(pki.Request{CommonName: "aws", Names: b.cloud.Names()})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(b.cloud.IMDS())
	secure := httptest.NewUnstartedServer(b.cloud.Handler())
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that end with the test
	secure.StartTLS()
	t.Cleanup(func() {
		b.cloud.ClearFaults()
		for _, m := range b.cloud.Machines() {
			m.ClearFaults() // a hanging request would keep the server from closing
		}
		plain.CloseClientConnections()
		secure.CloseClientConnections()
		plain.Close()
		secure.Close()
	})
	b.imdsAddr, b.tlsAddr = plain.Listener.Addr().String(), secure.Listener.Addr().String()
	return b
}

// transport reaches the bench as an instance with the given address would: every name and address is here.
func (b *bench) transport(from string) *http.Transport {
	return &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: b.roots},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			if strings.HasSuffix(addr, ":443") {
				return dialer.DialContext(ctx, network, b.tlsAddr)
			}
			return dialer.DialContext(ctx, network, b.imdsAddr)
		},
	}
}

func (b *bench) client() *http.Client { return &http.Client{Transport: b.transport(nodeAddr)} }

// metadata is the real metadata client, at the real address. It does not retry, so that tests see every fault.
func (b *bench) metadata() *imds.Client {
	return imds.New(imds.Options{HTTPClient: b.client(), Retryer: sdk.NopRetryer{}, Endpoint: "http://169.254.169.254"})
}

// sdkConfig is the real default configuration, with credentials from the instance's metadata.
func (b *bench) sdkConfig() sdk.Config {
	b.Helper()
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_ACCESS_KEY_ID": "", "AWS_PROFILE": "",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_EC2_METADATA_DISABLED": "", "AWS_CA_BUNDLE": "",
	} {
		b.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(b.Context(), config.WithHTTPClient(b.client()),
		// The region's client is not made from the HTTP client above: without this it would ask this machine's own metadata.
		config.WithEC2IMDSRegion(func(o *config.UseEC2IMDSRegion) { o.Client = b.metadata() }),
		config.WithRetryer(func() sdk.Retryer { return sdk.NopRetryer{} }))
	if err != nil {
		b.Fatal(err)
	}
	return cfg
}

// configAs is a configuration with given credentials and without metadata.
func (b *bench) configAs(c Credentials) sdk.Config {
	return sdk.Config{
		Region: b.cloud.Config().Region, HTTPClient: b.client(), Retryer: func() sdk.Retryer { return sdk.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, string(c.SecretAccessKey), string(c.SessionToken)),
	}
}

// raw sends a request to the metadata service and returns the answer with its body read.
func (b *bench) raw(method, path string, header ...string) (*http.Response, string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, "http://169.254.169.254"+path, nil)
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
	return resp, string(body)
}

// token opens a session of six hours.
func (b *bench) token() string {
	b.Helper()
	resp, token := b.raw("PUT", "/latest/api/token", tokenTTLHeader, "21600")
	if resp.StatusCode != http.StatusOK {
		b.Fatalf("PUT token: %s", resp.Status)
	}
	return token
}

// get reads an item of the metadata service with a fresh session.
func (b *bench) get(path string) (int, string) {
	b.Helper()
	resp, body := b.raw("GET", path, tokenHeader, b.token())
	return resp.StatusCode, body
}
