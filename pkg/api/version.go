package api

import (
	"slices"
	"strings"
)

// document reads one document. It returns false if there is none to keep.
func (d *decoder) document(t *text, root *node) (Document, bool) {
	if root == nil || root.kind == nullNode || root.kind == badNode {
		return Document{}, false
	}
	if root.kind != objectNode {
		d.report.errorf(t, root.pos(), CodeWrongType, "", "begin it with apiVersion: "+APIVersion+" and kind: "+Kind,
			"expected a NodeConfig, found %s", root.kind.describe())
		return Document{}, false
	}
	if !d.version(t, root) {
		return Document{}, false
	}
	typer := &typer{d: d, t: t, rejected: make(map[string]bool), plain: root.get("apiVersion").text() == APIVersion}
	doc := Document{Source: root.pos().Source, Part: t.part, rejected: typer.rejected}
	doc.root = typer.structure(root, nodeConfigSchema(), "")
	if v := doc.root.get("apiVersion"); v != nil {
		doc.APIVersion = v.scalar
	}
	return doc, true
}

// version checks apiVersion and kind. It returns false if the document is
// something else altogether, so that its fields are not worth reporting.
func (d *decoder) version(t *text, root *node) bool {
	version, kind := root.get("apiVersion"), root.get("kind")
	known := APIVersion + " and " + APIVersionSuperset
	want := APIVersion
	if usesSuperset(root.get("spec")) {
		want = APIVersionSuperset
	}
	if v := root.get("apiVersion"); v != nil && strings.Contains(v.scalar, "eksnode") {
		want = APIVersionSuperset
	}
	ours := kind != nil && kind.scalar == Kind || version != nil && knownVersion(version.scalar)
	switch {
	case version == nil || version.kind == nullNode:
		d.report.errorf(t, root.pos(), CodeUnknownVersion, "apiVersion", "add the line apiVersion: "+want, "missing")
		ours = ours || root.get("spec") != nil && (kind == nil || kind.kind == nullNode)
	case version.kind == stringNode && !knownVersion(version.scalar):
		remedy := "write " + want
		if !ours {
			remedy = foreignRemedy(version.scalar)
		}
		d.report.errorf(t, version.pos(), CodeUnknownVersion, "apiVersion", remedy,
			"unknown version %s; known are %s", quoteName(version.scalar), known)
	}
	switch {
	case kind == nil || kind.kind == nullNode:
		if ours {
			d.report.errorf(t, root.pos(), CodeUnknownVersion, "kind", "add the line kind: "+Kind, "missing")
		}
	case kind.kind == stringNode && kind.scalar != Kind && ours:
		d.report.errorf(t, kind.pos(), CodeUnknownVersion, "kind", "write "+Kind,
			"unknown kind %s; the only one known is %s", quoteName(kind.scalar), Kind)
	}
	return ours
}

// usesSuperset reports whether a spec has a field that only the superset has.
func usesSuperset(spec *node) bool {
	return slices.ContainsFunc(supersetSchema(), func(s schema) bool { return spec.field(s.name) != nil })
}

// foreignRemedy says what to do with a document of another tool.
func foreignRemedy(version string) string {
	group, _, _ := strings.Cut(version, "/")
	switch group {
	case "kubelet.config.k8s.io":
		return "put the fields of a KubeletConfiguration below spec.kubelet.config of a NodeConfig"
	case "eksctl.io":
		return "this is eksctl's file; a node needs the NodeConfig that eksctl makes of it"
	case "karpenter.k8s.aws", "karpenter.sh":
		return "this is an object for the cluster; a node needs the NodeConfig in its userData"
	}
	if best, ok := nearest(version, []string{APIVersion, APIVersionSuperset}); ok {
		return "did you mean " + best + "?"
	}
	return "give the node a document that begins with apiVersion: " + APIVersion + " and kind: " + Kind
}
