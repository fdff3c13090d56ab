package api

import "strings"

// Origin is one value that a document gave for a field, and where.
type Origin struct {
	// Pos is the place of the value.
	Pos
	// Value is the value as one line of JSON. Secrets show as [redacted].
	Value string `json:"value"`
}

// String returns the value and its place on one line.
func (o Origin) String() string {
	s := o.Value
	if at := o.Pos.String(); at != "" {
		s += " at " + at
	}
	if d := o.detail(); d != "" {
		s += " [" + d + "]"
	}
	return s
}

// Leaf is one value of the merged configuration.
type Leaf struct {
	// Path is the field, as spec.kubelet.config.maxPods or spec.kubelet.flags[0].
	// Keys that hold dots or other signs are in brackets and quotes. An entry of a
	// list that merges by key is named by that key, which stays when documents are
	// added: spec.hooks["warm-up"].stage, spec.taints["dedicated:NoSchedule"].value,
	// spec.hugePages["2Mi"].count, spec.hugePages["1Gi:0"].count for NUMA node 0.
	Path string `json:"path"`
	// Origins are the value that counts and after it those it replaced, latest
	// first.
	Origins []Origin `json:"origins"`
}

// Leaves returns every value of the configuration in the order of the schema, then
// of the documents. The keys of containerd's TOML are leaves of their own unless
// the TOML does not parse.
func (m Merged) Leaves() []Leaf {
	var leaves []Leaf
	m.walk(func(path string, n *node, s schema, inherited []*node) {
		if s.typ == structType || len(n.fields) > 0 || len(n.items) > 0 {
			return
		}
		leaves = append(leaves, Leaf{Path: path, Origins: originsOf(n, inherited)})
	})
	return leaves
}

// Origin returns where the value at a path comes from, and after it what it
// replaced, latest first. The path may also be that of a mapping or list. It is
// nil if there is no such value.
func (m Merged) Origin(path string) []Origin {
	var found []Origin
	m.walk(func(at string, n *node, _ schema, inherited []*node) {
		if at == path {
			found = originsOf(n, inherited)
		}
	})
	return found
}

func originsOf(n *node, inherited []*node) []Origin {
	out := []Origin{{n.pos(), n.show()}}
	for _, s := range n.shadows {
		out = append(out, Origin{s.pos(), s.show()})
	}
	for _, s := range inherited {
		out = append(out, Origin{s.pos(), s.show()})
	}
	return out
}

// visitor is given a value, its schema, and the values that a list or mapping
// around it replaced.
type visitor func(path string, n *node, s schema, inherited []*node)

// walk visits every value.
func (m Merged) walk(visit visitor) {
	if m.root != nil {
		walkNode(m.root, nodeConfigSchema(), "", nil, visit)
	}
}

func walkNode(n *node, s schema, path string, inherited []*node, visit visitor) {
	if s.typ == tomlType {
		if tree := layeredTree(n); tree != nil {
			n = tree
		} else {
			n = n.guarded()
		}
	}
	if path != "" {
		visit(path, n, s, inherited)
	}
	inside := inherited
	if len(n.shadows) > 0 {
		inside = n.shadows
	}
	element := schema{typ: freeType}
	switch s.typ {
	case structType:
		for _, child := range s.fields { // in the schema's order
			if v := n.get(child.name); v != nil {
				walkNode(v, child, childPath(path, child.name), inside, visit)
			}
		}
		return
	case keyedType:
		for _, f := range n.fields {
			walkNode(f.value, s.element(), keyedPath(path, f.name), inside, visit)
		}
		return
	case structMapType, structListType:
		element = s.element()
	}
	for _, f := range n.fields {
		walkNode(f.value, element, childPath(path, f.name), inside, visit)
	}
	for i, e := range n.items {
		walkNode(e, element, itemPath(path, i), inside, visit)
	}
}

// layeredTree merges the layers of a containerd.config as nodes, or returns nil if
// one does not parse.
func layeredTree(n *node) *node {
	var merged *node
	for _, l := range n.tomlLayers() {
		tree, err := tomlTree(l)
		if err != nil {
			return nil
		}
		if merged == nil {
			merged = tree
			continue
		}
		merged = mergeFree(merged, tree)
	}
	return merged
}

// guarded returns a string with the secrets in it hidden, going by its lines.
func (n *node) guarded() *node {
	out := *n
	lines := strings.Split(n.scalar, "\n")
	for i, l := range lines {
		lines[i] = hideTelling(l)
	}
	out.scalar = strings.Join(lines, "\n")
	return &out
}
