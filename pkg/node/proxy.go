package node

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/eksnode/eksnode/pkg/api"
)

// Proxy is the way out: through which proxies programs send their requests, and
// what they reach without one.
type Proxy struct {
	// HTTP and HTTPS are the URLs of proxies for requests of these schemes; empty is
	// none.
	HTTP  api.Secret `json:"http,omitempty"`
	HTTPS api.Secret `json:"https,omitempty"`
	// NoProxy are hosts, domains (.example.com), addresses and networks that are
	// reached directly: sorted, each once.
	NoProxy []string `json:"noProxy,omitempty"`
}

// The variables that programs read, in both spellings: curl takes http_proxy in
// small letters alone, others the large ones first.
var (
	httpProxy  = []string{"HTTP_PROXY", "http_proxy"}
	httpsProxy = []string{"HTTPS_PROXY", "https_proxy"}
	noProxy    = []string{"NO_PROXY", "no_proxy"}
)

// Proxy returns what spec.proxy makes of the services that reach the outside. ok
// is false where it names no proxy.
func (in Input) Proxy() (p Proxy, ok bool) {
	c := in.Config.Spec.Proxy
	if c.HTTP == "" && c.HTTPS == "" {
		return Proxy{}, false
	}
	return Proxy{HTTP: c.HTTP, HTTPS: c.HTTPS, NoProxy: in.direct()}, true
}

// AgentProxy returns the way out of the agent itself: that of spec.proxy, and for
// what it does not name that of the environment which spec.instance.environment
// gives to all services. ok is false where neither names a proxy; then the agent's
// own environment counts.
func (in Input) AgentProxy() (p Proxy, ok bool) {
	p, configured := in.Proxy()
	all := in.Config.Spec.Instance.Environment[api.EnvironmentDefault]
	if !configured {
		p.NoProxy = entries(first(all, noProxy).Reveal())
	}
	if p.HTTP == "" {
		p.HTTP = first(all, httpProxy)
	}
	if p.HTTPS == "" {
		p.HTTPS = first(all, httpsProxy)
	}
	if p.HTTP == "" && p.HTTPS == "" {
		return Proxy{}, false
	}
	return p, true
}

// first returns the first of several variables that is set.
func first(vars map[string]api.Secret, names []string) api.Secret {
	for _, n := range names {
		if v, ok := vars[n]; ok {
			return v
		}
	}
	return ""
}

// Check returns an error where a program would not take a proxy's URL. Go's takes
// such a one for none at all, without a word (golang.org/x/net/http/httpproxy). The
// URL is not in the error: it may hold a password.
func (p Proxy) Check() error {
	for _, f := range []struct {
		name  string
		value api.Secret
	}{{"http", p.HTTP}, {"https", p.HTTPS}} {
		if f.value == "" || f.value.Reveal() == f.value.String() {
			continue // none, or one that is not told: this is a saved input
		}
		u, err := url.Parse(f.value.Reveal())
		known := err == nil && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "socks5" || u.Scheme == "socks5h")
		if !known || u.Hostname() == "" || strings.ContainsFunc(f.value.Reveal(), unicode.IsControl) {
			return fmt.Errorf("the proxy for %s requests is no URL of the form http://HOST:PORT", f.name)
		}
	}
	for _, e := range p.NoProxy {
		if strings.ContainsFunc(e, unicode.IsControl) {
			return errors.New("an entry of noProxy has a control character in it")
		}
	}
	return nil
}

// Variables returns the environment of a program that goes this way, each variable in
// both spellings; none for what is not set.
func (p Proxy) Variables() map[string]api.Secret {
	out := map[string]api.Secret{}
	set := func(names []string, value api.Secret) {
		for _, n := range names {
			if value != "" {
				out[n] = value
			}
		}
	}
	set(httpProxy, p.HTTP)
	set(httpsProxy, p.HTTPS)
	set(noProxy, api.Secret(strings.Join(p.NoProxy, ",")))
	return out
}

// ProxyUnits returns the units that spec.proxy is for: those which pull images
// or speak to AWS.
func (in Input) ProxyUnits() []string {
	units := []string{in.Layout.ContainerdUnit, in.Layout.KubeletUnit}
	if on, _ := in.FastImagePull(); on {
		units = append(units, in.Layout.SOCIUnit)
	}
	return units
}

