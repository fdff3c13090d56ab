package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eksnode/eksnode/pkg/health"
)

const (
	apiHost  = "0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com"
	nodeName = "ip-10-0-1-50.eu-west-1.compute.internal"
	callerID = "arn:aws:sts::123456789012:assumed-role/NodeRole/i-0123456789abcdef0"
	provider = "aws:///eu-west-1a/i-0123456789abcdef0"
	bootID   = "3b241101-e2bb-4255-8caf-4136c566a962"
	bearer   = "k8s-aws-v1.secret"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// authority is a certificate authority for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &authority{sign(t, template, template, key, key), key}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue makes a server's certificate.
func (a *authority) issue(t testing.TB, host string, from, until time.Time) tls.Certificate {
	t.Helper()
	key := newKey(t)
	leaf := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"}, DNSNames: []string{host},
		NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, key, a.key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// world is a cluster and a node in which all is well, until a test breaks
// something before start.
type world struct {
	t    *testing.T
	ca   *authority
	cert tls.Certificate
	// serverTime is what the API server's clock says; empty sends no Date.
	serverTime time.Time
	noDate     bool
	// review and node answer those requests; nil means well.
	review, node http.HandlerFunc
	// patch answers changes of the node; nil means that there should be none.
	patch http.HandlerFunc
	// reviewed and stored are what the well answers contain.
	reviewed authenticationv1.UserInfo
	stored   corev1.Node
	// kubelet is its health endpoint; nil when it is not up.
	kubelet http.HandlerFunc
	// connect replaces a connection to an address of the cluster.
	connect func(ctx context.Context, address string) (net.Conn, error)
	target  Target

	api *httptest.Server
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, ca: newAuthority(t, "kubernetes"), serverTime: noon}
	w.cert = w.ca.issue(t, apiHost, noon.AddDate(0, -1, 0), noon.AddDate(0, 11, 0))
	w.reviewed = authenticationv1.UserInfo{Username: "system:node:" + nodeName, Groups: []string{"system:nodes", "system:authenticated"}}
	w.stored = corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName},
		Spec:       corev1.NodeSpec{ProviderID: provider},
		Status: corev1.NodeStatus{
			NodeInfo: corev1.NodeSystemInfo{BootID: bootID},
			Conditions: []corev1.NodeCondition{
				{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse},
				{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "kubelet is posting ready status"},
			},
		},
	}
	w.kubelet = func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok") }
	w.target = Target{
		Endpoint: "https://" + apiHost, CA: w.ca.pem(), NodeName: nodeName, ClusterName: "prod", Region: "eu-west-1",
		ProviderID: provider, BootID: bootID,
		Token:    func(context.Context) (string, error) { return bearer, nil },
		Identity: func(context.Context) (string, error) { return callerID, nil },
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host != apiHost {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
			return []netip.Addr{netip.MustParseAddr("10.0.2.20"), netip.MustParseAddr("::ffff:10.0.1.10"), netip.MustParseAddr("10.0.1.10")}, nil
		},
		Nameservers: func() []string { return []string{"10.0.0.2"} },
		Proxy:       func(*http.Request) (*url.URL, error) { return nil, nil },
		SystemRoots: func() (*x509.CertPool, error) { return x509.NewCertPool(), nil },
		Now:         func() time.Time { return noon },
	}
	return w
}

