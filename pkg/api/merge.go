package api

import (
	"maps"
	"slices"
)

// Merged is the configuration that several documents add up to, and where each
// part of it comes from. The zero value holds no document.
type Merged struct {
	// Config is the outcome.
	Config NodeConfig

	root     *node
	rejected map[string]bool
	count    int // documents
}

// Merge lays documents over each other, the later over the earlier. Each kind of
// field has its rule:
//
//   - strings: a later one that is not empty wins
//   - cluster.enableOutpost: a later one wins, false too
//   - featureGates: by gate, a later false wins too
//   - environment: by variable, a later empty value wins too
//   - metadata labels and annotations: by key
//   - nameservers, domains, disabledMounts: a later list that is not empty replaces
//   - kubelet.flags: later flags follow earlier ones
//   - kubelet.config, containerd.baseRuntimeSpec: mappings merge at every depth;
//     lists, scalars and null replace, empty ones too; {} does not clear
//   - containerd.config: parsed and merged likewise, by key; the text of a single
//     document is kept verbatim
//   - labels, annotations, sysctls, a module's parameters, devices, env: by name, a later
//     empty value wins too
//   - taints (by key and effect), registries, imageCredentials, hugePages (by size
//     and NUMA node), kernelModules, hooks, ulimits: by key, then field by field;
//     entries keep the order in which their keys first appear
//   - a taint's value, whole numbers, booleans: a later one wins, "", 0 and false too
//   - mirrors, command, args, matchImages, servers, csiDrivers, dns: a later list that is not empty
//     replaces
//   - proxy.noProxy: later entries follow earlier ones
//   - staticPods: as kubelet.config
//
// These are nodeadm's rules but for two: enableOutpost can be switched off again,
// and numbers keep all their digits. Merging is associative. TOML that does not
// parse is left for [Validate] to report; until then the last text stands.
func Merge(documents []Document) Merged {
	m := Merged{rejected: make(map[string]bool), count: len(documents)}
	for _, d := range documents {
		m.root = mergeNodes(m.root, d.root, nodeConfigSchema())
		maps.Copy(m.rejected, d.rejected)
	}
	m.Config = configOf(m.root)
	return m
}

// mergeNodes lays a later value over an earlier one by the rule of their field.
// Either may be nil.
func mergeNodes(old, later *node, s schema) *node {
	if old == nil {
		return later
	}
	if later == nil {
		return old
	}
	switch s.typ {
	case structType:
		return mergeFields(old, later, func(name string) schema { c, _ := s.child(name); return c })
	case versionType:
		if old.scalar == APIVersionSuperset {
			return old
		}
		return replaced(later, old)
	case boolType, intType, valueType:
		return replaced(later, old)
	case flagsType:
		out := *old
		out.items = slices.Concat(old.items, later.items)
		return &out
	case freeType:
		return mergeFree(old, later)
	case tomlType:
		return mergeLayers(old, later)
	case gatesType:
		return mergeFields(old, later, func(string) schema { return leaf("", boolType) })
	case stringMapType, scalarMapType, secretMapType:
		return mergeFields(old, later, func(string) schema { return leaf("", valueType) })
	case keyedType, structMapType:
		return mergeFields(old, later, func(string) schema { return s.element() })
	case environmentType:
		return mergeFields(old, later, func(string) schema { return leaf("", stringMapType) })
	default: // stringType, base64Type, scalarType, secretType, listType, structListType
		switch {
		case later.empty():
			return old
		case old.empty():
			return later
		}
		return replaced(later, old)
	}
}

// replaced returns a value that remembers what it took the place of.
func replaced(later, old *node) *node {
	out := *later
	before := *old
	before.shadows = nil
	out.shadows = slices.Concat(later.shadows, []*node{&before}, old.shadows)
	return &out
}

// mergeFields joins two mappings; fields of both merge by their schema.
func mergeFields(old, later *node, of func(name string) schema) *node {
	return joinFields(old, later, func(name string, a, b *node) *node { return mergeNodes(a, b, of(name)) })
}

func joinFields(old, later *node, merge func(name string, a, b *node) *node) *node {
	out := *old
	out.fields = slices.Clone(old.fields)
	index := make(map[string]int, len(out.fields))
	for i, f := range out.fields {
		index[f.name] = i
	}
	for _, f := range later.fields {
		i, ok := index[f.name]
		if !ok {
			index[f.name] = len(out.fields)
			out.fields = append(out.fields, f)
			continue
		}
		v := merge(f.name, out.fields[i].value, f.value)
		if v.src == f.value.src && v.line == f.value.line && v.col == f.value.col {
			out.fields[i] = f // the value is the later one, and so is its key's place
		}
		out.fields[i].value = v
	}
	return &out
}

// mergeFree is the deep merge of free-form JSON. A value that replaced one of
// another shape is marked fresh: merged with what came before both, it must still
// replace and not merge, or the order of merging would matter.
func mergeFree(old, later *node) *node {
	if old.kind == objectNode && later.kind == objectNode && !later.fresh {
		return joinFields(old, later, func(_ string, a, b *node) *node { return mergeFree(a, b) })
	}
	out := replaced(later, old)
	out.fresh = true
	return out
}

// mergeLayers collects the TOML texts that configOf merges.
func mergeLayers(old, later *node) *node {
	if len(later.tomlLayers()) == 0 {
		return old
	}
	if len(old.tomlLayers()) == 0 {
		return later
	}
	out := *old
	out.layers = slices.Concat(old.tomlLayers(), later.tomlLayers())
	return &out
}

// tomlLayers returns the TOML texts of a containerd.config, without blank ones.
func (n *node) tomlLayers() []*node {
	switch {
	case n == nil:
		return nil
	case n.layers != nil:
		return n.layers
	case isBlank(n.scalar):
		return nil
	default:
		return []*node{n}
	}
}
