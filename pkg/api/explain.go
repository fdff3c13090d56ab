package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Explanation says where the value of one field comes from.
type Explanation struct {
	// Path is the field, as in [Leaf.Path].
	Path string `json:"path"`
	// Set reports whether a document gives the value.
	Set bool `json:"set"`
	// Value is what counts, as one line of JSON: the documents' value, else the
	// default if it does not depend on the machine. Secrets show as [redacted].
	Value string `json:"value,omitempty"`
	// Origins are the value that counts and after it those it replaced, latest
	// first. Empty if no document gives one.
	Origins []Origin `json:"origins,omitempty"`
	// DefaultFrom says, if no document gives a value, where the default comes from,
	// or what holds without one.
	DefaultFrom string `json:"defaultFrom,omitempty"`
	// Rejected reports that a document gives a value that cannot be used.
	Rejected bool `json:"rejected,omitempty"`
	// Merge says what becomes of the field when several documents have it.
	Merge string `json:"merge,omitempty"`
	// About says what the field is.
	About string `json:"about,omitempty"`
}

// Explain explains a field, or every field below it. The path may be the whole
// one, the one below spec, or any end of one that fits a single field: maxPods.
// Fields that no document gives are there with their default; within free-form
// fields (kubelet.config, TOML, ...) those that are asked for by name. An empty path
// is for all values that documents give.
//
// It fails if no field fits, naming the nearest, or if several fit.
func (m Merged) Explain(path string) ([]Explanation, error) {
	e := newExplainer(m)
	if path == "" {
		var out []Explanation
		for _, at := range e.order {
			if !e.values[at].items {
				out = append(out, e.explain(at))
			}
		}
		return out, nil
	}
	at, err := e.resolve(path)
	if err != nil {
		return nil, err
	}
	return e.under(at), nil
}

// explained is a value with what is needed to explain it.
type explained struct {
	n         *node
	s         schema
	inherited []*node
	items     bool // its parts are told one by one
}

type explainer struct {
	m      Merged
	values map[string]explained
	order  []string // of the values
	fields map[string]Field
	known  []string // paths of all fields and values
	schema jsonSchema
}

func newExplainer(m Merged) *explainer {
	e := &explainer{m: m, values: map[string]explained{}, fields: map[string]Field{}, schema: readJSONSchema()}
	whole := "" // a list that is told as one, with all below it
	m.walk(func(path string, n *node, s schema, inherited []*node) {
		if whole != "" && strings.HasPrefix(path, whole) {
			e.values[path] = explained{n, s, inherited, true}
			e.known = append(e.known, path)
			return
		}
		whole = ""
		v := explained{n: n, s: s, inherited: inherited}
		list := n.kind == listNode && s.typ != flagsType && s.typ != structListType
		if list && len(n.items) > 0 {
			whole = path + "["
		}
		v.items = s.typ == structType || !list && len(n.fields)+len(n.items) > 0
		e.values[path] = v
		e.order = append(e.order, path)
		e.known = append(e.known, path)
	})
	for _, f := range Fields() {
		if f.Kind == IgnoredField {
			continue
		}
		e.fields[f.Path] = f
		if !strings.ContainsAny(f.Path, "[*") {
			e.known = append(e.known, f.Path)
		}
	}
	for _, name := range kubeletFieldNames() {
		e.known = append(e.known, kubeletConfigPath+"."+name)
	}
	for name := range kubeletDefaults() {
		e.known = append(e.known, kubeletConfigPath+"."+name)
	}
	slices.Sort(e.known)
	e.known = slices.Compact(e.known)
	return e
}

// resolve finds the one path that is meant.
func (e *explainer) resolve(path string) (string, error) {
	for _, whole := range []string{path, "spec." + path} {
		if _, ok := slices.BinarySearch(e.known, whole); ok {
			return whole, nil
		}
	}
	if at := e.m.canonical(path); at != "" {
		return at, nil
	}
	var fit []string
	for _, k := range e.known {
		if strings.HasSuffix(k, "."+path) || strings.HasPrefix(path, "[") && strings.HasSuffix(k, path) {
			fit = append(fit, k)
		}
	}
	switch len(fit) {
	case 1:
		return fit[0], nil
	case 0:
		return "", e.noSuchPath(path)
	}
	const most = 10
	more := ""
	if len(fit) > most {
		fit, more = fit[:most], fmt.Sprintf(" and %d more", len(fit)-most)
	}
	return "", fmt.Errorf("cannot tell which field %s is: it may be %s%s", quoteName(path), strings.Join(fit, ", "), more)
}

