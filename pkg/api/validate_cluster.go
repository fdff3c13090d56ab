package api

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// The rule for names in the EKS API, CreateCluster. The length is not in the
// pattern, which every boot compiles, with a state for each repeat.
var clusterNameForm = lazyregexp.New(`^[0-9A-Za-z][A-Za-z0-9_-]*$`)

const clusterNameMost = 100

func (c *checker) cluster() {
	c.clusterName()
	c.endpoint()
	c.certificateAuthority()
	c.cidr()
	if on := c.at("spec", "cluster", "enableOutpost"); on != nil && on.scalar == "true" && c.at("spec", "cluster", "id").empty() {
		c.missing([]string{"spec", "cluster", "id"}, "a local cluster on an Outpost has an ID: aws eks describe-cluster --query cluster.id")
	}
}

// describe is how people find a field of the cluster.
func describe(query string) string {
	return "aws eks describe-cluster --name CLUSTER --query " + query + " --output text"
}

func (c *checker) clusterName() {
	const path = "spec.cluster.name"
	n := c.at("spec", "cluster", "name")
	if n.empty() {
		c.missing([]string{"spec", "cluster", "name"}, "give the name of the EKS cluster")
		return
	}
	if len(n.scalar) > clusterNameMost || !clusterNameForm.MatchString(n.scalar) {
		c.fail(n, path, orTemplate(n.scalar, "EKS cluster names have up to 100 letters, digits, hyphens and underscores, and begin with a letter or digit"),
			"%s is no name of an EKS cluster", quoteName(n.scalar))
	}
	for _, other := range n.shadows {
		if other.scalar != n.scalar && other.scalar != "" {
			c.say(Error, CodeConflictingCluster, n, path, "a node joins one cluster: remove one of the names, or make them equal",
				"the documents name two clusters: %s here, %s at %s", quoteName(n.scalar), quoteName(other.scalar), other.pos())
			break
		}
	}
}

func (c *checker) endpoint() {
	const path = "spec.cluster.apiServerEndpoint"
	n := c.at("spec", "cluster", "apiServerEndpoint")
	if n.empty() {
		c.missing([]string{"spec", "cluster", "apiServerEndpoint"}, describe("cluster.endpoint"))
		return
	}
	if problem, remedy := checkEndpoint(n.scalar); problem != "" {
		c.fail(n, path, orTemplate(n.scalar, remedy), "%s", problem)
	} else if strings.HasSuffix(n.scalar, "/") {
		c.warn(n, path, "write "+strings.TrimRight(n.scalar, "/"), "the URL ends in a slash")
	}
	c.conflict(n, path)
}

// checkEndpoint returns what is wrong with an API server URL, or "".
func checkEndpoint(s string) (problem, remedy string) {
	const form = "write https://HOST or https://HOST:PORT"
	if strings.ContainsAny(s, " \t\r\n") {
		return "the URL holds white space", form
	}
	if !strings.Contains(s, "://") {
		return quoteName(s) + " is not a URL", "write https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return quoteName(s) + " is not a URL", form
	}
	switch {
	case u.Scheme != "https":
		return "the URL's scheme is " + quoteName(u.Scheme) + "; an API server speaks https only", form
	case u.User != nil:
		return "the URL holds a user name or password", form
	case u.Hostname() == "":
		return "the URL names no host", form
	case !validHost(u.Hostname()):
		return quoteName(u.Hostname()) + " is no host name or IP address", form
	case u.Path != "" && u.Path != "/":
		return "the URL has the path " + quoteName(u.Path), form
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "the URL has a query or fragment", form
	}
	if p := u.Port(); p != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return quoteName(p) + " is no port number", form
		}
	}
	return "", ""
}

func validHost(h string) bool {
	if _, err := netip.ParseAddr(h); err == nil {
		return true
	}
	return validDomain(h)
}

// validDomain reports whether a name follows RFC 1035's lengths and the letters
// that DNS labels have in practice, underscores included.
func validDomain(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 {
		return false
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return false
			}
		}
	}
	return true
}

// conflict warns when documents disagree about how to reach the cluster.
func (c *checker) conflict(n *node, path string) {
	for _, other := range n.shadows {
		if strings.TrimSpace(other.scalar) != strings.TrimSpace(n.scalar) {
			c.say(Warning, CodeConflictingCluster, n, path, "remove one of the two, or check that both are the same cluster",
				"replaces another value at %s", other.pos())
			return
		}
	}
}

func (c *checker) cidr() {
	const path = "spec.cluster.cidr"
	n := c.at("spec", "cluster", "cidr")
	if n.empty() {
		c.missing([]string{"spec", "cluster", "cidr"}, describe("cluster.kubernetesNetworkConfig.serviceIpv4Cidr")+" (or serviceIpv6Cidr)")
		return
	}
	c.conflict(n, path)
	p, err := netip.ParsePrefix(n.scalar)
	switch {
	case strings.Contains(n.scalar, ","):
		c.fail(n, path, "give the one CIDR of the cluster's services", "%s are several CIDRs", quoteName(n.scalar))
	case err != nil:
		c.fail(n, path, orTemplate(n.scalar, "write the service CIDR of the cluster, such as 10.100.0.0/16 or fd00:10:20::/108"),
			"%s is not a CIDR", quoteName(n.scalar))
	case p.Addr().Is4In6():
		c.fail(n, path, "write it as IPv4", "%s is an IPv4 network written as IPv6", quoteName(n.scalar))
	case p.Addr().BitLen()-p.Bits() < 4:
		// The cluster's DNS has the tenth address.
		c.fail(n, path, "give the service CIDR of the cluster, not of a node or pod", "%s is too small to hold the cluster's DNS address, the tenth", quoteName(n.scalar))
	case p.Masked() != p:
		c.warn(n, path, "write "+p.Masked().String(), "%s has bits set beyond the network", quoteName(n.scalar))
	}
}

// ServiceNetwork returns the cluster's service CIDR. Its address tells the
// cluster's IP family. It fails if CIDR is not a CIDR, which Validate reports.
func (c Cluster) ServiceNetwork() (netip.Prefix, error) {
	p, err := netip.ParsePrefix(c.CIDR)
	return p.Masked(), err
}
