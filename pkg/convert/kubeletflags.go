package convert

// flagType is how a kubelet flag's value is written.
type flagType int

const (
	textFlag     flagType = iota
	boolFlag              // --flag alone is true
	numberFlag            // a whole number
	listFlag              // a,b
	mapFlag               // k=v,k=v
	evictionFlag          // signal<value,signal<value
	gatesFlag             // Gate=true,Gate=false
)

// kubeletFlag is a kubelet flag that has a place in KubeletConfiguration.
type kubeletFlag struct {
	typ  flagType
	path []string
}

// kubeletFlags are the flags of kubelet that set a field of KubeletConfiguration
// (kubelet.config.k8s.io/v1beta1), as kubelet registers them. --node-labels,
// --register-with-taints and the flags of [agentFlags] have places of their own.
func kubeletFlags() map[string]kubeletFlag {
	f := func(t flagType, path ...string) kubeletFlag { return kubeletFlag{t, path} }
	return map[string]kubeletFlag{
		"address":                                      f(textFlag, "address"),
		"allowed-unsafe-sysctls":                       f(listFlag, "allowedUnsafeSysctls"),
		"anonymous-auth":                               f(boolFlag, "authentication", "anonymous", "enabled"),
		"authentication-token-webhook":                 f(boolFlag, "authentication", "webhook", "enabled"),
		"authentication-token-webhook-cache-ttl":       f(textFlag, "authentication", "webhook", "cacheTTL"),
		"authorization-mode":                           f(textFlag, "authorization", "mode"),
		"authorization-webhook-cache-authorized-ttl":   f(textFlag, "authorization", "webhook", "cacheAuthorizedTTL"),
		"authorization-webhook-cache-unauthorized-ttl": f(textFlag, "authorization", "webhook", "cacheUnauthorizedTTL"),
		"cgroup-driver":                                f(textFlag, "cgroupDriver"),
		"cgroup-root":                                  f(textFlag, "cgroupRoot"),
		"cgroups-per-qos":                              f(boolFlag, "cgroupsPerQOS"),
		"client-ca-file":                               f(textFlag, "authentication", "x509", "clientCAFile"),
		"cluster-dns":                                  f(listFlag, "clusterDNS"),
		"cluster-domain":                               f(textFlag, "clusterDomain"),
		"container-log-max-files":                      f(numberFlag, "containerLogMaxFiles"),
		"container-log-max-size":                       f(textFlag, "containerLogMaxSize"),
		"container-runtime-endpoint":                   f(textFlag, "containerRuntimeEndpoint"),
		"contention-profiling":                         f(boolFlag, "enableContentionProfiling"),
		"cpu-cfs-quota":                                f(boolFlag, "cpuCFSQuota"),
		"cpu-cfs-quota-period":                         f(textFlag, "cpuCFSQuotaPeriod"),
		"cpu-manager-policy":                           f(textFlag, "cpuManagerPolicy"),
		"cpu-manager-policy-options":                   f(mapFlag, "cpuManagerPolicyOptions"),
		"cpu-manager-reconcile-period":                 f(textFlag, "cpuManagerReconcilePeriod"),
		"enable-controller-attach-detach":              f(boolFlag, "enableControllerAttachDetach"),
		"enable-debugging-handlers":                    f(boolFlag, "enableDebuggingHandlers"),
		"enable-server":                                f(boolFlag, "enableServer"),
		"enforce-node-allocatable":                     f(listFlag, "enforceNodeAllocatable"),
		"event-burst":                                  f(numberFlag, "eventBurst"),
		"event-qps":                                    f(numberFlag, "eventRecordQPS"),
		"eviction-hard":                                f(evictionFlag, "evictionHard"),
		"eviction-max-pod-grace-period":                f(numberFlag, "evictionMaxPodGracePeriod"),
		"eviction-minimum-reclaim":                     f(mapFlag, "evictionMinimumReclaim"),
		"eviction-pressure-transition-period":          f(textFlag, "evictionPressureTransitionPeriod"),
		"eviction-soft":                                f(evictionFlag, "evictionSoft"),
		"eviction-soft-grace-period":                   f(mapFlag, "evictionSoftGracePeriod"),
		"fail-swap-on":                                 f(boolFlag, "failSwapOn"),
		"feature-gates":                                f(gatesFlag, "featureGates"),
		"file-check-frequency":                         f(textFlag, "fileCheckFrequency"),
		"hairpin-mode":                                 f(textFlag, "hairpinMode"),
		"healthz-bind-address":                         f(textFlag, "healthzBindAddress"),
		"healthz-port":                                 f(numberFlag, "healthzPort"),
		"http-check-frequency":                         f(textFlag, "httpCheckFrequency"),
		"image-gc-high-threshold":                      f(numberFlag, "imageGCHighThresholdPercent"),
		"image-gc-low-threshold":                       f(numberFlag, "imageGCLowThresholdPercent"),
		"image-service-endpoint":                       f(textFlag, "imageServiceEndpoint"),
		"iptables-drop-bit":                            f(numberFlag, "iptablesDropBit"),
		"iptables-masquerade-bit":                      f(numberFlag, "iptablesMasqueradeBit"),
		"kernel-memcg-notification":                    f(boolFlag, "kernelMemcgNotification"),
		"kube-api-burst":                               f(numberFlag, "kubeAPIBurst"),
		"kube-api-content-type":                        f(textFlag, "contentType"),
		"kube-api-qps":                                 f(numberFlag, "kubeAPIQPS"),
		"kube-reserved":                                f(mapFlag, "kubeReserved"),
		"kube-reserved-cgroup":                         f(textFlag, "kubeReservedCgroup"),
		"kubelet-cgroups":                              f(textFlag, "kubeletCgroups"),
		"local-storage-capacity-isolation":             f(boolFlag, "localStorageCapacityIsolation"),
		"log-flush-frequency":                          f(textFlag, "logging", "flushFrequency"),
		"logging-format":                               f(textFlag, "logging", "format"),
		"make-iptables-util-chains":                    f(boolFlag, "makeIPTablesUtilChains"),
		"manifest-url":                                 f(textFlag, "staticPodURL"),
		"max-open-files":                               f(numberFlag, "maxOpenFiles"),
		"max-pods":                                     f(numberFlag, "maxPods"),
		"memory-manager-policy":                        f(textFlag, "memoryManagerPolicy"),
		"minimum-image-ttl-duration":                   f(textFlag, "imageMinimumGCAge"),
		"node-status-max-images":                       f(numberFlag, "nodeStatusMaxImages"),
		"node-status-update-frequency":                 f(textFlag, "nodeStatusUpdateFrequency"),
		"oom-score-adj":                                f(numberFlag, "oomScoreAdj"),
		"pod-cidr":                                     f(textFlag, "podCIDR"),
		"pod-manifest-path":                            f(textFlag, "staticPodPath"),
		"pod-max-pids":                                 f(numberFlag, "podPidsLimit"),
		"pods-per-core":                                f(numberFlag, "podsPerCore"),
		"port":                                         f(numberFlag, "port"),
		"protect-kernel-defaults":                      f(boolFlag, "protectKernelDefaults"),
		"provider-id":                                  f(textFlag, "providerID"),
		"qos-reserved":                                 f(mapFlag, "qosReserved"),
		"read-only-port":                               f(numberFlag, "readOnlyPort"),
		"register-node":                                f(boolFlag, "registerNode"),
		"registry-burst":                               f(numberFlag, "registryBurst"),
		"registry-qps":                                 f(numberFlag, "registryPullQPS"),
		"reserved-cpus":                                f(textFlag, "reservedSystemCPUs"),
		"resolv-conf":                                  f(textFlag, "resolvConf"),
		"rotate-certificates":                          f(boolFlag, "rotateCertificates"),
		"rotate-server-certificates":                   f(boolFlag, "serverTLSBootstrap"),
		"runonce":                                      f(boolFlag, "runOnce"),
		"runtime-request-timeout":                      f(textFlag, "runtimeRequestTimeout"),
		"seccomp-default":                              f(boolFlag, "seccompDefault"),
		"serialize-image-pulls":                        f(boolFlag, "serializeImagePulls"),
		"streaming-connection-idle-timeout":            f(textFlag, "streamingConnectionIdleTimeout"),
		"sync-frequency":                               f(textFlag, "syncFrequency"),
		"system-cgroups":                               f(textFlag, "systemCgroups"),
		"system-reserved":                              f(mapFlag, "systemReserved"),
		"system-reserved-cgroup":                       f(textFlag, "systemReservedCgroup"),
		"tls-cert-file":                                f(textFlag, "tlsCertFile"),
		"tls-cipher-suites":                            f(listFlag, "tlsCipherSuites"),
		"tls-min-version":                              f(textFlag, "tlsMinVersion"),
		"tls-private-key-file":                         f(textFlag, "tlsPrivateKeyFile"),
		"topology-manager-policy":                      f(textFlag, "topologyManagerPolicy"),
		"topology-manager-policy-options":              f(mapFlag, "topologyManagerPolicyOptions"),
		"topology-manager-scope":                       f(textFlag, "topologyManagerScope"),
		"v":                                            f(numberFlag, "logging", "verbosity"),
		"volume-plugin-dir":                            f(textFlag, "volumePluginDir"),
		"volume-stats-agg-period":                      f(textFlag, "volumeStatsAggPeriod"),
	}
}

