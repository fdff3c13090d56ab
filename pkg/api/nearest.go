package api

import (
	"strings"
)

// nearest returns the candidate that a name was most likely meant to be. Equal but
// for case is nearest; otherwise at most a third of the name may differ.
func nearest(name string, candidates []string) (string, bool) {
	const longest = 80 // names beyond are not typing errors
	best, bestDistance := "", -1
	for _, c := range candidates {
		if strings.EqualFold(c, name) {
			return c, true
		}
		if len(name) > longest {
			continue
		}
		dist := editDistance(strings.ToLower(name), strings.ToLower(c))
		if dist > max(1, max(len(name), len(c))/3) {
			continue
		}
		if bestDistance < 0 || dist < bestDistance {
			best, bestDistance = c, dist
		}
	}
	return best, bestDistance >= 0
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours between two words.
func editDistance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}

// suggestField says where an unknown field was probably meant to be. meant is the
// path of that field if it is beyond doubt. plain says that the document may not
// have the superset's fields.
func suggestField(name, path string, s schema, parent *node, plain bool) (remedy, meant string) {
	root := nodeConfigSchema()
	var super []string
	if plain {
		if path == "spec" {
			super = visibleFields(object("", supersetSchema()...))
		}
		root, s = root.plain(), s.plain()
	}
	siblings := visibleFields(s)
	for _, f := range siblings {
		if strings.EqualFold(f, name) {
			return "field names are case-sensitive: write " + f, childPath(path, f)
		}
	}
	if path == "spec.cluster" || path == "spec" {
		if to, ok := clusterSynonyms()[strings.ToLower(name)]; ok {
			return "write spec.cluster." + to, "spec.cluster." + to
		}
	}
	if to, ok := entrySynonyms(s, path)[bareName(name)]; ok {
		if _, known := s.child(to); known {
			return "write " + to, childPath(path, to)
		}
		return to, ""
	}
	best, ok := nearest(name, siblings)
	if r := misplaced(name, path, plain); r != "" && !(ok && editDistance(best, name) == 1) {
		return r, ""
	}
	if ok && parent.get(best) == nil {
		return "did you mean " + best + "?", childPath(path, best)
	}
	if elsewhere := findField(root, "", name); elsewhere != "" {
		return name + " belongs at " + elsewhere + "; check the indentation", elsewhere
	}
	if best, ok := nearest(name, super); ok {
		return "did you mean " + best + "? It is a field of " + APIVersionSuperset + ": write apiVersion: " + APIVersionSuperset, ""
	}
	if ok {
		return "did you mean " + best + ", which is there already?", ""
	}
	return "known here: " + strings.Join(siblings, ", "), ""
}

// plain is the schema without the fields that only the superset has.
func (s schema) plain() schema {
	var fields []schema
	for _, f := range s.fields {
		if !f.superset {
			fields = append(fields, f.plain())
		}
	}
	s.fields = fields
	return s
}

func visibleFields(s schema) []string {
	var names []string
	for _, f := range s.fields {
		if f.typ != ignoredType {
			names = append(names, f.name)
		}
	}
	return names
}

