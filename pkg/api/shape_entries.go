package api

import (
	"path"
	"strconv"
	"strings"
)

// entriesRemedy is for lists of mappings that were given in another shape.
func entriesRemedy(n *node, s schema) string {
	switch {
	case n.kind == objectNode && len(n.fields) > 0:
		if _, own := s.element().child(n.fields[0].name); own {
			return `put "- " before its first field: this is a list, and the fields are those of one entry`
		}
		return "write " + entryOf(n.fields[0], s)
	case n.kind == objectNode:
		return "write [] for none, or remove it"
	}
	if entry := entryFrom(n, s); entry != "" {
		return "write a list: " + entry
	}
	return `write a list, each entry beginning with "- "`
}

// itemRemedy says how an item is written that was given as a word.
func itemRemedy(n *node, s schema) string {
	if entry := entryFrom(n, s); entry != "" {
		return "write " + entry
	}
	return ""
}

// entryKey is the field that names an entry.
func entryKey(s schema) string {
	if len(s.keys) > 0 {
		return s.keys[0]
	}
	return s.fields[0].name
}

// entryFrom writes a word as the entry that it probably stands for, or returns "".
func entryFrom(n *node, s schema) string {
	value := n.plainWord()
	if value == "" {
		return ""
	}
	switch s.name {
	case "taints":
		if taint := taintFrom(value); taint != "" {
			return "- " + taint
		}
		if n.kind == stringNode {
			key, value, _ := strings.Cut(value, "=")
			return "- {key: " + yamlString(key) + ", value: " + yamlString(value) + ", effect: NoSchedule}"
		}
	case "kernelModules":
		words := strings.Fields(value)
		var options []string
		for _, w := range words[min(1, len(words)):] {
			name, option, ok := strings.Cut(w, "=")
			if !ok {
				return "- name: " + yamlString(value)
			}
			options = append(options, yamlString(name)+": "+strconv.Quote(option))
		}
		if len(options) > 0 {
			return "- {name: " + yamlString(words[0]) + ", parameters: {" + strings.Join(options, ", ") + "}}"
		}
	case "hooks":
		words := commandWords(value)
		name := "NAME"
		if words[0] != "/bin/sh" {
			name = path.Base(words[0])
		}
		return "- {name: " + yamlString(name) + ", stage: " + string(HookPreKubelet) + ", command: " + flow(words) + "}"
	case "hugePages":
		return "- {size: " + loose(pageSize(value)) + ", count: NUMBER}"
	}
	return "- " + entryKey(s) + ": " + yamlString(value)
}

// taintFrom writes a taint as kubectl has it, KEY=VALUE:EFFECT or KEY:EFFECT, or
// returns "".
func taintFrom(text string) string {
	rest, effect, ok := cutLast(text, ":")
	if !ok {
		return ""
	}
	key, value, hasValue := strings.Cut(rest, "=")
	out := "{key: " + yamlString(key)
	if hasValue {
		out += ", value: " + yamlString(value)
	}
	return out + ", effect: " + yamlString(effect) + "}"
}

// entryOf writes a field of a mapping as the entry of a list that it stands for.
func entryOf(f field, s schema) string {
	key, value := entryKey(s), f.value.plainWord()
	switch {
	case s.name == "taints" && value != "":
		if taint := taintFrom(f.name + "=" + value); taint != "" {
			return "a list: - " + taint
		}
		return "a list: - " + taintFrom(f.name+":"+value)
	case s.name == "hugePages" && value != "":
		return "a list: - {size: " + loose(pageSize(f.name)) + ", count: " + loose(value) + "}"
	case s.name == "registries" && f.value.kind == listNode && len(f.value.items) > 0 && f.value.items[0].plainWord() != "":
		return "a list: - {registry: " + yamlString(f.name) + ", mirrors: [{url: " + strconv.Quote(f.value.items[0].scalar) + "}]}"
	case s.name == "registries" && value != "":
		return "a list: - {registry: " + yamlString(f.name) + ", mirrors: [{url: " + strconv.Quote(value) + "}]}"
	}
	return "a list: - " + key + ": " + yamlString(f.name) + ", and its fields below that"
}

// pageSize is the size of a huge page as the superset writes it, from what
// Kubernetes calls the resource, or the kernel the size.
func pageSize(s string) string {
	s = strings.TrimPrefix(s, "hugepages-")
	switch strings.ToLower(s) {
	case "2m", "2mb", "2mib", "2048kb":
		return "2Mi"
	case "1g", "1gb", "1gib", "1048576kb":
		return "1Gi"
	}
	return s
}

// keyRemedy says what the field is by which the entries of a list are told apart.
func keyRemedy(s schema, name string) string {
	switch s.name + "." + name {
	case "taints.effect":
		return "write effect: NoSchedule, PreferNoSchedule or NoExecute"
	case "taints.key":
		return "write key: and the taint's key; unlike a toleration, a taint needs one"
	case "registries.registry":
		return "write registry: and the host that image references begin with, as docker.io"
	case "hugePages.size":
		return "write size: 2Mi or 1Gi"
	}
	return "write " + name + ": and a name that no other entry has"
}
