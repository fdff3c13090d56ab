package api

import (
	"math/big"
	"strings"
)

func (c *checker) kubelet() {
	c.kubeletConfig()
	c.flags()
	c.maxPodsExpression()
}

func (c *checker) kubeletConfig() {
	config := c.at("spec", "kubelet", "config")
	if config == nil {
		return
	}
	for _, want := range []struct{ name, value string }{
		{"kind", "KubeletConfiguration"}, {"apiVersion", "kubelet.config.k8s.io/v1beta1"},
	} {
		if n := config.get(want.name); n != nil && (n.kind != stringNode || n.scalar != want.value) {
			c.warn(n, "spec.kubelet.config."+want.name, "write "+want.value+", or leave it out", "the kubelet reads only %s, found %s", want.value, n.found())
		}
	}
	if n := config.get("maxPods"); n != nil {
		c.positive(n, "spec.kubelet.config.maxPods")
	}
	if gates := config.get("featureGates"); gates != nil && gates.kind == objectNode {
		for _, f := range gates.fields {
			if f.name == InstanceIDNodeName || f.name == FastImagePull {
				c.fail(f.value, childPath("spec.kubelet.config.featureGates", f.name), "move "+f.name+" to spec.featureGates: the kubelet does not start with a gate that it does not know",
					"featureGates here is kubelet's; spec.featureGates is eksnode's")
			}
		}
	}
}

// positive reports a value that is not a whole number of at least 1 that fits
// into 32 bits.
func (c *checker) positive(n *node, path string) {
	i, ok := new(big.Int).SetString(n.scalar, 10)
	switch {
	case n.kind == stringNode && ok:
		c.fail(n, path, "remove the quotes", "expected a number, found %s", n.found())
	case n.kind != numberNode:
		c.fail(n, path, "write a whole number of at least 1", "expected a number, found %s", n.found())
	case !ok:
		c.fail(n, path, "write it without a fraction or exponent", "expected a whole number, found %s", n.scalar)
	case i.Sign() <= 0:
		c.fail(n, path, "write at least 1, or leave it out for the number that fits the instance type", "must be positive, found %s", n.scalar)
	case i.BitLen() > 31:
		c.fail(n, path, "", "%s does not fit into 32 bits", n.scalar)
	}
}

// managedFlags are kubelet flags whose value the agent decides, and why a value in
// the document does harm. Empty means that it only has no place here.
func managedFlags() map[string]string {
	const identity = "the API server accepts the node only under the name of its credentials"
	const files = "the agent writes and points to this file"
	return map[string]string{
		"hostname-override":                      identity,
		"node-ip":                                "the address must be the instance's own, in the cluster's IP family",
		"config":                                 files + "; give settings at spec.kubelet.config",
		"config-dir":                             files + "; give settings at spec.kubelet.config",
		"kubeconfig":                             files,
		"bootstrap-kubeconfig":                   files,
		"image-credential-provider-config":       files,
		"image-credential-provider-bin-dir":      files,
		"cloud-provider":                         "EKS runs the cloud controller outside of the kubelet: external is the only value that works",
		"provider-id":                            "the cloud controller finds the instance by it",
		"container-runtime-endpoint":             "the agent runs containerd at its own address",
		"runtime-cgroups":                        "the agent places containerd in this group",
		"client-ca-file":                         files,
		"cluster-dns":                            "it follows from spec.cluster.cidr; to change it, set spec.kubelet.config.clusterDNS",
		"container-runtime":                      "this flag was removed from the kubelet; it does not start with it",
		"network-plugin":                         "this flag was removed from the kubelet; it does not start with it",
		"cni-conf-dir":                           "this flag was removed from the kubelet; it does not start with it",
		"cni-bin-dir":                            "this flag was removed from the kubelet; it does not start with it",
		"experimental-kernel-memcg-notification": "this flag was removed from the kubelet; it does not start with it",
	}
}

// flag is one kubelet flag with its value.
type flag struct {
	name, value string
	hasValue    bool
	n           *node
	path        string
}

