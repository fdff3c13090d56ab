package api

import (
	"slices"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// The bounds of names, k8s.io/apimachinery/pkg/util/validation.
const (
	maxLabelName  = 63
	maxSubdomain  = 253
	maxAnnotation = 256 << 10 // of all keys and values together
)

var (
	subdomainForm = lazyregexp.New(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	labelNameForm = lazyregexp.New(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)
)

const (
	subdomainRemedy  = "write small letters, digits, hyphens and points, and begin and end with a letter or digit"
	labelValueRemedy = "write at most 63 letters, digits, hyphens, underscores and points, and begin and end with a letter or digit"
)

func (c *checker) nodeName() {
	const base = "spec.nodeName"
	source, name := c.at("spec", "nodeName", "source"), c.at("spec", "nodeName", "name")
	known := c.choice(source, base+".source", nodeNameSources())
	fixed := known && source.scalar == string(NodeNameFixed)
	switch {
	case fixed && name.empty():
		c.missing([]string{"spec", "nodeName", "name"}, "the source fixed is a name: give it here")
	case !fixed && !name.empty() && (known || source.empty() && !c.m.rejected[base+".source"]):
		c.fail(name, base+".name", "write source: fixed beside it", "the name is used for the source fixed only")
	case !name.empty():
		c.fixedName(name, base+".name")
	}
	gate := c.at("spec", "featureGates", InstanceIDNodeName)
	if known && source.scalar != string(NodeNameAuto) && source.scalar != string(NodeNameInstanceID) && gate.isTrue() {
		c.say(Warning, CodeOverriddenSetting, gate, childPath("spec.featureGates", InstanceIDNodeName), "remove the gate, or write source: auto",
			"spec.nodeName.source at %s decides the name, and not this gate", source.pos())
	}
}

// fixedName checks a node's name: it is the name of an object, RFC 1123, and the
// value of the label kubernetes.io/hostname.
func (c *checker) fixedName(n *node, at string) {
	name, refs, ok := c.references(n, at)
	switch {
	case !ok:
	case len(name)-refs > maxLabelName:
		c.fail(n, at, "", "the name has %d characters; more than %d do not fit the label kubernetes.io/hostname", len(name)-refs, maxLabelName)
	case name != strings.ToLower(name) && subdomainForm.MatchString(strings.ToLower(name)):
		c.fail(n, at, "write small letters", "%s has capital letters, and names of nodes have none", quoteName(n.scalar))
	case !subdomainForm.MatchString(name):
		c.fail(n, at, subdomainRemedy, "%s is no name of a node", quoteName(n.scalar))
	}
}

func (c *checker) nodeLabels() {
	const base = "spec.labels"
	for _, f := range c.at("spec", "labels").entries() {
		at := childPath(base, f.name)
		if problem, remedy := qualifiedName(f.name); problem != "" {
			c.keyFail(f, at, remedy, "%s", problem)
		} else if why := restrictedLabel(f.name); why != "" {
			c.keyFail(f, at, "write the label under a domain of your own, as example.com/"+afterSlash(f.name)+", or set it from outside of the node", "%s", why)
		}
		c.labelValue(f.value, at, "a label's value")
	}
}

// flagLabels checks the labels of --node-labels, with a wrong one of which kubelet
// does not start.
func (c *checker) flagLabels(flags []flag) {
	for _, f := range flags {
		value := strings.Trim(f.value, `"'`)
		if f.name != "node-labels" || strings.ContainsAny(value, "\"'\\ \t") {
			continue // quotes and blanks are systemd's, and told elsewhere
		}
		for _, pair := range strings.Split(value, ",") {
			key, value, _ := strings.Cut(pair, "=")
			if pair == "" {
				continue
			}
			problem, remedy := qualifiedName(key)
			if problem == "" {
				problem, remedy = restrictedLabel(key), "write it under a domain of your own, as example.com/"+afterSlash(key)+", or set it from outside of the node"
			}
			if problem == "" && value != "" && (len(value) > maxLabelName || !labelNameForm.MatchString(value)) {
				problem, remedy = "a label's value cannot be "+quoteName(value), orTemplate(value, labelValueRemedy)
			}
			if problem != "" {
				c.fail(f.n, f.path, remedy, "kubelet does not start with the label %s: %s", quoteName(key), strings.TrimPrefix(problem, "kubelet does not start with this label: "))
			}
		}
	}
}

// bracelessReference is a reference to a fact as shells would take one.
var bracelessReference = lazyregexp.New(`\$\(?([a-z]+(?:\.[A-Za-z]+)+)`)

// labelValue checks the value of a label or taint, in which references stand for
// what is not known yet.
func (c *checker) labelValue(n *node, at, what string) {
	value, refs, ok := c.references(n, at)
	switch {
	case !ok:
	case len(value)-refs > maxLabelName:
		c.fail(n, at, labelValueRemedy, "%s has %d characters; at most %d are allowed", what, len(value)-refs, maxLabelName)
	case value != "" && !labelNameForm.MatchString(value):
		remedy := labelValueRemedy
		if refs == 0 && !strings.Contains(n.scalar, "${") {
			remedy = orTemplate(n.scalar, remedy)
			if m := bracelessReference.FindStringSubmatch(n.scalar); m != nil && refs == 0 {
				remedy = "write ${" + m[1] + "} where the fact is meant"
			}
		}
		c.fail(n, at, remedy, "%s cannot be %s", what, quoteName(n.scalar))
	}
}

func (c *checker) nodeAnnotations() {
	const base = "spec.annotations"
	total := 0
	annotations := c.at("spec", "annotations")
	for _, f := range annotations.entries() {
		at := childPath(base, f.name)
		// The API server compares in small letters.
		if problem, remedy := qualifiedName(strings.ToLower(f.name)); problem != "" {
			c.keyFail(f, at, remedy, "%s", problem)
		}
		c.references(f.value, at)
		total += len(f.name) + len(f.value.scalar)
	}
	if total > maxAnnotation {
		c.fail(annotations, base, "", "the annotations have %d bytes together; the API server takes at most %d", total, maxAnnotation)
	}
}

func (c *checker) taints() {
	for _, f := range c.at("spec", "taints").entries() {
		at := keyedPath("spec.taints", f.name)
		key, effect := f.value.get("key"), f.value.get("effect")
		if problem, remedy := qualifiedName(key.scalar); problem != "" {
			c.fail(key, at+".key", remedy, "%s", problem)
		}
		c.choice(effect, at+".effect", taintEffects())
		if value := f.value.get("value"); value != nil {
			c.labelValue(value, at+".value", "a taint's value")
		}
	}
}

// qualifiedName says what is wrong with the key of a label, annotation or taint, or
// "".
func qualifiedName(key string) (problem, remedy string) {
	prefix, name, hasPrefix := strings.Cut(key, "/")
	if !hasPrefix {
		prefix, name = "", key
	}
	const form = "write NAME or DOMAIN/NAME, as example.com/team"
	switch {
	case key == "":
		return "the key is empty", form
	case strings.Contains(key, "="):
		return quoteName(key) + " holds \"=\"", "write KEY: VALUE"
	case strings.Contains(key, "${"):
		return quoteName(key) + " refers to a fact; only values may", form
	case strings.Contains(name, "/"):
		return quoteName(key) + " has more than one slash", form
	case hasPrefix && prefix == "":
		return quoteName(key) + " has no domain before the slash", form
	case hasPrefix && len(prefix) > maxSubdomain:
		return "the domain before the slash is longer than 253 characters", form
	case hasPrefix && !subdomainForm.MatchString(prefix):
		return quoteName(prefix) + " before the slash is no DNS name", form + "; domains have small letters"
	case name == "":
		return quoteName(key) + " has no name after the slash", form
	case len(name) > maxLabelName:
		return "the name of the key is longer than 63 characters", form
	case !labelNameForm.MatchString(name):
		return quoteName(name) + " cannot be the name of a key", "write letters, digits, hyphens, underscores and points, and begin and end with a letter or digit"
	}
	return "", ""
}

func afterSlash(key string) string {
	_, name, _ := strings.Cut(key, "/")
	return name
}

// restrictedLabel says why a kubelet may not give its node a label, or "". The rule
// is that of kubelet's --node-labels (cmd/kubelet/app/options, and
// k8s.io/kubelet/pkg/apis) and of the API server's admission NodeRestriction.
func restrictedLabel(key string) string {
	domain, _, ok := strings.Cut(key, "/")
	if !ok {
		return ""
	}
	under := func(parents ...string) bool {
		return slices.ContainsFunc(parents, func(p string) bool { return domain == p || strings.HasSuffix(domain, "."+p) })
	}
	switch {
	case slices.Contains(kubeletLabels(), key), under("kubelet.kubernetes.io", "node.kubernetes.io"):
		return ""
	case under("node-restriction.kubernetes.io"):
		return "no node may give it to itself: the API server's NodeRestriction keeps the domain for labels that a node cannot forge"
	case under("kubernetes.io", "k8s.io"):
		return "kubelet does not start with this label: of the domains kubernetes.io and k8s.io it may set labels of kubelet.kubernetes.io and node.kubernetes.io only"
	}
	return ""
}

// kubeletLabels are the labels of Kubernetes' own domains that kubelet may set.
func kubeletLabels() []string {
	return []string{
		"beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "beta.kubernetes.io/os",
		"failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
		"kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os", "node.kubernetes.io/instance-type",
		"topology.kubernetes.io/region", "topology.kubernetes.io/zone",
	}
}
