package convert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
)

// argument is one flag of kubelet.
type argument struct {
	name  string
	value string
	bare  bool // --flag without a value
	word  int  // where it starts
}

// splitWords splits flags that are one text as systemd does for kubelet's unit: at
// blanks, with quotes that group and backslashes that escape. Nothing is expanded.
func splitWords(value string) []string {
	var out []string
	var word strings.Builder
	var quote rune
	begun, escaped := false, false
	for _, c := range value {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			begun, escaped = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			begun, quote = true, c
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if begun {
				out = append(out, word.String())
			}
			word.Reset()
			begun = false
		default:
			begun = true
			word.WriteRune(c)
		}
	}
	if begun {
		out = append(out, word.String())
	}
	return out
}

// quoted is a flag as a text that splitWords reads back as one word.
func quoted(flag string) string {
	if !strings.ContainsAny(flag, " \t\"'\\") {
		return flag
	}
	name, value, ok := strings.Cut(flag, "=")
	text := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	if !ok || strings.ContainsAny(name, " \t\"'\\") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(flag) + `"`
	}
	return name + "=" + text
}

// splitArguments reads flags as kubelet does: --flag=value, --flag value, --flag. A
// word that belongs to no flag is one without a name.
func splitArguments(words []string) (flags []argument) {
	bools := kubeletFlags()
	for i := 0; i < len(words); i++ {
		w := words[i]
		name, value, ok := strings.Cut(strings.TrimLeft(w, "-"), "=")
		switch {
		case !strings.HasPrefix(w, "-") || name == "":
			flags = append(flags, argument{value: w, word: i})
		case ok:
			flags = append(flags, argument{name: name, value: value, word: i})
		case bools[name].typ == boolFlag && bools[name].path != nil || i+1 == len(words) || strings.HasPrefix(words[i+1], "-") && !isNumber(words[i+1]):
			flags = append(flags, argument{name: name, bare: true, word: i})
		default:
			flags = append(flags, argument{name: name, value: words[i+1], word: i})
			i++
		}
	}
	return flags
}

func isNumber(s string) bool { _, ok := number(s); return ok }

// kubeletArguments puts each flag where NodeConfig has it. The flags stand within
// the field s of the input.
func (d *draft) kubeletArguments(s source, words []string) {
	for _, f := range splitArguments(words) {
		switch {
		case strings.Contains(f.name, markOpen):
			d.known(s, "spec.kubelet.flags", f.name)
		case f.name != "":
			d.kubeletArgument(source{strings.TrimSpace(s.from + " --" + f.name), s.line}, f)
		case d.known(s, "spec.kubelet.flags", f.value):
			d.say(source{s.from + " " + strconv.Quote(f.value), s.line}, Lost, "", "it is neither a flag of kubelet nor the value of one", "remove it")
		}
	}
}

func (d *draft) kubeletArgument(s source, f argument) {
	value := unquote(f.value)
	switch f.name {
	case "node-labels":
		d.labels(s, value)
		return
	case "register-with-taints":
		d.taints(s, value)
		return
	case "hostname-override":
		d.nodeName(s, value)
		return
	}
	if d.needlessArgument(s, f.name, value) {
		return
	}
	if k, ok := kubeletFlags()[f.name]; ok {
		to := kubeletPath(k.path...)
		if f.bare {
			value = "true"
		}
		if !d.known(s, to, value) {
			return
		}
		if v, err := k.parse(value); err == nil {
			d.set(v, k.path...)
			d.say(s, Translated, to, "", "")
			d.reservedCPUs(s, f.name)
			return
		}
	}
	d.flag(s, f)
}

// needlessArgument handles the flags that have no place in NodeConfig, since the
// agent gives them itself or kubelet does not have them. It reports whether the flag
// was one.
func (d *draft) needlessArgument(s source, name, value string) bool {
	own, isOwn := agentFlags()[name]
	switch {
	case isOwn && value == own.own:
		d.say(s, Implied, "", own.why, "")
	case isOwn && d.known(s, "", value):
		d.say(s, Lost, "", own.why, "leave it to the agent")
	case isOwn:
	case isRemoved(name):
		d.say(s, Implied, "", "no supported kubelet has this flag", "")
	case name == "pod-infra-container-image":
		d.say(s, Implied, "", "it does not choose the image, and containerd keeps its own from being collected", "name another image as the sandbox image in spec.containerd.config")
	case name == "keep-terminated-pod-volumes" && value == "false":
		d.say(s, Implied, "", "kubelet does not have this flag since 1.31, and it was off anyway", "")
	case name == "keep-terminated-pod-volumes":
		d.say(s, Lost, "", "kubelet does not have this flag since 1.31", "remove it")
	default:
		return false
	}
	return true
}

