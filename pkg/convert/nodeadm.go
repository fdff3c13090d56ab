package convert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
)

// nodeadmWriter makes a NodeConfig without the fields that nodeadm lacks.
type nodeadmWriter struct {
	c   api.NodeConfig // what is written
	in  api.Superset
	l   *ledger
	own bool // for EKS Hybrid's nodeadm, which has fewer fields
}

// toNodeadm moves the superset's fields to where nodeadm has them.
func toNodeadm(c api.NodeConfig, hybrid bool) (api.NodeConfig, *ledger) {
	w := &nodeadmWriter{c: c, in: c.Spec.Superset, l: newLedger(treeOf(c), "", nil), own: hybrid}
	w.c.APIVersion = api.APIVersion
	w.c.Spec.Superset = api.Superset{}
	w.c.Spec.Kubelet.Config = c.Spec.Kubelet.Config.Clone()
	w.c.Spec.Kubelet.Flags = slices.Clone(c.Spec.Kubelet.Flags)
	w.c.Spec.FeatureGates = maps.Clone(c.Spec.FeatureGates)
	w.nodeName()
	w.labels()
	w.taints()
	w.pods()
	w.proxy()
	w.swap()
	w.rlimits()
	w.same()
	return w.c, w.l
}

func (w *nodeadmWriter) flag(from, text string, o Outcome, message, remedy string) {
	to := itemPath("spec.kubelet.flags", len(w.c.Spec.Kubelet.Flags))
	w.c.Spec.Kubelet.Flags = append(w.c.Spec.Kubelet.Flags, text)
	w.l.say(o, from, to, message, remedy)
}

// set puts a value into kubelet's configuration.
func (w *nodeadmWriter) set(from string, v any, keys ...string) {
	d := &draft{config: w.c}
	d.set(v, keys...)
	w.c.Spec.Kubelet.Config = d.config.Spec.Kubelet.Config
	w.l.say(Translated, from, kubeletPath(keys...), "", "")
}

func (w *nodeadmWriter) nodeName() {
	n := w.in.NodeName
	switch {
	case n.Source == "" || n.Source == api.NodeNameAuto:
		if n.Source != "" {
			w.l.say(Implied, "spec.nodeName.source", "", "it is the default", "")
		}
	case w.own:
		w.l.say(Lost, "spec.nodeName", "", "EKS Hybrid's nodeadm names the node after the SSM instance or spec.hybrid.iamRolesAnywhere.nodeName, and refuses --hostname-override", "")
	case n.Source == api.NodeNamePrivateDNS:
		if w.c.Spec.FeatureGates.Enabled(api.InstanceIDNodeName) {
			delete(w.c.Spec.FeatureGates, api.InstanceIDNodeName)
		}
		w.l.say(Implied, "spec.nodeName.source", "", "nodeadm takes the private DNS name", "")
	case n.Source == api.NodeNameInstanceID:
		if w.c.Spec.FeatureGates == nil {
			w.c.Spec.FeatureGates = api.FeatureGates{}
		}
		w.c.Spec.FeatureGates[api.InstanceIDNodeName] = true
		w.l.say(Translated, "spec.nodeName.source", childPath("spec.featureGates", api.InstanceIDNodeName), "", "")
	case n.Source == api.NodeNameFixed && !hasFact(n.Name) && flagWord(n.Name):
		w.flag("spec.nodeName", "--hostname-override="+n.Name, Changed, "it is a flag of kubelet there, which nodeadm knows nothing of", "")
	default:
		w.l.say(Lost, "spec.nodeName", "", "nodeadm names a node after its private DNS name or its instance ID", "")
	}
}

// flagWord reports whether a text can stand in a flag: systemd splits the flags at
// blanks.
func flagWord(s string) bool { return !strings.ContainsAny(s, " \t\r\n\"'\\$") }

func (w *nodeadmWriter) labels() {
	good := make(map[string]string)
	for _, k := range sortedNames(w.in.Labels) {
		from, v := childPath("spec.labels", k), w.in.Labels[k]
		switch {
		case hasFact(v):
			w.l.say(Lost, from, "", noFacts, "write the value")
		case !flagWord(k+v) || strings.ContainsAny(k+v, ",="):
			w.l.say(Lost, from, "", "it cannot stand in a flag", "")
		default:
			good[k] = v
		}
	}
	if len(good) == 0 {
		return
	}
	to := itemPath("spec.kubelet.flags", len(w.c.Spec.Kubelet.Flags))
	w.c.Spec.Kubelet.Flags = append(w.c.Spec.Kubelet.Flags, labelFlag(good))
	for _, k := range sortedNames(good) {
		w.l.say(Translated, childPath("spec.labels", k), to, "", "")
	}
}

