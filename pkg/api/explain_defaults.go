package api

// fieldDefault is what counts if no document gives a value, and where that comes
// from.
type fieldDefault struct{ value, from string }

// fieldDefaults are the defaults of all fields that hold values, by Field.Path. A
// field that is required in its place says so.
func fieldDefaults() map[string]fieldDefault {
	const required = "required"
	return map[string]fieldDefault{
		"apiVersion":           {"", required},
		"kind":                 {"", required},
		"metadata.name":        {"", "none"},
		"metadata.namespace":   {"", "none"},
		"metadata.labels":      {"", "none"},
		"metadata.annotations": {"", "none"},

		"spec.cluster.name":                 {"", required},
		"spec.cluster.apiServerEndpoint":    {"", required},
		"spec.cluster.certificateAuthority": {"", required},
		"spec.cluster.cidr":                 {"", required},
		"spec.cluster.enableOutpost":        {"false", "the control plane is in the AWS Region"},
		"spec.cluster.id":                   {"", "none; required with enableOutpost"},

		"spec.containerd.config":          {"", "the agent's own configuration alone"},
		"spec.containerd.baseRuntimeSpec": {"", "the agent's own specification alone, with RLIMIT_NOFILE of 65536 to 1048576"},

		"spec.instance.localStorage.strategy":       {"", "local disks are left as they are"},
		"spec.instance.localStorage.mountPath":      {DefaultMountPath, "as in nodeadm's disk script"},
		"spec.instance.localStorage.disabledMounts": {"", "no directory stays on the root volume"},
		"spec.instance.environment":                 {"", "none"},
		"spec.instance.network.nameservers":         {"", "those of the machine, from DHCP"},
		"spec.instance.network.domains":             {"", "those of the machine, from DHCP"},

		"spec.kubelet.config":            {"", "the agent's own configuration alone"},
		"spec.kubelet.flags":             {"", "the agent's own flags alone"},
		"spec.kubelet.maxPodsExpression": {"", "the number of pods follows from the instance type and spec.cni"},
		"spec.featureGates":              {"", "all gates are off"},

		"spec.nodeName.source": {string(NodeNameAuto), "the private DNS name, or the instance ID with the feature gate " + InstanceIDNodeName},
		"spec.nodeName.name":   {"", "none; required with the source " + string(NodeNameFixed)},
		"spec.labels":          {"", "none beside those of kubelet and the cloud controller"},
		"spec.annotations":     {"", "none"},
		"spec.taints":          {"", "none"},
		"spec.taints[].key":    {"", required},
		"spec.taints[].value":  {"", "empty"},
		"spec.taints[].effect": {"", required},

		"spec.cni.profile":               {"", "as many pods as the VPC CNI has secondary addresses for, without a cap, as in nodeadm"},
		"spec.cni.prefixDelegation":      {"false", "the VPC CNI's own default"},
		"spec.cni.customNetworking":      {"false", "the VPC CNI's own default"},
		"spec.cni.securityGroupsForPods": {"false", "the VPC CNI's own default"},
		"spec.cni.maxENIs":               {"", "as many as the instance type has"},
		"spec.cni.podCIDRs":              {"", "none; required with the profiles " + string(CNIBridge) + " and " + string(CNIPointToPoint)},
		"spec.cni.mtu":                   {"", "that of the primary interface"},
		"spec.cni.masquerade":            {"false", "the VPC routes the addresses of pods"},

		"spec.reserved.model":                   {"", "the model " + string(ReservationEKS) + " over the pods that the ENIs allow, as in nodeadm"},
		"spec.reserved.cpu":                     {"", "none; for the model " + string(ReservationExpression)},
		"spec.reserved.memory":                  {"", "none; for the model " + string(ReservationExpression)},
		"spec.reserved.ephemeralStorage":        {`"1Gi"`, "as in nodeadm"},
		"spec.reserved.system.cpu":              {"", "nothing"},
		"spec.reserved.system.memory":           {"", "nothing"},
		"spec.reserved.system.ephemeralStorage": {"", "nothing"},

		"spec.registries":                                {"", "every registry is asked itself"},
		"spec.registries[].registry":                     {"", required},
		"spec.registries[].mirrors":                      {"", "none"},
		"spec.registries[].mirrors[].url":                {"", required},
		"spec.registries[].mirrors[].ca":                 {"", "the system's certificates"},
		"spec.registries[].mirrors[].insecureSkipVerify": {"false", "certificates are checked"},
		"spec.registries[].mirrors[].overridePath":       {"", "true if the URL has a path"},
		"spec.registries[].mirrors[].capabilities":       {`["pull","resolve"]`, "containerd's own default without pushing"},

		"spec.registries[].mirrors[].credentials.source":   {"", "no login"},
		"spec.registries[].mirrors[].credentials.username": {"", "none; for the source " + CredentialsBasic},
		"spec.registries[].mirrors[].credentials.password": {"", "none; for the source " + CredentialsBasic},
		"spec.registries[].fallback":                       {"", "true, but false where a mirror has credentials from ECR"},

		"spec.imageCredentials":                        {"", "none beside the one for ECR"},
		"spec.imageCredentials[].name":                 {"", required},
		"spec.imageCredentials[].program":              {"", required},
		"spec.imageCredentials[].matchImages":          {"", required},
		"spec.imageCredentials[].defaultCacheDuration": {"12h", "as for ECR"},
		"spec.imageCredentials[].apiVersion":           {"v1", "credentialprovider.kubelet.k8s.io/v1"},
		"spec.imageCredentials[].args":                 {"", "none"},
		"spec.imageCredentials[].env":                  {"", "none"},

		"spec.proxy.http":           {"", "none"},
		"spec.proxy.https":          {"", "none"},
		"spec.proxy.noProxy":        {"", "the computed ones alone"},
		"spec.proxy.proxyAPIServer": {"false", "the API server is reached directly"},

		"spec.sysctls":                    {"", "those that a node needs"},
		"spec.hugePages":                  {"", "none beside the image's"},
		"spec.hugePages[].size":           {"", required},
		"spec.hugePages[].count":          {"", required},
		"spec.hugePages[].numaNode":       {"", "spread over all nodes"},
		"spec.kernelModules":              {"", "those that a node needs"},
		"spec.kernelModules[].name":       {"", required},
		"spec.kernelModules[].parameters": {"", "the module's own"},
		"spec.ulimits":                    {"", "those of the runtime specification"},
		"spec.ulimits.*.soft":             {"", "the hard limit"},
		"spec.ulimits.*.hard":             {"", required},
		"spec.swap.behavior":              {"", "kubelet's own default, which does not start with swap on"},
		"spec.swap.size":                  {"", "no swap file is made"},
		"spec.swap.path":                  {DefaultSwapPath, "the agent's own folder"},
		"spec.staticPods":                 {"", "none"},

		"spec.hooks":             {"", "none"},
		"spec.hooks[].name":      {"", required},
		"spec.hooks[].stage":     {"", required},
		"spec.hooks[].command":   {"", required},
		"spec.hooks[].env":       {"", "what node this is, alone"},
		"spec.hooks[].timeout":   {DefaultHookTimeout, "long enough for what a boot can wait for"},
		"spec.hooks[].onFailure": {string(HookFail), "a hook that does not matter needs no hook"},
		"spec.hooks[].run":       {string(HookEveryBoot), "a machine may have changed since its last boot"},

		"spec.timeSync.servers": {"", "the image's"},

		"spec.readiness.taint.key":         {DefaultReadinessKey, "registers with it where a check is declared"},
		"spec.readiness.taint.value":       {"", "empty"},
		"spec.readiness.taint.effect":      {DefaultReadinessEffect, "keeps new pods off and evicts none"},
		"spec.readiness.checks.cni":        {"false", "the node is Ready, and that is enough"},
		"spec.readiness.checks.csiDrivers": {"", "none"},
		"spec.readiness.checks.devices":    {"", "none"},
		"spec.readiness.checks.dns":        {"", "none"},
		"spec.readiness.timeout":           {DefaultReadinessTimeout, "as long as a node may take to be Ready"},
		"spec.readiness.roleArn":           {"", "the node's own identity, which the cluster does not let take taints away"},

		"spec.accelerators.nvidia.mode":   {string(NVIDIAAuto), "NVIDIA's runtime where the machine has it, else CDI"},
		"spec.accelerators.nvidia.driver": {string(NVIDIADriverAuto), "the devices decide; `eksnode plan --why` shows it"},
		"spec.accelerators.neuron.cdi":    {"false", "AWS's device plugin passes the devices itself"},
	}
}

