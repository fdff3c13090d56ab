package cluster

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

// short is a bound for what a test lets hang; its value appears in messages.
const short = 200 * time.Millisecond

func refused() error { return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED} }

func connectAll(conn func(context.Context) (net.Conn, error)) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) { return conn(ctx) }
}

// serve answers every connection with f, over a pipe.
func serve(f func(net.Conn)) func(context.Context, string) (net.Conn, error) {
	return connectAll(func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer func() { _ = theirs.Close() }()
			f(theirs)
		}()
		return ours, nil
	})
}

// cutOff connects to a server that hangs up after it has read the client's
// first message. A real connection, for a real end of file.
func cutOff(t *testing.T) func(context.Context, string) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			header := make([]byte, 5) // a TLS record's: type, version, length
			if _, err := io.ReadFull(c, header); err == nil {
				_, _ = io.CopyN(io.Discard, c, int64(header[3])<<8|int64(header[4]))
			}
			_ = c.Close()
		}
	}()
	return connectAll(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	})
}

func dnsError(e net.DNSError) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		e.Name = host
		return nil, &e
	}
}

func ready(status corev1.ConditionStatus, reason, message string) []corev1.NodeCondition {
	return []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, Reason: reason, Message: message}}
}

// Each row is one thing that goes wrong. check and code say which finding must
// be the first bad one; the golden file is all that a person reads.
var situations = []struct {
	name  string
	check string // empty: all is ok
	code  fault.Code
	harm  func(*world)
}{
	{"all-is-well", "", "", func(*world) {}},

	{"endpoint-is-not-https", CheckDNS, fault.ConfigInvalid, func(w *world) { w.target.Endpoint = "http://" + apiHost }},
	{"endpoint-is-no-url", CheckDNS, fault.ConfigInvalid, func(w *world) { w.target.Endpoint = "https://[::1" }},
	{"endpoint-by-address", CheckTLS, fault.EndpointTLS, func(w *world) { w.target.Endpoint = "https://10.0.1.10" }},
	{"ca-is-no-pem", CheckTLS, fault.ConfigInvalid, func(w *world) { w.target.CA = []byte("LS0tLS1CRUdJTg==") }},

	{"dns-no-such-host", CheckDNS, fault.EndpointDNS, func(w *world) {
		w.target.Resolve = dnsError(net.DNSError{Err: "no such host", IsNotFound: true, Server: "10.0.0.2:53"})
	}},
	{"dns-silent", CheckDNS, fault.EndpointDNS, func(w *world) {
		w.target.Resolve = dnsError(net.DNSError{Err: "i/o timeout", IsTimeout: true})
	}},
	{"dns-hangs", CheckDNS, fault.EndpointDNS, func(w *world) {
		w.target.Timeout = short
		w.target.Resolve = func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}},
	{"dns-servfail-without-resolv-conf", CheckDNS, fault.EndpointDNS, func(w *world) {
		w.target.Nameservers = func() []string { return nil }
		w.target.Resolve = dnsError(net.DNSError{Err: "server misbehaving", Server: "127.0.0.1:53"})
	}},
	{"dns-no-addresses", CheckDNS, fault.EndpointDNS, func(w *world) {
		w.target.Resolve = func(context.Context, string) ([]netip.Addr, error) { return nil, nil }
	}},

	{"tcp-refused", CheckTCP, fault.EndpointTCP, func(w *world) {
		w.connect = connectAll(func(context.Context) (net.Conn, error) { return nil, refused() })
	}},
	{"tcp-dropped", CheckTCP, fault.EndpointTCP, func(w *world) {
		w.target.Timeout = short
		w.connect = connectAll(func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
		})
	}},
	{"tcp-no-route", CheckTCP, fault.EndpointTCP, func(w *world) {
		w.connect = connectAll(func(context.Context) (net.Conn, error) { return nil, syscall.ENETUNREACH })
	}},
	{"tcp-one-of-two-refused", CheckTCP, fault.EndpointTCP, func(w *world) {
		w.connect = func(_ context.Context, address string) (net.Conn, error) {
			if address == "10.0.1.10:443" {
				return nil, refused()
			}
			return nil, nil
		}
	}},
	{"tcp-ipv6-without-route", "", "", func(w *world) {
		w.target.Resolve = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("2a05:d018::1"), netip.MustParseAddr("10.0.1.10")}, nil
		}
		w.connect = func(_ context.Context, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "[") {
				return nil, syscall.ENETUNREACH
			}
			return nil, nil
		}
	}},

	{"tls-plain-http-server", CheckTLS, fault.EndpointTLS, func(w *world) {
		w.connect = serve(func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		})
	}},
	{"tls-cut-off", CheckTLS, fault.EndpointTLS, func(w *world) {
		w.connect = cutOff(w.t)
	}},
	{"tls-silent", CheckTLS, fault.EndpointTLS, func(w *world) {
		w.target.Timeout = short
		w.connect = serve(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	}},
	{"ca-of-another-cluster", CheckTLS, fault.EndpointCA, func(w *world) {
		w.ca = newAuthority(w.t, "kubernetes")
		w.target.CA = w.ca.pem()
	}},
	{"ca-public", CheckTLS, fault.EndpointCA, func(w *world) {
		public := newAuthority(w.t, "Example Public CA")
		w.cert = public.issue(w.t, apiHost, noon.AddDate(0, -1, 0), noon.AddDate(0, 1, 0))
		w.target.SystemRoots = func() (*x509.CertPool, error) {
			pool := x509.NewCertPool()
			pool.AddCert(public.cert)
			return pool, nil
		}
	}},
	{"certificate-of-another-host", CheckTLS, fault.EndpointTLS, func(w *world) {
		w.cert = w.ca.issue(w.t, "other.gr7.eu-west-1.eks.amazonaws.com", noon.AddDate(0, -1, 0), noon.AddDate(0, 1, 0))
	}},
	{"certificate-expired", CheckTLS, fault.EndpointTLS, func(w *world) {
		w.cert = w.ca.issue(w.t, apiHost, noon.AddDate(0, -2, 0), noon.AddDate(0, -1, 0))
	}},
	{"certificate-expired-without-date", CheckTLS, fault.EndpointTLS, func(w *world) {
		w.cert = w.ca.issue(w.t, apiHost, noon.AddDate(0, -2, 0), noon.AddDate(0, -1, 0))
		w.noDate = true
	}},
	{"clock-before-certificate", CheckTLS, fault.ClockSkew, func(w *world) {
		w.target.Now = func() time.Time { return time.Unix(0, 0) } // a board without a battery
	}},
	{"clock-after-certificate", CheckTLS, fault.ClockSkew, func(w *world) {
		w.target.Now = func() time.Time { return noon.AddDate(2, 0, 0) }
	}},
	{"ca-expired", CheckTLS, fault.EndpointTLS, func(w *world) {
		w.cert = w.ca.issue(w.t, apiHost, noon.AddDate(0, -1, 0), noon.AddDate(30, 0, 0))
		w.serverTime = noon.AddDate(20, 0, 0)
		w.target.Now = func() time.Time { return w.serverTime }
	}},

	{"clock-six-minutes-ahead", CheckClock, fault.ClockSkew, func(w *world) { w.serverTime = noon.Add(-6 * time.Minute) }},
	{"clock-six-minutes-behind", CheckClock, fault.ClockSkew, func(w *world) { w.serverTime = noon.Add(6 * time.Minute) }},
	{"clock-a-minute-ahead", CheckClock, fault.ClockSkew, func(w *world) { w.serverTime = noon.Add(-time.Minute) }},
	{"clock-ten-seconds-behind", "", "", func(w *world) { w.serverTime = noon.Add(10 * time.Second) }},
	{"clock-not-told", CheckClock, fault.EndpointHTTP, func(w *world) { w.noDate = true }},

	{"token-without-credentials", CheckToken, fault.CredentialsAbsent, func(w *world) {
		w.target.Token = func(context.Context) (string, error) {
			return "", fault.New(fault.CredentialsAbsent, "Attach an instance profile.", errors.New("cannot get credentials: no role"))
		}
	}},
	{"token-plain-error", CheckToken, fault.TokenFailed, func(w *world) {
		w.target.Token = func(context.Context) (string, error) { return "", errors.New("no region") }
	}},
	{"token-empty", CheckToken, fault.TokenFailed, func(w *world) {
		w.target.Token = func(context.Context) (string, error) { return "", nil }
	}},
	{"token-hangs", CheckToken, fault.TokenFailed, func(w *world) {
		w.target.Timeout = short
		w.target.Token = func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
	}},
	{"token-nobody-makes-one", CheckToken, fault.Internal, func(w *world) { w.target.Token = nil }},

	{"unauthorized", CheckIdentity, fault.Unauthorized, func(w *world) { w.review = refuse(401, "Unauthorized") }},
	{"unauthorized-named-by-instance-id", CheckIdentity, fault.Unauthorized, func(w *world) {
		w.review = refuse(401, "Unauthorized")
		w.target.NodeName = "i-0123456789abcdef0"
	}},
	{"unauthorized-identity-unknown", CheckIdentity, fault.Unauthorized, func(w *world) {
		w.review = refuse(401, "Unauthorized")
		w.target.Identity = func(context.Context) (string, error) { return "", errors.New("sts: no answer") }
		w.target.ClusterName, w.target.Region = "", ""
	}},
	{"unauthorized-identity-not-asked", CheckIdentity, fault.Unauthorized, func(w *world) {
		w.review = refuse(401, "Unauthorized")
		w.target.Identity = nil
	}},
	{"identity-of-a-person", CheckIdentity, fault.WrongIdentity, func(w *world) {
		w.reviewed.Username, w.reviewed.Groups = callerID, []string{"system:masters", "system:authenticated"}
	}},
	{"identity-of-another-node", CheckIdentity, fault.WrongIdentity, func(w *world) {
		w.target.NodeName = "i-0123456789abcdef0" // but the entry has type EC2_LINUX
	}},
	{"identity-without-group", CheckIdentity, fault.WrongIdentity, func(w *world) { w.reviewed.Groups = []string{"system:authenticated"} }},
	{"identity-without-any-group", CheckIdentity, fault.WrongIdentity, func(w *world) {
		w.reviewed.Groups = nil
		w.target.Identity = nil
	}},
	{"review-forbidden-to-this-node", "", "", func(w *world) {
		w.review = refuse(403, `selfsubjectreviews.authentication.k8s.io is forbidden: User "system:node:`+nodeName+`" cannot create resource "selfsubjectreviews"`)
	}},
	{"review-forbidden-to-another", CheckIdentity, fault.WrongIdentity, func(w *world) {
		w.review = refuse(403, `selfsubjectreviews.authentication.k8s.io is forbidden: User "somebody" cannot create resource "selfsubjectreviews"`)
	}},
	{"review-forbidden-without-a-word", CheckIdentity, fault.EndpointHTTP, func(w *world) { w.review = refuse(403, "no") }},
	{"review-unknown-to-an-old-server", CheckIdentity, fault.EndpointHTTP, func(w *world) { w.review = refuse(404, "the server could not find the requested resource") }},
	{"review-overloaded", CheckIdentity, fault.EndpointHTTP, func(w *world) { w.review = refuse(429, "too many requests") }},
	{"review-is-a-web-page", CheckIdentity, fault.EndpointHTTP, func(w *world) {
		w.review = func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, "<html>\n<body>\x1b[31mWelcome")
		}
	}},
	{"review-redirects", CheckIdentity, fault.EndpointHTTP, func(w *world) {
		w.review = func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "/version", http.StatusTemporaryRedirect)
		}
	}},
	{"review-hangs", CheckIdentity, fault.EndpointHTTP, func(w *world) {
		w.target.Timeout = short
		w.review = hang
	}},
	{"review-has-no-end", CheckIdentity, fault.EndpointHTTP, func(w *world) {
		w.review = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(make([]byte, maxBody+1)) }
	}},
	{"review-cut-off", CheckIdentity, fault.EndpointHTTP, func(w *world) {
		w.review = func(rw http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
	}},

	{"kubelet-not-up", CheckKubelet, fault.KubeletUnhealthy, func(w *world) { w.kubelet = nil }},
	{"kubelet-unhealthy", CheckKubelet, fault.KubeletUnhealthy, func(w *world) {
		w.kubelet = func(rw http.ResponseWriter, _ *http.Request) {
			http.Error(rw, "[+]ping ok\n[-]syncloop failed: reason withheld\nhealthz check failed", http.StatusInternalServerError)
		}
	}},
	{"kubelet-hangs", CheckKubelet, fault.KubeletUnhealthy, func(w *world) {
		w.target.Timeout = short
		w.kubelet = hang
	}},

	{"node-name-unknown", CheckIdentity, fault.NodeNameUnknown, func(w *world) { w.target.NodeName = "" }},
	{"node-not-registered", CheckRegistered, fault.NotRegistered, func(w *world) { w.stored.Name = "another" }},
	{"node-of-an-earlier-machine", CheckRegistered, fault.NotRegistered, func(w *world) { w.stored.Spec.ProviderID = "aws:///eu-west-1a/i-0fedcba9876543210" }},
	{"node-forbidden", CheckRegistered, fault.WrongIdentity, func(w *world) {
		w.review = refuse(404, "")
		w.node = refuse(403, `nodes "`+nodeName+`" is forbidden: node "other" is not allowed to read node "`+nodeName+`"`)
	}},
	{"node-unreadable", CheckRegistered, fault.EndpointHTTP, func(w *world) {
		w.node = func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, `{"status": 7}`) }
	}},
	{"server-down-after-identity", CheckRegistered, fault.EndpointHTTP, func(w *world) { w.node = refuse(503, "etcd has no leader") }},
	{"not-ready-cni", CheckReady, fault.NotReady, func(w *world) {
		w.stored.Status.Conditions = ready(corev1.ConditionFalse, "KubeletNotReady",
			"container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized")
	}},
	{"not-ready-for-another-reason", CheckReady, fault.NotReady, func(w *world) {
		w.stored.Status.Conditions = ready(corev1.ConditionFalse, "KubeletNotReady", "[PLEG is not healthy: pleg was last seen active 3m7s ago,\n\tother]")
	}},
	{"not-ready-silent-kubelet", CheckReady, fault.NotReady, func(w *world) {
		w.stored.Status.Conditions = ready(corev1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status.")
	}},
	{"ready-not-told", CheckReady, fault.NotReady, func(w *world) { w.stored.Status.Conditions = nil }},
	{"ready-without-words", CheckReady, fault.NotReady, func(w *world) { w.stored.Status.Conditions = ready(corev1.ConditionFalse, "", "") }},
	{"ready-before-this-boot", CheckReady, fault.NotReady, func(w *world) { w.stored.Status.NodeInfo.BootID = "earlier" }},

	{"proxy-passes", "", "", func(w *world) { w.useProxy(passing) }},
	{"proxy-refuses", CheckTLS, fault.EndpointTLS, func(w *world) { w.useProxy(refusing) }},
	{"proxy-has-no-address", CheckDNS, fault.EndpointDNS, func(w *world) {
		w.useProxy(passing)
		w.target.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "nowhere.example:3128"})
	}},
	{"proxy-down", CheckTCP, fault.EndpointTCP, func(w *world) {
		w.useProxy(passing)
		w.connect = connectAll(func(context.Context) (net.Conn, error) { return nil, refused() })
	}},
	{"proxy-setting-is-garbage", CheckDNS, fault.ConfigInvalid, func(w *world) {
		w.target.Proxy = func(*http.Request) (*url.URL, error) {
			return nil, &url.Error{Op: "parse", URL: "http://[", Err: errors.New("missing ']' in host")}
		}
	}},
}

