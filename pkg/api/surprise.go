package api

import (
	"slices"
	"strings"
)

// CodeJoinedSetting is for settings from several places that add up.
const CodeJoinedSetting Code = "joined-setting"

// surprises reports settings that are right by themselves and do not do together
// what their authors meant: one is lost to the other without a word. Each problem
// stands at the one and names the place of the other.
func (c *checker) surprises() {
	flags := c.quietFlags()
	c.laterParts()
	c.laterSettings()
	c.flagsOverConfig(flags)
	c.scalarFlagsTwice(flags)
	c.joinedTaints(flags)
	c.labelsAgainstFlags(flags)
	c.podNumbers(flags)
	c.reservations(flags)
	c.unknownKubeletFields()
	c.kubeletValues(flags)
	c.proxiesTwice()
	c.swapTwice()
	c.serviceAddresses()
	c.runtimeSpecLists()
	c.containerdNames()
	c.labelsOfTheDocument()
}

// quietFlags returns the kubelet flags; what is wrong with their form is said
// elsewhere.
func (c *checker) quietFlags() []flag {
	list := c.at("spec", "kubelet", "flags")
	if list == nil {
		return nil
	}
	return (&checker{m: c.m}).splitFlags(list)
}

// overridden warns that a setting is lost.
func (c *checker) overridden(n *node, path, remedy, format string, args ...any) {
	c.say(Warning, CodeOverriddenSetting, n, path, remedy, format, args...)
}

const onePlace = "give it in one place"

// byKarpenter reports whether a value stands in a part that Karpenter wrote, going
// by the names that it always puts there.
func (n *node) byKarpenter() bool {
	return n != nil && n.src != nil && strings.Contains(n.src.body, "karpenter.sh/")
}

// karpenterRemedy says what to do when one of two values is Karpenter's.
func karpenterRemedy(wins, loses *node, otherwise string) string {
	if wins.byKarpenter() != loses.byKarpenter() {
		return "set it at spec.kubelet of the EC2NodeClass: Karpenter makes its part from there, and reckons with it"
	}
	return otherwise
}

// meetsUnknowingly reports whether two values are from authors who do not know of
// each other: a generator and its user, or two parts of one text. A drop-in file is
// there to replace what user data says.
func meetsUnknowingly(a, b *node) bool {
	return a.pos().Source == b.pos().Source || a.byKarpenter() != b.byKarpenter()
}

// laterParts warns of settings of kubelet that a later document replaces. They are
// those that generators write beside the user. Lost taints are told whoever loses
// them.
func (c *checker) laterParts() {
	const base = "spec.kubelet.config."
	config := c.at("spec", "kubelet", "config")
	for _, name := range []string{"maxPods", "clusterDNS"} {
		n := config.get(name)
		if n == nil {
			continue
		}
		for _, old := range n.shadows {
			if old.show() != n.show() && meetsUnknowingly(n, old) {
				c.overridden(n, base+name, karpenterRemedy(n, old, onePlace), "%s replaces %s at %s", n.show(), old.show(), old.pos())
				break
			}
		}
	}
	n := config.get("registerWithTaints")
	if n == nil {
		return
	}
	for _, old := range n.shadows {
		if lost := without(taintsOf(old), taintsOf(n)); len(lost) > 0 {
			c.overridden(n, base+"registerWithTaints", lostTaintsRemedy(lost, n, "lists are replaced and not joined: give all taints in one document"),
				"replaces the list at %s: %s", old.pos(), areLost("taint", lost))
			return
		}
	}
}

// unregisteredTaint keeps pods away from a node until Karpenter knows it.
const unregisteredTaint = "karpenter.sh/unregistered"

func lostTaintsRemedy(lost []string, winner *node, otherwise string) string {
	const pool = "give your taints at spec.template.spec.taints of Karpenter's NodePool"
	switch {
	case slices.ContainsFunc(lost, func(t string) bool { return strings.HasPrefix(t, unregisteredTaint) }):
		return pool + "; without " + unregisteredTaint + " pods can start before Karpenter has set the node up"
	case winner.byKarpenter():
		return pool
	}
	return otherwise
}

// areLost says what is lost, by name.
func areLost(noun string, lost []string) string {
	if len(lost) == 1 {
		return "the " + noun + " " + lost[0] + " is lost"
	}
	return "the " + noun + "s " + strings.Join(lost, ", ") + " are lost"
}

