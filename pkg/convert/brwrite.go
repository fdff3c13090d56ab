package convert

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"

	"github.com/pelletier/go-toml/v2"

	"github.com/eksnode/eksnode/pkg/api"
)

// bottlerocketWriter writes Bottlerocket's settings.
type bottlerocketWriter struct {
	c    api.NodeConfig
	l    *ledger
	tree map[string]any // below settings
}

// writeBottlerocket writes a configuration in which everything is at its own place,
// to which some of it was moved.
func writeBottlerocket(c api.NodeConfig, moved []Entry) ([]byte, []Entry, error) {
	w := &bottlerocketWriter{c: c, l: newLedger(treeOf(c), "", nil), tree: make(map[string]any)}
	w.l.around(moved)
	w.cluster()
	w.identity()
	w.kubelet()
	w.credentialProviders()
	w.staticPods()
	w.registries()
	w.machine()
	w.needed()
	w.l.rest(whyNotBottlerocket)
	out, err := toml.Marshal(map[string]any{"settings": w.tree})
	if err != nil {
		return nil, nil, fmt.Errorf("cannot write Bottlerocket's settings: %w", err)
	}
	return out, w.l.entries, nil
}

// put sets a setting and returns its path.
func (w *bottlerocketWriter) put(v any, keys ...string) string {
	m := w.tree
	for _, k := range keys[:len(keys)-1] {
		inner, ok := m[k].(map[string]any)
		if !ok {
			inner = make(map[string]any)
			m[k] = inner
		}
		m = inner
	}
	m[keys[len(keys)-1]] = v
	return "settings." + keysPath(keys...)
}

// move sets a setting from a field.
func (w *bottlerocketWriter) move(from string, v any, keys ...string) {
	w.l.say(Translated, from, w.put(v, keys...), "", "")
}

func (w *bottlerocketWriter) cluster() {
	c := w.c.Spec.Cluster
	if c.Name != "" {
		w.move("spec.cluster.name", c.Name, "kubernetes", "cluster-name")
	}
	if c.APIServerEndpoint != "" {
		w.move("spec.cluster.apiServerEndpoint", c.APIServerEndpoint, "kubernetes", "api-server")
	}
	if len(c.CertificateAuthority) > 0 {
		w.move("spec.cluster.certificateAuthority", base64.StdEncoding.EncodeToString(c.CertificateAuthority), "kubernetes", "cluster-certificate")
	}
	if c.EnableOutpost != nil && !*c.EnableOutpost {
		w.l.say(Implied, "spec.cluster.enableOutpost", "", "it is off anyway", "")
	}
	dns, given := w.c.Spec.Kubelet.Config["clusterDNS"]
	if list, ok := texts(dns); given && ok && len(list) > 0 {
		var v any = list[0]
		if len(list) > 1 {
			v = dns
		}
		w.move(kubeletPath("clusterDNS"), v, "kubernetes", "cluster-dns-ip")
		if c.CIDR != "" {
			w.l.say(Implied, "spec.cluster.cidr", "", "only the address of the cluster's DNS service is needed, which is given", "")
		}
	} else if ip, ok := clusterDNS(c.CIDR); ok {
		w.l.say(Changed, "spec.cluster.cidr", w.put(ip, "kubernetes", "cluster-dns-ip"), "Bottlerocket takes the address of the cluster's DNS service, which EKS puts at the tenth of the network", "")
	}
}

// clusterDNS is the address of a cluster's DNS service in its service network.
func clusterDNS(cidr string) (string, bool) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return "", false
	}
	raw := p.Masked().Addr().AsSlice()
	raw[len(raw)-1] = 10
	a, ok := netip.AddrFromSlice(raw)
	return a.String(), ok
}

// hasFact reports whether a value refers to facts of the machine, or tries to.
func hasFact(s string) bool {
	refs, err := api.References(s)
	return err != nil || len(refs) > 0
}

const noFacts = "references to facts are not known there"