func (w *nodeadmWriter) taints() {
	if len(w.in.Taints) == 0 {
		return
	}
	list, _ := w.c.Spec.Kubelet.Config["registerWithTaints"].([]any)
	list = slices.Clone(list)
	flagged := slices.ContainsFunc(splitArguments(w.c.Spec.Kubelet.Flags), func(f argument) bool { return f.name == "register-with-taints" })
	for _, t := range w.in.Taints {
		from := taintPath(t)
		if hasFact(t.Value) {
			w.l.say(Lost, from, "", noFacts, "write the value")
			continue
		}
		taint := map[string]any{"key": t.Key, "effect": t.Effect}
		if t.Value != "" {
			taint["value"] = t.Value
		}
		to := itemPath(kubeletPath("registerWithTaints"), len(list))
		list = append(list, taint)
		if flagged {
			w.l.say(Lost, from, "", "the flag --register-with-taints makes kubelet ignore the taints of its configuration", "move the flag's taints to spec.taints")
			list = list[:len(list)-1]
			continue
		}
		w.l.say(Translated, from, to, "", "")
	}
	if len(list) > 0 {
		d := &draft{config: w.c}
		d.set(list, "registerWithTaints")
		w.c.Spec.Kubelet.Config = d.config.Spec.Kubelet.Config
	}
}

// pods writes what the superset says about the number of pods and what is kept from
// them.
func (w *nodeadmWriter) pods() {
	r := w.in.Reserved
	for _, f := range []struct{ value, name, key string }{
		{r.System.CPU, "cpu", "cpu"}, {r.System.Memory, "memory", "memory"}, {r.System.EphemeralStorage, "ephemeralStorage", "ephemeral-storage"},
	} {
		if f.value != "" {
			w.set("spec.reserved.system."+f.name, f.value, "systemReserved", f.key)
		}
	}
	if r.Model == api.ReservationEKS {
		w.l.say(Changed, "spec.reserved.model", "", "nodeadm reckons with the pods that the ENIs allow, whatever maxPods says", "")
	}
	c := w.in.CNI
	if c.Profile == "" && c.PrefixDelegation == nil && c.CustomNetworking == nil && c.SecurityGroupsForPods == nil && c.MaxENIs == nil {
		return
	}
	if len(c.PodCIDRs) > 0 && !w.own {
		w.l.say(Lost, "spec.cni.podCIDRs", "", "nodeadm configures no pod network", "write a file of /etc/cni/net.d in a script part")
	}
	if _, given := w.c.Spec.Kubelet.Config["maxPods"]; given {
		w.l.say(Implied, "spec.cni", "", "spec.kubelet.config.maxPods counts", "")
		return
	}
	if w.own {
		return // the ledger tells
	}
	if w.c.Spec.Kubelet.MaxPodsExpression != "" {
		w.l.say(Implied, "spec.cni", "", "spec.kubelet.maxPodsExpression counts", "")
		return
	}
	expression, capped := podsExpression(c, strings.Contains(w.c.Spec.Cluster.CIDR, ":"))
	to, message, remedy := "spec.kubelet.maxPodsExpression", "nodeadm does not limit the number to 110 pods, and 250 above 30 CPUs", "write spec.kubelet.config.maxPods for types that have addresses for more"
	if capped {
		message, remedy = "nodeadm's expression does not know the number of CPUs, so the limit is 110 pods for every instance type", "write 250 for types with more than 30 CPUs"
	}
	if expression == "" {
		to = ""
	}
	w.c.Spec.Kubelet.MaxPodsExpression = expression
	w.l.say(Changed, "spec.cni", to, message, remedy)
}

