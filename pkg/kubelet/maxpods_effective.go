package kubelet

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
)

// superset reports whether the user has asked for more than nodeadm does about pods
// and what is reserved. Then the effective number of pods counts, and a node without
// room for pods is refused.
func (d *decider) superset() bool {
	s := d.in.Config.Spec
	return s.CNI.Profile != "" || s.Reserved != (api.Reserved{})
}

// effectivePods decides the number of pods that kubelet will allow in the end: the
// user's flag goes before the user's configuration, and that before ours.
func (d *decider) effectivePods() {
	d.s.EffectiveMaxPods = d.s.MaxPods
	own := d.in.Config.Spec.Kubelet
	from := ""
	set := func(value, source string) {
		if n, err := strconv.Atoi(value); err == nil && n > 0 {
			d.s.EffectiveMaxPods, from = n, source
		}
	}
	if v, ok := own.Config.Lookup("maxPods"); ok {
		set(fmt.Sprint(v), "maxPods of spec.kubelet.config")
	}
	if v, ok := flagValue(own.Flags, "max-pods"); ok {
		set(v, "--max-pods of spec.kubelet.flags")
	}
	// kubelet takes the lesser of the two (podsPerCore of KubeletConfiguration).
	if v, ok := own.Config.Lookup("podsPerCore"); ok {
		n, err := strconv.Atoi(fmt.Sprint(v))
		if cpus := d.in.Hardware.CPU.Online; err == nil && n > 0 && cpus > 0 && n < d.s.EffectiveMaxPods && n*cpus < d.s.EffectiveMaxPods {
			set(itoa(n*cpus), fmt.Sprintf("podsPerCore of spec.kubelet.config: %d × %d CPUs", n, cpus))
		}
	}
	if !d.superset() {
		d.overrides()
		return
	}
	if d.s.EffectiveMaxPods != d.s.MaxPods {
		d.because("effectiveMaxPods", itoa(d.s.EffectiveMaxPods), from)
	}
	if d.addressable > 0 && d.s.EffectiveMaxPods > d.addressable {
		d.note("the node may have %d pods, but spec.cni has addresses for %d; the others will wait for one", d.s.EffectiveMaxPods, d.addressable)
	}
}

// overrides tells of a maxPods that the user sets behind our back: the
// reservation does not follow it, as in nodeadm.
func (d *decider) overrides() {
	own := d.in.Config.Spec.Kubelet
	if v, ok := own.Config.Lookup("maxPods"); ok && fmt.Sprint(v) != itoa(d.s.MaxPods) {
		text, err := json.Marshal(v)
		if err == nil {
			d.note("kube-reserved memory is reckoned from %d pods although spec.kubelet.config sets maxPods %s", d.s.MaxPods, text)
		}
	}
	for _, flag := range own.Flags {
		for _, word := range strings.Fields(flag) {
			if value, ok := strings.CutPrefix(word, "--max-pods="); ok && value != itoa(d.s.MaxPods) {
				d.note("kube-reserved memory is reckoned from %d pods although spec.kubelet.flags has %s", d.s.MaxPods, word)
			}
		}
	}
}

// flagValue returns the value that kubelet takes for a flag, the last one given.
func flagValue(flags []string, name string) (value string, ok bool) {
	all := occurrences(words(strings.Join(flags, " ")), name)
	if len(all) == 0 {
		return "", false
	}
	return all[len(all)-1].value, true
}
