package cluster

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
)

// maxTimeout bounds every check; a healthy API server answers within
// milliseconds, and a person waits for the verdict.
const maxTimeout = 5 * time.Second

// Target is the cluster and the node that the checks ask about, and how to
// reach them. Only the fields of the first group are needed. The functions may
// be called at the same time.
type Target struct {
	// Endpoint is the API server's https URL, as NodeConfig has it.
	Endpoint string
	// CA is the cluster's certificate authority: one or more certificates in
	// PEM. Nothing else is trusted.
	CA []byte
	// NodeName is the name of the Node object that this machine should be.
	NodeName string
	// Token returns the bearer token that kubelet presents. It is asked for
	// each request, so it should keep what is expensive to make. Its error's
	// fault is passed on.
	Token func(context.Context) (string, error)
	// KubeletHealth is the URL of kubelet's health endpoint:
	// http://127.0.0.1:10248/healthz.
	KubeletHealth string

	// ClusterName and Region complete the commands in remedies; without them
	// a placeholder stands there.
	ClusterName string
	Region      string
	// AccessEntryType is the type of EKS access entry that a node like this
	// needs. Empty means EC2 for a node named by its instance id, otherwise
	// EC2_LINUX.
	AccessEntryType string
	// Identity returns the ARN that Token speaks for (STS GetCallerIdentity).
	// It is asked only to explain a refusal; nil or an error leaves the ARN
	// out.
	Identity func(context.Context) (string, error)
	// ProviderID is the one that kubelet registers with. A Node object with
	// another one is another machine's. Empty accepts any.
	ProviderID string
	// BootID is the kernel's (/proc/sys/kernel/random/boot_id). A Node object
	// that shows another one has not been updated since the machine booted, so
	// its conditions are not believed. Empty accepts any.
	BootID string

	// Log hears why something is tried again; nil tells nobody.
	Log *slog.Logger
	// Timeout bounds each check; zero or more than 5 s means 5 s.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Resolve returns the addresses of a host name; nil means the system's
	// resolver. Its error should be a *net.DNSError.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to an address and port; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Nameservers names the resolvers that Resolve asks, for messages; nil
	// means those of resolv.conf.
	Nameservers func() []string
	// Proxy tells the proxy for a request to the API server; nil means that of
	// the environment (HTTPS_PROXY, NO_PROXY), as kubelet does.
	Proxy func(*http.Request) (*url.URL, error)
	// SystemRoots returns the certificates that the system trusts, for
	// explaining a certificate that is not the cluster's; nil means x509's.
	SystemRoots func() (*x509.CertPool, error)
}

// prober is a Target with every field filled in.
type prober struct {
	Target
	endpoint *url.URL
	pool     *x509.CertPool
	http     *http.Client // trusts the cluster's CA alone
	local    *http.Client // for kubelet, without a proxy

	// badEndpoint and badCA are the faults of a Target that cannot be used;
	// the checks which need the field report them.
	badEndpoint, badCA error
}

func newProber(t Target) *prober {
	if t.Timeout <= 0 || t.Timeout > maxTimeout {
		t.Timeout = maxTimeout
	}
	if t.Log == nil {
		t.Log = slog.New(slog.DiscardHandler)
	}
	if t.Now == nil {
		t.Now = time.Now
	}
	if t.Resolve == nil {
		t.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if t.Dial == nil {
		t.Dial = (&net.Dialer{}).DialContext
	}
	if t.Nameservers == nil {
		t.Nameservers = func() []string { return nameservers(os.DirFS("/")) }
	}
	if t.Proxy == nil {
		t.Proxy = http.ProxyFromEnvironment
	}
	if t.SystemRoots == nil {
		t.SystemRoots = x509.SystemCertPool
	}
	p := &prober{Target: t}
	p.endpoint, p.badEndpoint = parseEndpoint(t.Endpoint)
	p.pool, p.badCA = parseCA(t.CA)
	p.http = p.client(p.strictTLS())
	p.local = p.localClient()
	return p
}

func parseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err == nil && (u.Scheme != "https" || u.Hostname() == "" || u.User != nil) {
		err = fmt.Errorf("want https://HOST")
	}
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "Set spec.cluster.apiServerEndpoint to the endpoint that `aws eks describe-cluster` prints.",
			fmt.Errorf("cannot use API server endpoint %q: %w", text, innermost(err)))
	}
	return u, nil
}

func parseCA(pem []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return pool, fault.New(fault.ConfigInvalid, "Set spec.cluster.certificateAuthority to certificateAuthority.data as `aws eks describe-cluster` prints it.",
			fmt.Errorf("cannot use the cluster's certificate authority: no certificate in PEM in its %d bytes", len(pem)))
	}
	return pool, nil
}

// hop is where packets to the API server go first: the server itself, or a
// proxy on the way.
type hop struct {
	host, port string
	proxy      *url.URL // nil without a proxy
}

// what names the hop in messages.
func (h hop) what() string {
	if h.proxy != nil {
		return "the proxy " + h.proxyName() + " (on the way to the API server)"
	}
	return "the API server " + h.host
}

// proxyName is the proxy's URL without user and password.
func (h hop) proxyName() string {
	u := *h.proxy
	u.User = nil
	return u.String()
}

// firstHop returns where connections to the API server go.
func (p *prober) firstHop() (hop, error) {
	if p.badEndpoint != nil {
		return hop{}, p.badEndpoint
	}
	proxy, err := p.Proxy(&http.Request{URL: p.endpoint})
	if err != nil {
		return hop{}, fault.New(fault.ConfigInvalid, "Correct HTTPS_PROXY in the environment.", fmt.Errorf("cannot use the proxy setting: %w", innermost(err)))
	}
	u, h := p.endpoint, hop{}
	if proxy != nil {
		u, h.proxy = proxy, proxy
	}
	h.host, h.port = u.Hostname(), u.Port()
	if h.port == "" {
		h.port = defaultPort(u.Scheme)
	}
	return h, nil
}

func defaultPort(scheme string) string {
	switch {
	case scheme == "http":
		return "80"
	case strings.HasPrefix(scheme, "socks5"):
		return "1080"
	}
	return "443"
}
