package api

import (
	"slices"
	"strings"
)

// specList is a list of an OCI runtime specification, the field that names its
// entries, and what the agent's default specification has there.
type specList struct {
	keys     []string
	name     string
	noun     string
	defaults []string
}

func specLists() []specList {
	return []specList{
		{[]string{"process", "rlimits"}, "type", "limit", []string{"RLIMIT_NOFILE"}},
		{[]string{"mounts"}, "destination", "mount", []string{"/dev", "/dev/mqueue", "/dev/pts", "/proc", "/sys"}},
		{[]string{"linux", "namespaces"}, "type", "namespace", []string{"ipc", "mount", "network", "pid", "uts"}},
	}
}

// runtimeSpecLists warns of lists of the runtime specification that replace
// another document's list, or the default's, and lack what stands there.
func (c *checker) runtimeSpecLists() {
	for _, l := range specLists() {
		n := c.at(append([]string{"spec", "containerd", "baseRuntimeSpec"}, l.keys...)...)
		if n == nil || n.kind != listNode {
			continue
		}
		path := "spec.containerd.baseRuntimeSpec." + strings.Join(l.keys, ".")
		has := l.names(n)
		if l.noun == "limit" {
			has = append(has, c.limitsTwice(n, path)...)
		}
		said := false
		for _, old := range n.shadows {
			if lost := without(l.names(old), has); len(lost) > 0 {
				c.overridden(n, path, "lists are replaced and not joined: give all entries in one document", "replaces the list at %s: %s", old.pos(), areLost(l.noun, lost))
				said = true
				break
			}
		}
		if lost := without(l.defaults, has); len(lost) > 0 && !said {
			c.overridden(n, path, "give all entries that are needed, those of the default too", "replaces the list of the default specification: %s", areLost(l.noun, lost))
		}
	}
}

// limitsTwice returns the limits of spec.ulimits as the specification names them, and
// warns of those that rlimits has, too: spec.ulimits is laid over them.
func (c *checker) limitsTwice(rlimits *node, path string) []string {
	var out []string
	for _, f := range c.at("spec", "ulimits").members() {
		kind := "RLIMIT_" + strings.ToUpper(f.name)
		out = append(out, kind)
		for i, r := range rlimits.items {
			if r.get("type").text() == kind {
				c.overridden(r, itemPath(path, i), onePlace+": spec.ulimits", "spec.ulimits.%s at %s replaces this limit", f.name, f.value.pos())
			}
		}
	}
	return out
}

func (l specList) names(list *node) []string {
	var out []string
	for _, e := range list.items {
		if name := visible(e.get(l.name).text()); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// The names of containerd's CRI plugin before version 2, and what those of the two
// that have taken its place begin with.
const (
	criPlugin1 = "io.containerd.grpc.v1.cri"
	criPlugin2 = "io.containerd.cri.v1."
)

// containerdNames reports names of one generation of containerd, of which the other
// knows nothing. What is written is not wrong by itself: it depends on the image.
func (c *checker) containerdNames() {
	config := c.at("spec", "containerd", "config")
	merged := layeredTree(config)
	if merged == nil {
		return // none, or reported as what it is
	}
	var first, second, newest *node
	var secondName string
	if v := merged.get("version"); v != nil && v.scalar == "3" {
		newest = v
	}
	for _, f := range merged.at("plugins").members() {
		switch {
		case f.name == criPlugin1:
			first = f.value
		case strings.HasPrefix(f.name, criPlugin2):
			second, secondName = f.value, f.name
		default:
			continue
		}
		c.inlineRegistries(f.value, f.name)
	}
	c.goneKeys(merged.at("plugins", criPlugin1))
	first = first.moved()
	path := func(plugin string) string { return childPath("spec.containerd.config.plugins", plugin) }
	const names = "write the names of containerd 2: plugins.'io.containerd.cri.v1.images' and plugins.'io.containerd.cri.v1.runtime'"
	const mixed = "containerd 2 by itself passes over this one, the agent translates its keys, and containerd 1.7 takes neither"
	switch {
	case first != nil && second != nil:
		c.warn(first, path(criPlugin1), names, "this name is containerd 1's, the one at %s containerd 2's: "+mixed, second.pos())
	case first != nil && newest != nil:
		c.warn(first, path(criPlugin1), names, "this name is containerd 1's, version = 3 at %s containerd 2's: "+mixed, newest.pos())
	case first != nil:
		c.say(Info, CodeSuspiciousValue, first, path(criPlugin1), names+", if every image that this is for has it",
			"this name is containerd 1's: on a node with containerd 2 the agent translates its keys")
	case second != nil:
		c.say(Info, CodeSuspiciousValue, second, path(secondName), "", "this name is containerd 2's: a node with containerd 1.7 refuses it")
	}
}

// moved returns the settings of containerd 1's CRI plugin, or nil if they are all
// such as containerd 2 still has under that name.
func (n *node) moved() *node {
	stays := []string{
		"disable_tcp_service", "stream_server_address", "stream_server_port", "stream_idle_timeout",
		"enable_tls_streaming", "x509_key_pair_streaming",
	}
	for _, f := range n.members() {
		if !slices.Contains(stays, f.name) {
			return n
		}
	}
	return nil
}

// goneKeys warns of keys of containerd 1's CRI plugin for which containerd 2 has
// no place, so that a node with it refuses them.
func (c *checker) goneKeys(plugin *node) {
	base := childPath("spec.containerd.config.plugins", criPlugin1)
	say := func(table *node, path string, names ...string) {
		for _, name := range names {
			if n := table.get(name); n != nil {
				c.warn(n, childPath(path, name), "remove it, or keep it for images with containerd 1.7 alone", "this key is gone in containerd 2: a node with it refuses the configuration")
			}
		}
	}
	say(plugin, base, "systemd_cgroup", "disable_cgroup")
	base += ".containerd"
	say(plugin.get("containerd"), base, "no_pivot", "default_runtime", "untrusted_workload_runtime")
	for _, runtime := range plugin.at("containerd", "runtimes").members() {
		say(runtime.value, childPath(base+".runtimes", runtime.name), "runtime_engine", "runtime_root")
	}
}

// inlineRegistries warns of registries in containerd's own file. containerd takes
// no mirrors there while it is pointed to a folder of hosts.toml files, which the
// agent does.
func (c *checker) inlineRegistries(plugin *node, name string) {
	registry := plugin.get("registry")
	if p := registry.get("config_path"); p != nil && p.scalar == "" {
		return
	}
	base := childPath(childPath("spec.containerd.config.plugins", name), "registry")
	const remedy = "give them at spec.registries of " + APIVersionSuperset + ", or as hosts.toml files"
	if n := registry.get("mirrors"); n != nil {
		c.warn(n, base+".mirrors", remedy+"; or set registry.config_path = \"\" beside them", "the agent sets registry.config_path, and containerd does not start with both")
	}
	if n := registry.get("configs"); n != nil {
		c.warn(n, base+".configs", remedy, "containerd 2 passes over TLS settings that stand here, and its credentials are deprecated")
	}
}

// members returns the fields of an object, or nothing.
func (n *node) members() []field {
	if n == nil {
		return nil
	}
	return n.fields
}
