package convert

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/eksnode/eksnode/internal/lazyregexp"
	"github.com/eksnode/eksnode/pkg/api"
)

// kubeadmReader reads a JoinConfiguration.
type kubeadmReader struct {
	*draft
	l    *ledger
	tree any
}

// readKubeadm reads the JoinConfiguration in the input and the KubeletConfiguration
// beside it.
func readKubeadm(texts []text) (*draft, error) {
	d := newDraft()
	found := false
	for _, t := range texts {
		if !strings.Contains(t.body, "JoinConfiguration") {
			d.besideKubeadm(t)
			continue
		}
		docs, err := parseYAMLDocuments(jinja.ReplaceAllString(t.body, `"$1"`))
		if err != nil {
			return nil, fmt.Errorf("cannot read kubeadm's configuration: %w", err)
		}
		for _, doc := range docs {
			joined, err := d.kubeadmDocument(doc, t, found)
			if err != nil {
				return nil, err
			}
			found = found || joined
		}
	}
	if !found {
		return nil, errors.New("cannot find a JoinConfiguration in the input")
	}
	d.needCluster()
	return d, nil
}

// jinja is a placeholder of cloud-init that is not in quotes, which YAML would read
// as mappings.
var jinja = lazyregexp.New(`(?m)(?:["']?)(\{\{[^{}"'\n]*\}\})(?:["']?)`)