// agentFlags are flags that the agent gives kubelet itself, with the reason why
// another value has no place in NodeConfig. A flag whose value is the agent's own is
// implied.
func agentFlags() map[string]struct{ own, why string } {
	type f = struct{ own, why string }
	return map[string]f{
		"cloud-provider":                    {"external", "the agent gives kubelet --cloud-provider=external, the only value that works with EKS"},
		"config":                            {"/etc/kubernetes/kubelet/config.json", "the agent writes kubelet's configuration and points kubelet to it"},
		"config-dir":                        {"/etc/kubernetes/kubelet/config.json.d", "the agent writes kubelet's configuration and points kubelet to it"},
		"kubeconfig":                        {"/var/lib/kubelet/kubeconfig", "the agent writes the kubeconfig and points kubelet to it"},
		"bootstrap-kubeconfig":              {"/var/lib/kubelet/bootstrap-kubeconfig", "the agent writes the kubeconfig and points kubelet to it"},
		"image-credential-provider-config":  {"/etc/eks/image-credential-provider/config.json", "the agent writes the configuration of credential providers; others go to spec.imageCredentials"},
		"image-credential-provider-bin-dir": {"/etc/eks/image-credential-provider", "the agent writes the configuration of credential providers; others go to spec.imageCredentials"},
	}
}

// isRemoved reports whether no supported kubelet has a flag: those of dockershim and
// kubenet, gone with 1.24, and some that went by 1.28. Kubelet does not start with
// them.
func isRemoved(flag string) bool {
	switch flag {
	case "network-plugin", "network-plugin-mtu", "cni-conf-dir", "cni-bin-dir", "cni-cache-dir", "image-pull-progress-deadline",
		"non-masquerade-cidr", "dynamic-config-dir", "register-schedulable", "master-service-namespace", "container-runtime":
		return true
	}
	return false
}
