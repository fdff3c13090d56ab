package convert

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"path"
	"slices"

	"github.com/eksnode/eksnode/pkg/api"
)

// bottlerocketReader reads Bottlerocket's settings.
type bottlerocketReader struct {
	*draft
	l    *ledger
	tree map[string]any
}

func readBottlerocket(texts []text) (*draft, error) {
	if len(texts) != 1 {
		return nil, errors.New("cannot read Bottlerocket's settings: they stand in a message of several parts")
	}
	tree, lines, err := tomlTree(texts[0])
	if err != nil {
		return nil, err
	}
	if _, ok := tree["settings"].(map[string]any); !ok {
		return nil, errors.New("cannot read Bottlerocket's settings: there is no table [settings]")
	}
	r := &bottlerocketReader{draft: newDraft(), tree: tree, l: newLedger(tree, "", lines)}
	r.cluster()
	r.identity()
	r.kubelet()
	r.memoryManager()
	r.credentialProviders()
	r.staticPods()
	r.registries()
	r.machine()
	r.storage()
	r.l.rest(whyNotNodeConfig)
	r.entries = append(r.entries, r.l.entries...)
	r.needCluster()
	return r.draft, nil
}

// get returns a setting and its place, as one that was spoken of.
func (r *bottlerocketReader) get(keys ...string) (v any, s source, ok bool) {
	keys = append([]string{"settings"}, keys...)
	if v = at(r.tree, keys...); v == nil {
		return nil, source{}, false
	}
	p := keysPath(keys...)
	return v, source{p, r.l.line(p)}, true
}

// done marks a setting as one of which an entry speaks.
func (r *bottlerocketReader) done(s source) source {
	r.l.mark(s.from)
	return s
}

// each speaks of the keys of a table that are known and given. The others are left
// for the ledger to find.
func (r *bottlerocketReader) each(s source, table any, known []string, o Outcome, to, message, remedy string) {
	m, _ := table.(map[string]any)
	for _, k := range known {
		if _, given := m[k]; given {
			p := childPath(s.from, k)
			r.say(r.done(source{p, r.l.line(p)}), o, to, message, remedy)
		}
	}
}

// str returns a setting that is a string.
func (r *bottlerocketReader) str(keys ...string) (string, source, bool) {
	v, s, ok := r.get(keys...)
	text, isText := stringOf(v)
	return text, s, ok && isText
}

func (r *bottlerocketReader) cluster() {
	c := &r.config.Spec.Cluster
	if v, s, ok := r.str("kubernetes", "cluster-name"); ok {
		r.text(r.done(s), &c.Name, "spec.cluster.name", v)
	}
	if v, s, ok := r.str("kubernetes", "api-server"); ok {
		r.text(r.done(s), &c.APIServerEndpoint, "spec.cluster.apiServerEndpoint", v)
	}
	if v, s, ok := r.str("kubernetes", "cluster-certificate"); ok {
		r.certificate(r.done(s), v)
	}
	if v, s, ok := r.get("kubernetes", "cluster-dns-ip"); ok {
		if list, ok := texts(v); ok {
			r.dns(r.done(s), list)
		}
	}
	for _, only := range []struct{ key, value, why string }{
		{"authentication-mode", "aws", "the node authenticates with its IAM role"},
		{"cloud-provider", "external", "the agent gives kubelet the cloud provider external"},
		{"standalone-mode", "false", "the node joins its cluster"},
	} {
		if v, s, ok := r.str("kubernetes", only.key); ok && v == only.value {
			r.say(r.done(s), Implied, "", only.why, "")
		}
	}
	if _, s, ok := r.get("kubernetes", "pod-infra-container-image"); ok {
		r.say(r.done(s), Implied, "", "Bottlerocket only logs it", "")
	}
	if _, s, ok := r.str("aws", "region"); ok {
		r.say(r.done(s), Implied, "", "the agent has it from instance metadata", "")
	}
}

