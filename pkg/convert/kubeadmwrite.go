package convert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/eksnode/eksnode/pkg/api"
)

// kubeadmWriter writes a JoinConfiguration.
type kubeadmWriter struct {
	c            api.NodeConfig
	l            *ledger
	registration map[string]any
	token        map[string]any
	args         []pair
}

// writeKubeadm writes a configuration in which everything is at its own place, to
// which some of it was moved.
func writeKubeadm(c api.NodeConfig, to Format, moved []Entry) ([]byte, []Entry, error) {
	w := &kubeadmWriter{c: c, l: newLedger(treeOf(c), "", nil), token: make(map[string]any), registration: map[string]any{"criSocket": "unix:///run/containerd/containerd.sock"}}
	w.l.around(moved)
	w.identity()
	w.discovery()
	w.kubelet()
	w.l.rest(whyNotJoin)
	version := "v1beta4"
	if to == KubeadmV1beta3 {
		version = "v1beta3"
	}
	if len(w.args) > 0 {
		w.registration["kubeletExtraArgs"] = w.extraArgs(version)
	}
	join := map[string]any{
		"apiVersion": "kubeadm.k8s.io/" + version, "kind": "JoinConfiguration",
		"discovery": map[string]any{"bootstrapToken": w.token}, "nodeRegistration": w.registration,
	}
	out, err := yaml.Marshal(join)
	if err == nil && len(c.Spec.Kubelet.Config) > 0 {
		config := map[string]any(c.Spec.Kubelet.Config.Clone())
		config["apiVersion"], config["kind"] = "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"
		var more []byte
		more, err = yaml.Marshal(config)
		out = append(append(out, "---\n"...), more...)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot write kubeadm's configuration: %w", err)
	}
	return out, w.l.entries, nil
}

// extraArgs is a list in v1beta4 and a map before.
func (w *kubeadmWriter) extraArgs(version string) any {
	if version == "v1beta3" {
		m := make(map[string]any)
		for _, a := range w.args {
			m[a.name] = a.value
		}
		return m
	}
	var list []any
	for _, a := range w.args {
		list = append(list, map[string]any{"name": a.name, "value": a.value})
	}
	return list
}

func (w *kubeadmWriter) identity() {
	n := w.c.Spec.NodeName
	switch {
	case n.Source == api.NodeNameFixed && !hasFact(n.Name):
		w.registration["name"] = n.Name
		w.l.say(Translated, "spec.nodeName", "nodeRegistration.name", "", "")
	case n.Source == api.NodeNameInstanceID:
		w.registration["name"] = "{{ ds.meta_data.instance_id }}"
		w.l.say(Changed, "spec.nodeName.source", "nodeRegistration.name", "cloud-init has to fill it in", "begin the cloud-config with the line ## template: jinja")
	}
	labels := make(map[string]string)
	for _, k := range sortedNames(w.c.Spec.Labels) {
		v, from := w.c.Spec.Labels[k], childPath("spec.labels", k)
		if hasFact(v) {
			w.l.say(Lost, from, "", noFacts, "write the value")
			continue
		}
		labels[k] = v
		w.l.say(Translated, from, "nodeRegistration.kubeletExtraArgs", "", "")
	}
	if len(labels) > 0 {
		w.args = append(w.args, pair{"node-labels", strings.TrimPrefix(labelFlag(labels), "--node-labels=")})
	}
	var taints []any
	for _, t := range w.c.Spec.Taints {
		from := taintPath(t)
		if hasFact(t.Value) {
			w.l.say(Lost, from, "", noFacts, "write the value")
			continue
		}
		taint := map[string]any{"key": t.Key, "effect": t.Effect}
		if t.Value != "" {
			taint["value"] = t.Value
		}
		w.l.say(Translated, from, itemPath("nodeRegistration.taints", len(taints)), "", "")
		taints = append(taints, taint)
	}
	if taints != nil {
		w.registration["taints"] = taints
	}
}

