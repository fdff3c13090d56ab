package api

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// anyRegistry is the key of the entry for all registries without one.
const anyRegistry = "*"

func (c *checker) registries() {
	for _, f := range c.at("spec", "registries").entries() {
		at := keyedPath("spec.registries", f.name)
		c.registryName(f.value.get("registry"), at+".registry")
		if !c.required(f.value, at, "mirrors", "list the mirrors, each with a url; without one the entry has no effect") {
			continue
		}
		urls := make(map[string]*node)
		var byECR *node
		place := ""
		for i, m := range f.value.get("mirrors").items {
			at := itemPath(at+".mirrors", i)
			c.mirror(m, at, f.name)
			if source := m.at("credentials", "source"); source.text() == CredentialsECR {
				where := ecrPlace(m.get("url").text())
				if place != "" && where != "" && where != place {
					c.fail(source, at+".credentials.source", "keep the mirrors of one region", "this mirror is in %s and the one at %s in %s, and one token of ECR does not open both", where, byECR.pos(), place)
				}
				byECR, place = source, cmp.Or(place, where)
			}
			if u := m.get("url"); !u.empty() {
				if first := urls[u.scalar]; first != nil {
					c.fail(u, at+".url", "remove one of the two", "this mirror is in the list already, at %s", first.pos())
				}
				urls[u.scalar] = u
			}
		}
		if fallback := f.value.get("fallback"); fallback.isTrue() && byECR != nil {
			c.fail(fallback, at+".fallback", "leave it out, or write false: what the mirror does not have cannot be pulled",
				"with fallback the registry would be shown the ECR token that is meant for the mirror at %s", byECR.pos())
		}
	}
}

// registryName checks a registry as image references name it.
func (c *checker) registryName(n *node, at string) {
	name := n.scalar
	_, afterScheme, hasScheme := strings.Cut(name, "://")
	host, rest, hasPath := strings.Cut(strings.TrimSuffix(name, "/"), "/")
	switch {
	case name == anyRegistry:
	case name == "_default":
		c.fail(n, at, `write "*"`, "_default is a folder of containerd's; here all registries without an entry are \"*\"")
	case strings.Contains(name, "*"):
		c.fail(n, at, `write one entry for each registry, or "*" for all`, "%s is a pattern", quoteName(name))
	case hasScheme:
		host, _, _ := strings.Cut(afterScheme, "/")
		c.fail(n, at, "write "+host, "%s is a URL, and this is a registry as image references begin with it", quoteName(name))
	case hasPath:
		c.fail(n, at, "write "+host+": mirrors are for a whole registry", "%s has the path %s", quoteName(name), quoteName("/"+rest))
	case slices.Contains([]string{"registry-1.docker.io", "index.docker.io", "hub.docker.com", "docker.com"}, name):
		c.fail(n, at, "write docker.io", "no image reference begins with %s: images of Docker Hub are those of docker.io", name)
	default:
		if problem := hostPort(name); problem != "" {
			c.fail(n, at, orTemplate(name, "write HOST or HOST:PORT"), "%s", problem)
		}
	}
}

// hostPort says what is wrong with a host that may have a port, or "".
func hostPort(s string) string {
	u, err := url.Parse("//" + s)
	switch {
	case err != nil || u.Host != s || u.Hostname() == "":
		return quoteName(s) + " is no host name or IP address"
	case !validHost(u.Hostname()):
		return quoteName(u.Hostname()) + " is no host name or IP address"
	}
	return portProblem(u)
}

// portProblem says what is wrong with a URL's port, or "".
func portProblem(u *url.URL) string {
	if p := u.Port(); p != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return quoteName(p) + " is no port number"
		}
	}
	return ""
}

