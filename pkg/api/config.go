package api

import (
	"encoding/base64"
	"strings"
)

// configOf turns a tree in the shape of the schema into a NodeConfig. What is
// empty is left out, so that a configuration equals its own round trip through
// Encode and Decode.
func configOf(root *node) NodeConfig {
	if root == nil {
		return NodeConfig{}
	}
	spec := root.get("spec")
	return NodeConfig{
		Kind:       root.at("kind").text(),
		APIVersion: root.at("apiVersion").text(),
		Metadata: Metadata{
			Name:        root.at("metadata", "name").text(),
			Namespace:   root.at("metadata", "namespace").text(),
			Labels:      root.at("metadata", "labels").stringMap(),
			Annotations: root.at("metadata", "annotations").stringMap(),
		},
		Spec: Spec{
			Cluster:      clusterOf(spec.get("cluster")),
			Containerd:   Containerd{Config: tomlText(spec.at("containerd", "config")), BaseRuntimeSpec: spec.at("containerd", "baseRuntimeSpec").freeObject()},
			Instance:     instanceOf(spec.get("instance")),
			Kubelet:      kubeletOf(spec.get("kubelet")),
			FeatureGates: spec.get("featureGates").gates(),
			Superset:     supersetOf(spec),
		},
	}
}

func clusterOf(n *node) Cluster {
	c := Cluster{
		Name:              n.get("name").text(),
		APIServerEndpoint: n.get("apiServerEndpoint").text(),
		CIDR:              n.get("cidr").text(),
		ID:                n.get("id").text(),
	}
	if ca, err := decodeCA(n.get("certificateAuthority").text()); err == nil && len(ca) > 0 {
		c.CertificateAuthority = ca
	}
	if o := n.get("enableOutpost"); o != nil {
		on := o.scalar == "true"
		c.EnableOutpost = &on
	}
	return c
}

// decodeCA undoes the base64 of certificateAuthority, which may be wrapped.
func decodeCA(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(packBase64([]byte(s)))
}

func kubeletOf(n *node) Kubelet {
	return Kubelet{
		Config:            n.get("config").freeObject(),
		Flags:             n.get("flags").strings(),
		MaxPodsExpression: n.get("maxPodsExpression").text(),
	}
}

func instanceOf(n *node) Instance {
	i := Instance{
		LocalStorage: LocalStorage{
			Strategy:  canonicalStrategy(n.at("localStorage", "strategy").text()),
			MountPath: n.at("localStorage", "mountPath").text(),
		},
		Network: Network{
			Nameservers: n.at("network", "nameservers").strings(),
			Domains:     n.at("network", "domains").strings(),
		},
	}
	for _, m := range n.at("localStorage", "disabledMounts").strings() {
		i.LocalStorage.DisabledMounts = append(i.LocalStorage.DisabledMounts, canonicalMount(m))
	}
	if env := n.get("environment"); env != nil {
		for _, service := range env.fields {
			if len(service.value.fields) == 0 {
				continue
			}
			if i.Environment == nil {
				i.Environment = make(map[string]map[string]Secret)
			}
			vars := make(map[string]Secret, len(service.value.fields))
			for _, v := range service.value.fields {
				vars[v.name] = Secret(v.value.scalar)
			}
			i.Environment[service.name] = vars
		}
	}
	return i
}

// localStorageStrategies and disabledMounts are the values of the two enums.
func localStorageStrategies() []string {
	return []string{string(LocalStorageRAID0), string(LocalStorageRAID10), string(LocalStorageMount)}
}

func disabledMounts() []string {
	return []string{string(DisabledMountContainerd), string(DisabledMountPodLogs), string(DisabledMountSOCI)}
}

// canonicalStrategy gives a strategy the case it is documented with; nodeadm takes
// any case.
func canonicalStrategy(s string) LocalStorageStrategy {
	return LocalStorageStrategy(canonical(s, localStorageStrategies()))
}

func canonicalMount(s string) DisabledMount { return DisabledMount(canonical(s, disabledMounts())) }

func canonical(s string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(k, s) {
			return k
		}
	}
	return s
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

// text returns a string node's text, or "".
func (n *node) text() string {
	if n == nil || n.kind != stringNode {
		return ""
	}
	return n.scalar
}

// strings returns a list's strings, or nil if there are none.
func (n *node) strings() []string {
	if n == nil {
		return nil
	}
	var out []string
	for _, e := range n.items {
		out = append(out, e.scalar)
	}
	return out
}

func (n *node) stringMap() map[string]string {
	if n == nil || len(n.fields) == 0 {
		return nil
	}
	out := make(map[string]string, len(n.fields))
	for _, f := range n.fields {
		out[f.name] = f.value.scalar
	}
	return out
}

func (n *node) gates() FeatureGates {
	if n == nil || len(n.fields) == 0 {
		return nil
	}
	out := make(FeatureGates, len(n.fields))
	for _, f := range n.fields {
		out[f.name] = f.value.scalar == "true"
	}
	return out
}

func (n *node) freeObject() Object {
	if n == nil || len(n.fields) == 0 {
		return nil
	}
	return n.object()
}
