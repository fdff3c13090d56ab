package api

import "strconv"

// superset returns the fields of spec that only APIVersionSuperset has, those
// without content left out: what nodeadm would print has none of them.
func (e *encoder) superset(s Superset) []field {
	c := &encoder{secrets: e.secrets} // leaves out structs without content
	n := c.structure(
		field{name: "nodeName", value: c.structure(
			field{name: "source", value: c.str(string(s.NodeName.Source))},
			field{name: "name", value: c.str(s.NodeName.Name)},
		)},
		field{name: "labels", value: encodeMap(c, s.Labels, c.value)},
		field{name: "annotations", value: encodeMap(c, s.Annotations, c.value)},
		field{name: "taints", value: encodeList(s.Taints, func(t Taint) *node {
			return c.structure(
				field{name: "key", value: c.value(t.Key)},
				field{name: "value", value: c.str(t.Value)},
				field{name: "effect", value: c.value(t.Effect)},
			)
		})},
		field{name: "cni", value: c.structure(
			field{name: "profile", value: c.str(string(s.CNI.Profile))},
			field{name: "prefixDelegation", value: optionalBool(s.CNI.PrefixDelegation)},
			field{name: "customNetworking", value: optionalBool(s.CNI.CustomNetworking)},
			field{name: "securityGroupsForPods", value: optionalBool(s.CNI.SecurityGroupsForPods)},
			field{name: "maxENIs", value: optionalInt(s.CNI.MaxENIs)},
			field{name: "podCIDRs", value: c.list(s.CNI.PodCIDRs)},
			field{name: "mtu", value: optionalInt(s.CNI.MTU)},
			field{name: "masquerade", value: optionalBool(s.CNI.Masquerade)},
		)},
		field{name: "reserved", value: c.reserved(s.Reserved)},
		field{name: "registries", value: encodeList(s.Registries, c.registry)},
		field{name: "imageCredentials", value: encodeList(s.ImageCredentials, c.imageCredential)},
		field{name: "proxy", value: c.structure(
			field{name: "http", value: c.optionalSecret(s.Proxy.HTTP)},
			field{name: "https", value: c.optionalSecret(s.Proxy.HTTPS)},
			field{name: "noProxy", value: c.list(s.Proxy.NoProxy)},
			field{name: "proxyAPIServer", value: optionalBool(s.Proxy.ProxyAPIServer)},
		)},
		field{name: "sysctls", value: encodeMap(c, s.Sysctls, c.value)},
		field{name: "hugePages", value: encodeList(s.HugePages, func(h HugePages) *node {
			return c.structure(
				field{name: "size", value: c.value(h.Size)},
				field{name: "count", value: encodeInt(h.Count)},
				field{name: "numaNode", value: optionalInt(h.NUMANode)},
			)
		})},
		field{name: "kernelModules", value: encodeList(s.KernelModules, func(m KernelModule) *node {
			return c.structure(
				field{name: "name", value: c.value(m.Name)},
				field{name: "parameters", value: encodeMap(c, m.Parameters, c.value)},
			)
		})},
		field{name: "ulimits", value: encodeMap(c, s.Ulimits, func(u Ulimit) *node {
			return c.structure(
				field{name: "soft", value: c.str(u.Soft)},
				field{name: "hard", value: c.value(u.Hard)},
			)
		})},
		field{name: "swap", value: c.structure(
			field{name: "behavior", value: c.str(s.Swap.Behavior)},
			field{name: "size", value: c.str(s.Swap.Size)},
			field{name: "path", value: c.str(s.Swap.Path)},
		)},
		field{name: "staticPods", value: c.object(s.StaticPods)},
		field{name: "hooks", value: encodeList(s.Hooks, c.hook)},
		field{name: "timeSync", value: c.structure(
			field{name: "servers", value: c.list(s.TimeSync.Servers)},
		)},
		field{name: "readiness", value: c.readiness(s.Readiness)},
		field{name: "accelerators", value: c.accelerators(s.Accelerators)},
	)
	if c.err != nil {
		e.fail("%w", c.err)
	}
	return n.entries()
}

func (e *encoder) reserved(r Reserved) *node {
	return e.structure(
		field{name: "model", value: e.str(string(r.Model))},
		field{name: "cpu", value: e.str(r.CPU)},
		field{name: "memory", value: e.str(r.Memory)},
		field{name: "ephemeralStorage", value: e.str(r.EphemeralStorage)},
		field{name: "system", value: e.structure(
			field{name: "cpu", value: e.str(r.System.CPU)},
			field{name: "memory", value: e.str(r.System.Memory)},
			field{name: "ephemeralStorage", value: e.str(r.System.EphemeralStorage)},
		)},
	)
}

func (e *encoder) registry(r Registry) *node {
	return e.structure(
		field{name: "registry", value: e.value(r.Registry)},
		field{name: "mirrors", value: encodeList(r.Mirrors, func(m Mirror) *node {
			return e.structure(
				field{name: "url", value: e.value(m.URL)},
				field{name: "ca", value: e.str(m.CA)},
				field{name: "insecureSkipVerify", value: optionalBool(m.InsecureSkipVerify)},
				field{name: "overridePath", value: optionalBool(m.OverridePath)},
				field{name: "capabilities", value: e.list(m.Capabilities)},
				field{name: "credentials", value: e.structure(
					field{name: "source", value: e.str(m.Credentials.Source)},
					field{name: "username", value: e.str(m.Credentials.Username)},
					field{name: "password", value: e.optionalSecret(m.Credentials.Password)},
				)},
			)
		})},
		field{name: "fallback", value: optionalBool(r.Fallback)},
	)
}

func (e *encoder) imageCredential(i ImageCredential) *node {
	return e.structure(
		field{name: "name", value: e.value(i.Name)},
		field{name: "program", value: e.value(i.Program)},
		field{name: "matchImages", value: e.list(i.MatchImages)},
		field{name: "defaultCacheDuration", value: e.str(i.DefaultCacheDuration)},
		field{name: "apiVersion", value: e.str(i.APIVersion)},
		field{name: "args", value: e.list(i.Args)},
		field{name: "env", value: encodeMap(e, i.Env, e.secret)},
	)
}

func (e *encoder) hook(h Hook) *node {
	return e.structure(
		field{name: "name", value: e.value(h.Name)},
		field{name: "stage", value: e.value(string(h.Stage))},
		field{name: "command", value: e.list(h.Command)},
		field{name: "env", value: encodeMap(e, h.Env, e.secret)},
		field{name: "timeout", value: e.str(h.Timeout)},
		field{name: "onFailure", value: e.str(string(h.OnFailure))},
		field{name: "run", value: e.str(string(h.Run))},
	)
}

// optionalSecret is a secret, nil if empty.
func (e *encoder) optionalSecret(s Secret) *node {
	if s == "" {
		return nil
	}
	return e.secret(s)
}

// encodeList is a list in its order, nil if empty.
func encodeList[V any](items []V, value func(V) *node) *node {
	if len(items) == 0 {
		return nil
	}
	n := &node{kind: listNode}
	for _, v := range items {
		n.items = append(n.items, value(v))
	}
	return n
}

func encodeInt(i int64) *node {
	return &node{kind: numberNode, scalar: strconv.FormatInt(i, 10)}
}

func optionalBool(b *bool) *node {
	if b == nil {
		return nil
	}
	return encodeBool(*b)
}

func optionalInt(i *int64) *node {
	if i == nil {
		return nil
	}
	return encodeInt(*i)
}
