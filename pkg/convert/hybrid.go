package convert

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/eksnode/eksnode/pkg/api"
)

// writeHybrid writes the NodeConfig of EKS Hybrid Nodes.
func writeHybrid(c api.NodeConfig) ([]byte, []Entry, error) {
	out, l := toNodeadm(c, true)
	l.rest(whyNotEKSHybrid)
	cluster := map[string]any{}
	for k, v := range map[string]string{
		"name": out.Spec.Cluster.Name, "apiServerEndpoint": out.Spec.Cluster.APIServerEndpoint, "cidr": out.Spec.Cluster.CIDR, "id": out.Spec.Cluster.ID,
		"certificateAuthority": base64.StdEncoding.EncodeToString(out.Spec.Cluster.CertificateAuthority), "region": regionOf(out.Spec.Cluster.APIServerEndpoint),
	} {
		if v != "" {
			cluster[k] = v
		}
	}
	if on := out.Spec.Cluster.EnableOutpost; on != nil {
		cluster["enableOutpost"] = *on
	}
	if cluster["region"] == nil {
		l.need("spec.cluster.region", "EKS Hybrid's nodeadm asks the EKS API of that region", "write the cluster's region")
	} else {
		l.entries = append(l.entries, Entry{Outcome: Translated, From: "spec.cluster.apiServerEndpoint", To: "spec.cluster.region", Message: "it is part of the endpoint's name"})
	}
	l.need("spec.hybrid", "a machine outside of AWS needs credentials", "write spec.hybrid.ssm with activationCode and activationId of aws ssm create-activation, or spec.hybrid.iamRolesAnywhere")
	spec := map[string]any{"cluster": cluster}
	add := func(section, key string, v any) {
		m, _ := spec[section].(map[string]any)
		if m == nil {
			m = make(map[string]any)
			spec[section] = m
		}
		m[key] = v
	}
	if len(out.Spec.Kubelet.Config) > 0 {
		add("kubelet", "config", map[string]any(out.Spec.Kubelet.Config))
	}
	if len(out.Spec.Kubelet.Flags) > 0 {
		add("kubelet", "flags", out.Spec.Kubelet.Flags)
	}
	if out.Spec.Containerd.Config != "" {
		add("containerd", "config", out.Spec.Containerd.Config)
	}
	tree := treeOf(out)
	if storage := at(tree, "spec", "instance", "localStorage"); storage != nil {
		add("instance", "localStorage", storage)
	}
	doc := map[string]any{"apiVersion": api.APIVersion, "kind": api.Kind, "spec": spec}
	if m := tree["metadata"]; m != nil {
		doc["metadata"] = m
	}
	raw, err := yaml.Marshal(doc)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot write NodeConfig: %w", err)
	}
	return raw, l.entries, nil
}

// regionOf is the region in an endpoint's name, as in
// https://ABC.gr7.us-west-2.eks.amazonaws.com, or "".
func regionOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	parts := strings.Split(u.Hostname(), ".")
	for i, p := range parts {
		if p == "eks" && i > 0 && strings.Count(parts[i-1], "-") >= 2 {
			return parts[i-1]
		}
	}
	return ""
}

func whyNotEKSHybrid(path string) (message, remedy string) {
	for _, p := range []string{"spec.featureGates", "spec.kubelet.maxPodsExpression", "spec.containerd.baseRuntimeSpec", "spec.instance", "spec.ulimits"} {
		if within(path, p) {
			return "EKS Hybrid's nodeadm does not have it", ""
		}
	}
	return whyNotNodeadm(path)
}