type proxyManners int

const (
	passing proxyManners = iota
	refusing
)

// useProxy sends all that goes to the cluster through a proxy with a password.
func (w *world) useProxy(manners proxyManners) {
	w.target.Proxy = http.ProxyURL(&url.URL{Scheme: "http", User: url.UserPassword("node", "hunter2"), Host: "proxy.example:3128"})
	w.target.Resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != "proxy.example" {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return []netip.Addr{netip.MustParseAddr("10.0.9.9")}, nil
	}
	w.connect = serve(func(c net.Conn) {
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return // the TCP check only opens and closes
		}
		if user, password, ok := proxyUser(req); req.Method != http.MethodConnect || req.Host != apiHost+":443" || !ok || user != "node" || password != "hunter2" {
			w.t.Errorf("the proxy was asked to %s %s by %q", req.Method, req.Host, user)
		}
		if manners == refusing {
			_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden by policy\r\nContent-Length: 0\r\n\r\n")
			return
		}
		up, err := net.Dial("tcp", w.api.Listener.Addr().String())
		if err != nil {
			w.t.Error(err)
			return
		}
		defer func() { _ = up.Close() }()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(up, r) }()
		_, _ = io.Copy(c, up)
	})
}

func proxyUser(r *http.Request) (user, password string, ok bool) {
	r.Header.Set("Authorization", r.Header.Get("Proxy-Authorization"))
	return r.BasicAuth()
}