func (c *checker) mirror(m *node, at, registry string) {
	var u *url.URL
	if c.required(m, at, "url", "write https://HOST or https://HOST/PATH") {
		var problem, remedy string
		if u, problem, remedy = mirrorURL(m.get("url").scalar); problem != "" {
			c.fail(m.get("url"), at+".url", orTemplate(m.get("url").scalar, remedy), "%s", problem)
			u = nil
		}
	}
	ca, skip := m.get("ca"), m.get("insecureSkipVerify")
	if !ca.empty() {
		c.mirrorCA(ca, at+".ca")
	}
	switch plain := u != nil && u.Scheme == "http"; {
	case plain && !ca.empty():
		c.warn(ca, at+".ca", "write https, or remove it", "a mirror that is asked over http has no certificate")
	case plain && skip.isTrue():
		c.warn(skip, at+".insecureSkipVerify", "remove it", "a mirror that is asked over http has no certificate")
	case skip.isTrue() && !ca.empty():
		c.warn(ca, at+".ca", "keep one of the two", "with insecureSkipVerify the certificate is not checked, and this not used")
	}
	if n := m.get("overridePath"); n.isTrue() && u != nil && strings.Trim(u.Path, "/") == "" {
		c.warn(n, at+".overridePath", "give the path of the API root in url, or remove it", "the URL has no path, so that requests would go to the mirror's root and not to /v2")
	}
	if n := m.get("overridePath"); n != nil && n.kind == boolNode && !n.isTrue() && u != nil && strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/v2") {
		c.warn(n, at+".overridePath", "remove it, or leave /v2 out of url", "requests go to /v2 below the URL, which ends in /v2 itself")
	}
	for i, n := range m.get("capabilities").list() {
		c.choice(n, itemPath(at+".capabilities", i), []string{"pull", "resolve", "push"})
	}
	c.mirrorCredentials(m, at, registry, u)
}

// mirrorURL reads the URL of a mirror, or says what is wrong with it.
func mirrorURL(s string) (u *url.URL, problem, remedy string) {
	const form = "write https://HOST or https://HOST/PATH"
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, "the URL holds white space", form
	}
	if !strings.Contains(s, "://") {
		if strings.Contains(s, "@") {
			return nil, "this is not a URL", form // and may hold a password
		}
		return nil, quoteName(s) + " is not a URL", "write https://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, "this is not a URL", form
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "the URL's scheme is " + quoteName(u.Scheme) + "; mirrors are asked over https or http", form
	case u.User != nil:
		return nil, "the URL holds a user name or password", "give them at credentials, which are kept secret"
	case u.Hostname() == "":
		return nil, "the URL names no host", form
	case !validHost(u.Hostname()):
		return nil, quoteName(u.Hostname()) + " is no host name or IP address", form
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, "the URL has a query or fragment", form
	case portProblem(u) != "":
		return nil, portProblem(u), form
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return nil, "the URL's path holds \"..\"", form
	}
	return u, "", ""
}

// mirrorCA checks a bundle that stands in the document as PEM.
func (c *checker) mirrorCA(n *node, at string) {
	const want = "write \"ca: |\" and the PEM bundle below it, indented"
	s := strings.TrimSpace(n.scalar)
	if !strings.Contains(s, "-----BEGIN") {
		switch decoded, err := decodeCA(s); {
		case err == nil && strings.Contains(string(decoded), "-----BEGIN"):
			c.fail(n, at, want, "this is base64; here the bundle is the PEM text itself")
		case strings.HasPrefix(s, "/"):
			c.fail(n, at, want, "this is a path; here the bundle is the PEM text itself")
		default:
			c.fail(n, at, orTemplate(s, want), "this is not a PEM bundle")
		}
		return
	}
	c.checkBundle(n, at, []byte(s), want)
}

// ecrHostForm are the names of ECR's registries: an account, ECR's own part, a
// region and the domain of the partition.
var ecrHostForm = lazyregexp.New(`^[0-9]{12}\.(dkr\.ecr|dkr\.ecr-fips|dkr-ecr|dkr-ecr-fips)\.([a-z]{2,}(?:-[a-z]+)+-[0-9]+)\.[a-z0-9.-]+$`)

// publicECR are the names of ECR's public registry.
func publicECR() []string { return []string{"public.ecr.aws", "ecr-public.aws.com"} }