// reservedCPUs is kubelet's rule that reserved CPUs exclude the cgroups that the
// agent names, as bootstrap.sh has it.
func (d *draft) reservedCPUs(s source, name string) {
	if name != "reserved-cpus" {
		return
	}
	for _, k := range []string{"systemReservedCgroup", "kubeReservedCgroup"} {
		if _, given := d.config.Spec.Kubelet.Config[k]; !given {
			d.set("", k)
			d.say(s, Translated, kubeletPath(k), "kubelet takes reserved CPUs only without this cgroup, so it is emptied", "")
		}
	}
}

// flag keeps a flag as it is.
func (d *draft) flag(s source, f argument) {
	to := itemPath("spec.kubelet.flags", len(d.config.Spec.Kubelet.Flags))
	text := "--" + f.name
	if !f.bare {
		text += "=" + f.value
	}
	if !d.known(s, to, text) {
		return
	}
	d.config.Spec.Kubelet.Flags = append(d.config.Spec.Kubelet.Flags, quoted(text))
	switch f.name {
	case "node-ip":
		d.say(s, Changed, to, "it replaces the address that the agent finds", "leave it out unless the instance has several addresses")
	default:
		d.say(s, Translated, to, "", "")
	}
}

// unquote drops the quotes around a whole value, which a shell would have dropped
// had it read the flags once more.
func unquote(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

func (d *draft) labels(s source, value string) {
	for _, pair := range splitList(value) {
		key, v, _ := strings.Cut(pair, "=")
		if strings.Contains(key, markOpen) {
			d.known(s, "spec.labels", pair)
			continue
		}
		v, message := d.fact(v)
		if to := childPath("spec.labels", key); !d.known(s, to, v) {
			continue
		}
		d.say(s, Translated, d.label(key, v), message, "")
	}
	if value == "" {
		d.say(s, Implied, "", "the value is empty", "")
	}
}

func (d *draft) taints(s source, value string) {
	for _, one := range splitList(value) {
		if !d.known(s, "spec.taints", one) {
			continue
		}
		t, err := parseTaint(one)
		if err != nil {
			d.say(s, Lost, "", fmt.Sprintf("%q is no taint: %v", one, err), "correct it")
			continue
		}
		d.say(s, Translated, d.taint(t), "", "")
	}
	if value == "" {
		d.say(s, Implied, "", "the value is empty", "")
	}
}

func (d *draft) nodeName(s source, value string) {
	to := "spec.nodeName"
	value, message := d.fact(value)
	if !d.known(s, to, value) || value == "" {
		return
	}
	d.config.Spec.NodeName = api.NodeName{Source: api.NodeNameFixed, Name: value}
	d.say(s, Translated, to, message, "")
}

// splitList splits at commas and leaves out what is empty.
func splitList(s string) []string {
	var out []string
	for _, e := range strings.Split(s, ",") {
		if e = strings.TrimSpace(e); e != "" {
			out = append(out, e)
		}
	}
	return out
}

// parse reads a flag's value as the field of KubeletConfiguration has it.
func (k kubeletFlag) parse(s string) (any, error) {
	switch k.typ {
	case boolFlag:
		b, err := strconv.ParseBool(s)
		return b, err
	case numberFlag:
		n, ok := number(s)
		if !ok {
			return nil, fmt.Errorf("%q is no whole number", s)
		}
		return n, nil
	case listFlag:
		out := []any{}
		for _, e := range splitList(s) {
			out = append(out, e)
		}
		return out, nil
	case mapFlag, evictionFlag, gatesFlag:
		return k.parseMap(s)
	default:
		return s, nil
	}
}

func (k kubeletFlag) parseMap(s string) (any, error) {
	sep := "="
	if k.typ == evictionFlag {
		sep = "<"
	}
	out := make(map[string]any)
	for _, e := range splitList(s) {
		key, v, ok := strings.Cut(e, sep)
		if !ok {
			return nil, fmt.Errorf("%q has no %q", e, sep)
		}
		out[key] = v
		if k.typ == gatesFlag {
			b, err := strconv.ParseBool(v)
			if err != nil {
				return nil, err
			}
			out[key] = b
		}
	}
	return out, nil
}

// labelFlag is --node-labels for a set of labels.
func labelFlag(labels map[string]string) string {
	var pairs []string
	for k, v := range labels {
		pairs = append(pairs, k+"="+v)
	}
	slices.Sort(pairs)
	return "--node-labels=" + strings.Join(pairs, ",")
}