func (w *bottlerocketWriter) identity() {
	n := w.c.Spec.NodeName
	switch n.Source {
	case api.NodeNameAuto:
		w.l.say(Implied, "spec.nodeName.source", "", "Bottlerocket takes the private DNS name, too", "")
	case api.NodeNamePrivateDNS:
		w.move("spec.nodeName.source", "private-dns-name", "kubernetes", "hostname-override-source")
	case api.NodeNameInstanceID:
		w.move("spec.nodeName.source", "instance-id", "kubernetes", "hostname-override-source")
	case api.NodeNameFixed:
		if hasFact(n.Name) {
			w.l.say(Lost, "spec.nodeName", "", noFacts, "")
			break
		}
		w.move("spec.nodeName", n.Name, "kubernetes", "hostname-override")
	}
	for _, key := range sortedNames(w.c.Spec.Labels) {
		from, v := childPath("spec.labels", key), w.c.Spec.Labels[key]
		if hasFact(v) {
			w.l.say(Lost, from, "", noFacts, "write the value")
			continue
		}
		w.move(from, v, "kubernetes", "node-labels", key)
	}
	taints := make(map[string][]any)
	for _, t := range w.c.Spec.Taints {
		from := taintPath(t)
		if hasFact(t.Value) {
			w.l.say(Lost, from, "", noFacts, "write the value")
			continue
		}
		taints[t.Key] = append(taints[t.Key], t.Value+":"+t.Effect)
		w.move(from, taints[t.Key], "kubernetes", "node-taints", t.Key)
	}
}

func (w *bottlerocketWriter) kubelet() {
	config := w.c.Spec.Kubelet.Config
	for _, b := range brSettings() {
		v, ok := config.Lookup(b.path...)
		if !ok {
			continue
		}
		value, err := b.typ.toBottlerocket(v)
		if err != nil {
			w.l.say(Lost, kubeletPath(b.path...), "", err.Error(), "")
			continue
		}
		w.move(kubeletPath(b.path...), value, "kubernetes", b.key)
	}
	for _, k := range []string{"kind", "apiVersion"} {
		if _, ok := config[k]; ok {
			w.l.say(Implied, kubeletPath(k), "", "it only says what the rest is", "")
		}
	}
	if _, reserved := config["reservedSystemCPUs"]; reserved {
		for _, k := range []string{"systemReservedCgroup", "kubeReservedCgroup"} {
			if config[k] == "" {
				w.l.say(Implied, kubeletPath(k), "", "Bottlerocket leaves it out with reserved-cpus", "")
			}
		}
	}
	if v, ok := config["failSwapOn"].(bool); ok && !v && at(map[string]any(config), "memorySwap", "swapBehavior") != nil {
		w.l.say(Implied, kubeletPath("failSwapOn"), "", "Bottlerocket does that with memory-swap-behavior", "")
	}
	w.reservedMemory(config["reservedMemory"])
	for _, f := range splitArguments(w.c.Spec.Kubelet.Flags) {
		if f.name == "node-ip" {
			w.move(itemPath("spec.kubelet.flags", f.word), f.value, "kubernetes", "node-ip")
		}
	}
	if v := w.c.Spec.Reserved.EphemeralStorage; v != "" {
		w.move("spec.reserved.ephemeralStorage", v, "kubernetes", "kube-reserved", "ephemeral-storage")
	}
	if w.c.Spec.Reserved.Model == api.ReservationEKS {
		w.l.say(Implied, "spec.reserved.model", "", "it is Bottlerocket's model, too", "")
	}
	if w.c.Spec.CNI.Profile == api.CNIVPC {
		w.l.say(Implied, "spec.cni.profile", "", "Bottlerocket reckons with the VPC CNI", "")
	}
}

// reservedMemory writes the memory that is reserved by NUMA node.
func (w *bottlerocketWriter) reservedMemory(v any) {
	list, _ := v.([]any)
	for i, e := range list {
		from := itemPath(kubeletPath("reservedMemory"), i)
		node, okNode := stringOf(at(e, "numaNode"))
		limits, err := stringTable(at(e, "limits"))
		if m, _ := e.(map[string]any); err != nil || !okNode || len(m) != 2 {
			continue
		}
		limits["enabled"] = true
		w.move(from, limits, "kubernetes", "memory-manager-reserved-memory", node)
	}
}

