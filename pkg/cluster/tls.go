package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

// hello is what came of a TLS handshake with the API server.
type hello struct {
	chain []*x509.Certificate // presented, the server's own first
	date  time.Time           // the server's clock; zero when it did not tell
	err   error               // why there was no handshake
}

// hello makes a handshake that accepts any certificate, so that it can be
// looked at, and then an unauthenticated request for the server's clock. No
// secret goes over this connection.
func (p *prober) hello(ctx context.Context) hello {
	var seen atomic.Pointer[tls.ConnectionState]
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// checkTLS verifies the chain itself, to say what is wrong with it.
		InsecureSkipVerify: true, // #nosec G402
		VerifyConnection: func(s tls.ConnectionState) error {
			seen.Store(&s)
			return nil
		},
	}
	a, err := ask(ctx, p.client(config), http.MethodGet, p.endpoint.JoinPath("version").String(), "", nil)
	// Through a proxy that itself speaks TLS there are two handshakes; the
	// later one is the API server's.
	s := seen.Load()
	if s == nil || len(s.PeerCertificates) == 0 {
		return hello{err: cmp.Or(err, errors.New("no certificate presented"))}
	}
	date, _ := http.ParseTime(a.header.Get("Date")) // zero when there is none
	return hello{chain: s.PeerCertificates, date: date}
}

func (p *prober) checkTLS(ctx context.Context) health.Finding {
	h, err := p.firstHop()
	if err != nil {
		return health.Bad(err)
	}
	if p.badCA != nil {
		return health.Bad(p.badCA)
	}
	got := p.hello(ctx)
	if got.err != nil {
		return p.handshakeFinding(h, got.err)
	}
	return p.judge(got)
}

func (p *prober) handshakeFinding(h hop, err error) health.Finding {
	seen := "cannot make a TLS handshake with the API server " + p.endpoint.Host + ": " + p.reason(err)
	if h.proxy != nil {
		return bad(fault.EndpointTLS, seen+" (through the proxy "+h.proxyName()+")",
			"Let the proxy pass CONNECT to "+p.endpoint.Host+", or add the host to NO_PROXY.")
	}
	return bad(fault.EndpointTLS, seen,
		"Connections open, but TLS does not: look for a firewall or proxy that inspects TLS on the way, a path MTU smaller than the interface's, or another service at this address.")
}

// judge says what is wrong with a presented chain, if anything.
func (p *prober) judge(got hello) health.Finding {
	leaf, host, now := got.chain[0], p.endpoint.Hostname(), p.Now()
	err := verify(got.chain, p.pool, now)
	switch {
	case err == nil:
		if err := leaf.VerifyHostname(host); err != nil {
			return bad(fault.EndpointTLS,
				"the API server's certificate is signed by the cluster's CA, but is not for "+host+": it is for "+names(leaf),
				"Correct spec.cluster.apiServerEndpoint: `"+p.describeCluster()+"` prints it.")
		}
		return health.Good("certificate " + name(leaf) + " is signed by the cluster's CA and valid until " + stamp(leaf.NotAfter))
	case p.onlyTime(got.chain):
		return p.timeFinding(got, now)
	}
	return p.foreignFinding(got.chain, now)
}

// verify reports whether a chain leads to roots at a time, whatever names the
// certificate has.
func verify(chain []*x509.Certificate, roots *x509.CertPool, at time.Time) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at})
	return err
}

// onlyTime reports whether the chain does lead to the cluster's CA, only at
// another time than now.
func (p *prober) onlyTime(chain []*x509.Certificate) bool {
	leaf := chain[0]
	for _, at := range []time.Time{leaf.NotBefore, leaf.NotAfter, leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)} {
		if verify(chain, p.pool, at) == nil {
			return true
		}
	}
	return false
}

// timeFinding is for a chain that is good at another time: either it is stale,
// or this machine's clock is wrong. The server's own clock tells which.
func (p *prober) timeFinding(got hello, now time.Time) health.Finding {
	leaf := got.chain[0]
	var seen string
	switch {
	case now.Before(leaf.NotBefore):
		seen = "the API server's certificate is not valid before " + stamp(leaf.NotBefore)
	case now.After(leaf.NotAfter):
		seen = "the API server's certificate expired on " + stamp(leaf.NotAfter)
	default:
		seen = "the API server's certificate is valid, but a CA certificate above it is not"
	}
	seen += "; this machine's clock says " + stamp(now)
	if got.date.IsZero() {
		return bad(fault.EndpointTLS, seen, "If this machine's clock is wrong, mend that (chrony or systemd-timesyncd with 169.254.169.123); if it is right, the API server needs a new certificate.")
	}
	seen += ", the API server's says " + stamp(got.date)
	if verify(got.chain, p.pool, got.date) == nil {
		return bad(fault.ClockSkew, seen, clockRemedy)
	}
	return bad(fault.EndpointTLS, seen, "The clocks agree, so the API server needs a new certificate.")
}

// foreignFinding is for a chain that the cluster's CA did not sign.
func (p *prober) foreignFinding(chain []*x509.Certificate, now time.Time) health.Finding {
	leaf := chain[0]
	seen := fmt.Sprintf("the API server's certificate is not signed by the cluster's CA as configured: presented is %s, issued by %s, SHA-256 %s; configured is %s",
		name(leaf), dn(leaf.Issuer.String()), fingerprint(leaf), p.configuredCA())
	roots, err := p.SystemRoots()
	if err == nil && verify(chain, roots, now) == nil {
		return bad(fault.EndpointCA, seen+"; the system's own certificate authorities accept it",
			"Something on the way replaces the API server's certificate (a TLS-inspecting proxy), or spec.cluster.apiServerEndpoint is no EKS endpoint: `"+p.describeCluster()+"` prints it.")
	}
	return bad(fault.EndpointCA, seen+"; the system's own certificate authorities do not accept it either",
		"Compare spec.cluster.certificateAuthority and apiServerEndpoint with `"+p.describeCluster()+"`: they belong to different clusters, or the cluster was made anew.")
}

// configuredCA names the configured certificates by subject and fingerprint:
// every EKS cluster's CA has the same subject.
func (p *prober) configuredCA() string {
	var parts []string
	for rest := p.CA; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return strings.Join(parts, " and ")
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			parts = append(parts, name(c)+", SHA-256 "+fingerprint(c))
		}
	}
}

func name(c *x509.Certificate) string { return dn(c.Subject.String()) }

// dn prepares a distinguished name, which the other side chose, for a message.
func dn(s string) string { return or(oneLine(s), "without a name") }

func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return or(oneLine(strings.Join(all, ", ")), "no host at all")
}

// fingerprint is as `openssl x509 -fingerprint -sha256` prints it.
func fingerprint(c *x509.Certificate) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(c.Raw)), " ", ":")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
