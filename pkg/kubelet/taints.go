package kubelet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
)

// taintsField and taintsFlag are where kubelet is told of taints.
const (
	taintsField = "registerWithTaints"
	taintsFlag  = "register-with-taints"
)

// taint is one taint of the node, and where it comes from.
type taint struct{ key, value, effect, from string }

func (t taint) String() string { return t.key + "=" + t.value + ":" + t.effect }

// taints unites spec.taints with what kubelet's own configuration and its flag say,
// by key and effect, in one list of the drop-in, and adds the startup taint where
// spec.readiness asks for one. Without either nothing is touched: then the flag hides
// the configuration, as kubelet has it.
//
// A taint whose value refers to what the machine does not have stays, with an empty
// value: key and effect are what keeps pods off. kubelet sets taints when it
// registers the node and never after.
func (d *decider) taints() {
	if len(d.in.Config.Spec.Taints) == 0 && !d.in.Config.Spec.Readiness.Asked() {
		return
	}
	flags := occurrences(d.userWords(), taintsFlag)
	all := d.configTaints()
	for _, g := range flags {
		all = append(all, d.flagTaints(g.value)...)
	}
	all = append(all, d.specTaints()...)
	all = append(all, d.startupTaint()...)
	if len(flags) > 0 {
		d.user = without(d.userWords(), flags)
		d.note("--%s is taken out of spec.kubelet.flags: its taints stand with those of %s in %s", taintsFlag, d.taintSources(), taintsField)
	}
	d.setTaints(d.united(all))
}

// setTaints puts the taints into the drop-in, in place of the user's list, which is
// among them.
func (d *decider) setTaints(taints []taint) {
	list := make([]any, 0, len(taints))
	for _, t := range taints {
		one := map[string]any{"key": t.key, "effect": t.effect}
		if t.value != "" {
			one["value"] = t.value
		}
		list = append(list, one)
		d.because("taint", t.String(), t.from)
	}
	if d.s.DropIn == nil {
		d.s.DropIn = map[string]any{}
	}
	d.s.DropIn[taintsField] = list
}

// united keeps the last of each key and effect, in the order of both.
func (d *decider) united(all []taint) []taint {
	var out []taint
	for _, t := range all {
		i := slices.IndexFunc(out, func(o taint) bool { return o.key == t.key && o.effect == t.effect })
		if i < 0 {
			out = append(out, t)
			continue
		}
		if out[i].value != t.value {
			d.note("the taint %s is %s of %s, and not %s of %s", t.key, t, t.from, out[i], out[i].from)
		}
		out[i] = t
	}
	slices.SortFunc(out, func(a, b taint) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.effect, b.effect))
	})
	return out
}

// specTaints are those of spec.taints, with their references replaced.
func (d *decider) specTaints() []taint {
	var out []taint
	for i, t := range d.in.Config.Spec.Taints {
		value, err := d.in.Expand(t.Value)
		if err == nil {
			err = checkLabelValue("spec.taints", t.Value, value)
		}
		made := taint{t.Key, value, t.Effect, "spec.taints"}
		if t.Value != value {
			made.from += " " + t.Value
		}
		if err == nil {
			err = made.check("spec.taints")
		}
		if err != nil {
			d.fail(fmt.Errorf("cannot set the taint %s of spec.taints[%d]: %w", t.Key, i, err))
			continue
		}
		out = append(out, made)
	}
	return out
}

// taintSources names where the agent's own taints come from.
func (d *decider) taintSources() string {
	switch spec := d.in.Config.Spec; {
	case !spec.Readiness.Asked():
		return "spec.taints"
	case len(spec.Taints) == 0:
		return "spec.readiness"
	}
	return "spec.taints and spec.readiness"
}

// startupTaint is the one that the agent takes away when the node is ready for pods.
// The cluster knows it by key and effect; so nobody else may mean another by it.
func (d *decider) startupTaint() []taint {
	const from = "spec.readiness.taint"
	if !d.in.Config.Spec.Readiness.Asked() {
		return nil
	}
	s := d.in.Config.Spec.Readiness.StartupTaint()
	t := taint{s.Key, s.Value, s.Effect, from}
	if err := t.check(from); err != nil {
		d.fail(fmt.Errorf("cannot set the startup taint: %w", err))
		return nil
	}
	return []taint{t}
}

// configTaints are those of the user's part of the configuration.
func (d *decider) configTaints() []taint {
	const from = "spec.kubelet.config." + taintsField
	own, ok := d.in.Config.Spec.Kubelet.Config.Lookup(taintsField)
	if !ok || own == nil {
		return nil
	}
	list, ok := own.([]any)
	if !ok {
		d.fail(fault.New(fault.ConfigInvalid, "Write a list of key, value and effect, or move it to spec.taints.", errors.New("cannot read "+from+": it is no list")))
		return nil
	}
	var out []taint
	for i, v := range list {
		fields, _ := v.(map[string]any)
		text := func(name string) string { s, _ := fields[name].(string); return s }
		t := taint{text("key"), text("value"), text("effect"), from}
		if err := t.check(from); err != nil {
			d.fail(fmt.Errorf("cannot use %s[%d]: %w", from, i, err))
			continue
		}
		out = append(out, t)
	}
	return out
}

// flagTaints reads the flag as kubelet does: key=value:effect, several with commas
// between them (ParseTaints of k8s.io/kubernetes/pkg/util/taints).
func (d *decider) flagTaints(text string) []taint {
	const from = "--" + taintsFlag
	if text == "" {
		return nil
	}
	var out []taint
	for one := range strings.SplitSeq(text, ",") {
		pair, effect, _ := strings.Cut(one, ":")
		key, value, _ := strings.Cut(pair, "=")
		t := taint{key, value, effect, from}
		if err := t.check("spec.kubelet.flags"); err != nil {
			d.fail(fmt.Errorf("cannot use %q of %s in spec.kubelet.flags: %w", one, from, err))
			continue
		}
		out = append(out, t)
	}
	return out
}

// check refuses what kubelet would not start with.
func (t taint) check(field string) error {
	if why := badKey(t.key); why != "" {
		return fault.New(fault.ConfigInvalid, "Correct the key in "+field+".", errors.New(why))
	}
	if !slices.Contains([]string{"NoSchedule", "PreferNoSchedule", "NoExecute"}, t.effect) {
		return fault.New(fault.ConfigInvalid, "Write NoSchedule, PreferNoSchedule or NoExecute in "+field+".", fmt.Errorf("there is no effect %q", t.effect))
	}
	return checkLabelValue(field, t.value, t.value)
}