func TestEverySituationIsSaidAsAPersonWouldWantIt(t *testing.T) {
	for _, tc := range situations {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tc.harm(w)
			target := w.start()
			findings := health.Run(t.Context(), time.Now, Checks(target))
			wellFormed(t, findings)
			text := w.show(findings)
			first := health.Worst(findings)
			if first.Check != tc.check || first.Code != tc.code {
				t.Errorf("first bad finding is %s [%s], want %s [%s]", first.Check, first.Code, tc.check, tc.code)
			}
			for _, secret := range []string{bearer, "hunter2"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q is told", secret)
				}
			}
			golden.Assert(t, filepath.Join("testdata", tc.name+".txt"), text)
		})
	}
}

// wellFormed: a finding always says something, on one line; what is bad has a
// code, and what failed a remedy.
func wellFormed(t *testing.T, findings []health.Finding) {
	t.Helper()
	for _, f := range findings {
		if f.Seen == "" || strings.ContainsAny(f.Seen+f.Remedy, "\n\t\x1b") {
			t.Errorf("%s saw %q, remedy %q", f.Check, f.Seen, f.Remedy)
		}
		if bad := f.Status == health.Failed || f.Status == health.Warning; bad != (f.Code != "") {
			t.Errorf("%s is %s with code %q", f.Check, f.Status, f.Code)
		}
		if f.Status == health.Failed && f.Remedy == "" {
			t.Errorf("%s has no remedy", f.Check)
		}
	}
}

