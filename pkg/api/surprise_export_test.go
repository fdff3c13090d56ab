package api

import (
	"strings"
)

// KubeletFieldNames is for the test that compares the names with kubelet's types.
func KubeletFieldNames() []string { return kubeletFieldNames() }

// RuntimeSpecDefaults is for the test that compares the lists with the file.
func RuntimeSpecDefaults() map[string][]string {
	out := make(map[string][]string)
	for _, l := range specLists() {
		out[strings.Join(l.keys, ".")] = l.defaults
	}
	return out
}

// KubeletDefaults is for the test that compares the defaults with what the agent
// writes, by path below spec.kubelet.config.
func KubeletDefaults() map[string]string {
	out := make(map[string]string)
	for name, d := range kubeletDefaults() {
		out[name] = d.value
	}
	return out
}

// ChildPath is for the same test.
func ChildPath(path, key string) string { return childPath(path, key) }
