package ec2

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/node"
)

const proxyURL = "http://joe:hunter2@proxy.example:3128"

// behind is an ordinary node behind a proxy.
func behind(p api.Proxy) node.Input {
	in := node.Input{Instance: node.Instance{Region: "us-west-2", VPCNetworks: []string{"10.0.0.0/16", "2600:1f14::/56"}}, Layout: node.AL2023()}
	in.Config.Spec.Cluster = api.Cluster{APIServerEndpoint: "https://ABC.gr7.us-west-2.eks.amazonaws.com", CIDR: "172.20.0.0/16"}
	in.Config.Spec.Proxy = p
	return in
}

func goesBy(t *testing.T, choose func(*http.Request) (*url.URL, error), target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	got, err := choose(&http.Request{URL: u})
	if err != nil {
		t.Fatal(err)
	}
	if got == nil {
		return ""
	}
	return got.String()
}

// What is computed means to Go's programs, of which kubelet and containerd are two,
// what it is meant to.
func TestComputedExceptionsAreUnderstoodByGo(t *testing.T) {
	yes := true
	direct := proxy(behind(api.Proxy{HTTP: proxyURL, HTTPS: proxyURL, NoProxy: []string{".corp.example", "registry.local:5000", "198.51.100.7"}}))
	proxied := proxy(behind(api.Proxy{HTTP: proxyURL, HTTPS: proxyURL, ProxyAPIServer: &yes}))
	for target, want := range map[string]string{
		"http://169.254.169.254/latest/":                    "",
		"http://[fd00:ec2::254]/latest/":                    "",
		"http://169.254.170.23/v1/credentials":              "",
		"https://10.0.255.3:10250/":                         "",
		"https://10.1.0.3:10250/":                           proxyURL,
		"https://[2600:1f14::3]/":                           "",
		"https://172.20.0.1/":                               "",
		"https://172.21.0.1/":                               proxyURL,
		"http://localhost:10248/healthz":                    "",
		"http://127.8.9.1/":                                 "",
		"https://kubernetes.default.svc/":                   "",
		"https://kubernetes.default.svc.cluster.local/":     "",
		"https://ip-10-0-0-1.us-west-2.compute.internal/":   "",
		"https://ABC.gr7.us-west-2.eks.amazonaws.com/":      "",
		"https://evil.ABC.gr7.us-west-2.eks.amazonaws.com/": "", // Go takes a name for its subdomains, too
		"https://DEF.gr7.us-west-2.eks.amazonaws.com/":      proxyURL,
		"https://ec2.us-west-2.amazonaws.com/":              proxyURL,
		"http://plain.example/":                             proxyURL,
		"https://a.corp.example/":                           "",
		"https://corp.example/":                             proxyURL,
		"https://registry.local:5000/v2/":                   "",
		"https://registry.local/v2/":                        proxyURL,
		"https://198.51.100.7/":                             "",
	} {
		if got := goesBy(t, direct, target); got != want {
			t.Errorf("%s goes by %q, want %q", target, got, want)
		}
		if strings.Contains(target, "ABC") {
			if got := goesBy(t, proxied, target); got != proxyURL {
				t.Errorf("%s goes by %q, though the API server is to be proxied", target, got)
			}
		}
	}
}

func TestTheEnvironmentOfAllServicesIsTakenWhereThereIsNoProxyOfItsOwn(t *testing.T) {
	if proxy(node.Input{}) != nil {
		t.Error("a proxy without configuration")
	}
	in := behind(api.Proxy{})
	in.Config.Spec.Instance.Environment = map[string]map[string]api.Secret{
		api.EnvironmentDefault: {"https_proxy": "http://proxy.example:3128", "NO_PROXY": ".internal"},
	}
	choose := proxy(in)
	for target, want := range map[string]string{
		"https://ec2.us-west-2.amazonaws.com/": "http://proxy.example:3128", "https://api.internal/": "", "http://plain.example/": "",
	} {
		if got := goesBy(t, choose, target); got != want {
			t.Errorf("%s goes by %q, want %q", target, got, want)
		}
	}
}

func TestAProxyThatNobodyCanUseIsNotGoneAround(t *testing.T) {
	choose := proxy(behind(api.Proxy{HTTPS: "hunter2.example:3128"}))
	got, err := choose(&http.Request{URL: &url.URL{Scheme: "https", Host: "ec2.us-west-2.amazonaws.com"}})
	if err == nil || got != nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestTheWayOutIsThatOfTheLastConfiguration(t *testing.T) {
	var r route
	ask := func() string { return goesBy(t, r.proxy, "https://sts.us-west-2.amazonaws.com/") }
	for _, p := range []api.Secret{"http://one:1", "http://two:2"} {
		r.follow(behind(api.Proxy{HTTPS: p}))
		if got := ask(); got != p.Reveal() {
			t.Errorf("got %q, want %s", got, p.Reveal())
		}
	}
}