// kubeletDefaults are the fields of KubeletConfiguration that the agent sets, below
// spec.kubelet.config. What a document gives is laid over them, mappings key by key.
// All others are kubelet's own to decide.
func kubeletDefaults() map[string]fieldDefault {
	const nodeadm = "the agent's own configuration, as nodeadm's"
	const decided = "the agent's own configuration; `eksnode plan` shows the value"
	return map[string]fieldDefault{
		"address":                                    {`"0.0.0.0"`, nodeadm},
		"authentication.anonymous.enabled":           {"false", nodeadm},
		"authentication.webhook.cacheTTL":            {`"2m0s"`, nodeadm},
		"authentication.webhook.enabled":             {"true", nodeadm},
		"authentication.x509.clientCAFile":           {"", "spec.cluster.certificateAuthority, in a file of the agent's"},
		"authorization.mode":                         {`"Webhook"`, nodeadm},
		"authorization.webhook.cacheAuthorizedTTL":   {`"5m0s"`, nodeadm},
		"authorization.webhook.cacheUnauthorizedTTL": {`"30s"`, nodeadm},
		"cgroupDriver":                               {`"systemd"`, nodeadm},
		"cgroupRoot":                                 {`"/"`, nodeadm},
		"clusterDNS":                                 {"", "the tenth address of spec.cluster.cidr"},
		"clusterDomain":                              {`"cluster.local"`, nodeadm},
		"containerRuntimeEndpoint":                   {"", decided},
		"imageServiceEndpoint":                       {"", "with the feature gate " + FastImagePull + " the SOCI snapshotter's, else containerd's"},
		`evictionHard["memory.available"]`:           {`"100Mi"`, nodeadm},
		`evictionHard["nodefs.available"]`:           {`"10%"`, nodeadm},
		`evictionHard["nodefs.inodesFree"]`:          {`"5%"`, nodeadm},
		"featureGates":                               {"", decided},
		"hairpinMode":                                {`"hairpin-veth"`, nodeadm},
		"kubeReserved":                               {"", "spec.reserved"},
		"kubeReservedCgroup":                         {`"/runtime"`, nodeadm},
		"logging.verbosity":                          {"2", nodeadm},
		"maxPods":                                    {"", "spec.kubelet.maxPodsExpression, else the instance type and spec.cni"},
		"protectKernelDefaults":                      {"true", nodeadm},
		"providerID":                                 {"", "the instance's"},
		"readOnlyPort":                               {"0", nodeadm},
		"registerWithTaints":                         {"", "spec.taints"},
		"serializeImagePulls":                        {"false", nodeadm},
		"serverTLSBootstrap":                         {"true", nodeadm},
		"shutdownGracePeriod":                        {"", decided},
		"shutdownGracePeriodCriticalPods":            {"", decided},
		"systemReserved":                             {"", "spec.reserved.system"},
		"systemReservedCgroup":                       {`"/system"`, nodeadm},
		"tlsCipherSuites":                            {"", decided},
	}
}