func (c *checker) mirrorCredentials(m *node, at, registry string, u *url.URL) {
	creds := m.get("credentials")
	if creds == nil {
		return
	}
	at += ".credentials"
	source := creds.get("source")
	switch {
	case c.m.rejected[at+".source"]:
	case source.empty():
		for _, name := range []string{"username", "password"} {
			if n := creds.get(name); !n.empty() {
				c.fail(n, at+"."+name, "write source: "+CredentialsBasic+" beside it", "this has no effect without a source")
			}
		}
	case !c.choice(source, at+".source", []string{CredentialsECR, CredentialsBasic}):
	case source.scalar == CredentialsBasic:
		for _, name := range []string{"username", "password"} {
			if c.required(creds, at, name, "the source basic is a user name and a password") && strings.ContainsFunc(creds.get(name).scalar, control) {
				c.fail(creds.get(name), at+"."+name, "", "this holds a control character or a line break")
			}
		}
		if strings.Contains(creds.get("username").text(), ":") {
			c.fail(creds.get("username"), at+".username", "", "a user name has no colon: the login would take what follows for the password")
		}
		if u != nil && u.Scheme == "http" {
			c.warn(source, at+".source", "write https", "the password goes to the mirror in the clear")
		}
	default:
		for _, name := range []string{"username", "password"} {
			if n := creds.get(name); !n.empty() {
				c.fail(n, at+"."+name, "remove it, or write source: "+CredentialsBasic, "the source ecr has a user name and password of its own")
			}
		}
		c.ecrMirror(source, at+".source", registry, u)
	}
}

// ecrPlace returns the region of a mirror in ECR, or "".
func ecrPlace(mirror string) string {
	u, err := url.Parse(mirror)
	if err != nil {
		return ""
	}
	if slices.Contains(publicECR(), u.Host) {
		return "the public registry"
	}
	if m := ecrHostForm.FindStringSubmatch(u.Host); m != nil {
		return m[2]
	}
	return ""
}

// ecrMirror checks that a mirror can be opened with a token of ECR.
func (c *checker) ecrMirror(n *node, at, registry string, u *url.URL) {
	switch {
	case registry == anyRegistry:
		c.fail(n, at, "give every registry that is mirrored by ECR an entry of its own", "kubelet asks for credentials by the name of a registry, so there are none from ECR for \"*\"")
	case u == nil:
	case !ecrHostForm.MatchString(u.Host) && !slices.Contains(publicECR(), u.Host):
		c.fail(n, at, "give ECR's own host in url, as 111122223333.dkr.ecr.us-west-2.amazonaws.com, or write source: "+CredentialsBasic,
			"%s is no host of ECR, so no token of ECR opens it", quoteName(u.Host))
	case u.Scheme == "http":
		c.fail(n, at, "write https in url", "a token of ECR would go to the mirror in the clear")
	}
}

func (c *checker) imageCredentials() {
	for _, f := range c.at("spec", "imageCredentials").entries() {
		at := keyedPath("spec.imageCredentials", f.name)
		p := f.value
		if !fileName(f.name, 200) {
			c.fail(p.get("name"), at+".name", fileNameRemedy, "%s cannot be the name of a program", quoteName(f.name))
		} else if slices.Contains([]string{"ecr-credential-provider", "eksnode-mirror-credential-provider"}, f.name) {
			c.fail(p.get("name"), at+".name", "choose another name", "%s is the agent's own provider", f.name)
		}
		if c.required(p, at, "program", "give the absolute path of the provider's program") {
			c.absolute(p.get("program"), at+".program", "give the absolute path of the provider's program")
		}
		if c.required(p, at, "matchImages", "list the images that kubelet asks it about, as *.example.com") {
			for i, n := range p.get("matchImages").list() {
				c.imagePattern(n, itemPath(at+".matchImages", i))
			}
		}
		if n := p.get("defaultCacheDuration"); !n.empty() {
			c.duration(n, at+".defaultCacheDuration", 0, 365*24*time.Hour)
		}
		if n := p.get("apiVersion"); !n.empty() && !slices.Contains(providerVersions(), strings.TrimPrefix(n.scalar, providerGroup)) {
			c.choice(n, at+".apiVersion", providerVersions())
		}
		c.environmentNames(p.get("env"), at+".env")
	}
}

// providerGroup is the API group of kubelet's credential providers, which may stand
// before the version.
const providerGroup = "credentialprovider.kubelet.k8s.io/"

func providerVersions() []string { return []string{"v1", "v1beta1", "v1alpha1"} }

