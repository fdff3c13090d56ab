//go:build linux

package lab

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/eksnode/eksnode/test/lab/internal/netns"
	"github.com/eksnode/eksnode/test/lab/internal/pki"
)

// address gives the VPC one more address for something that is no instance: from 10.0.0.30 on.
func (l *Lab) address(ctx context.Context) (string, error) {
	l.mu.Lock()
	l.outside++
	ip := fmt.Sprintf("10.0.0.%d", 29+l.outside)
	l.mu.Unlock()
	if err := netns.IP(ctx, "-n", l.vpc.netns, "addr", "add", ip+"/20", "dev", "br0"); err != nil {
		return "", err
	}
	return ip, nil
}

// publishName lets the VPC's DNS server answer for a host name.
func (l *Lab) publishName(ctx context.Context, host, ip string) error {
	if err := replaceFile(filepath.Join(l.vpc.dir, "hosts", host), ip+" "+host+"\n"); err != nil {
		return err
	}
	return Wait(ctx, "the VPC's DNS server knows "+host, func(ctx context.Context) error { return l.vpc.answers(ctx, host) })
}

// resolver asks the VPC's DNS server.
func (l *Lab) resolver() *net.Resolver {
	dial := netns.Dialer(l.vpc.netns)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, dnsIP+":53")
	}}
}

// Proxy is an HTTP proxy in the VPC that writes down what goes through it.
type Proxy struct {
	// URL is what a machine is told, with the login if it needs one.
	URL string
	// IP is where its own requests come from.
	IP string

	lab      *Lab
	login    string // what Proxy-Authorization must hold; "" for no login
	mu       sync.Mutex
	requests []ProxyRequest
}

// ProxyRequest is one request that was made of a proxy.
type ProxyRequest struct {
	Source string // address of the client
	Method string // CONNECT for TLS
	Target string // host:port
	Denied bool   // it had no login, or a wrong one
}

// StartProxy starts a proxy, until the lab is closed. With a user it asks for a login.
func (l *Lab) StartProxy(ctx context.Context, user, password string) (*Proxy, error) {
	ip, err := l.address(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot start proxy: %w", err)
	}
	p := &Proxy{URL: "http://" + ip + ":3128", IP: ip, lab: l}
	if user != "" {
		p.URL = "http://" + user + ":" + password + "@" + ip + ":3128"
		p.login = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	listener, err := netns.Listen(l.vpc.netns, "tcp4", ip+":3128")
	if err != nil {
		return nil, fmt.Errorf("cannot start proxy: %w", err)
	}
	l.serve("proxy", &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}, func(s *http.Server) error { return s.Serve(listener) })
	return p, nil
}

// serve runs a server until the lab is closed.
func (l *Lab) serve(what string, s *http.Server, run func(*http.Server) error) {
	s.ErrorLog = log.New(io.Discard, "", 0)
	l.tasks.Go(func() {
		if err := run(s); !errors.Is(err, http.ErrServerClosed) {
			l.progress("%s ended: %v", what, err)
		}
	})
	context.AfterFunc(l.background, func() { _ = s.Close() })
}

// Requests are all requests so far, in their order.
func (p *Proxy) Requests() []ProxyRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]ProxyRequest(nil), p.requests...)
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	source, _, _ := net.SplitHostPort(r.RemoteAddr)
	request := ProxyRequest{Source: source, Method: r.Method, Target: r.Host}
	request.Denied = p.login != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Proxy-Authorization")), []byte(p.login)) == 0
	p.mu.Lock()
	p.requests = append(p.requests, request)
	p.mu.Unlock()
	switch {
	case request.Denied:
		w.Header().Set("Proxy-Authenticate", `Basic realm="lab"`)
		http.Error(w, "login needed", http.StatusProxyAuthRequired)
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
	default:
		p.forward(w, r)
	}
}

// dial connects from the proxy's own address.
func (p *Proxy) dial(ctx context.Context, target string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	ips, err := p.lab.resolver().LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	err = netns.Do(p.lab.vpc.netns, func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.IP)}}
		conn, err = d.DialContext(ctx, "tcp4", net.JoinHostPort(ips[0].String(), port))
		return err
	})
	return conn, err
}

