package kubelet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

// Labels returns the labels that spec.labels gives the node, with their references
// to facts replaced, and remarks about those that it does not give:
//
//   - one that spec.kubelet.flags gives too, in --node-labels. kubelet adds several
//     of these flags up and takes the last value of a key (ConfigurationMap.Set of
//     k8s.io/component-base/cli/flag), and the user's flags come last;
//   - one that refers to what the machine does not have, as the model of a GPU: a
//     label without a value would still match those who ask whether it exists.
//
// The error joins a fault for each label that could not be made. An input whose
// facts are incomplete has no other labels in their place: pods would be drawn or
// kept off in silence.
func Labels(in node.Input) (labels map[string]string, notes []string, err error) {
	var errs []error
	flagged := flaggedLabels(in.Config.Spec.Kubelet.Flags)
	labels = map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(in.Config.Spec.Labels)) {
		text := in.Config.Spec.Labels[key]
		value, err := in.Expand(text)
		if err == nil {
			err = checkLabel(key, text, value)
		}
		other, taken := flagged[key]
		switch {
		case taken && other != value:
			notes = append(notes, fmt.Sprintf("the label %s is %q, from --node-labels in spec.kubelet.flags, and not %q of spec.labels", key, other, text))
		case taken:
		case err != nil:
			errs = append(errs, fmt.Errorf("cannot set the label %s: %w", key, err))
		case value == "" && text != "":
			notes = append(notes, fmt.Sprintf("the label %s is not set: %s is nothing on this machine", key, text))
		default:
			labels[key] = value
		}
	}
	return labels, notes, errors.Join(errs...)
}

// Annotations returns the annotations that spec.annotations gives the node, as
// Labels does.
func Annotations(in node.Input) (annotations map[string]string, notes []string, err error) {
	var errs []error
	annotations = map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(in.Config.Spec.Annotations)) {
		text := in.Config.Spec.Annotations[key]
		value, err := in.Expand(text)
		if why := badKey(key); err == nil && why != "" {
			err = fault.New(fault.ConfigInvalid, "Correct the key in spec.annotations.", errors.New(why))
		}
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("cannot set the annotation %s: %w", key, err))
		case value == "" && text != "":
			notes = append(notes, fmt.Sprintf("the annotation %s is not set: %s is nothing on this machine", key, text))
		default:
			annotations[key] = value
		}
	}
	return annotations, notes, errors.Join(errs...)
}

// labels decides the node's labels, and sees that its annotations can be made:
// these are set when the node is there, and it is better not to join than to find
// out then.
func (d *decider) labels() {
	labels, notes, err := Labels(d.in)
	d.fail(err)
	_, more, err := Annotations(d.in)
	d.fail(err)
	d.s.Notes = append(d.s.Notes, append(notes, more...)...)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		from := "spec.labels"
		if text := d.in.Config.Spec.Labels[key]; text != labels[key] {
			from += " " + text
		}
		d.because("node label", key+"="+labels[key], from)
	}
	d.s.Labels = labels
	if _, own := d.in.Config.Spec.Labels[gpuPresent]; !own && d.gpuLabel() {
		d.s.Labels[gpuPresent] = "true"
		d.because("node label", gpuPresent+"=true", "an NVIDIA device is on the PCI bus")
	}
}

// gpuPresent is the label by which NVIDIA's operators find a node.
const gpuPresent = "nvidia.com/gpu.present"

// gpuLabel reports whether the node gets the label; nodeadm sets it since 1.35.
func (d *decider) gpuLabel() bool {
	if !d.s.Version.AtLeast(1, 35) {
		return false
	}
	if err := d.in.Require("hardware.pci"); err != nil {
		d.note("the label %s is not set: %v", gpuPresent, err)
		return false
	}
	return d.in.Hardware.HasNVIDIA()
}

// labelFlag joins labels in the order of their keys.
func labelFlag(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+"="+labels[key])
	}
	return strings.Join(pairs, ",")
}