func (w *bottlerocketWriter) credentialProviders() {
	for _, c := range w.c.Spec.ImageCredentials {
		p := keyedPath("spec.imageCredentials", c.Name)
		if c.Program != path.Join(pluginDir, c.Name) {
			w.l.say(Lost, p, "", "Bottlerocket runs only the programs in "+pluginDir, "")
			continue
		}
		key := []string{"kubernetes", "credential-providers", c.Name}
		w.move(p+".name", true, append(slices.Clone(key), "enabled")...)
		w.l.say(Implied, p+".program", "", "Bottlerocket finds it by its name", "")
		if len(c.MatchImages) > 0 {
			w.move(p+".matchImages", c.MatchImages, append(slices.Clone(key), "image-patterns")...)
		}
		if c.DefaultCacheDuration != "" {
			w.move(p+".defaultCacheDuration", c.DefaultCacheDuration, append(slices.Clone(key), "cache-duration")...)
		}
		for _, k := range slices.Sorted(maps.Keys(c.Env)) {
			w.move(childPath(p+".env", k), c.Env[k].Reveal(), append(slices.Clone(key), "environment", k)...)
		}
	}
}

func (w *bottlerocketWriter) staticPods() {
	for _, name := range sortedKeys(w.c.Spec.StaticPods) {
		w.put(true, "kubernetes", "static-pods", name, "enabled")
		w.move(childPath("spec.staticPods", name), base64.StdEncoding.EncodeToString([]byte(jsonOf(w.c.Spec.StaticPods[name]))), "kubernetes", "static-pods", name, "manifest")
	}
}

func (w *bottlerocketWriter) registries() {
	var mirrors, credentials []any
	for _, r := range w.c.Spec.Registries {
		p := keyedPath("spec.registries", r.Registry)
		endpoints := []any{}
		for j, m := range r.Mirrors {
			mp := itemPath(p+".mirrors", j)
			endpoints = append(endpoints, m.URL)
			w.l.say(Translated, mp+".url", "settings.container-registry.mirrors", "", "")
			u, err := url.Parse(m.URL)
			if err != nil || m.Credentials.Source != api.CredentialsBasic {
				continue
			}
			credentials = append(credentials, map[string]any{"registry": u.Host, "username": m.Credentials.Username, "password": m.Credentials.Password.Reveal()})
			w.l.say(Translated, mp+".credentials", "settings.container-registry.credentials", "", "")
		}
		mirrors = append(mirrors, map[string]any{"registry": r.Registry, "endpoint": endpoints})
		w.l.say(Translated, p+".registry", "settings.container-registry.mirrors", "", "")
		if r.Fallback != nil && *r.Fallback {
			w.l.say(Implied, p+".fallback", "", "Bottlerocket asks the registry itself when no mirror answers", "")
		}
	}
	if mirrors != nil {
		w.put(mirrors, "container-registry", "mirrors")
	}
	if credentials != nil {
		w.put(credentials, "container-registry", "credentials")
	}
}

// needed lists what Bottlerocket cannot find out.
func (w *bottlerocketWriter) needed() {
	d := &draft{config: w.c}
	for _, f := range []struct{ field, key, query string }{
		{w.c.Spec.Cluster.Name, "cluster-name", "name"}, {w.c.Spec.Cluster.APIServerEndpoint, "api-server", "endpoint"},
		{string(w.c.Spec.Cluster.CertificateAuthority), "cluster-certificate", "certificateAuthority.data"},
	} {
		if f.field == "" {
			w.l.need("settings.kubernetes."+f.key, "Bottlerocket does not start kubelet without it", d.describe(f.query))
		}
	}
}

// limitValue is a resource limit as Bottlerocket has it.
func limitValue(s string) (any, bool) {
	if s == "unlimited" {
		return s, true
	}
	i, err := strconv.ParseInt(s, 10, 64)
	return i, err == nil
}