func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	there, err := p.dial(r.Context(), r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer here.Close()
	stop := context.AfterFunc(p.lab.background, func() { _ = here.Close(); _ = there.Close() })
	defer stop()
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(there, buffered) // the other side ends it
		_ = there.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
	<-done
}

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.Header.Del("Proxy-Authorization")
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, target string) (net.Conn, error) { return p.dial(ctx, target) }}
	resp, err := transport.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body) // the client may be gone
}

// Mirror is a registry in the VPC, at a host name of its own and with a certificate of its own authority.
type Mirror struct {
	Host string
	// CA is the authority of its certificate in PEM, which no machine trusts unless it is told to.
	CA []byte

	store    http.Handler
	login    string
	mu       sync.Mutex
	requests []MirrorRequest
}

// MirrorRequest is one request that was made of a mirror.
type MirrorRequest struct {
	Method, Path string
	Denied       bool
}

// StartMirror starts a mirror under a host name, until the lab is closed. With a user it asks for a login.
func (l *Lab) StartMirror(ctx context.Context, host, user, password string) (*Mirror, error) {
	fail := func(err error) (*Mirror, error) { return nil, fmt.Errorf("cannot start mirror %s: %w", host, err) }
	ca, err := pki.NewCA("Mirror " + host)
	if err != nil {
		return fail(err)
	}
	pair, err := ca.Issue(pki.Request{CommonName: host, Names: []string{host}})
	if err != nil {
		return fail(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		return fail(err)
	}
	ip, err := l.address(ctx)
	if err != nil {
		return fail(err)
	}
	listener, err := netns.Listen(l.vpc.netns, "tcp4", ip+":443")
	if err != nil {
		return fail(err)
	}
	m := &Mirror{Host: host, CA: ca.CertPEM, store: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	if user != "" {
		m.login = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	server := &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}}
	l.serve("mirror "+host, server, func(s *http.Server) error { return s.ServeTLS(listener, "", "") })
	if err := l.publishName(ctx, host, ip); err != nil {
		return fail(err)
	}
	return m, nil
}

// Requests are all requests so far, in their order.
func (m *Mirror) Requests() []MirrorRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]MirrorRequest(nil), m.requests...)
}

// ServeHTTP implements http.Handler.
func (m *Mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := MirrorRequest{Method: r.Method, Path: r.URL.Path}
	request.Denied = m.login != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(m.login)) == 0
	m.mu.Lock()
	m.requests = append(m.requests, request)
	m.mu.Unlock()
	if request.Denied {
		w.Header().Set("WWW-Authenticate", `Basic realm="mirror"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
		return
	}
	m.store.ServeHTTP(w, r)
}

// PushHello puts the lab's [HelloImage] into the mirror, as repository with tag.
func (l *Lab) PushHello(ctx context.Context, m *Mirror, repository string) error {
	image, err := l.helloImage(ctx)
	if err != nil {
		return fmt.Errorf("cannot push %s: %w", repository, err)
	}
	ref, err := name.ParseReference(m.Host+"/"+strings.TrimPrefix(repository, "/"), name.StrictValidation)
	if err != nil {
		return fmt.Errorf("cannot push %s: %w", repository, err)
	}
	direct := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Body == nil {
			r.Body = http.NoBody
		}
		defer r.Body.Close()
		answer := httptest.NewRecorder()
		m.store.ServeHTTP(answer, r)
		resp := answer.Result()
		resp.Request = r
		return resp, nil
	})
	if err := remote.Push(ref, image, remote.WithTransport(direct), remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("cannot push %s: %w", repository, err)
	}
	return nil
}

// PushHelloTo puts the lab's [HelloImage] into a registry of the emulated ECR, by its full name.
func (l *Lab) PushHelloTo(ctx context.Context, ref string) error {
	image, err := l.helloImage(ctx)
	if err != nil {
		return fmt.Errorf("cannot push %s: %w", ref, err)
	}
	return l.Cloud.Publish(ctx, ref, image)
}

func (l *Lab) helloImage(ctx context.Context) (v1.Image, error) {
	program, err := l.imageProgram(ctx, "hello")
	if err != nil {
		return nil, err
	}
	return programImage(program)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
