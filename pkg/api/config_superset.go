package api

import "strconv"

// supersetOf returns the fields of spec that only APIVersionSuperset has.
func supersetOf(spec *node) Superset {
	s := Superset{
		NodeName: NodeName{
			Source: NodeNameSource(spec.at("nodeName", "source").text()),
			Name:   spec.at("nodeName", "name").text(),
		},
		Labels:      spec.get("labels").stringMap(),
		Annotations: spec.get("annotations").stringMap(),
		CNI: CNI{
			Profile:               CNIProfile(spec.at("cni", "profile").text()),
			PrefixDelegation:      spec.at("cni", "prefixDelegation").boolean(),
			CustomNetworking:      spec.at("cni", "customNetworking").boolean(),
			SecurityGroupsForPods: spec.at("cni", "securityGroupsForPods").boolean(),
			MaxENIs:               spec.at("cni", "maxENIs").integer(),
			PodCIDRs:              spec.at("cni", "podCIDRs").strings(),
			MTU:                   spec.at("cni", "mtu").integer(),
			Masquerade:            spec.at("cni", "masquerade").boolean(),
		},
		Reserved: reservedOf(spec.get("reserved")),
		Proxy: Proxy{
			HTTP:           Secret(spec.at("proxy", "http").text()),
			HTTPS:          Secret(spec.at("proxy", "https").text()),
			NoProxy:        spec.at("proxy", "noProxy").strings(),
			ProxyAPIServer: spec.at("proxy", "proxyAPIServer").boolean(),
		},
		Sysctls: spec.get("sysctls").stringMap(),
		Swap: Swap{
			Behavior: spec.at("swap", "behavior").text(),
			Size:     spec.at("swap", "size").text(),
			Path:     spec.at("swap", "path").text(),
		},
		StaticPods: spec.get("staticPods").freeObject(),
		TimeSync:   TimeSync{Servers: spec.at("timeSync", "servers").strings()},
		Readiness:  readinessOf(spec.get("readiness")),

		Accelerators: acceleratorsOf(spec.get("accelerators")),
	}
	for _, f := range spec.get("taints").entries() {
		s.Taints = append(s.Taints, Taint{Key: f.value.get("key").text(), Value: f.value.get("value").text(), Effect: f.value.get("effect").text()})
	}
	for _, f := range spec.get("registries").entries() {
		s.Registries = append(s.Registries, registryOf(f.value))
	}
	for _, f := range spec.get("imageCredentials").entries() {
		s.ImageCredentials = append(s.ImageCredentials, imageCredentialOf(f.value))
	}
	for _, f := range spec.get("hugePages").entries() {
		h := HugePages{Size: f.value.get("size").text(), NUMANode: f.value.get("numaNode").integer()}
		if count := f.value.get("count").integer(); count != nil {
			h.Count = *count
		}
		s.HugePages = append(s.HugePages, h)
	}
	for _, f := range spec.get("kernelModules").entries() {
		s.KernelModules = append(s.KernelModules, KernelModule{Name: f.value.get("name").text(), Parameters: f.value.get("parameters").stringMap()})
	}
	for _, f := range spec.get("ulimits").entries() {
		if s.Ulimits == nil {
			s.Ulimits = make(map[string]Ulimit)
		}
		s.Ulimits[f.name] = Ulimit{Soft: f.value.get("soft").text(), Hard: f.value.get("hard").text()}
	}
	for _, f := range spec.get("hooks").entries() {
		s.Hooks = append(s.Hooks, hookOf(f.value))
	}
	return s
}

func reservedOf(n *node) Reserved {
	return Reserved{
		Model:            ReservationModel(n.get("model").text()),
		CPU:              n.get("cpu").text(),
		Memory:           n.get("memory").text(),
		EphemeralStorage: n.get("ephemeralStorage").text(),
		System: SystemReserved{
			CPU:              n.at("system", "cpu").text(),
			Memory:           n.at("system", "memory").text(),
			EphemeralStorage: n.at("system", "ephemeralStorage").text(),
		},
	}
}

func registryOf(n *node) Registry {
	r := Registry{Registry: n.get("registry").text(), Fallback: n.get("fallback").boolean()}
	if list := n.get("mirrors"); list != nil {
		for _, m := range list.items {
			r.Mirrors = append(r.Mirrors, Mirror{
				URL:                m.get("url").text(),
				CA:                 m.get("ca").text(),
				InsecureSkipVerify: m.get("insecureSkipVerify").boolean(),
				OverridePath:       m.get("overridePath").boolean(),
				Capabilities:       m.get("capabilities").strings(),
				Credentials: MirrorCredentials{
					Source:   m.at("credentials", "source").text(),
					Username: m.at("credentials", "username").text(),
					Password: Secret(m.at("credentials", "password").text()),
				},
			})
		}
	}
	return r
}

func imageCredentialOf(n *node) ImageCredential {
	return ImageCredential{
		Name:                 n.get("name").text(),
		Program:              n.get("program").text(),
		MatchImages:          n.get("matchImages").strings(),
		DefaultCacheDuration: n.get("defaultCacheDuration").text(),
		APIVersion:           n.get("apiVersion").text(),
		Args:                 n.get("args").strings(),
		Env:                  n.get("env").secrets(),
	}
}

func hookOf(n *node) Hook {
	return Hook{
		Name:      n.get("name").text(),
		Stage:     HookStage(n.get("stage").text()),
		Command:   n.get("command").strings(),
		Env:       n.get("env").secrets(),
		Timeout:   n.get("timeout").text(),
		OnFailure: HookPolicy(n.get("onFailure").text()),
		Run:       HookFrequency(n.get("run").text()),
	}
}

// The values of the superset's enums.

func nodeNameSources() []string {
	return []string{string(NodeNameAuto), string(NodeNamePrivateDNS), string(NodeNameInstanceID), string(NodeNameIPName), string(NodeNameResourceName), string(NodeNameFixed)}
}

func cniProfiles() []string {
	return []string{string(CNIVPC), string(CNICiliumENI), string(CNICiliumOverlay), string(CNICalico), string(CNIBridge), string(CNIPointToPoint), string(CNINone)}
}

func reservationModels() []string {
	return []string{string(ReservationEKS), string(ReservationGKE), string(ReservationExpression)}
}

func swapBehaviors() []string { return []string{"LimitedSwap", "NoSwap"} }

func hookStages() []string {
	return []string{string(HookPreConfig), string(HookPreKubelet), string(HookPostReady)}
}

func hookPolicies() []string { return []string{string(HookFail), string(HookWarn)} }

func hookFrequencies() []string { return []string{string(HookEveryBoot), string(HookOnce)} }

// entries returns the fields of a mapping, or nil.
func (n *node) entries() []field {
	if n == nil {
		return nil
	}
	return n.fields
}

// boolean returns a boolean, or nil if there is none.
func (n *node) boolean() *bool {
	if n == nil || n.kind != boolNode {
		return nil
	}
	on := n.scalar == "true"
	return &on
}

// integer returns a whole number, or nil if there is none.
func (n *node) integer() *int64 {
	if n == nil || n.kind != numberNode {
		return nil
	}
	i, err := strconv.ParseInt(n.scalar, 10, 64)
	if err != nil {
		return nil
	}
	return &i
}

func (n *node) secrets() map[string]Secret {
	if n == nil || len(n.fields) == 0 {
		return nil
	}
	out := make(map[string]Secret, len(n.fields))
	for _, f := range n.fields {
		out[f.name] = Secret(f.value.scalar)
	}
	return out
}
