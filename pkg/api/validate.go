package api

import (
	"strings"
	"time"
)

// Validate checks the values of a merged configuration and returns every problem,
// in order of place. now is what certificates' validity is compared with; the zero
// time leaves that out.
//
// What a field holds is judged by itself and against its neighbours. What depends
// on the machine, such as a disk strategy without disks, is not known here.
func Validate(m Merged, now time.Time) []Problem {
	c := &checker{m: m, now: now}
	if m.count == 0 {
		c.report.errorf(nil, Pos{}, CodeNoNodeConfig, "",
			"give the node a document that begins with apiVersion: "+APIVersion+" and kind: "+Kind,
			"no source holds a NodeConfig")
		return c.report.done()
	}
	c.cluster()
	c.kubelet()
	c.containerd()
	c.instance()
	c.featureGates()
	c.superset()
	c.hiddenSecrets()
	c.agreement()
	c.surprises()
	return c.report.done()
}

// checker is the state of one Validate.
type checker struct {
	m      Merged
	now    time.Time
	report reporter
}

// at returns the value at a path of keys, or nil.
func (c *checker) at(keys ...string) *node { return c.m.root.at(keys...) }

// fail reports an error about a value.
func (c *checker) fail(n *node, path, remedy, format string, args ...any) {
	c.say(Error, CodeInvalidValue, n, path, remedy, format, args...)
}

// warn reports a warning about a value.
func (c *checker) warn(n *node, path, remedy, format string, args ...any) {
	c.say(Warning, CodeSuspiciousValue, n, path, remedy, format, args...)
}

func (c *checker) say(s Severity, code Code, n *node, path, remedy, format string, args ...any) {
	var t *text
	if n != nil {
		t = n.src
	}
	c.report.sayf(t, s, n.pos(), code, path, remedy, format, args...)
}

// missing reports a required field that has no value, at the place of the nearest
// mapping that should hold it. A field that was given but rejected is not missing.
func (c *checker) missing(keys []string, remedy string) {
	path := strings.Join(keys, ".")
	for i := range keys {
		if c.m.rejected[strings.Join(keys[:i+1], ".")] {
			return
		}
	}
	if n := c.at(keys...); n != nil {
		c.say(Error, CodeMissingField, n, path, remedy, "required, but empty")
		return
	}
	holder, at := c.m.root, c.m.root.pos()
	for _, k := range keys[:len(keys)-1] {
		f := holder.field(k)
		if f == nil {
			break
		}
		holder, at = f.value, f.value.src.pos(f.line, f.col)
	}
	c.report.errorf(holder.src, at, CodeMissingField, path, remedy, "required, but missing")
}

// template reports whether a value is a placeholder that nothing filled in.
func template(s string) bool {
	for _, open := range []string{"${", "{{", "$(", "<%"} {
		if strings.Contains(s, open) {
			return true
		}
	}
	return len(s) > 2 && s[0] == '<' && s[len(s)-1] == '>'
}

const templateRemedy = "this looks like a template that was not filled in"

// orTemplate replaces a remedy if the value is an unfilled template.
func orTemplate(value, remedy string) string {
	if template(value) {
		return templateRemedy
	}
	return remedy
}

func (c *checker) featureGates() {
	known := []string{InstanceIDNodeName, FastImagePull}
	gates := c.at("spec", "featureGates")
	if gates == nil {
		return
	}
	for _, f := range gates.fields {
		if c.report.full() {
			return
		}
		path := childPath("spec.featureGates", f.name)
		remedy := "known gates: " + strings.Join(known, ", ")
		best, ok := nearest(f.name, known)
		if ok && best == f.name {
			continue
		}
		if ok {
			remedy = "did you mean " + best + "?"
		}
		c.warn(f.value, path, remedy, "unknown feature gate has no effect; the kubelet's own gates belong at spec.kubelet.config.featureGates")
	}
}
