package api

import (
	"errors"
)

// containerd checks each document's TOML by itself, so that errors have a place in
// that document.
func (c *checker) containerd() {
	const path = "spec.containerd.config"
	layers := c.at("spec", "containerd", "config").tomlLayers()
	valid := true
	for _, l := range layers {
		_, err := parseTOML(l.scalar)
		if err == nil {
			continue
		}
		valid = false
		var te *tomlError
		if !errors.As(err, &te) {
			te = &tomlError{1, 1, err.Error()}
		}
		line, col, exact := l.inner().at(te.line, te.column)
		p := Problem{Severity: Error, Code: CodeInvalidValue, Pos: l.src.pos(line, col), Path: path, Message: "not valid TOML: " + te.message}
		if !exact {
			p.Message += " (" + te.Error()[:len(te.Error())-len(te.message)-2] + " of the text)"
		}
		c.report.add(l.src, p)
	}
	if valid && len(layers) > 1 {
		c.containerdVersions(layers)
	}
}

// containerdVersions warns of documents that write for different schemas of
// containerd's configuration: the sections of one have no meaning in the other.
func (c *checker) containerdVersions(layers []*node) {
	var first *node
	for _, l := range layers {
		tree, err := tomlTree(l)
		if err != nil {
			return
		}
		v := tree.get("version")
		switch {
		case v == nil:
		case first == nil:
			first = v
		case v.scalar != first.scalar:
			c.warn(v, "spec.containerd.config.version", "write all documents for one schema",
				"this configuration is written for schema %s, the one at %s for schema %s", v.show(), first.pos(), first.show())
			return
		}
	}
}
