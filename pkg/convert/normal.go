package convert

import (
	"maps"
	"slices"

	"github.com/eksnode/eksnode/pkg/api"
)

// normal returns a configuration that means the same with every setting at its own
// place: flags of kubelet that have a field are in the field, labels and taints are
// labels and taints. The entries tell what was moved from where.
func normal(c api.NodeConfig) (api.NodeConfig, []Entry) {
	d := newDraft()
	d.config = c
	spec := &d.config.Spec
	spec.Kubelet.Config = spec.Kubelet.Config.Clone()
	spec.Labels = maps.Clone(spec.Labels)
	spec.Taints = slices.Clone(spec.Taints)
	spec.FeatureGates = maps.Clone(spec.FeatureGates)
	d.takeTaints()
	d.takeFlags()
	d.takeGate()
	d.takeReserved()
	return d.config, d.entries
}

// takeTaints moves registerWithTaints of kubelet's configuration.
func (d *draft) takeTaints() {
	list, ok := d.config.Spec.Kubelet.Config["registerWithTaints"].([]any)
	if !ok {
		return
	}
	var left []any
	for i, e := range list {
		m, _ := e.(map[string]any)
		t, ok := taintOf(m)
		if !ok {
			left = append(left, e)
			continue
		}
		d.say(source{from: itemPath(kubeletPath("registerWithTaints"), i)}, Translated, d.taint(t), "", "")
	}
	delete(d.config.Spec.Kubelet.Config, "registerWithTaints")
	if left != nil {
		d.config.Spec.Kubelet.Config["registerWithTaints"] = left
	}
}

// taintOf reads a taint as Kubernetes writes it. A taint with other fields is not
// read, so that they do not get lost.
func taintOf(m map[string]any) (api.Taint, bool) {
	t := api.Taint{}
	t.Key, _ = m["key"].(string)
	t.Value, _ = m["value"].(string)
	t.Effect, _ = m["effect"].(string)
	for k := range m {
		if k != "key" && k != "value" && k != "effect" && m[k] != nil {
			return t, false
		}
	}
	return t, t.Key != "" && t.Effect != ""
}

// takeFlags moves the flags of kubelet that have a place of their own.
func (d *draft) takeFlags() {
	var words []string
	var item []int // of which flag a word is
	for i, f := range d.config.Spec.Kubelet.Flags {
		for _, w := range splitWords(f) {
			words, item = append(words, w), append(item, i)
		}
	}
	d.config.Spec.Kubelet.Flags = nil
	for _, f := range splitArguments(words) {
		s := source{from: itemPath("spec.kubelet.flags", item[f.word])}
		if f.name == "" {
			d.say(s, Lost, "", "it is neither a flag of kubelet nor the value of one", "remove it")
			continue
		}
		d.kubeletArgument(s, f)
	}
}

// takeGate moves the feature gate that is a source of the node's name.
func (d *draft) takeGate() {
	name := &d.config.Spec.NodeName
	on, given := d.config.Spec.FeatureGates[api.InstanceIDNodeName]
	if !given || name.Source != "" && name.Source != api.NodeNameAuto {
		return
	}
	delete(d.config.Spec.FeatureGates, api.InstanceIDNodeName)
	s := source{from: childPath("spec.featureGates", api.InstanceIDNodeName)}
	if !on {
		d.say(s, Implied, "", "it is off anyway", "")
		return
	}
	name.Source = api.NodeNameInstanceID
	d.say(s, Translated, "spec.nodeName.source", "", "")
}

// takeReserved moves what is reserved for the system.
func (d *draft) takeReserved() {
	r := &d.config.Spec.Reserved
	for _, f := range []struct {
		field *string
		name  string
		keys  []string
	}{
		{&r.System.CPU, "system.cpu", []string{"systemReserved", "cpu"}},
		{&r.System.Memory, "system.memory", []string{"systemReserved", "memory"}},
		{&r.System.EphemeralStorage, "system.ephemeralStorage", []string{"systemReserved", "ephemeral-storage"}},
	} {
		if *f.field == "" {
			continue
		}
		d.set(*f.field, f.keys...)
		*f.field = ""
		d.say(source{from: "spec.reserved." + f.name}, Translated, kubeletPath(f.keys...), "", "")
	}
	if b := d.config.Spec.Swap.Behavior; b != "" {
		d.config.Spec.Swap.Behavior = ""
		d.set(b, "memorySwap", "swapBehavior")
		d.set(false, "failSwapOn")
		to := kubeletPath("memorySwap", "swapBehavior")
		d.say(source{from: "spec.swap.behavior"}, Translated, to, "", "")
		d.say(source{from: "spec.swap.behavior"}, Translated, kubeletPath("failSwapOn"), "", "")
	}
}