// findField returns the path of the only field of a name, or "".
func findField(s schema, path, name string) string {
	var found []string
	var walk func(schema, string)
	walk = func(s schema, path string) {
		for _, f := range s.fields {
			at := childPath(path, f.name)
			if f.name == name && f.typ != ignoredType && !strings.HasPrefix(at, "metadata") {
				found = append(found, at)
			}
			if f.typ == structType {
				walk(f, at)
			}
		}
	}
	walk(s, path)
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// misplaced recognises names that people write in a NodeConfig because another
// tool, or another place, has them.
func misplaced(name, path string, plain bool) string {
	inKubelet := path == "spec.kubelet"
	if name == "featureGates" && inKubelet {
		return "this agent's gates belong at spec.featureGates, the kubelet's own at spec.kubelet.config.featureGates"
	}
	if !plain && (path == "spec" || inKubelet || path == "spec.instance" || path == "spec.containerd") {
		if to := supersetSynonyms()[bareName(name)]; to != "" {
			return "write " + to
		}
	}
	switch strings.ToLower(name) {
	case "labels", "nodelabels", "node-labels":
		return "node labels are given to the kubelet: spec.kubelet.flags: [\"--node-labels=key=value\"]"
	case "taints", "nodetaints", "register-with-taints":
		return "taints belong at spec.kubelet.config.registerWithTaints, as a list of key, value and effect"
	case "kubeletextraargs", "kubelet-extra-args", "extraargs", "kubeletextraconfig":
		return "kubelet arguments belong at spec.kubelet.flags, as a list"
	case "env", "environmentvariables":
		return "environment variables belong at spec.instance.environment, below a service name or default"
	case "dns", "dnsservers", "nameserver":
		return "DNS servers belong at spec.instance.network.nameservers, as a list"
	case "searchdomains", "searches", "search":
		return "search domains belong at spec.instance.network.domains, as a list"
	case "sandboximage", "registrymirrors", "registries", "mirrors":
		return "containerd settings are TOML at spec.containerd.config"
	}
	if path != "spec" && !inKubelet {
		return ""
	}
	switch bareName(name) {
	case "maxpodspernode":
		return "write spec.kubelet.config.maxPods"
	case "region":
		return "remove it: the region is that of the machine"
	}
	if best, ok := nearest(name, kubeletConfigFields()); ok && len(name) > 3 {
		return best + " is a field of KubeletConfiguration: write it below spec.kubelet.config"
	}
	return ""
}

// bareName is a name in lower case and without the signs between its words.
func bareName(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}

// supersetSynonyms maps what people call the superset's fields, as bareName has it,
// to them.
func supersetSynonyms() map[string]string {
	return map[string]string{
		"labels": "spec.labels", "nodelabels": "spec.labels",
		"annotations": "spec.annotations", "nodeannotations": "spec.annotations",
		"taints": "spec.taints", "nodetaints": "spec.taints", "registerwithtaints": "spec.taints",
		"hostname": "spec.nodeName", "hostnameoverride": "spec.nodeName",
		"registrymirrors": "spec.registries", "mirrors": "spec.registries", "registries": "spec.registries",
		"httpproxy": "spec.proxy.http", "httpsproxy": "spec.proxy.https", "noproxy": "spec.proxy.noProxy",
		"kernelparameters": "spec.sysctls", "sysctl": "spec.sysctls", "modules": "spec.kernelModules",
		"rlimits": "spec.ulimits", "limits": "spec.ulimits", "ntp": "spec.timeSync.servers", "ntpservers": "spec.timeSync.servers",
		"kubereserved": "spec.reserved", "systemreserved": "spec.reserved.system", "manifests": "spec.staticPods",
		"startuptaints": "spec.readiness.taint", "startuptaint": "spec.readiness.taint",
		"credentialproviders": "spec.imageCredentials", "prebootstrapcommands": "spec.hooks, each with a stage and a command",
		"bootstrapcommands":        "spec.hooks, each with a stage and a command",
		"overridebootstrapcommand": "what the script sets as fields of spec, and what it runs as spec.hooks",
		"swapfile":                 "spec.swap, with behavior and size",
	}
}

// clusterSynonyms maps what other tools call the cluster's coordinates, in lower
// case.
func clusterSynonyms() map[string]string {
	return map[string]string{
		"clustername": "name", "endpoint": "apiServerEndpoint", "clusterendpoint": "apiServerEndpoint",
		"apiendpoint": "apiServerEndpoint", "apiserver": "apiServerEndpoint", "server": "apiServerEndpoint",
		"ca": "certificateAuthority", "cadata": "certificateAuthority", "cabundle": "certificateAuthority",
		"certificateauthoritydata": "certificateAuthority", "certificate-authority-data": "certificateAuthority",
		"b64clusterca": "certificateAuthority", "clusterca": "certificateAuthority",
		"servicecidr": "cidr", "serviceipv4cidr": "cidr", "serviceipv6cidr": "cidr", "clustercidr": "cidr",
		"clusterid": "id", "outpost": "enableOutpost",
	}
}

// kubeletConfigFields are the fields of KubeletConfiguration that people set on
// nodes.
func kubeletConfigFields() []string {
	return []string{
		"address", "allowedUnsafeSysctls", "authentication", "authorization", "cgroupDriver", "cgroupRoot", "clusterDNS",
		"clusterDomain", "containerLogMaxFiles", "containerLogMaxSize", "containerRuntimeEndpoint", "cpuCFSQuota",
		"cpuCFSQuotaPeriod", "cpuManagerPolicy", "cpuManagerPolicyOptions", "cpuManagerReconcilePeriod",
		"crashLoopBackOff", "enableControllerAttachDetach", "enforceNodeAllocatable", "eventBurst", "eventRecordQPS",
		"evictionHard", "evictionMaxPodGracePeriod", "evictionMinimumReclaim", "evictionPressureTransitionPeriod",
		"evictionSoft", "evictionSoftGracePeriod", "failSwapOn", "hairpinMode", "healthzBindAddress", "healthzPort",
		"imageGCHighThresholdPercent", "imageGCLowThresholdPercent", "imageMaximumGCAge", "imageMinimumGCAge",
		"kubeAPIBurst", "kubeAPIQPS", "kubeReserved", "kubeReservedCgroup", "localStorageCapacityIsolation", "logging",
		"makeIPTablesUtilChains", "maxOpenFiles", "maxParallelImagePulls", "maxPods", "memoryManagerPolicy",
		"memorySwap", "nodeStatusReportFrequency", "nodeStatusUpdateFrequency", "podPidsLimit", "podsPerCore",
		"protectKernelDefaults", "providerID", "readOnlyPort", "registerNode", "registerWithTaints", "registryBurst",
		"registryPullQPS", "reservedMemory", "reservedSystemCPUs", "resolvConf", "rotateCertificates",
		"seccompDefault", "serializeImagePulls", "serverTLSBootstrap", "shutdownGracePeriod",
		"shutdownGracePeriodByPodPriority", "shutdownGracePeriodCriticalPods", "staticPodPath",
		"streamingConnectionIdleTimeout", "syncFrequency", "systemReserved", "systemReservedCgroup", "tlsCertFile",
		"tlsCipherSuites", "tlsMinVersion", "topologyManagerPolicy", "topologyManagerPolicyOptions",
		"topologyManagerScope", "volumePluginDir", "volumeStatsAggPeriod",
	}
}
