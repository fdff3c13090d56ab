package api

import (
	"slices"
	"strings"
)

// flagFields are kubelet flags with the field of KubeletConfiguration that they
// stand for. kubelet reads its flags last, so a flag replaces the field, whole
// mappings and lists too. (kubernetes: cmd/kubelet/app/options, AddKubeletConfigFlags)
func flagFields() []struct{ flag, field string } {
	return []struct{ flag, field string }{
		{"register-with-taints", "registerWithTaints"}, {"max-pods", "maxPods"},
		{"address", "address"}, {"allowed-unsafe-sysctls", "allowedUnsafeSysctls"}, {"cgroup-driver", "cgroupDriver"},
		{"cgroup-root", "cgroupRoot"}, {"cluster-dns", "clusterDNS"}, {"cluster-domain", "clusterDomain"},
		{"container-log-max-files", "containerLogMaxFiles"}, {"container-log-max-size", "containerLogMaxSize"},
		{"container-runtime-endpoint", "containerRuntimeEndpoint"}, {"cpu-cfs-quota", "cpuCFSQuota"},
		{"cpu-manager-policy", "cpuManagerPolicy"}, {"cpu-manager-policy-options", "cpuManagerPolicyOptions"},
		{"enforce-node-allocatable", "enforceNodeAllocatable"}, {"event-burst", "eventBurst"}, {"event-qps", "eventRecordQPS"},
		{"eviction-hard", "evictionHard"}, {"eviction-max-pod-grace-period", "evictionMaxPodGracePeriod"},
		{"eviction-minimum-reclaim", "evictionMinimumReclaim"}, {"eviction-soft", "evictionSoft"},
		{"eviction-soft-grace-period", "evictionSoftGracePeriod"}, {"fail-swap-on", "failSwapOn"}, {"hairpin-mode", "hairpinMode"},
		{"image-gc-high-threshold", "imageGCHighThresholdPercent"}, {"image-gc-low-threshold", "imageGCLowThresholdPercent"},
		{"kube-api-burst", "kubeAPIBurst"}, {"kube-api-qps", "kubeAPIQPS"}, {"kube-reserved", "kubeReserved"},
		{"kube-reserved-cgroup", "kubeReservedCgroup"}, {"memory-manager-policy", "memoryManagerPolicy"},
		{"node-status-update-frequency", "nodeStatusUpdateFrequency"}, {"pod-manifest-path", "staticPodPath"},
		{"pod-max-pids", "podPidsLimit"}, {"pods-per-core", "podsPerCore"}, {"protect-kernel-defaults", "protectKernelDefaults"},
		{"provider-id", "providerID"}, {"read-only-port", "readOnlyPort"}, {"register-node", "registerNode"},
		{"registry-burst", "registryBurst"}, {"registry-qps", "registryPullQPS"}, {"reserved-cpus", "reservedSystemCPUs"},
		{"reserved-memory", "reservedMemory"}, {"resolv-conf", "resolvConf"}, {"rotate-certificates", "rotateCertificates"},
		{"seccomp-default", "seccompDefault"}, {"serialize-image-pulls", "serializeImagePulls"},
		{"system-reserved", "systemReserved"}, {"system-reserved-cgroup", "systemReservedCgroup"},
		{"tls-cipher-suites", "tlsCipherSuites"}, {"tls-min-version", "tlsMinVersion"},
		{"topology-manager-policy", "topologyManagerPolicy"}, {"topology-manager-scope", "topologyManagerScope"},
	}
}

// flagsOverConfig warns of settings that are given as a flag and in the
// configuration: kubelet then reads only the flag.
func (c *checker) flagsOverConfig(flags []flag) {
	config := c.at("spec", "kubelet", "config")
	if config == nil {
		return
	}
	for _, pair := range flagFields() {
		in := config.get(pair.field)
		i := slices.IndexFunc(flags, func(f flag) bool { return f.name == pair.flag })
		if in == nil || i < 0 {
			continue
		}
		f := flags[i]
		if in.kind != listNode && in.kind != objectNode && f.hasValue && strings.Trim(f.value, `"'`) == in.scalar {
			continue // both say the same
		}
		why, remedy := "", karpenterRemedy(f.n, in, onePlace+": spec.kubelet.config."+pair.field)
		if pair.field == "registerWithTaints" {
			if !c.at("spec", "taints").empty() {
				continue // the agent joins them all
			}
			lost := without(taintsOf(in), flagTaints(f.value))
			if len(lost) == 0 {
				continue
			}
			why, remedy = ": "+areLost("taint", lost), lostTaintsRemedy(lost, f.n, onePlace+": spec.kubelet.config.registerWithTaints")
		}
		c.overridden(f.n, f.path, remedy, "--%s makes the kubelet ignore spec.kubelet.config.%s at %s%s", f.name, pair.field, in.pos(), why)
	}
}

// addingFlags are kubelet flags of which several add up, and those that are looked
// at by themselves.
func addingFlags() []string {
	return []string{
		"node-labels", "register-with-taints", "feature-gates", "vmodule", "cluster-dns", "allowed-unsafe-sysctls",
		"enforce-node-allocatable", "tls-cipher-suites", "kube-reserved", "system-reserved", "qos-reserved", "reserved-memory",
		"eviction-hard", "eviction-soft", "eviction-soft-grace-period", "eviction-minimum-reclaim",
		"cpu-manager-policy-options", "topology-manager-policy-options",
	}
}

// scalarFlagsTwice warns of a flag with two values, of which the last counts.
func (c *checker) scalarFlagsTwice(flags []flag) {
	last := make(map[string]flag)
	adding := addingFlags()
	for _, f := range flags {
		if slices.Contains(adding, f.name) {
			continue
		}
		if old, ok := last[f.name]; ok && old.value != f.value {
			c.overridden(f.n, f.path, karpenterRemedy(f.n, old.n, "keep one of them"),
				"--%s is given twice: %s replaces %s at %s", f.name, quoteName(f.value), quoteName(old.value), old.n.pos())
		}
		last[f.name] = f
	}
}

// flagNamed says where a setting belongs that is a flag of kubelet and no field of
// KubeletConfiguration, or "".
func flagNamed(name string, plain bool) string {
	switch bareName(name) {
	case "nodelabels":
		if plain {
			return `give labels to the kubelet as a flag: spec.kubelet.flags: ["--node-labels=key=value"]`
		}
		return "write spec.labels"
	case "hostnameoverride", "nodeip", "cloudprovider", "kubeconfig":
		return "it is a flag of kubelet, and the agent's to decide: remove it"
	case "v", "vmodule", "rootdir", "certdir":
		return "it is a flag of kubelet: write it at spec.kubelet.flags"
	}
	return ""
}

// plainDocument reports whether no document is of the superset's group.
func (c *checker) plainDocument() bool { return c.at("apiVersion").text() == APIVersion }

// camelFlags warns of flags that are written as the fields of KubeletConfiguration
// are. No flag of kubelet has capital letters, and with an unknown one it does not
// start.
func (c *checker) camelFlags(flags []flag) {
	known := kubeletFieldNames()
	for _, f := range flags {
		if strings.ToLower(f.name) == f.name {
			continue
		}
		remedy := "write it as kubelet --help has it, with hyphens"
		if _, ok := slices.BinarySearch(known, f.name); ok {
			remedy = f.name + " is a field of KubeletConfiguration: write it below spec.kubelet.config"
		}
		c.warn(f.n, f.path, remedy, "kubelet has no flag --%s, and does not start with one that it does not know", f.name)
	}
}
