package api

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/internal/cel"
)

// agreement checks what the components refuse on every machine, so that it is known
// before there is one.
func (c *checker) agreement() {
	c.staticPodFolder()
	c.staticPodFiles()
	if tree := layeredTree(c.at("spec", "containerd", "config").or(&node{})); tree != nil {
		c.containerdSchema(tree)
		c.containerdRegistries(tree)
	}
}

// sampleMachines are the values that expressions are tried with: of a very small
// instance, a middling and a very large one.
func sampleMachines() []map[string]int64 {
	return []map[string]int64{
		{"default_enis": 2, "ips_per_eni": 2, "max_pods": 4, "cpus": 1, "memory_mib": 512},
		{"default_enis": 3, "ips_per_eni": 10, "max_pods": 29, "cpus": 2, "memory_mib": 8192},
		{"default_enis": 15, "ips_per_eni": 50, "max_pods": 737, "cpus": 192, "memory_mib": 2 << 20},
	}
}

// tried evaluates an expression that is well formed, and reports one that gives no
// number from least on, be the machine small or large. One that does on some is
// left to the machine.
func (c *checker) tried(n *node, at, remedy string, least int64, variables []string) bool {
	var last error
	for _, machine := range sampleMachines() {
		values := make(map[string]int64, len(variables))
		for _, v := range variables {
			values[v] = machine[v]
		}
		result, err := cel.Int(n.scalar, values)
		if err == nil && (result < least || result > math.MaxInt32) {
			err = fmt.Errorf("the result %d is not between %d and %d", result, least, math.MaxInt32)
		}
		if err == nil {
			return true
		}
		last = err
	}
	c.fail(n, at, remedy, "it gives no usable number on any machine: %s", last)
	return false
}

// staticPodFolder checks the folder that the manifests of spec.staticPods go to if
// kubelet is told another one.
func (c *checker) staticPodFolder() {
	n := c.at("spec", "kubelet", "config", "staticPodPath")
	if n == nil || c.at("spec", "staticPods").empty() {
		return
	}
	if n.kind != stringNode || !path.IsAbs(n.scalar) || path.Clean(n.scalar) == "/" {
		c.fail(n, "spec.kubelet.config.staticPodPath", "name a folder by its absolute path, or take it out",
			"the manifests of spec.staticPods cannot be written to %s", quoteName(n.scalar))
	}
}

// staticPodFiles reports manifests with one file: the ending .yaml is added to names
// that have none of a manifest's.
func (c *checker) staticPodFiles() {
	made := map[string]field{}
	for _, f := range c.at("spec", "staticPods").entries() {
		file := f.name
		if !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(file)) {
			file += ".yaml"
		}
		if first, ok := made[file]; ok {
			c.keyFail(f, childPath("spec.staticPods", f.name), "rename one of them", "this has the same file as %s at %s", quoteName(first.name), first.value.pos())
		}
		made[file] = f
	}
}

// containerdSchema checks the version of containerd's configuration: the agent
// writes schema 2 for containerd 1.7 and schema 3, which reads 2, for containerd 2.
func (c *checker) containerdSchema(tree *node) {
	v := tree.get("version")
	if v == nil || v.kind == numberNode && (v.scalar == "2" || v.scalar == "3") {
		return
	}
	c.fail(v, "spec.containerd.config.version", "leave it out, or write version = 2, with the plugin names that go with it",
		"expected 2 or 3, found %s", v.found())
}

// registryFolder is where the agent writes spec.registries.
const registryFolder = "/etc/containerd/certs.d"

// containerdRegistries checks what containerd's own configuration says of
// registries against spec.registries.
func (c *checker) containerdRegistries(tree *node) {
	for _, plugin := range []string{"io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"} {
		registry := tree.at("plugins", plugin, "registry")
		at := childPath("spec.containerd.config.plugins", plugin) + ".registry"
		folder := registry.get("config_path")
		if c.at("spec", "registries").empty() || folder == nil || slices.Contains(strings.Split(folder.scalar, ":"), registryFolder) {
			continue
		}
		c.fail(folder, at+".config_path", "leave it out, or configure the registries there and not in spec.registries",
			"spec.registries is written to %s, and this makes containerd look elsewhere", registryFolder)
	}
}