// identity is the node's name, labels and taints.
func (r *bottlerocketReader) identity() {
	name, s, named := r.str("kubernetes", "hostname-override")
	if named && name != "" {
		r.nodeName(r.done(s), name)
	}
	if v, s, ok := r.str("kubernetes", "hostname-override-source"); ok {
		from := map[string]api.NodeNameSource{"private-dns-name": api.NodeNamePrivateDNS, "instance-id": api.NodeNameInstanceID}[v]
		switch {
		case from == "":
		case named:
			r.say(r.done(s), Implied, "", "hostname-override counts", "")
		default:
			r.config.Spec.NodeName.Source = from
			r.say(r.done(s), Translated, "spec.nodeName.source", "", "")
		}
	}
	if v, s, ok := r.str("kubernetes", "node-ip"); ok {
		r.flag(r.done(s), argument{name: "node-ip", value: v})
	}
	labels, _, _ := r.get("kubernetes", "node-labels")
	if table, ok := labels.(map[string]any); ok {
		for _, key := range sortedKeys(table) {
			if v, s, ok := r.str("kubernetes", "node-labels", key); ok {
				r.say(r.done(s), Translated, r.label(key, v), "", "")
			}
		}
	}
	taints, _, _ := r.get("kubernetes", "node-taints")
	if table, ok := taints.(map[string]any); ok {
		for _, key := range sortedKeys(table) {
			r.nodeTaints(key)
		}
	}
}

// nodeTaints reads the taints of one key: "value:Effect", or a list of them.
func (r *bottlerocketReader) nodeTaints(key string) {
	v, s, _ := r.get("kubernetes", "node-taints", key)
	list, ok := texts(v)
	if !ok {
		return
	}
	for _, one := range list {
		value, effect, _ := cutLast(one, ":")
		t, err := parseTaint(key + "=" + value + ":" + effect)
		if err != nil {
			r.say(r.done(s), Lost, "", "it is not VALUE:EFFECT", "correct it")
			return
		}
		r.say(r.done(s), Translated, r.taint(t), "", "")
	}
}

// kubelet reads the settings that are fields of KubeletConfiguration.
func (r *bottlerocketReader) kubelet() {
	for _, b := range brSettings() {
		v, s, ok := r.get("kubernetes", b.key)
		if !ok {
			continue
		}
		if table, ok := v.(map[string]any); ok && (b.typ == brMap || b.typ == brOptionMap) {
			r.kubeletTable(b, s, table)
			continue
		}
		value, err := b.typ.fromBottlerocket(v)
		if err != nil {
			r.say(r.done(s), Lost, "", err.Error(), "correct it")
			continue
		}
		r.set(value, b.path...)
		r.say(r.done(s), Translated, kubeletPath(b.path...), "", "")
		r.reservedCPUs(s, b.key)
	}
}

// kubeletTable reads a setting that is a table, key by key.
func (r *bottlerocketReader) kubeletTable(b brSetting, s source, table map[string]any) {
	for _, k := range sortedKeys(table) {
		if text, ok := stringOf(table[k]); ok {
			keys := append(slices.Clone(b.path), k)
			r.set(text, keys...)
			r.each(s, table, []string{k}, Translated, kubeletPath(keys...), "", "")
		}
	}
	if len(table) == 0 {
		r.say(r.done(s), Implied, "", "it is empty", "")
	}
}

// memoryManager reads memory-manager-reserved-memory, a table by NUMA node.
func (r *bottlerocketReader) memoryManager() {
	v, _, _ := r.get("kubernetes", "memory-manager-reserved-memory")
	nodes, _ := v.(map[string]any)
	var list []any
	for _, node := range sortedKeys(nodes) {
		v, s, _ := r.get("kubernetes", "memory-manager-reserved-memory", node)
		table, _ := v.(map[string]any)
		n, ok := number(node)
		if table == nil || !ok {
			continue
		}
		if on, _ := table["enabled"].(bool); !on {
			r.say(r.done(s), Implied, "", "it is not enabled", "")
			continue
		}
		limits := make(map[string]any)
		read := []string{"enabled"}
		for _, k := range sortedKeys(table) {
			if text, ok := stringOf(table[k]); ok && k != "enabled" {
				limits[k] = text
				read = append(read, k)
			}
		}
		list = append(list, map[string]any{"numaNode": n, "limits": limits})
		r.each(s, table, read, Translated, kubeletPath("reservedMemory"), "", "")
	}
	if list != nil {
		r.set(list, "reservedMemory")
	}
}

