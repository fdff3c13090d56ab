//go:build linux

package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab/internal/netns"
)

func TestTheOutsideOfTheVPCIsRecorded(t *testing.T) {
	l := ForTest(context.Background(), t, Options{NoControlPlane: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := l.StartProxy(ctx, "user", "pass")
	if err != nil {
		t.Fatal(err)
	}
	m, err := l.StartMirror(ctx, "mirror.example", "puller", "secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.PushHello(ctx, m, "library/hello:1"); err != nil {
		t.Fatal(err)
	}
	if n := len(m.Requests()); n != 0 {
		t.Errorf("the push itself was recorded: %v", m.Requests())
	}
	proxy, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := l.clientThrough(t, proxy, m.CA)
	get := func(login bool) (int, string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mirror.example/v2/library/hello/manifests/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if login {
			req.SetBasicAuth("puller", "secret")
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, body := get(false); code != http.StatusUnauthorized {
		t.Errorf("without a login: %d %s", code, body)
	}
	if code, body := get(true); code != http.StatusOK || !strings.Contains(body, "schemaVersion") {
		t.Errorf("with the login: %d %s", code, body)
	}
	if got := m.Requests(); len(got) != 2 || !got[0].Denied || got[1].Denied {
		t.Errorf("the mirror saw %+v", got)
	}
	if got := p.Requests(); len(got) == 0 || got[0].Denied || got[0].Method != http.MethodConnect || got[0].Target != "mirror.example:443" {
		t.Errorf("the proxy saw %+v", got)
	}
	proxy.User = nil
	if resp, err := l.clientThrough(t, proxy, m.CA).Get("https://mirror.example/v2/"); err == nil {
		resp.Body.Close()
		t.Error("the proxy needs no login")
	}
	if got := p.Requests(); !got[len(got)-1].Denied {
		t.Errorf("the proxy saw %+v", got)
	}
}

// clientThrough is a client in the VPC that trusts one authority and uses a proxy.
func (l *Lab) clientThrough(t *testing.T, proxy *url.URL, ca []byte) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate")
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(proxy), DialContext: netns.Dialer(l.vpc.netns), DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}}
}
