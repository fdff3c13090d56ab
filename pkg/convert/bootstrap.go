package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
)

var errNoCall = errors.New("cannot find a call of /etc/eks/bootstrap.sh in the input")

// scripts is what reading a script of AL2's user data needs beside the draft.
type scripts struct {
	*draft
	sh     *shell
	others []command
	// family and useMaxPods are options whose meaning depends on others.
	family, useMaxPods      string
	familyFrom, maxPodsFrom source
	files                   map[string]bool // that were read
	eksctl                  bool
	lines                   []int // of the words after bootstrap.sh
	call                    *command
}

// readBootstrap reads the call of bootstrap.sh in user data, and names everything
// else that is there.
func readBootstrap(texts []text) (*draft, error) {
	r := &scripts{draft: newDraft(), sh: newShell(), files: make(map[string]bool)}
	r.unresolved, r.withFacts = r.sh.unresolved, r.sh.withFacts
	for _, t := range inReadingOrder(texts) {
		if err := r.text(t); err != nil {
			return nil, err
		}
	}
	words, err := r.findCall()
	if err != nil {
		return nil, err
	}
	r.options(words)
	r.afterOptions()
	r.commands()
	r.variables()
	r.needCluster()
	return r.draft, nil
}

// inReadingOrder puts files of variables first, then eksctl's helper, which a
// script sources before all else.
func inReadingOrder(texts []text) []text {
	out := slices.Clone(texts)
	rank := func(t text) int {
		switch {
		case t.kind == cloudFile && path.Ext(t.name) == ".env":
			return 0
		case t.kind == cloudFile && isProgram(t.name, "bootstrap.helper.sh"):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(out, func(a, b text) int { return rank(a) - rank(b) })
	return out
}

func (r *scripts) text(t text) error {
	whole := source{t.name, t.line(1)}
	switch {
	case t.kind == cloudOther:
		r.say(source{"cloud-config " + t.name, t.line(1)}, Lost, "", "it is cloud-init's business and not the node's", "keep it in a part of type text/cloud-config")
		return nil
	case t.kind == cloudFile && isProgram(t.name, "kubelet-extra.json"):
		return r.kubeletExtra(t)
	case t.kind == cloudFile && isProgram(t.name, "bootstrap.helper.sh"):
		r.eksctl = true
		r.say(whole, Implied, "", "it is eksctl's own script, which makes options of its variables", "")
		return nil
	case t.kind == cloudFile && path.Ext(t.name) != ".env" && !strings.Contains(t.body, "bootstrap.sh"):
		r.say(source{"the file " + t.name, t.line(1)}, Lost, "", "files have no place in NodeConfig", "keep it in a part of type text/cloud-config, or bake it into the image")
		return nil
	case t.kind == mimePart && strings.HasSuffix(t.name, " "+api.MediaType):
		r.say(whole, Lost, "", "this part is a NodeConfig already", "keep the part; its settings and the converted ones merge, the later over the earlier")
		return nil
	case t.kind == mimePart && !isScript(t):
		r.say(whole, Lost, "", "it is no shell script", "keep the part")
		return nil
	}
	if t.kind == cloudFile {
		r.files[t.name] = true
	}
	return r.sh.read(t)
}

// isScript reports whether a MIME part is read as a script.
func isScript(t text) bool {
	body := strings.TrimLeft(t.body, "\n ")
	return strings.Contains(t.name, "shellscript") || strings.HasPrefix(body, "#!") || strings.HasPrefix(body, "#cloud-boothook") || strings.Contains(body, "bootstrap.sh")
}

// kubeletExtra takes over the kubelet configuration that eksctl merges.
func (r *scripts) kubeletExtra(t text) error {
	var o api.Object
	if err := json.Unmarshal([]byte(t.body), &o); err != nil {
		return fmt.Errorf("cannot read %s: %w", t.name, err)
	}
	for k, v := range o {
		r.set(v, k)
	}
	for _, p := range leafPaths("", map[string]any(o)) {
		r.say(source{t.name + " " + p, t.line(1)}, Translated, "spec.kubelet.config"+strings.TrimSuffix("."+p, "."), "", "")
	}
	return nil
}

// findCall returns the words after bootstrap.sh and keeps the other commands.
func (r *scripts) findCall() ([]string, error) {
	var words []string
	start := 0
	for i := range r.sh.out {
		c := &r.sh.out[i]
		at := slices.IndexFunc(c.words, func(w string) bool { return isProgram(w, "bootstrap.sh") })
		if at < 0 || !runs(c.words[:at]) {
			r.others = append(r.others, *c)
			continue
		}
		if r.call != nil {
			r.say(source{"a second call of bootstrap.sh", c.line}, Lost, "", "only the first call is read", "convert the calls one by one, with the other one removed")
			continue
		}
		r.call, words, start = c, c.words[at+1:], at+1
	}
	if r.call == nil && len(r.others) == 1 && len(r.others[0].words) > 1 && slices.ContainsFunc(r.others[0].words, isOption) {
		r.call, words = &r.others[0], r.others[0].words // the options alone
		r.others = nil
	}
	if r.call == nil {
		return nil, errNoCall
	}
	r.lines = r.call.lines[start:]
	if n := len(r.call.inside); n > 0 {
		r.say(source{"bootstrap.sh", r.call.line}, Changed, "", "the call stands within "+r.call.inside[n-1]+"; it was taken as if it were always run", "see that the condition holds for every node")
	}
	return words, nil
}

// runs reports whether the words before a program's name only run it.
func runs(before []string) bool {
	for _, w := range before {
		if !slices.Contains([]string{"sudo", "bash", "sh", "exec", "env", "time", "command", "nohup"}, path.Base(w)) && !strings.HasPrefix(w, "-") {
			return false
		}
	}
	return true
}

// isOption reports whether a word is an option of bootstrap.sh. Each has one value.
func isOption(word string) bool {
	switch word {
	case "--apiserver-endpoint", "--aws-api-retry-attempts", "--b64-cluster-ca", "--cluster-id", "--container-runtime",
		"--containerd-config-file", "--dns-cluster-ip", "--docker-config-json", "--enable-docker-bridge", "--enable-local-outpost",
		"--ip-family", "--kubelet-extra-args", "--local-disks", "--mount-bpf-fs", "--pause-container-account",
		"--pause-container-version", "--service-ipv4-cidr", "--service-ipv6-cidr", "--use-max-pods":
		return true
	}
	return false
}

// option is an option with its value.
type option struct {
	source
	value string
}

// options reads the words after bootstrap.sh as it does: every option takes the next
// word, and what is no option is the cluster's name.
func (r *scripts) options(words []string) {
	var extra []option
	named := false
	for i := 0; i < len(words); i++ {
		w := words[i]
		line := r.lines[i]
		at := source{w, line}
		switch {
		case isOption(w) && i+1 == len(words):
			r.say(at, Lost, "", "the option has no value; bootstrap.sh stops at this", "give it one or remove it")
		case isOption(w):
			i++
			extra = append(extra, option{at, words[i]})
		case strings.HasPrefix(w, "-"):
			r.say(source{strings.SplitN(w, "=", 2)[0], line}, Lost, "", "bootstrap.sh has no such option, so it takes the word for a cluster's name", "correct it; options and their values are separate words")
		case !named:
			named = true
			r.draft.text(source{"the cluster's name", line}, &r.config.Spec.Cluster.Name, "spec.cluster.name", w)
		default:
			r.say(source{"the word " + fmt.Sprintf("%q", cleanMarks(w)), line}, Lost, "", "bootstrap.sh does not read it", "remove it, or put quotes around the value that it is a part of")
		}
	}
	for i, e := range extra { // after the name, which remedies tell
		if slices.ContainsFunc(extra[i+1:], func(later option) bool { return later.from == e.from }) {
			r.say(e.source, Implied, "", "the option is given again, and the last one counts", "")
			continue
		}
		r.option(e.source, e.value)
	}
}

func cleanMarks(s string) string { return marks.ReplaceAllString(s, "…") }

func (r *scripts) option(s source, value string) {
	c := &r.config.Spec.Cluster
	if value == "" && s.from != "--kubelet-extra-args" {
		r.say(s, Implied, "", "the value is empty", "")
		return
	}
	switch s.from {
	case "--apiserver-endpoint":
		r.draft.text(s, &c.APIServerEndpoint, "spec.cluster.apiServerEndpoint", value)
	case "--b64-cluster-ca":
		r.certificate(s, value)
	case "--dns-cluster-ip":
		r.dns(s, strings.Split(value, ","))
	case "--service-ipv4-cidr", "--service-ipv6-cidr":
		r.draft.text(s, &c.CIDR, "spec.cluster.cidr", value)
	case "--ip-family":
		r.family, r.familyFrom = value, s
	case "--use-max-pods":
		r.useMaxPods, r.maxPodsFrom = value, s
	case "--cluster-id":
		r.draft.text(s, &c.ID, "spec.cluster.id", value)
	case "--enable-local-outpost":
		if r.known(s, "spec.cluster.enableOutpost", value) {
			on := value == "true"
			c.EnableOutpost = &on
			r.say(s, Translated, "spec.cluster.enableOutpost", "", "")
		}
	case "--kubelet-extra-args":
		r.extraArguments(s, value)
	case "--local-disks":
		r.localDisks(s, value)
	default:
		r.machineOption(s, value)
	}
}

// extraArguments splits the value once more, as the unit that runs kubelet does.
func (r *scripts) extraArguments(s source, value string) {
	if r.eksctl && value == r.sh.mark("$KUBELET_EXTRA_ARGS") {
		r.eksctlArguments()
		return
	}
	words := splitWords(value)
	if len(words) == 0 {
		r.say(s, Implied, "", "the value is empty", "")
	}
	r.kubeletArguments(s, words)
}

// eksctlArguments is what eksctl's helper makes of its variables.
func (r *scripts) eksctlArguments() {
	get := func(name string) (source, string, bool) {
		v := r.sh.vars[name]
		if v == nil {
			return source{}, "", false
		}
		v.used = true
		return source{name, v.line}, strings.Join(v.words, " "), true
	}
	if s, v, ok := get("NODE_LABELS"); ok {
		r.labels(s, v)
	}
	if s, v, ok := get("NODE_TAINTS"); ok {
		r.taints(s, v)
	}
	if s, v, ok := get("MAX_PODS"); ok && v != "" {
		r.kubeletArgument(s, argument{name: "max-pods", value: v})
	}
	// Two more labels, whose values eksctl's helper has from instance metadata.
	for _, l := range []pair{{"node-lifecycle", "${instance.lifecycle}"}, {"alpha.eksctl.io/instance-id", "${instance.id}"}} {
		r.say(source{from: "eksctl's label " + l.name}, Translated, r.label(l.name, l.value), "the value is a fact of the machine", "")
	}
}

func (r *scripts) localDisks(s source, value string) {
	const to = "spec.instance.localStorage.strategy"
	strategies := map[string]api.LocalStorageStrategy{"raid0": api.LocalStorageRAID0, "raid10": api.LocalStorageRAID10, "mount": api.LocalStorageMount}
	strategy, ok := strategies[strings.ToLower(value)]
	switch {
	case !r.known(s, to, value):
	case !ok:
		r.say(s, Lost, "", "known are mount, raid0 and raid10", "correct it")
	default:
		r.config.Spec.Instance.LocalStorage.Strategy = strategy
		r.say(s, Translated, to, "", "")
	}
}

// machineOption is an option about the machine, which has no field of its own.
func (r *scripts) machineOption(s source, value string) {
	if !r.known(s, "", value) {
		return
	}
	switch s.from {
	case "--container-runtime":
		if value == "containerd" {
			r.say(s, Implied, "", "containerd is the only runtime", "")
			return
		}
		r.say(s, Lost, "", "containerd is the only runtime since Kubernetes 1.24", "remove it")
	case "--docker-config-json":
		r.say(s, Implied, "", "there is no Docker since Kubernetes 1.24, so it had no effect", "log limits belong to spec.kubelet.config.containerLogMaxSize, mirrors to spec.registries")
	case "--enable-docker-bridge":
		r.say(s, Implied, "", "there is no Docker since Kubernetes 1.24, so it had no effect", "")
	case "--containerd-config-file":
		r.say(s, Lost, "", "the file is on the machine; and it replaced the image's configuration, while NodeConfig's is laid over the agent's", "put what differs from the default into spec.containerd.config")
	case "--pause-container-account":
		r.say(s, Lost, "", "the agent takes the pause image that the machine image brings, or Amazon's", "name another image as the sandbox image in spec.containerd.config")
	case "--pause-container-version":
		r.say(s, Lost, "", "the agent takes the pause image that the machine image brings, or Amazon's", "name another image as the sandbox image in spec.containerd.config")
	case "--mount-bpf-fs":
		if value == "true" {
			r.say(s, Implied, "", "systemd mounts /sys/fs/bpf", "")
			return
		}
		r.say(s, Lost, "", "systemd mounts /sys/fs/bpf", "mask the unit sys-fs-bpf.mount in the image")
	case "--aws-api-retry-attempts":
		r.say(s, Implied, "", "the agent does not call DescribeCluster", "")
	}
}

// afterOptions decides the options that depend on others.
func (r *scripts) afterOptions() {
	for _, v := range []string{"SERVICE_IPV4_CIDR"} { // bootstrap.sh reads it from its environment
		if value := r.environment(v); value != nil && r.config.Spec.Cluster.CIDR == "" {
			value.used = true
			r.draft.text(source{v, value.line}, &r.config.Spec.Cluster.CIDR, "spec.cluster.cidr", strings.Join(value.words, " "))
		}
	}
	if r.useMaxPods != "" && r.known(r.maxPodsFrom, kubeletPath("maxPods"), r.useMaxPods) {
		_, given := r.config.Spec.Kubelet.Config["maxPods"]
		switch {
		case r.useMaxPods == "true":
			r.say(r.maxPodsFrom, Implied, "", "the agent works the number of pods out", "")
		case given:
			r.say(r.maxPodsFrom, Implied, "", "the number of pods is given", "")
		default:
			r.set(json.Number("110"), "maxPods")
			r.say(r.maxPodsFrom, Translated, kubeletPath("maxPods"), "without a number kubelet takes 110", "")
		}
	}
	if r.family != "" && r.known(r.familyFrom, "spec.cluster.cidr", r.family) {
		prefix, err := netip.ParsePrefix(r.config.Spec.Cluster.CIDR)
		switch v6 := strings.EqualFold(r.family, "ipv6"); {
		case err == nil && prefix.Addr().Is6() != v6:
			r.say(r.familyFrom, Lost, "", "spec.cluster.cidr is of the other family, and the family follows from it", "correct one of them")
		case err == nil:
			r.say(r.familyFrom, Implied, "", "it follows from spec.cluster.cidr", "")
		default:
			r.say(r.familyFrom, Needs, "spec.cluster.cidr", "the IP family follows from the service network, which is not in the input", r.describe("kubernetesNetworkConfig.service"+map[bool]string{true: "Ipv6", false: "Ipv4"}[v6]+"Cidr"))
		}
	}
}

// environment is a variable in the environment of bootstrap.sh, or nil.
func (r *scripts) environment(name string) *variable {
	for _, e := range r.call.env {
		if e.name == name {
			return &variable{words: []string{e.value}, line: r.call.line}
		}
	}
	if v := r.sh.vars[name]; v != nil && v.exported {
		return v
	}
	return nil
}