// ProxyEnvironment returns what spec.proxy adds to a unit's environment; nothing
// for units that it is not for. A variable that the user gives to the unit, in
// either spelling, is left to the user.
func (in Input) ProxyEnvironment(unit string) map[string]api.Secret {
	p, ok := in.Proxy()
	if !ok || !slices.Contains(in.ProxyUnits(), unit) {
		return nil
	}
	out := p.Variables()
	users := in.unitEnvironment(unit)
	for _, names := range [][]string{httpProxy, httpsProxy, noProxy} {
		if slices.ContainsFunc(names, func(n string) bool { _, ok := users[n]; return ok }) {
			maps.DeleteFunc(out, func(n string, _ api.Secret) bool { return slices.Contains(names, n) })
		}
	}
	return out
}

// unitEnvironment returns the variables that the user gives to a unit.
func (in Input) unitEnvironment(unit string) map[string]api.Secret {
	all := in.Config.Spec.Instance.Environment
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if key != api.EnvironmentDefault && EnvironmentUnit(key) == unit {
			return all[key]
		}
	}
	return nil
}

// direct returns what is reached without a proxy, with spec.proxy.noProxy.
//
// Go's programs, which kubelet and containerd are, take networks as well as
// addresses, and never use a proxy for the loopback. What they start may know only
// names and addresses, so the ones that matter stand there as such, too.
func (in Input) direct() []string {
	cluster := in.Config.Spec.Cluster
	domain := "cluster.local"
	if d, ok := in.Config.Spec.Kubelet.Config["clusterDomain"].(string); ok && d != "" {
		domain = strings.Trim(d, ".")
	}
	all := []string{
		"localhost", "127.0.0.1", "127.0.0.0/8", "::1",
		// Instance metadata, and the other services of EC2 on the link:
		// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
		"169.254.169.254", "169.254.0.0/16", "fd00:ec2::254",
		".svc", ".svc." + domain,
		cluster.CIDR,
	}
	all = append(all, in.Instance.VPCNetworks...)
	switch in.Instance.Region { // https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
	case "":
	case "us-east-1":
		all = append(all, ".ec2.internal")
	default:
		all = append(all, "."+in.Instance.Region+".compute.internal")
	}
	if !in.proxiesAPIServer() {
		all = append(all, in.apiServerHost())
	}
	return entries(strings.Join(append(all, in.Config.Spec.Proxy.NoProxy...), ","))
}

func (in Input) proxiesAPIServer() bool {
	b := in.Config.Spec.Proxy.ProxyAPIServer
	return b != nil && *b
}

// apiServerHost returns the host of the API server's endpoint; empty when that is
// no URL, for which others refuse it.
func (in Input) apiServerHost() string {
	u, err := url.Parse(in.Config.Spec.Cluster.APIServerEndpoint)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// entries splits a list at commas and blanks, sorts it and takes each entry once.
func entries(list string) []string {
	all := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
	slices.Sort(all)
	return slices.Compact(all)
}

// ProxyNotes returns what a person may want to know about spec.proxy: no value of
// a variable is in it.
func (in Input) ProxyNotes() []string {
	p, ok := in.Proxy()
	if !ok {
		return nil
	}
	var out []string
	note := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if p.HTTPS == "" {
		note("spec.proxy.https is not set: requests by https, such as those to AWS and to registries, go out directly")
	}
	if len(in.Instance.VPCNetworks) == 0 {
		why := "nobody has told them"
		if err := in.Require("instance.vpcNetworks"); err != nil {
			why = err.Error()
		}
		note("NO_PROXY is without the VPC's networks (%s): addresses in them are asked for through the proxy, unless spec.proxy.noProxy has them", why)
	}
	if host := in.apiServerHost(); in.proxiesAPIServer() && covered(p.NoProxy, host) {
		note("spec.proxy.proxyAPIServer has no effect: %s is in a network or list of what is reached directly", host)
	}
	if all := in.Config.Spec.Instance.Environment[api.EnvironmentDefault]; first(all, httpProxy) != "" || first(all, httpsProxy) != "" {
		note("spec.instance.environment.%s names a proxy, too: that is for all services but %s, which go by spec.proxy", api.EnvironmentDefault, strings.Join(in.ProxyUnits(), ", "))
	}
	for _, unit := range in.ProxyUnits() {
		users := in.unitEnvironment(unit)
		for _, name := range slices.Sorted(maps.Keys(users)) {
			if slices.Contains(slices.Concat(httpProxy, httpsProxy, noProxy), name) {
				note("%s of spec.instance.environment is kept for %s in place of what spec.proxy says", name, unit)
			}
		}
	}
	return out
}

// covered reports whether a list has a host by name or, where the host is an
// address, by network.
func covered(list []string, host string) bool {
	a, err := netip.ParseAddr(host)
	return slices.ContainsFunc(list, func(e string) bool {
		network, errNetwork := netip.ParsePrefix(e)
		return e == host || err == nil && errNetwork == nil && network.Contains(a)
	})
}