func (w *kubeadmWriter) discovery() {
	c := w.c.Spec.Cluster
	if u, err := url.Parse(c.APIServerEndpoint); err == nil && u.Host != "" {
		port := u.Port()
		if port == "" {
			port = "443"
		}
		w.token["apiServerEndpoint"] = joinHostPort(u.Hostname(), port)
		w.l.say(Translated, "spec.cluster.apiServerEndpoint", "discovery.bootstrapToken.apiServerEndpoint", "", "")
	} else {
		w.l.need("discovery.bootstrapToken.apiServerEndpoint", "kubeadm finds the cluster there", "write HOST:PORT of the API server")
	}
	if hashes := caHashes(c.CertificateAuthority); len(hashes) > 0 {
		w.token["caCertHashes"] = hashes
		w.l.say(Changed, "spec.cluster.certificateAuthority", "discovery.bootstrapToken.caCertHashes", "kubeadm reads the certificate authority from the cluster and compares its hash", "")
	} else {
		w.l.need("discovery.bootstrapToken.caCertHashes", "kubeadm checks the cluster by it", "openssl x509 -pubkey -in ca.crt | openssl rsa -pubin -outform der | sha256sum")
	}
	w.l.need("discovery.bootstrapToken.token", "kubeadm joins with a token, and a cluster of EKS has none", "kubeadm token create on a control plane of kubeadm's")
	for _, f := range []struct{ path, why string }{
		{"spec.cluster.name", "kubeadm finds the cluster by its endpoint"},
		{"spec.cluster.cidr", "kubeadm reads the address of the cluster's DNS service from the cluster"},
		{"metadata", "it has no effect on the node"},
	} {
		if w.l.has(f.path) {
			w.l.say(Implied, f.path, "", f.why, "")
		}
	}
	if on := c.EnableOutpost; on != nil && !*on {
		w.l.say(Implied, "spec.cluster.enableOutpost", "", "it is off anyway", "")
	}
}

func joinHostPort(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

// caHashes are the hashes of the certificates' public keys as kubeadm pins them:
// SHA-256 of the SubjectPublicKeyInfo (kubeadm reference, discovery).
func caHashes(bundle []byte) []string {
	var out []string
	for {
		block, rest := pem.Decode(bundle)
		if block == nil {
			return out
		}
		bundle = rest
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
		out = append(out, "sha256:"+hex.EncodeToString(sum[:]))
	}
}

func (w *kubeadmWriter) kubelet() {
	for _, f := range w.l.fields {
		if within(f, "spec.kubelet.config") {
			w.l.say(Translated, f, "KubeletConfiguration "+strings.TrimPrefix(f, "spec.kubelet.config."), "", "")
		}
	}
	for i, f := range w.c.Spec.Kubelet.Flags {
		for _, a := range splitArguments(splitWords(f)) {
			value := a.value
			if a.bare {
				value = "true"
			}
			w.args = append(w.args, pair{a.name, value})
			w.l.say(Translated, itemPath("spec.kubelet.flags", i), "nodeRegistration.kubeletExtraArgs", "", "")
		}
	}
}

// whyNotJoin says why a field has no place in a JoinConfiguration.
func whyNotJoin(path string) (message, remedy string) {
	for _, r := range []struct{ prefix, message, remedy string }{
		{"spec.nodeName", "kubeadm names the node after its host name, or as it is told", "write nodeRegistration.name"},
		{"spec.containerd", "kubeadm does not configure containerd", ""},
		{"spec.registries", "kubeadm does not configure containerd", "write /etc/containerd/certs.d with cloud-init"},
		{"spec.kubelet.maxPodsExpression", "kubelet does not evaluate expressions", "write maxPods"},
		{"spec.cni", "kubeadm does not reckon with ENIs", "write maxPods"},
		{"spec.reserved", "kubeadm does not reckon what to reserve", "write kubeReserved"},
	} {
		if within(path, r.prefix) {
			return r.message, r.remedy
		}
	}
	return "kubeadm configures kubelet only", "configure it with cloud-init"
}