// imagePattern checks a pattern by kubelet's rule (pkg/credentialprovider,
// ParseSchemelessURL): a host in which "*" stands for a part of a label, a port, a
// path.
func (c *checker) imagePattern(n *node, at string) {
	const form = "write HOST, HOST:PORT or HOST/PATH, as *.dkr.ecr.*.amazonaws.com"
	s := n.scalar
	host, path, _ := strings.Cut(s, "/")
	name, port, hasPort := strings.Cut(host, ":")
	switch {
	case strings.Contains(s, "://"):
		_, rest, _ := strings.Cut(s, "://")
		c.fail(n, at, "write "+rest, "%s has a scheme, and images have none", quoteName(s))
	case strings.ContainsAny(path+port, "*?["):
		c.fail(n, at, form, "%s has a wildcard outside of the host, where kubelet takes it literally", quoteName(s))
	case hasPort && portProblem(&url.URL{Host: "x:" + port}) != "":
		c.fail(n, at, form, "%s is no port number", quoteName(port))
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) || !validHost(strings.NewReplacer("*", "x", "?", "x").Replace(name)):
		c.fail(n, at, orTemplate(s, form), "%s matches no image", quoteName(s))
	}
}

func (c *checker) proxy() {
	const base = "spec.proxy"
	p := c.at("spec", "proxy")
	if p == nil {
		return
	}
	given := false
	for _, name := range []string{"http", "https"} {
		if n := p.get(name); !n.empty() {
			given = true
			if problem, remedy := proxyURL(n.scalar); problem != "" && n.scalar != redacted {
				c.fail(n, base+"."+name, remedy, "%s", problem)
			}
		}
	}
	for i, n := range p.get("noProxy").list() {
		c.noProxy(n, itemPath(base+".noProxy", i))
	}
	for _, name := range []string{"noProxy", "proxyAPIServer"} {
		if n := p.get(name); n != nil && !given && !c.m.rejected[base+".http"] && !c.m.rejected[base+".https"] && (n.isTrue() || len(n.items) > 0) {
			c.warn(n, base+"."+name, "give http or https, too", "this has no effect without a proxy")
		}
	}
}

// proxyURL says what is wrong with a proxy's URL, or "". It does not show the URL,
// which may hold a password.
func proxyURL(s string) (problem, remedy string) {
	const form = "write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "the URL holds white space", form
	}
	scheme, _, hasScheme := strings.Cut(s, "://")
	if !hasScheme {
		return "the value is not a URL", "begin it with http://"
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "the value is not a URL", form + "; write signs such as / @ # % in a password as %2F, %40, %23, %25"
	case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
		return "proxies of the scheme " + quoteName(scheme) + " are not known", form + ", or socks5://HOST:PORT"
	case u.Hostname() == "" || !validHost(u.Hostname()):
		return "the URL names no host", form
	case portProblem(u) != "":
		return "the URL's port is no port number", form
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "the URL has a path, a query or a fragment", form + "; write signs such as / @ # % in a password as %2F, %40, %23, %25"
	}
	return "", ""
}

func (c *checker) noProxy(n *node, at string) {
	const form = "write a host, a domain as .example.com, an address or a network, one an item"
	s := n.scalar
	host := strings.TrimPrefix(strings.TrimPrefix(s, "*"), ".")
	switch {
	case s == anyRegistry:
		c.warn(n, at, "remove the proxy instead", "\"*\" reaches everything directly")
	case strings.Contains(s, ","):
		c.fail(n, at, "give each an item of its own", "%s are several entries", quoteName(s))
	case strings.Contains(s, "://"):
		_, rest, _ := strings.Cut(s, "://")
		c.fail(n, at, "write "+strings.TrimSuffix(rest, "/"), "%s is a URL", quoteName(s))
	case strings.Contains(s, "/"):
		p, err := netip.ParsePrefix(s)
		if err != nil {
			c.fail(n, at, form, "%s is no network", quoteName(s))
		} else if p != p.Masked() {
			c.warn(n, at, "write "+p.Masked().String(), "%s has bits set beyond the network", quoteName(s))
		}
	case validHost(strings.Trim(s, "[]")):
	case host == "" || hostPort(host) != "":
		c.fail(n, at, orTemplate(s, form), "%s is no host, domain, address or network", quoteName(s))
	}
}

// list returns the items of a list, or nil.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}