// start brings the servers up and returns the target to look at.
func (w *world) start() Target {
	w.t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", w.version)
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/selfsubjectreviews", w.onlyWithToken(w.review, w.answerReview))
	mux.HandleFunc("GET /api/v1/nodes/{name}", w.onlyWithToken(w.node, w.answerNode))
	mux.HandleFunc("PATCH /api/v1/nodes/{name}", w.onlyWithToken(w.patch, func(http.ResponseWriter, *http.Request) { w.t.Error("somebody changes the node") }))
	w.api = httptest.NewUnstartedServer(mux)
	w.api.TLS = &tls.Config{Certificates: []tls.Certificate{w.cert}}
	w.api.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what some tests are about
	w.api.StartTLS()
	w.t.Cleanup(w.api.Close)

	kubelet := httptest.NewServer(w.kubelet)
	w.t.Cleanup(kubelet.Close)
	w.target.KubeletHealth = "http://127.0.0.1:10248/healthz"
	w.target.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		if address == "127.0.0.1:10248" {
			if w.kubelet == nil {
				return nil, refused()
			}
			return d.DialContext(ctx, network, kubelet.Listener.Addr().String())
		}
		if w.connect != nil {
			if conn, err := w.connect(ctx, address); conn != nil || err != nil {
				return conn, err
			}
		}
		switch address {
		case "10.0.1.10:443", "10.0.2.20:443":
			return d.DialContext(ctx, network, w.api.Listener.Addr().String())
		}
		return nil, fmt.Errorf("nobody should connect to %s", address)
	}
	return w.target
}

func (w *world) date(rw http.ResponseWriter) {
	rw.Header()["Date"] = nil
	if !w.noDate {
		rw.Header().Set("Date", w.serverTime.UTC().Format(http.TimeFormat))
	}
}

func (w *world) version(rw http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		w.t.Error("a token was sent where none is needed")
	}
	w.date(rw)
	rw.WriteHeader(http.StatusUnauthorized) // as a cluster without anonymous access does
}

// onlyWithToken wraps broken, or well where that is nil.
func (w *world) onlyWithToken(broken, well http.HandlerFunc) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		w.date(rw)
		if got := r.Header.Get("Authorization"); got != "Bearer "+bearer {
			w.t.Errorf("%s %s: Authorization is %q", r.Method, r.URL, got)
		}
		if broken != nil {
			broken(rw, r)
			return
		}
		well(rw, r)
	}
}

func (w *world) answerReview(rw http.ResponseWriter, r *http.Request) {
	var got authenticationv1.SelfSubjectReview
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil || got.Kind != "SelfSubjectReview" || got.APIVersion != "authentication.k8s.io/v1" {
		w.t.Errorf("got review %+v, %v", got, err)
	}
	got.Status.UserInfo = w.reviewed
	writeJSON(rw, http.StatusCreated, got)
}

func (w *world) answerNode(rw http.ResponseWriter, r *http.Request) {
	if r.PathValue("name") != w.stored.Name {
		refuse(http.StatusNotFound, fmt.Sprintf("nodes %q not found", r.PathValue("name")))(rw, r)
		return
	}
	writeJSON(rw, http.StatusOK, w.stored)
}

func writeJSON(rw http.ResponseWriter, code int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	_ = json.NewEncoder(rw).Encode(v) // a client that went away is no failure of the test
}

// refuse answers with a Status object, as an API server does.
func refuse(code int, message string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		writeJSON(rw, code, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Message: message, Code: int32(code)})
	}
}

// hang answers only when the client has gone away.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // a server looks for the client's end only then
	<-r.Context().Done()
}

// show prints findings as a person would want to read them, with what differs
// from run to run named instead.
func (w *world) show(findings []health.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%-8s %s", f.Status, f.Check)
		if f.Code != "" {
			fmt.Fprintf(&b, " [%s]", f.Code)
		}
		fmt.Fprintf(&b, "\n         %s\n", f.Seen)
		if f.Remedy != "" {
			fmt.Fprintf(&b, "         -> %s\n", f.Remedy)
		}
	}
	return w.stable(b.String())
}

func (w *world) stable(s string) string {
	names := []string{fingerprint(w.ca.cert), "FINGERPRINT-OF-CA"}
	if w.cert.Leaf != nil {
		names = append(names, fingerprint(w.cert.Leaf), "FINGERPRINT-OF-CERTIFICATE")
	}
	return strings.NewReplacer(names...).Replace(s)
}