// noSuchPath names the fields whose last name is nearest to that of a path.
func (e *explainer) noSuchPath(path string) error {
	last := func(path string) string {
		s := segments(path)
		if len(s) == 0 {
			return ""
		}
		return s[len(s)-1].name
	}
	var names []string
	byName := map[string][]string{}
	for _, k := range e.known {
		name := last(k)
		if name == "" || strings.Trim(name, "0123456789") == "" {
			continue
		}
		names = append(names, name)
		byName[name] = append(byName[name], k)
	}
	err := fmt.Errorf("cannot explain %s: there is no such field", quoteName(path))
	if holder, entry := e.entry(path); holder != "" {
		return fmt.Errorf("cannot explain %s: %s has no entry %s", quoteName(path), holder, quoteName(entry))
	}
	if to := clusterSynonyms()[bareName(path)]; to != "" {
		return fmt.Errorf("%w; did you mean spec.cluster.%s?", err, to)
	}
	if to := supersetSynonyms()[bareName(path)]; to != "" {
		return fmt.Errorf("%w; did you mean %s?", err, to)
	}
	if best, ok := nearest(last(path), names); ok {
		const most = 5
		list := byName[best]
		return fmt.Errorf("%w; did you mean %s?", err, strings.Join(list[:min(len(list), most)], ", "))
	}
	return err
}

// under explains a path, or what is below it if that is told one by one.
func (e *explainer) under(path string) []Explanation {
	inside := func(p string) bool { return strings.HasPrefix(p, path+".") || strings.HasPrefix(p, path+"[") }
	var out []Explanation
	if f := e.fields[path]; f.Kind == ObjectField {
		for _, f := range Fields() { // in the schema's order, with those that are not set
			if inside(f.Path) && f.Kind != ObjectField && f.Kind != IgnoredField && !strings.ContainsAny(f.Path, "[*") {
				out = append(out, e.under(f.Path)...)
			}
		}
		return out
	}
	v, set := e.values[path]
	if set && !v.items || e.within(path) {
		return []Explanation{e.explain(path)}
	}
	for _, p := range e.order {
		if inside(p) && !e.values[p].items {
			out = append(out, e.explain(p))
		}
	}
	// What the agent itself sets there counts, too, unless it is not asked for.
	if path == kubeletConfigPath && !set {
		return []Explanation{e.explain(path)}
	}
	for _, name := range slices.Sorted(maps.Keys(kubeletDefaults())) {
		p := kubeletConfigPath + "." + name
		if _, given := e.values[p]; inside(p) && !given {
			out = append(out, e.explain(p))
		}
	}
	if len(out) == 0 {
		return []Explanation{e.explain(path)}
	}
	return out
}

// kubeletConfigPath is where a part of a KubeletConfiguration stands.
const kubeletConfigPath = "spec.kubelet.config"

// within reports whether a value is part of a list that is told as one.
func (e *explainer) within(path string) bool {
	return e.values[path].items && !slices.Contains(e.order, path)
}

func (e *explainer) explain(path string) Explanation {
	out := Explanation{Path: path, Rejected: e.m.rejected[path]}
	field, rest, _ := fieldPath(path)
	f := e.fields[field]
	out.Merge, out.About = f.Merge, e.about(field, rest)
	if f.Kind == ObjectField {
		out.Merge = ""
	}
	if v, ok := e.values[path]; ok {
		out.Set, out.Value, out.Origins = true, v.n.show(), originsOf(v.n, v.inherited)
		return out
	}
	d := fieldDefault{f.Default, f.DefaultFrom}
	if field == kubeletConfigPath && rest != "" {
		d = fieldDefault{"", "kubelet's own default"}
		if own, ok := kubeletDefaults()[rest]; ok {
			d = own
		}
	}
	out.Value, out.DefaultFrom = d.value, d.from
	if f.Kind == StringField && rest == "" && d.value != "" {
		out.Value = string(jsonString(d.value))
	}
	return out
}

// about is the description of a field. What is inside a free-form field has none.
func (e *explainer) about(field, rest string) string {
	if rest != "" {
		return ""
	}
	return e.schema.describe(field)
}