func (c *checker) flags() {
	list := c.at("spec", "kubelet", "flags")
	if list == nil {
		return
	}
	flags := c.splitFlags(list)
	managed := managedFlags()
	for _, f := range flags {
		if why, ok := managed[f.name]; ok {
			c.say(Warning, CodeOverriddenSetting, f.n, f.path, "remove it unless you mean to replace what the agent decides", "--%s overrides the agent: %s", f.name, why)
		}
	}
	c.repeatedTaints(flags)
	c.repeatedLabels(flags)
	c.flagLabels(flags)
	c.camelFlags(flags)
}

// splitFlags checks the form of each argument and joins "--flag", "value" pairs.
func (c *checker) splitFlags(list *node) []flag {
	var flags []flag
	for i, n := range list.items {
		path := itemPath("spec.kubelet.flags", i)
		s := n.scalar
		if bare := strings.Trim(s, `"'`); len(s) == len(bare)+2 && s[0] == s[len(s)-1] && strings.HasPrefix(bare, "-") {
			c.warn(n, path, "write "+bare, "the quotes around the argument are removed by systemd, and read past here")
			s = bare
		}
		switch {
		case strings.ContainsAny(s, "\n\r"):
			c.fail(n, path, "give each argument an item of its own", "the argument holds a line break, which would cut off every argument after it")
		case isBlank(s):
			c.fail(n, path, "remove it", "the argument is empty")
		case openQuote(s) != 0:
			c.fail(n, path, "close the quote, or write it as \\"+string(openQuote(s)), "a quote in the argument has no end: systemd would make all arguments after it a part of this one")
		case strings.HasPrefix(s, "-"):
			name, value, ok := strings.Cut(strings.TrimLeft(s, "-"), "=")
			if fields := strings.Fields(name); len(fields) > 1 {
				c.warn(n, path, "write --"+fields[0]+"=VALUE, or give each argument an item of its own", "the argument holds a space, at which it is split")
				name, value, ok = fields[0], strings.Join(fields[1:], " "), true
			}
			flags = append(flags, flag{name, value, ok, n, path})
		case len(flags) > 0 && !flags[len(flags)-1].hasValue:
			flags[len(flags)-1].value, flags[len(flags)-1].hasValue = s, true
		default:
			c.fail(n, path, "write --FLAG=VALUE", "%s is neither a flag nor the value of one", quoteName(s))
		}
	}
	return flags
}

// openQuote returns a quote that a text opens and does not close, as systemd reads
// command lines (systemd.service(5)), or 0.
func openQuote(s string) rune {
	var quote rune
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case r == quote:
			quote = 0
		}
	}
	return quote
}

// repeatedTaints warns of --register-with-taints given twice: the kubelet keeps
// the taints of the last one only.
func (c *checker) repeatedTaints(flags []flag) {
	if !c.at("spec", "taints").empty() {
		return // the agent joins them all
	}
	var last *flag
	for i := range flags {
		f := &flags[i]
		if f.name != "register-with-taints" {
			continue
		}
		if last != nil {
			c.say(Warning, CodeOverriddenSetting, f.n, f.path, "give all taints in one list, at spec.kubelet.config.registerWithTaints",
				"--register-with-taints is given twice: the kubelet forgets the taints at %s", last.n.pos())
		}
		last = f
	}
}

// repeatedLabels warns of a node label that is given two values. Several
// --node-labels add up; of one label the last value counts.
func (c *checker) repeatedLabels(flags []flag) {
	type given struct {
		value string
		n     *node
	}
	seen := make(map[string]given)
	for _, f := range flags {
		if f.name != "node-labels" {
			continue
		}
		// Quotes around the whole value, as Karpenter writes them, are systemd's to remove.
		for _, pair := range strings.Split(strings.Trim(f.value, `"'`), ",") {
			key, value, _ := strings.Cut(pair, "=")
			if key = strings.TrimSpace(key); key == "" {
				continue
			}
			value = strings.TrimSpace(value)
			if old, ok := seen[key]; ok && old.value != value {
				c.say(Warning, CodeOverriddenSetting, f.n, f.path, "keep one of them",
					"the node label %s is given twice: %s replaces %s at %s", quoteName(key), quoteName(value), quoteName(old.value), old.n.pos())
			}
			seen[key] = given{value, f.n}
		}
	}
}
