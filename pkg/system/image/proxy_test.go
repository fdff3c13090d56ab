package image

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
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

	"github.com/eksnode/eksnode/pkg/host"
)

// registry is a mirror that wants a login, and writes down what it is asked with.
// token makes it send its clients to a server of tokens, which it is itself.
type registry struct {
	token bool
	url   string

	mu    sync.Mutex
	asked []string
}

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.asked = append(r.asked, req.URL.Path+" "+req.Header.Get("Authorization"))
	r.mu.Unlock()
	switch login := req.Header.Get("Authorization"); {
	case req.URL.Path == "/token":
		_, _ = io.WriteString(w, `{"token":"ticket"}`)
	case login == "Bearer ticket", login != "" && !r.token:
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("a", 64))
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Content-Length", "10")
	case r.token:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="x"`, r.url+"/token"))
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.Header().Set("WWW-Authenticate", "Basic realm=x")
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// way is a proxy that leads to a server, whatever is asked for, and writes down
// what that was.
type way struct {
	to string

	mu    sync.Mutex
	hosts []string
}

func (p *way) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.hosts = append(p.hosts, r.Method+" "+r.Host)
	p.mu.Unlock()
	if r.Method != http.MethodConnect {
		target := *r.URL
		target.Host = p.to
		out := r.Clone(r.Context())
		out.RequestURI, out.URL = "", &target
		resp, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
		return
	}
	server, err := net.Dial("tcp", p.to)
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
	_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(server, buffered); _ = server.(*net.TCPConn).CloseWrite() })
	wg.Go(func() { _, _ = io.Copy(client, server); _ = client.Close() })
	wg.Wait()
}

// hostsFile writes what containerd reads about docker.io.
func hostsFile(t *testing.T, text string) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "docker.io")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

// The names do not exist, so whoever goes around the proxy gets nowhere.
func TestTheAgentPullsFromMirrorsThroughTheProxyWithTheirLogin(t *testing.T) {
	const plain, basic = "http://mirror.example:5000", "Basic dTpw"
	for _, row := range []struct {
		name  string
		tls   bool
		token bool
		file  string
		// creds are what the driver is given for hosts that ask.
		creds []string
		asked []string // of the mirror, each once
		via   []string // of the proxy, each once
		hosts []string // for which credentials were asked
	}{
		{
			name: "a password of the mirror's own", file: "server = \"" + plain + "\"\n[header]\nAuthorization = \"" + basic + "\"\n[host]\n",
			asked: []string{"/v2/library/pause/manifests/1 " + basic}, via: []string{"HEAD mirror.example:5000"},
		},
		{
			name: "a password for a server of tokens", token: true, file: "server = \"" + plain + "\"\n[header]\nAuthorization = \"" + basic + "\"\n[host]\n",
			asked: []string{"/token " + basic, "/v2/library/pause/manifests/1 " + basic, "/v2/library/pause/manifests/1 Bearer ticket"},
			via:   []string{"GET mirror.example:5000", "HEAD mirror.example:5000"},
		},
		{
			name: "credentials for the host that asks", file: "server = \"" + plain + "\"\n[host]\n", creds: []string{"AWS", "secret"},
			asked: []string{"/v2/library/pause/manifests/1 ", "/v2/library/pause/manifests/1 Basic QVdTOnNlY3JldA=="},
			via:   []string{"HEAD mirror.example:5000"}, hosts: []string{"mirror.example:5000"},
		},
		{
			name: "a certificate of the mirror's own", tls: true, file: "server = \"https://example.com\"\nca = \"ca.pem\"\n[header]\nAuthorization = \"" + basic + "\"\n[host]\n",
			asked: []string{"/v2/library/pause/manifests/1 " + basic}, via: []string{"CONNECT example.com:443"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			mirror := &registry{token: row.token, url: plain}
			server := httptest.NewUnstartedServer(mirror)
			if row.tls {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			proxy := &way{to: server.Listener.Addr().String()}
			listens := httptest.NewServer(proxy)
			defer listens.Close()
			u, err := url.Parse(listens.URL)
			if err != nil {
				t.Fatal(err)
			}
			root := hostsFile(t, row.file)
			if row.tls {
				ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
				if err := os.WriteFile(filepath.Join(root, "docker.io", "ca.pem"), ca, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var hosts []string
			o := Options{HostDirs: []string{root}, Proxy: http.ProxyURL(u)}
			if row.creds != nil {
				o.Credentials = func(_ context.Context, ref, host string) (string, string, error) {
					hosts = append(hosts, host)
					if ref != "docker.io/library/pause:1" {
						t.Errorf("asked for the image %s", ref)
					}
					return row.creds[0], row.creds[1], nil
				}
			}
			creds := &credentials{ctx: t.Context(), source: "docker.io/library/pause:1", ask: o.Credentials}
			_, desc, err := o.resolver(t.Context(), creds).Resolve(t.Context(), "docker.io/library/pause:1")
			if err != nil || desc.Digest == "" {
				t.Fatalf("%+v, %v", desc, err)
			}
			if got := once(mirror.asked); !slices.Equal(got, row.asked) {
				t.Errorf("the mirror was asked %q, want %q", got, row.asked)
			}
			if got := once(proxy.hosts); !slices.Equal(got, row.via) {
				t.Errorf("the proxy was asked %q, want %q", got, row.via)
			}
			if !slices.Equal(hosts, row.hosts) {
				t.Errorf("credentials were asked for %q, want %q", hosts, row.hosts)
			}
		})
	}
}

func once(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}

func TestAProxyThatCannotBeToldIsNotGoneAround(t *testing.T) {
	o := Options{HostDirs: []string{hostsFile(t, "server = \"http://127.0.0.1:1\"\n[host]\n")}, Proxy: func(*http.Request) (*url.URL, error) {
		return nil, fmt.Errorf("cannot tell the way out")
	}}
	_, _, err := o.resolver(t.Context(), &credentials{}).Resolve(t.Context(), "docker.io/library/pause:1")
	if err == nil || !strings.Contains(err.Error(), "cannot tell the way out") {
		t.Errorf("got %v", err)
	}
}

func TestAnImageIsLookedForAndUnpackedWhereItsSnapshotterIs(t *testing.T) {
	for _, name := range []string{"", "soci"} {
		d, f := on(there(pause, "ami", nil))
		want := host.Image{Ref: pause, Snapshotter: name}
		for what, do := range map[string]func() error{
			"observe": func() error { _, err := d.Observe(t.Context(), want); return err },
			"apply":   func() error { return d.Apply(t.Context(), want) },
		} {
			f.snapshotter = "nobody has asked"
			if err := do(); err != nil || f.snapshotter != name {
				t.Errorf("%s: %q, want %q (%v)", what, f.snapshotter, name, err)
			}
		}
	}
}
