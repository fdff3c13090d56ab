//go:build linux

package lab

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// NodeConfigOptions change what [Lab.NodeConfig] renders.
type NodeConfigOptions struct {
	// Containerd is the release line the instance has ("2" when empty): the plugin's name in its config depends on it.
	Containerd string
	// KubeletConfig is laid over spec.kubelet.config, key by key; KubeletFlags are spec.kubelet.flags.
	KubeletConfig map[string]any
	KubeletFlags  []string
	// ContainerdConfig is TOML that is appended to spec.containerd.config.
	ContainerdConfig string
	// FeatureGates are spec.featureGates. In a lab with instance ids as node names InstanceIdNodeName is set.
	FeatureGates map[string]bool
	// Instance is spec.instance as it is.
	Instance map[string]any
	// Name, Endpoint, CIDR and CA (PEM) are the cluster's when empty; for tests of wrong ones.
	Name, Endpoint, CIDR string
	CA                   []byte
	// NoCluster leaves spec.cluster out; NoOverrides leaves out what the lab's machine needs (see [Lab.NodeConfig]), for a
	// part that is merged with another.
	NoCluster, NoOverrides bool
}

// openFiles is a limit that every machine a lab runs on allows.
const openFiles = 16384

// NodeConfig renders a NodeConfig (node.eks.aws/v1alpha1) for the lab's cluster in YAML. Through what NodeConfig offers
// every user it carries what a node needs on a machine like the lab's, where nobody has CAP_SYS_RESOURCE and cgroups are
// v1: kubelet accepts cgroup v1, containerd does not try to protect containers from the OOM killer better than itself,
// and containers are not given more open files than the machine may give.
func (l *Lab) NodeConfig(o NodeConfigOptions) (string, error) {
	spec := map[string]any{}
	if !o.NoCluster {
		spec["cluster"] = l.clusterSpec(o)
	}
	kubelet, containerd := map[string]any{}, map[string]any{}
	config, toml := map[string]any{}, o.ContainerdConfig
	if !o.NoOverrides {
		config["failCgroupV1"] = false
		toml = containerdOverride(o.Containerd) + toml
		containerd["baseRuntimeSpec"] = map[string]any{"process": map[string]any{
			"rlimits": []any{map[string]any{"type": "RLIMIT_NOFILE", "soft": openFiles, "hard": openFiles}}}}
	}
	maps.Copy(config, o.KubeletConfig)
	setIf(kubelet, "config", config, len(config) > 0)
	setIf(kubelet, "flags", o.KubeletFlags, len(o.KubeletFlags) > 0)
	setIf(containerd, "config", toml, toml != "")
	setIf(spec, "kubelet", kubelet, len(kubelet) > 0)
	setIf(spec, "containerd", containerd, len(containerd) > 0)
	setIf(spec, "instance", o.Instance, len(o.Instance) > 0)
	gates := maps.Clone(o.FeatureGates)
	if _, said := gates["InstanceIdNodeName"]; l.options.NodeNaming == InstanceID && !said && !o.NoCluster {
		if gates == nil {
			gates = map[string]bool{}
		}
		gates["InstanceIdNodeName"] = true
	}
	setIf(spec, "featureGates", gates, len(gates) > 0)
	data, err := yaml.Marshal(map[string]any{"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec})
	if err != nil {
		return "", fmt.Errorf("cannot render NodeConfig: %w", err)
	}
	return string(data), nil
}

func (l *Lab) clusterSpec(o NodeConfigOptions) map[string]any {
	cluster := map[string]any{"name": l.Cluster.Name, "apiServerEndpoint": l.Cluster.Endpoint, "cidr": l.Cluster.CIDR,
		"certificateAuthority": base64.StdEncoding.EncodeToString(l.Cluster.CA)}
	setIf(cluster, "name", o.Name, o.Name != "")
	setIf(cluster, "apiServerEndpoint", o.Endpoint, o.Endpoint != "")
	setIf(cluster, "cidr", o.CIDR, o.CIDR != "")
	setIf(cluster, "certificateAuthority", base64.StdEncoding.EncodeToString(o.CA), len(o.CA) > 0)
	return cluster
}

// containerdOverride is TOML of schema 2 or 3: a container's oom_score_adj is at least containerd's own.
func containerdOverride(line string) string {
	if strings.HasPrefix(line, "1.") {
		return "version = 2\n[plugins.'io.containerd.grpc.v1.cri']\nrestrict_oom_score_adj = true\n"
	}
	return "version = 3\n[plugins.'io.containerd.cri.v1.runtime']\nrestrict_oom_score_adj = true\n"
}

func setIf(m map[string]any, key string, value any, cond bool) {
	if cond {
		m[key] = value
	}
}

// Part is a part of a MIME multipart document.
type Part struct {
	ContentType string
	Body        string
}

// NodeConfigPart is the part a NodeConfig travels in.
func NodeConfigPart(config string) Part { return Part{"application/node.eks.aws", config} }

// ShellPart is a part that cloud-init would run and a node agent must leave alone.
func ShellPart(script string) Part { return Part{"text/x-shellscript; charset=\"us-ascii\"", script} }

// MIME renders user data of the parts, in their order, as the AWS console and eksctl do.
func MIME(parts ...Part) []byte {
	boundary := "BOUNDARY"
	for slices.ContainsFunc(parts, func(p Part) bool { return strings.Contains(p.Body, boundary) }) {
		boundary += "X"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=%q\n\n", boundary)
	for _, p := range parts {
		fmt.Fprintf(&b, "--%s\nContent-Type: %s\n\n%s\n", boundary, p.ContentType, strings.TrimSuffix(p.Body, "\n"))
	}
	fmt.Fprintf(&b, "--%s--\n", boundary)
	return []byte(b.String())
}