// podsExpression is the number of pods of a profile in nodeadm's variables, or ""
// for what nodeadm reckons with anyway. capped says that a limit of 110 is in it,
// which holds for instance types of up to 30 CPUs (EKS User Guide, max pods).
func podsExpression(c api.CNI, ipv6 bool) (expression string, capped bool) {
	on := func(b *bool) bool { return b != nil && *b }
	cilium := c.Profile == api.CNICiliumENI
	switch {
	case c.Profile == api.CNICiliumOverlay, c.Profile == api.CNICalico, c.Profile == api.CNIBridge, c.Profile == api.CNIPointToPoint, c.Profile == api.CNINone, ipv6 && !cilium:
		return "110", true
	}
	enis := "default_enis"
	if c.MaxENIs != nil {
		enis = fmt.Sprintf("(default_enis < %d ? default_enis : %d)", *c.MaxENIs, *c.MaxENIs)
	}
	less := 0
	if on(c.CustomNetworking) {
		less++
	}
	if on(c.SecurityGroupsForPods) && !cilium {
		less++
	}
	if less > 0 {
		enis = fmt.Sprintf("(%s - %d)", enis, less)
	}
	pods := enis + " * (ips_per_eni - 1)"
	if on(c.PrefixDelegation) {
		pods += " * 16"
	}
	if !cilium { // whose own two addresses outweigh the two pods of the host's network
		pods += " + 2"
	}
	switch {
	case on(c.PrefixDelegation):
		return fmt.Sprintf("(%s) < 110 ? (%s) : 110", pods, pods), true
	case pods == "default_enis * (ips_per_eni - 1) + 2":
		return "", false
	}
	return pods, false
}

// proxy writes the proxy as the environment of all services.
func (w *nodeadmWriter) proxy() {
	p := w.in.Proxy
	if w.own || p.HTTP == "" && p.HTTPS == "" && len(p.NoProxy) == 0 {
		return
	}
	env := make(map[string]map[string]api.Secret, len(w.c.Spec.Instance.Environment)+1)
	for service, vars := range w.c.Spec.Instance.Environment {
		env[service] = maps.Clone(vars)
	}
	all := env[api.EnvironmentDefault]
	if all == nil {
		all = make(map[string]api.Secret)
		env[api.EnvironmentDefault] = all
	}
	to := func(name string) string { return "spec.instance.environment.default." + name }
	put := func(from, name string, v api.Secret, message string) {
		if _, given := all[name]; given {
			w.l.say(Lost, from, "", to(name)+" is given already", "keep one of them")
			return
		}
		all[name] = v
		w.l.say(Changed, from, to(name), message, "")
	}
	if p.HTTP != "" {
		put("spec.proxy.http", "HTTP_PROXY", p.HTTP, "it is set for every service of the machine")
	}
	if p.HTTPS != "" {
		put("spec.proxy.https", "HTTPS_PROXY", p.HTTPS, "it is set for every service of the machine")
	}
	// What the agent computes must be written out for nodeadm.
	direct := append(slices.Clone(p.NoProxy), "localhost", "127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", ".svc", ".cluster.local")
	if u, err := url.Parse(w.c.Spec.Cluster.APIServerEndpoint); err == nil && u.Host != "" && (p.ProxyAPIServer == nil || !*p.ProxyAPIServer) {
		direct = append(direct, u.Hostname())
	}
	if cidr := w.c.Spec.Cluster.CIDR; cidr != "" {
		direct = append(direct, cidr)
	}
	from := "spec.proxy"
	if len(p.NoProxy) > 0 {
		from = "spec.proxy.noProxy"
	}
	if _, given := all["NO_PROXY"]; !given {
		all["NO_PROXY"] = api.Secret(strings.Join(direct, ","))
		w.l.entries = append(w.l.entries, Entry{Outcome: Changed, From: from, To: to("NO_PROXY"),
			Message: "nodeadm computes nothing, so what the agent would add is written out, but for the VPC's networks", Remedy: "add the VPC's networks"})
		if len(p.NoProxy) > 0 {
			w.l.mark(from)
		}
	}
	if p.ProxyAPIServer != nil {
		w.l.say(Translated, "spec.proxy.proxyAPIServer", to("NO_PROXY"), "", "")
	}
	w.c.Spec.Instance.Environment = env
}

func (w *nodeadmWriter) swap() {
	if b := w.in.Swap.Behavior; b != "" {
		w.set("spec.swap.behavior", b, "memorySwap", "swapBehavior")
		w.set("spec.swap.behavior", false, "failSwapOn")
	}
}