func TestChecksComeInTheOrderOfTheirCauses(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks(Target{}) {
		for _, a := range c.After {
			if !seen[a] {
				t.Errorf("%s comes after %s, which stands later or not at all", c.Name, a)
			}
		}
		if c.Title == "" || seen[c.Name] {
			t.Errorf("%s: title %q, twice: %v", c.Name, c.Title, seen[c.Name])
		}
		seen[c.Name] = true
	}
}

func TestAnEmptyTargetFailsWithoutPanic(t *testing.T) {
	for _, f := range health.Run(t.Context(), time.Now, Checks(Target{})) {
		if f.Status == health.OK {
			t.Errorf("%s is ok: %s", f.Check, f.Seen)
		}
	}
}

func TestAnInterruptedCheckSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := newWorld(t)
	w.node = func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}
	f := health.Worst(health.Run(ctx, time.Now, Checks(w.start())))
	if f.Check != CheckRegistered || !strings.Contains(f.Seen, "interrupted") {
		t.Errorf("got %+v", f)
	}
}

// One dead address must not use up the time that the others need.
func TestRequestsGoToTheNextAddressWhenOneIsDead(t *testing.T) {
	w := newWorld(t)
	w.connect = func(ctx context.Context, address string) (net.Conn, error) {
		if address == "10.0.2.20:443" { // the first that the resolver gives
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, nil
	}
	w.target.Timeout = time.Second
	findings := health.Run(t.Context(), time.Now, Checks(w.start()))
	if f := health.Worst(findings); f.Status != health.Warning || f.Check != CheckTCP {
		t.Errorf("got:\n%s", w.show(findings))
	}
}

// single runs one check alone, as if those before it had held.
func single(t *testing.T, target Target, name string) health.Finding {
	t.Helper()
	for _, c := range Checks(target) {
		if c.Name == name {
			return c.Run(t.Context())
		}
	}
	t.Fatalf("no check %s", name)
	return health.Finding{}
}

// What breaks between one check and the next must be named as rightly.
func TestAWayThatBreaksAfterItsCheckIsStillNamed(t *testing.T) {
	for _, tc := range situations {
		switch tc.name {
		case "dns-no-such-host", "dns-hangs", "tcp-refused", "tls-plain-http-server", "ca-of-another-cluster", "endpoint-is-not-https", "ca-is-no-pem":
		default:
			continue
		}
		for _, check := range []string{CheckClock, CheckIdentity, CheckRegistered, CheckReady} {
			t.Run(tc.name+"/"+check, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				tc.harm(w)
				w.review = func(http.ResponseWriter, *http.Request) { t.Error("a request with a token has arrived") }
				w.node = w.review
				f := single(t, w.start(), check)
				code := tc.code
				switch tc.name {
				case "tls-plain-http-server":
					code = fault.EndpointHTTP // net/http sees what it is
				case "dns-hangs":
					code = fault.EndpointHTTP // all that is seen is that nothing comes
				}
				if f.Status != health.Failed || f.Code != code {
					t.Errorf("got %+v", f)
				}
				wellFormed(t, []health.Finding{f})
			})
		}
	}
}

func TestPrincipalARN(t *testing.T) {
	for _, tc := range []struct{ name, caller, want string }{
		{"node role", callerID, "arn:aws:iam::123456789012:role/NodeRole"},
		{"China", "arn:aws-cn:sts::123456789012:assumed-role/R/i-0", "arn:aws-cn:iam::123456789012:role/R"},
		{"GovCloud", "arn:aws-us-gov:sts::123456789012:assumed-role/R/i-0", "arn:aws-us-gov:iam::123456789012:role/R"},
		{"user", "arn:aws:iam::123456789012:user/alice", "arn:aws:iam::123456789012:user/alice"},
		{"federated", "arn:aws:sts::123456789012:federated-user/bob", "arn:aws:sts::123456789012:federated-user/bob"},
		{"garbage", "who:knows", "who:knows"},
		{"nothing", "", ""},
	} {
		if got := principalARN(tc.caller); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}