// flaggedLabels are the labels that --node-labels among the user's flags gives, as
// kubelet reads them: the last value of a key counts.
func flaggedLabels(flags []string) map[string]string {
	out := map[string]string{}
	for _, g := range occurrences(words(strings.Join(flags, " ")), "node-labels") {
		for pair := range strings.SplitSeq(g.value, ",") {
			key, value, _ := strings.Cut(pair, "=")
			if key = strings.TrimSpace(key); key != "" {
				out[key] = strings.TrimSpace(value)
			}
		}
	}
	return out
}

// checkLabel refuses what Kubernetes does not take for a label. text is what value
// was made from.
func checkLabel(key, text, value string) error {
	if why := badKey(key); why != "" {
		return fault.New(fault.ConfigInvalid, "Correct the key in spec.labels.", errors.New(why))
	}
	return checkLabelValue("spec.labels", text, value)
}

// checkLabelValue refuses what cannot be the value of a label or a taint, and says
// what could.
func checkLabelValue(field, text, value string) error {
	why := badLabelValue(value)
	if why == "" {
		return nil
	}
	remedy := "Correct the value in " + field + "."
	if text != value {
		remedy = "Change what it refers to, or write the value itself in " + field + "."
	}
	if better := likeLabelValue(value); better != "" {
		remedy = strings.TrimSuffix(remedy, ".") + ", as " + better + "."
	}
	if text != value {
		return fault.New(fault.ConfigInvalid, remedy, fmt.Errorf("%s gives %q: %s", text, value, why))
	}
	return fault.New(fault.ConfigInvalid, remedy, fmt.Errorf("the value is %q: %s", value, why))
}

// The bounds of Kubernetes' labels and of the keys of labels, taints and
// annotations.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
const (
	maxLabelName   = 63
	maxLabelPrefix = 253
)

// badLabelValue says why a text cannot be a label's value, or "".
func badLabelValue(s string) string {
	switch {
	case s == "":
		return ""
	case len(s) > maxLabelName:
		return fmt.Sprintf("it has %d characters, more than %d", len(s), maxLabelName)
	case !alphanumeric(s[0]) || !alphanumeric(s[len(s)-1]):
		return "it does not begin and end with a letter or digit"
	}
	for _, r := range s {
		if r > 0x7f || !alphanumeric(byte(r)) && !strings.ContainsRune("-_.", r) {
			return fmt.Sprintf("it has %q in it; only letters, digits, hyphens, underscores and dots may be there", r)
		}
	}
	return ""
}

// badKey says why a text cannot be the key of a label, taint or annotation, or "".
func badKey(key string) string {
	prefix, name, ok := strings.Cut(key, "/")
	if !ok {
		prefix, name = "", key
	}
	if name == "" {
		return fmt.Sprintf("the key %q has no name", key)
	}
	if why := badLabelValue(name); why != "" {
		return fmt.Sprintf("the name %q in the key: %s", name, why)
	}
	if !ok {
		return ""
	}
	if len(prefix) > maxLabelPrefix {
		return fmt.Sprintf("the key's prefix has %d characters, more than %d", len(prefix), maxLabelPrefix)
	}
	for part := range strings.SplitSeq(prefix, ".") {
		if badLabelValue(part) != "" || part == "" || strings.ContainsAny(part, "_") || part != strings.ToLower(part) {
			return fmt.Sprintf("the prefix %q of the key is no DNS name in lower case", prefix)
		}
	}
	return ""
}

// likeLabelValue makes a label's value of a text, or nothing when little of the
// text is left.
func likeLabelValue(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= 0x7f && (alphanumeric(byte(r)) || strings.ContainsRune("-_.", r)) {
			return r
		}
		return '-'
	}, s)
	s = s[:min(len(s), maxLabelName)]
	return strings.Trim(s, "-_.")
}

func alphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}