func (r *bottlerocketReader) credentialProviders() {
	v, _, _ := r.get("kubernetes", "credential-providers")
	table, _ := v.(map[string]any)
	for _, name := range sortedKeys(table) {
		v, s, _ := r.get("kubernetes", "credential-providers", name)
		p, ok := v.(map[string]any)
		if !ok {
			continue
		}
		if on, _ := p["enabled"].(bool); !on {
			r.say(r.done(s), Implied, "", "it is not enabled", "")
			continue
		}
		if name == "ecr-credential-provider" {
			r.each(s, p, []string{"enabled"}, Implied, "", "the agent brings a provider for ECR", "")
			continue
		}
		r.credentialProvider(s, name, p)
	}
}

func (r *bottlerocketReader) credentialProvider(s source, name string, p map[string]any) {
	c := api.ImageCredential{Name: name, Program: path.Join(pluginDir, name)}
	to := keyedPath("spec.imageCredentials", name)
	r.each(s, p, []string{"enabled"}, Changed, to+".program", "the program is expected at "+c.Program, "put the program there, or correct the path")
	if patterns, ok := texts(p["image-patterns"]); ok {
		c.MatchImages = patterns
		r.each(s, p, []string{"image-patterns"}, Translated, to+".matchImages", "", "")
	}
	if duration, ok := p["cache-duration"].(string); ok {
		c.DefaultCacheDuration = duration
		r.each(s, p, []string{"cache-duration"}, Translated, to+".defaultCacheDuration", "", "")
	}
	env, _ := p["environment"].(map[string]any)
	for _, k := range sortedKeys(env) {
		v, ok := stringOf(env[k])
		if !ok {
			continue
		}
		if c.Env == nil {
			c.Env = make(map[string]api.Secret)
		}
		c.Env[k] = api.Secret(v)
		r.each(source{childPath(s.from, "environment"), s.line}, env, []string{k}, Translated, childPath(to+".env", k), "", "")
	}
	r.config.Spec.ImageCredentials = append(r.config.Spec.ImageCredentials, c)
}

func (r *bottlerocketReader) staticPods() {
	v, _, _ := r.get("kubernetes", "static-pods")
	table, _ := v.(map[string]any)
	for _, name := range sortedKeys(table) {
		v, s, _ := r.get("kubernetes", "static-pods", name)
		p, _ := v.(map[string]any)
		manifest, _ := p["manifest"].(string)
		if on, _ := p["enabled"].(bool); !on {
			r.say(r.done(s), Implied, "", "it is not enabled", "")
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(manifest)
		var tree any
		if err == nil {
			tree, err = oneYAML(string(raw))
		}
		pod, ok := tree.(map[string]any)
		if err != nil || !ok {
			r.say(r.done(s), Lost, "", "the manifest is not one object of YAML in base64", "correct it")
			continue
		}
		if r.config.Spec.StaticPods == nil {
			r.config.Spec.StaticPods = api.Object{}
		}
		r.config.Spec.StaticPods[name] = pod
		r.each(s, p, []string{"enabled"}, Implied, "", "what is there is run", "")
		r.each(s, p, []string{"manifest"}, Translated, childPath("spec.staticPods", name), "", "")
	}
}

// oneYAML reads a text of one YAML document as a tree.
func oneYAML(body string) (any, error) {
	docs, err := parseYAMLDocuments(body)
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 {
		return nil, errors.New("cannot read YAML: there is not one document")
	}
	tree, _, err := yamlTree(docs[0], "", -1)
	return tree, err
}

// sortedKeys are the keys of a table in order.
func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// jsonOf is a free-form value as JSON with sorted keys.
func jsonOf(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}