// without returns the entries of a that b does not have.
func without(a, b []string) []string {
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// taintsOf returns the taints of a registerWithTaints as key:effect, by which
// kubelet tells them apart.
func taintsOf(list *node) []string {
	var out []string
	for _, t := range list.items {
		out = append(out, visible(t.get("key").text()+":"+t.get("effect").text()))
	}
	return out
}

// flagTaints returns the taints of a --register-with-taints likewise; its form is
// key=value:effect or key:effect, joined by commas.
func flagTaints(value string) []string {
	var out []string
	for _, t := range strings.Split(strings.Trim(value, `"'`), ",") {
		key, effect, _ := strings.Cut(strings.TrimSpace(t), ":")
		key, _, _ = strings.Cut(key, "=")
		out = append(out, key+":"+effect)
	}
	return out
}

// joinedTaints tells that spec.taints adds to the taints that kubelet is given: the
// agent joins all of them by key and effect, and those of spec.taints go first.
func (c *checker) joinedTaints(flags []flag) {
	taints := c.at("spec", "taints")
	if taints.empty() {
		return
	}
	tell := func(other *node, what string) {
		c.say(Info, CodeJoinedSetting, taints, "spec.taints", "", "the node registers with these taints and with those of %s at %s", what, other.pos())
	}
	for _, f := range flags {
		if f.name == "register-with-taints" {
			tell(f.n, "--register-with-taints")
		}
	}
	if n := c.at("spec", "kubelet", "config", "registerWithTaints"); !n.empty() {
		tell(n, "spec.kubelet.config.registerWithTaints")
	}
}

// labelsAgainstFlags warns of labels of spec.labels to which a flag gives another
// value: kubelet takes the last of a key, and the user's flags come last.
func (c *checker) labelsAgainstFlags(flags []flag) {
	labels := c.at("spec", "labels")
	for _, f := range flags {
		if f.name != "node-labels" {
			continue
		}
		for _, pair := range strings.Split(strings.Trim(f.value, `"'`), ",") {
			key, value, _ := strings.Cut(pair, "=")
			key, value = strings.TrimSpace(key), strings.TrimSpace(value)
			if n := labels.get(key); n != nil && n.scalar != value {
				c.overridden(n, childPath("spec.labels", key), onePlace, "--node-labels at %s gives this label the value %s in its place", f.n.pos(), quoteName(value))
			}
		}
	}
}

// podNumbers warns of an expression for the number of pods that does not count.
func (c *checker) podNumbers(flags []flag) {
	n := c.at("spec", "kubelet", "maxPodsExpression")
	if n.empty() {
		return
	}
	loses := func(to *node, what, value string) {
		still := ""
		if c.at("spec", "cni", "profile").empty() && c.at("spec", "reserved").empty() {
			still = "; the reservation follows the expression all the same"
		}
		c.overridden(n, "spec.kubelet.maxPodsExpression", karpenterRemedy(to, n, "remove one of the two"),
			"%s at %s sets the number of pods, to %s, and not this expression%s", what, to.pos(), value, still)
	}
	for _, f := range flags {
		if f.name == "max-pods" {
			loses(f.n, "--max-pods", quoteName(f.value))
			return
		}
	}
	if set := c.at("spec", "kubelet", "config", "maxPods"); !set.empty() {
		loses(set, "spec.kubelet.config.maxPods", set.show())
	}
}

// reservations warns of a reservation that is reckoned and then replaced: kubelet
// lays kubeReserved and systemReserved over the agent's, resource by resource, and a
// flag over all of it.
func (c *checker) reservations(flags []flag) {
	resources := []struct{ field, resource string }{{"cpu", "cpu"}, {"memory", "memory"}, {"ephemeralStorage", "ephemeral-storage"}}
	for _, r := range []struct{ field, flag string }{{"kubeReserved", "kube-reserved"}, {"systemReserved", "system-reserved"}} {
		var all []string
		at := map[string]*node{}
		for _, res := range resources {
			n := c.at("spec", "reserved", "system", res.field)
			if r.field == "kubeReserved" {
				n = c.at("spec", "reserved", "model")
			}
			if !n.empty() {
				all, at[res.resource] = append(all, res.resource), n
			}
		}
		if len(all) == 0 {
			continue
		}
		path := "spec.reserved.system"
		if r.field == "kubeReserved" {
			path = "spec.reserved.model"
		}
		by, lost, what := (*node)(nil), all, "--"+r.flag
		for _, f := range flags {
			if f.name == r.flag {
				by = f.n
			}
		}
		if by == nil {
			by, what = c.at("spec", "kubelet", "config", r.field), "spec.kubelet.config."+r.field
			lost = slices.DeleteFunc(all, func(name string) bool { return by.get(name) == nil })
		}
		if by != nil && len(lost) > 0 {
			c.overridden(at[lost[0]], path, "remove one of the two", "%s at %s replaces this for %s", what, by.pos(), strings.Join(lost, ", "))
		}
	}
}

// unknownKubeletFields warns of keys that kubelet does not have. It reads drop-in
// files with encoding/json, which passes over them in silence, and takes one that
// differs in case alone for the field. (kubernetes: cmd/kubelet/app,
// mergeKubeletConfigurations)
func (c *checker) unknownKubeletFields() {
	known := kubeletFieldNames()
	for _, f := range c.at("spec", "kubelet", "config").members() {
		if c.report.full() {
			return
		}
		if _, ok := slices.BinarySearch(known, f.name); ok {
			continue
		}
		what := "so kubelet passes over it"
		remedy := "the fields are at https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1"
		if to := flagNamed(f.name, c.plainDocument()); to != "" {
			remedy = to
		} else if best, ok := nearest(f.name, known); ok {
			remedy = "did you mean " + best + "?"
			if strings.EqualFold(best, f.name) {
				what, remedy = "though kubelet may take it for "+best+", while this agent does not", "write "+best
			}
		}
		c.report.warnf(f.value.src, f.value.src.pos(f.line, f.col), CodeSuspiciousValue, childPath("spec.kubelet.config", f.name), remedy,
			"KubeletConfiguration has no field of this name in any Kubernetes version up to %s, %s", newestKubelet, what)
	}
}
