package api

import (
	"cmp"
	"strings"
	"time"
)

func (c *checker) hooks() {
	for _, f := range c.at("spec", "hooks").entries() {
		at, h := keyedPath("spec.hooks", f.name), f.value
		if !fileName(f.name, maxLabelName) {
			c.fail(h.get("name"), at+".name", fileNameRemedy+"; at most 63 of them", "%s cannot be the name of a file", quoteName(f.name))
		}
		if c.required(h, at, "stage", "say when it is run: "+strings.Join(hookStages(), ", ")) {
			c.choice(h.get("stage"), at+".stage", hookStages())
		}
		if c.required(h, at, "command", "list the program's absolute path and its arguments") {
			c.hookCommand(h.get("command"), at+".command")
		}
		c.environmentNames(h.get("env"), at+".env")
		if n := h.get("timeout"); !n.empty() {
			c.duration(n, at+".timeout", time.Second, time.Hour)
		}
		c.choice(h.get("onFailure"), at+".onFailure", hookPolicies())
		c.choice(h.get("run"), at+".run", hookFrequencies())
	}
}

// hookCommand checks a command, which no shell ever sees.
func (c *checker) hookCommand(list *node, at string) {
	if len(list.items) == 0 {
		return // what there was has been reported
	}
	program := list.items[0]
	path := itemPath(at, 0)
	const form = "give the program by its absolute path, and each argument an item of its own"
	if words := strings.Fields(program.scalar); len(words) > 1 && (len(list.items) == 1 || strings.HasPrefix(words[0], "/")) {
		remedy := form
		if line := program.plainWord(); line != "" && len(list.items) == 1 {
			remedy = "write " + flow(commandWords(line))
		}
		c.fail(program, path, remedy, "%s holds a space; the command is not given to a shell", quoteName(program.scalar))
		return
	}
	if program.scalar == "" {
		c.fail(program, path, form, "the program is empty")
		return
	}
	remedy := form
	switch program.scalar {
	case "sh", "bash":
		remedy = "write /bin/" + program.scalar
	}
	c.absolute(program, path, remedy)
}

func (c *checker) staticPods() {
	const base = "spec.staticPods"
	names := make(map[string]*node)
	for _, f := range c.at("spec", "staticPods").entries() {
		at, pod := childPath(base, f.name), f.value
		if !fileName(f.name, 200) {
			c.keyFail(f, at, fileNameRemedy, "%s cannot be the name of a file", quoteName(f.name))
		}
		if pod.kind != objectNode {
			c.fail(pod, at, cmp.Or(freeRemedy(pod, at), "write the manifest of a v1 Pod"), "expected a mapping, found %s", pod.found())
			continue
		}
		for _, want := range []struct{ name, value string }{{"apiVersion", "v1"}, {"kind", "Pod"}} {
			if n := pod.get(want.name); n != nil && n.scalar != want.value { // the agent writes what is missing
				c.fail(n, at+"."+want.name, "kubelet runs only Pods by itself; others are for the API server", "expected %s, found %s", want.value, n.found())
			}
		}
		c.podName(pod, at, names)
		c.containers(pod, at)
	}
}

// podField reports a field of a manifest that is not there or no string.
func (c *checker) podField(parent *node, at, name, remedy string) bool {
	n := parent.get(name)
	switch {
	case n.empty():
		return c.required(parent, at, name, remedy)
	case n.kind != stringNode:
		c.fail(n, childPath(at, name), remedy, "expected a string, found %s", n.found())
		return false
	}
	return true
}

func (c *checker) podName(pod *node, at string, names map[string]*node) {
	metadata := pod.get("metadata")
	if !c.required(pod, at, "metadata", "give the pod a name: metadata.name") {
		return
	}
	at = childPath(at, "metadata")
	if !c.podField(metadata, at, "name", "give the pod a name; the node's name is added to it") {
		return
	}
	n := metadata.get("name")
	if !subdomainForm.MatchString(n.scalar) || len(n.scalar) > maxSubdomain {
		c.fail(n, at+".name", orTemplate(n.scalar, subdomainRemedy), "%s is no name of a pod", quoteName(n.scalar))
	}
	key := metadata.get("namespace").text() + "/" + n.scalar
	if first := names[key]; first != nil {
		c.fail(n, at+".name", "give each pod a name of its own", "the pod at %s has the same name", first.pos())
	}
	names[key] = n
}

func (c *checker) containers(pod *node, at string) {
	const remedy = "list at least one container with name and image"
	if !c.required(pod, at, "spec", remedy) {
		return
	}
	at = childPath(at, "spec")
	spec := pod.get("spec")
	if spec.kind == objectNode && !c.required(spec, at, "containers", remedy) {
		return
	}
	at = childPath(at, "containers")
	list := spec.get("containers")
	if list == nil || list.kind != listNode {
		c.fail(list.or(spec), at, remedy, "expected a list of mappings, found %s", list.or(spec).found())
		return
	}
	for i, container := range list.items {
		at := itemPath(at, i)
		if container.kind != objectNode {
			c.fail(container, at, remedy, "expected a mapping, found %s", container.found())
			continue
		}
		if c.podField(container, at, "name", "give the container a name") {
			if n := container.get("name"); !subdomainForm.MatchString(n.scalar) || strings.Contains(n.scalar, ".") || len(n.scalar) > maxLabelName {
				c.fail(n, at+".name", "write at most 63 small letters, digits and hyphens", "%s is no name of a container", quoteName(n.scalar))
			}
		}
		c.podField(container, at, "image", "give the container an image")
	}
}

// or returns another node if there is none.
func (n *node) or(other *node) *node {
	if n == nil {
		return other
	}
	return n
}