// rlimits writes ulimits into the specification that containers start from.
func (w *nodeadmWriter) rlimits() {
	if w.own || len(w.in.Ulimits) == 0 {
		return
	}
	spec := w.c.Spec.Containerd.BaseRuntimeSpec.Clone()
	if spec == nil {
		spec = api.Object{}
	}
	process, _ := spec["process"].(map[string]any)
	if process == nil {
		process = make(map[string]any)
		spec["process"] = process
	}
	list, _ := process["rlimits"].([]any)
	names := slices.Sorted(maps.Keys(w.in.Ulimits))
	for _, name := range names {
		u := w.in.Ulimits[name]
		hard, okHard := rlimit(u.Hard)
		soft, okSoft := rlimit(cmp.Or(u.Soft, u.Hard))
		if !okHard || !okSoft {
			continue // the ledger tells
		}
		to := itemPath("spec.containerd.baseRuntimeSpec.process.rlimits", len(list))
		list = append(list, map[string]any{"type": "RLIMIT_" + strings.ToUpper(name), "hard": hard, "soft": soft})
		w.l.say(Translated, childPath("spec.ulimits", name), to, "", "")
	}
	if len(list) > 0 {
		process["rlimits"] = list
		w.c.Spec.Containerd.BaseRuntimeSpec = spec
	}
}

// rlimit is a resource limit as the OCI runtime specification has it.
func rlimit(s string) (json.Number, bool) {
	if s == "unlimited" {
		return "18446744073709551615", true // RLIM_INFINITY, 2^64-1
	}
	return number(s)
}

// same speaks of the fields that nodeadm has at the same places.
func (w *nodeadmWriter) same() {
	places := []string{"metadata", "spec.cluster", "spec.kubelet", "spec.containerd", "spec.instance", "spec.featureGates"}
	if w.own {
		// EKS Hybrid's nodeadm is of an earlier line.
		places = []string{"metadata", "spec.cluster", "spec.kubelet.config", "spec.kubelet.flags", "spec.containerd.config", "spec.instance.localStorage"}
	}
	for _, f := range w.l.fields {
		if !w.l.heard(f) && slices.ContainsFunc(places, func(p string) bool { return within(f, p) }) {
			w.l.say(Translated, f, f, "", "")
		}
	}
}

// whyNotNodeadm says why a field has no place in nodeadm's NodeConfig.
func whyNotNodeadm(path string) (message, remedy string) {
	for _, r := range []struct{ prefix, message, remedy string }{
		{"spec.annotations", "nodeadm does not annotate its node", ""},
		{"spec.cni", "EKS Hybrid's nodeadm does not reckon with ENIs", "give spec.kubelet.config.maxPods"},
		{"spec.reserved", "nodeadm has the model of EKS only", "write the amounts at spec.kubelet.config.kubeReserved"},
		{"spec.registries", "nodeadm does not write hosts.toml", "write /etc/containerd/certs.d in a script part, or bake it into the image"},
		{"spec.imageCredentials", "nodeadm writes a provider for ECR only", ""},
		{"spec.proxy", "EKS Hybrid's nodeadm sets no environment", "write drop-ins for kubelet and containerd in the image"},
		{"spec.sysctls", "nodeadm does not set kernel parameters", "write /etc/sysctl.d in a script part"},
		{"spec.hugePages", "nodeadm does not allocate huge pages", "set vm.nr_hugepages in a script part"},
		{"spec.kernelModules", "nodeadm loads no modules", "write /etc/modules-load.d in a script part"},
		{"spec.ulimits", "the limit cannot be written there", ""},
		{"spec.swap", "nodeadm makes no swap file", "make it in a script part"},
		{"spec.staticPods", "nodeadm writes no static pods", "write them in a script part and set spec.kubelet.config.staticPodPath"},
		{"spec.hooks", "nodeadm has no hooks", "run the program in a part of type text/x-shellscript"},
		{"spec.accelerators", "nodeadm goes by what the image brings", ""},
		{"spec.timeSync", "nodeadm does not configure the clock", "configure chrony in a script part"},
		{"spec.readiness", "nodeadm takes no taint away", "register with the taint in spec.kubelet.config.registerWithTaints, and have a controller in the cluster take it away"},
	} {
		if within(path, r.prefix) {
			return r.message, r.remedy
		}
	}
	return "nodeadm has no such field", ""
}
