package api

import (
	"net/netip"
	"slices"
	"strings"
)

// kubeletValues warns of values in KubeletConfiguration and in kubelet's flags with
// which kubelet does not start, or which it passes over (kubernetes:
// pkg/kubelet/apis/config/validation, NewMainKubelet). They are warnings because
// kubelet is the judge.
func (c *checker) kubeletValues(flags []flag) {
	const base = "spec.kubelet.config"
	config := c.at("spec", "kubelet", "config")
	for _, name := range []string{"kubeReserved", "systemReserved"} {
		c.stringValues(config.get(name), base+"."+name, c.quantityProblem)
	}
	for _, name := range []string{"evictionHard", "evictionSoft", "evictionMinimumReclaim"} {
		c.stringValues(config.get(name), base+"."+name, c.thresholdProblem)
	}
	for i, n := range config.get("clusterDNS").list() {
		if _, err := netip.ParseAddr(n.scalar); err != nil || n.kind != stringNode {
			c.warn(n, itemPath(base+".clusterDNS", i), orTemplate(n.scalar, "write one IP address an item"), "kubelet passes over it: %s is no IP address", n.found())
		}
	}
	c.registeredTaints(config.get("registerWithTaints"), base+".registerWithTaints")
	for _, f := range flags {
		switch f.name {
		case "max-pods":
			if !wholeForm.MatchString(strings.Trim(f.value, `"'`)) {
				c.warn(f.n, f.path, orTemplate(f.value, "write --max-pods=NUMBER"), "kubelet does not start with it: %s is no whole number", quoteName(f.value))
			}
		case "register-with-taints":
			for _, t := range strings.Split(strings.Trim(f.value, `"'`), ",") {
				if _, effect, _ := cutLast(t, ":"); t != "" && !slices.Contains(taintEffects(), effect) {
					c.warn(f.n, f.path, orTemplate(t, "write KEY=VALUE:EFFECT, the effect being NoSchedule, PreferNoSchedule or NoExecute"), "kubelet does not start with the taint %s", quoteName(t))
				}
			}
		}
	}
}

func taintEffects() []string { return []string{"NoSchedule", "PreferNoSchedule", "NoExecute"} }

// stringValues checks a mapping of names to strings, which kubelet reads as JSON: a
// number in place of a string ends it.
func (c *checker) stringValues(n *node, at string, problem func(string) (string, string)) {
	if n == nil || n.kind == nullNode {
		return
	}
	if n.kind != objectNode {
		c.warn(n, at, "write a mapping of names to values in quotes", "kubelet does not start with it: expected a mapping, found %s", n.found())
		return
	}
	for _, f := range n.fields {
		path := childPath(at, f.name)
		switch f.value.kind {
		case stringNode:
			if what, remedy := problem(f.value.scalar); what != "" {
				c.warn(f.value, path, orTemplate(f.value.scalar, remedy), "kubelet does not start with it: %s", what)
			}
		case nullNode:
		default:
			remedy := ""
			if word := f.value.plainWord(); word != "" {
				remedy = "put it in quotes: \"" + word + "\""
			}
			c.warn(f.value, path, remedy, "kubelet does not start with it: expected a string, found %s", f.value.found())
		}
	}
}

// quantityProblem says what is wrong with a quantity, or "".
func (c *checker) quantityProblem(s string) (what, remedy string) {
	if _, err := ParseQuantity(s); err == nil {
		return "", ""
	}
	if best := quantitySuffix(s); best != "" {
		remedy = "write " + best
	}
	return quoteName(s) + " is no quantity", remedy
}

// thresholdProblem is quantityProblem for what may be a percentage, too.
func (c *checker) thresholdProblem(s string) (what, remedy string) {
	if number, ok := strings.CutSuffix(s, "%"); ok {
		if _, err := ParseQuantity(number); err != nil {
			return quoteName(s) + " is no percentage", ""
		}
		return "", ""
	}
	if what, remedy = c.quantityProblem(s); what != "" {
		what += " and no percentage"
	}
	return what, remedy
}

// registeredTaints checks the taints of KubeletConfiguration.
func (c *checker) registeredTaints(list *node, at string) {
	if list == nil || list.kind == nullNode {
		return
	}
	if list.kind != listNode {
		c.warn(list, at, entriesRemedy(list, taintSchema()), "kubelet does not start with it: expected a list of mappings, found %s", list.found())
		return
	}
	for i, t := range list.items {
		path := itemPath(at, i)
		if t.kind != objectNode {
			c.warn(t, path, itemRemedy(t, taintSchema()), "kubelet does not start with it: expected a mapping, found %s", t.found())
			continue
		}
		key, effect := t.get("key"), t.get("effect")
		if problem, remedy := qualifiedName(key.text()); problem != "" {
			c.warn(key.or(t), path+".key", remedy, "kubelet does not start with the taint: %s", problem)
		}
		switch {
		case effect.empty(): // kubelet lets it pass
			c.warn(effect.or(t), path+".effect", "write effect: NoSchedule, PreferNoSchedule or NoExecute", "the API server takes no node with a taint that has no effect")
		case !slices.Contains(taintEffects(), effect.text()):
			remedy := "known are " + strings.Join(taintEffects(), ", ")
			if best, ok := nearest(effect.text(), taintEffects()); ok {
				remedy = "did you mean " + best + "?"
			}
			c.warn(effect.or(t), path+".effect", remedy, "kubelet does not start with the taint: expected an effect, found %s", effect.found())
		}
	}
}

// taintSchema is the shape of a taint, which KubeletConfiguration shares.
func taintSchema() schema {
	s, _ := object("", supersetSchema()...).child("taints")
	return s
}
