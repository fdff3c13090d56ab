package api

import (
	"slices"
	"strings"
)

// proxiesTwice warns of proxies that are given to a service and to the machine. For
// a service of its own the environment's counts, for the default spec.proxy's.
func (c *checker) proxiesTwice() {
	proxy := c.at("spec", "proxy")
	env := c.at("spec", "instance", "environment")
	if proxy == nil || env == nil {
		return
	}
	for _, service := range env.fields {
		unit := strings.TrimSuffix(service.name, ".service")
		if unit != EnvironmentDefault && !slices.Contains([]string{"containerd", "kubelet", "soci-snapshotter"}, unit) {
			continue // spec.proxy does not reach it
		}
		for _, v := range service.value.fields {
			name, ok := map[string]string{"HTTP_PROXY": "http", "HTTPS_PROXY": "https", "NO_PROXY": "noProxy"}[strings.ToUpper(v.name)]
			other := proxy.get(name)
			if !ok || other.empty() {
				continue
			}
			at := childPath(childPath("spec.instance.environment", service.name), v.name)
			message := "counts for this service in place of spec.proxy.%s at %s, and of the addresses that are reached directly with it"
			if name != "noProxy" {
				message = "counts for this service in place of spec.proxy.%s at %s"
			}
			if unit == EnvironmentDefault {
				message = "spec.proxy.%s at %s counts for containerd and kubelet in its place"
			}
			c.overridden(v.value, at, "give it at spec.proxy alone, which reaches containerd, kubelet and the agent itself", message, name, other.pos())
		}
	}
}

// swapTwice warns of a use of swap that kubelet's own configuration contradicts;
// what is written in kubelet's words counts.
func (c *checker) swapTwice() {
	n := c.at("spec", "swap", "behavior")
	if n.empty() {
		return
	}
	config := c.at("spec", "kubelet", "config")
	const path, remedy = "spec.swap.behavior", "remove one of the two"
	if own := config.at("memorySwap", "swapBehavior"); !own.empty() && own.scalar != n.scalar {
		c.overridden(n, path, remedy, "spec.kubelet.config.memorySwap.swapBehavior at %s counts in its place: %s", own.pos(), own.show())
	}
	if own := config.get("failSwapOn"); own != nil && own.scalar == "true" {
		c.overridden(n, path, remedy, "spec.kubelet.config.failSwapOn at %s keeps kubelet from starting with swap", own.pos())
	}
}

// labelsOfTheDocument tells that the labels of metadata are none of the node's. It is
// said where labels of the node have a place of their own.
func (c *checker) labelsOfTheDocument() {
	for _, name := range []string{"labels", "annotations"} {
		n := c.at("metadata", name)
		if c.plainDocument() || n.empty() || !c.at("spec", name).empty() {
			continue
		}
		c.say(Info, CodeSuspiciousValue, n, "metadata."+name, "write spec."+name+" for those of the node", "these are the document's; the node is not given them")
	}
}

// laterSettings warns of settings of the superset that a later part of the same text
// replaces: its authors do not know of each other, and a node has one of each.
func (c *checker) laterSettings() {
	tell := func(n *node, path string) {
		if n == nil {
			return
		}
		for _, old := range n.shadows {
			if old.show() != n.show() && meetsUnknowingly(n, old) {
				c.overridden(n, path, onePlace, "%s replaces %s at %s", n.show(), old.show(), old.pos())
				return
			}
		}
	}
	for _, keys := range [][]string{
		{"cni", "profile"}, {"nodeName", "source"}, {"nodeName", "name"}, {"reserved", "model"}, {"swap", "behavior"}, {"swap", "size"},
	} {
		tell(c.at(append([]string{"spec"}, keys...)...), "spec."+keys[0]+"."+keys[1])
	}
	for _, name := range []string{"labels", "sysctls"} {
		for _, f := range c.at("spec", name).members() {
			tell(f.value, childPath("spec."+name, f.name))
		}
	}
}