// besideKubeadm names what a cloud-config of Cluster API has beside the document.
func (d *draft) besideKubeadm(t text) {
	switch {
	case t.kind == cloudScript && strings.Contains(t.body, "kubeadm join"):
		d.say(source{"the command kubeadm join", t.line(1)}, Implied, "", "the agent joins the node", "")
	case t.kind == cloudScript:
		d.say(source{"the command " + firstWord(t.body), t.line(1)}, Lost, "", "commands have no place in NodeConfig", "keep it in a part of type text/x-shellscript, or make it a program that spec.hooks names")
	case t.kind == cloudFile:
		d.say(source{"the file " + t.name, t.line(1)}, Lost, "", "files have no place in NodeConfig", "keep it in a part of type text/cloud-config, or bake it into the image")
	case t.kind == cloudOther:
		d.say(source{"cloud-config " + t.name, t.line(1)}, Lost, "", "it is cloud-init's business and not the node's", "keep it in a part of type text/cloud-config")
	default:
		d.say(source{cmpOr(t.name, "a part of the input"), t.line(1)}, Lost, "", "it is no configuration of kubeadm", "keep it")
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func firstWord(s string) string {
	fields := strings.Fields(strings.ReplaceAll(s, "'", " "))
	if len(fields) == 0 {
		return ""
	}
	return fields[0]
}

// kubeadmDocument reads one document. It reports whether it was the join.
func (d *draft) kubeadmDocument(doc *yaml.Node, t text, again bool) (bool, error) {
	tree, lines, err := yamlTree(doc, "", t.before)
	if err != nil {
		return false, err
	}
	kind, _ := at(tree, "kind").(string)
	version, _ := at(tree, "apiVersion").(string)
	r := &kubeadmReader{draft: d, tree: tree, l: newLedger(tree, "", lines)}
	why := whyNotKubeadm
	switch {
	case kind == "JoinConfiguration" && again:
		return false, errors.New("cannot read kubeadm's configuration: there are two JoinConfigurations")
	case kind == "JoinConfiguration":
		if v := strings.TrimPrefix(version, "kubeadm.k8s.io/"); v != "v1beta3" && v != "v1beta4" {
			return false, fmt.Errorf("cannot read kubeadm's configuration: the version %q is not known; known are kubeadm.k8s.io/v1beta3 and v1beta4", version)
		}
		r.join()
	case kind == "KubeletConfiguration":
		r.kubeletConfiguration()
	default:
		why = func(string) (string, string) {
			return "NodeConfig has nothing of the kind " + fmt.Sprintf("%q", kind), "the cluster's own configuration is EKS's"
		}
	}
	r.l.rest(why)
	d.entries = append(d.entries, r.l.entries...)
	return kind == "JoinConfiguration", nil
}

func (r *kubeadmReader) src(path string) source {
	r.l.mark(path)
	return source{path, r.l.line(path)}
}

func (r *kubeadmReader) get(keys ...string) (any, bool) {
	parent, _ := at(r.tree, keys[:len(keys)-1]...).(map[string]any)
	v, ok := parent[keys[len(keys)-1]]
	return v, ok
}

func (r *kubeadmReader) join() {
	for _, k := range []string{"apiVersion", "kind"} {
		r.say(r.src(k), Implied, "", "it only says what the rest is", "")
	}
	r.registration()
	r.discovery()
	if v, ok := r.get("caCertPath"); ok && v == "/etc/kubernetes/pki/ca.crt" {
		r.say(r.src("caCertPath"), Implied, "", "the agent writes it there, too", "")
	}
}

func (r *kubeadmReader) registration() {
	const root = "nodeRegistration"
	if name, ok := r.get(root, "name"); ok {
		r.name(name)
	}
	if v, ok := r.get(root, "criSocket"); ok {
		socket, _ := v.(string)
		socket = strings.TrimPrefix(socket, "unix://")
		if socket == "/run/containerd/containerd.sock" || socket == "/var/run/containerd/containerd.sock" {
			r.say(r.src(root+".criSocket"), Implied, "", "the agent runs containerd at this socket", "")
		}
	}
	if _, ok := r.get(root, "ignorePreflightErrors"); ok {
		r.say(r.src(root+".ignorePreflightErrors"), Implied, "", "kubeadm's checks are not run", "")
	}
	for _, k := range []string{"imagePullPolicy", "imagePullSerial"} {
		if _, ok := r.get(root, k); ok {
			r.say(r.src(root+"."+k), Implied, "", "it is about the images that kubeadm pulls, which on a worker are none", "")
		}
	}
	if v, ok := r.get(root, "taints"); ok {
		r.registrationTaints(v)
	}
	r.extraArgs()
}

// name takes over the node's name. Cluster API's provider for AWS leaves it to
// cloud-init to put instance metadata there.
func (r *kubeadmReader) name(v any) {
	s := r.src("nodeRegistration.name")
	name, _ := stringOf(v)
	placeholder := strings.Join(strings.Fields(strings.Trim(name, "{} ")), "")
	spec := &r.config.Spec.NodeName
	switch {
	case !strings.Contains(name, "{{"):
		r.nodeName(s, name)
	case placeholder == "ds.meta_data.instance_id" || placeholder == "v1.instance_id":
		spec.Source = api.NodeNameInstanceID
		r.say(s, Translated, "spec.nodeName.source", "", "")
	case placeholder == "ds.meta_data.local_hostname" || placeholder == "ds.meta_data.hostname" || placeholder == "v1.local_hostname":
		spec.Source = api.NodeNamePrivateDNS
		r.say(s, Changed, "spec.nodeName.source", "cloud-init puts the host name of instance metadata there; the agent takes the private DNS name, which differs where DHCP gives the VPC a domain of its own", "")
	default:
		r.say(s, Lost, "", "cloud-init fills the name in", "choose a source at spec.nodeName.source")
	}
}

func (r *kubeadmReader) registrationTaints(v any) {
	const path = "nodeRegistration.taints"
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		r.say(r.src(path), Implied, "", "a worker has no taints of its own", "")
		return
	}
	for i, e := range list {
		m, _ := e.(map[string]any)
		if t, ok := taintOf(m); ok {
			r.say(r.src(itemPath(path, i)), Translated, r.taint(t), "", "")
		}
	}
}

// extraArgs reads kubeletExtraArgs: a map in v1beta3, a list of names and values in
// v1beta4.
func (r *kubeadmReader) extraArgs() {
	const path = "nodeRegistration.kubeletExtraArgs"
	v, _ := r.get("nodeRegistration", "kubeletExtraArgs")
	switch v := v.(type) {
	case map[string]any:
		for _, name := range sortedKeys(v) {
			if value, ok := stringOf(v[name]); ok {
				r.kubeletArgument(r.src(childPath(path, name)), argument{name: name, value: value})
			}
		}
	case []any:
		for i, e := range v {
			name, okName := at(e, "name").(string)
			value, okValue := stringOf(at(e, "value"))
			if m, _ := e.(map[string]any); okName && okValue && len(m) == 2 {
				r.kubeletArgument(r.src(itemPath(path, i)), argument{name: name, value: value})
			}
		}
	}
}

func (r *kubeadmReader) discovery() {
	const token = "discovery.bootstrapToken"
	if v, ok := r.get("discovery", "bootstrapToken", "apiServerEndpoint"); ok {
		endpoint, _ := v.(string)
		if !strings.Contains(endpoint, "://") {
			endpoint = "https://" + strings.TrimSuffix(endpoint, ":443")
		}
		r.text(r.src(token+".apiServerEndpoint"), &r.config.Spec.Cluster.APIServerEndpoint, "spec.cluster.apiServerEndpoint", endpoint)
	}
}

// kubeletConfiguration takes the whole document over.
func (r *kubeadmReader) kubeletConfiguration() {
	m, _ := r.tree.(map[string]any)
	for _, f := range slices.Clone(r.l.fields) {
		if f == "apiVersion" || f == "kind" {
			r.say(r.src(f), Implied, "", "it only says what the rest is", "")
			continue
		}
		s := r.src(f)
		s.from = "KubeletConfiguration " + f
		r.say(s, Translated, "spec.kubelet.config."+f, "", "")
	}
	for k, v := range m {
		if k != "apiVersion" && k != "kind" {
			r.set(v, k)
		}
	}
}

// whyNotKubeadm says why a field of a JoinConfiguration has no place in NodeConfig.
func whyNotKubeadm(path string) (message, remedy string) {
	const iam = "the node authenticates with its IAM role: give it an access entry of type EC2_LINUX"
	for _, r := range []struct{ prefix, message, remedy string }{
		{"controlPlane", "EKS runs the control plane; a node only joins as a worker", ""},
		{"discovery.bootstrapToken.token", "EKS has no bootstrap tokens", iam},
		{"discovery.bootstrapToken.caCertHashes", "the certificate authority itself is needed, and not its hash", "write the cluster's at spec.cluster.certificateAuthority"},
		{"discovery.bootstrapToken.unsafeSkipCAVerification", "the API server's certificate is always checked", ""},
		{"discovery.tlsBootstrapToken", "EKS has no bootstrap tokens", iam},
		{"discovery.file", "the cluster is not found by a kubeconfig", "write its server and its certificate authority at spec.cluster"},
		{"discovery", "the cluster is not discovered, but named at spec.cluster", ""},
		{"caCertPath", "the agent writes the certificate authority to /etc/kubernetes/pki/ca.crt", ""},
		{"nodeRegistration.criSocket", "the agent runs containerd at /run/containerd/containerd.sock", ""},
		{"nodeRegistration.taints", "it is no taint with key, value and effect alone", ""},
		{"patches", "there are no files of patches", "write what they change at spec.kubelet.config"},
	} {
		if within(path, r.prefix) {
			return r.message, r.remedy
		}
	}
	return "kubeadm is not run", ""
}
