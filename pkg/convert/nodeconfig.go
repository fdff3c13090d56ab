package convert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eksnode/eksnode/internal/lazyregexp"
	"github.com/eksnode/eksnode/pkg/api"
)

// readNodeConfig reads NodeConfig of any of its dialects. What the dialect has and
// NodeConfig here has not is lost; everything else stays where it is.
func readNodeConfig(raw []byte, texts []text, from Format, now time.Time) (*draft, error) {
	const name = "input"
	merged, problems := api.Load([]api.Input{{Name: name, Raw: raw}}, api.Options{UnknownFieldsAreWarnings: true}, now)
	if err := unusable(problems); err != nil {
		return nil, err
	}
	d := newDraft()
	d.config = merged.Config
	d.config.APIVersion = api.APIVersionSuperset
	if from == Hybrid {
		d.hybridFields(texts)
	}
	for _, p := range problems {
		d.problem(p, from)
	}
	for _, f := range leafPaths("", treeOf(d.config)) {
		line, replaced := 0, []api.Origin(nil)
		if origins := merged.Origin(f); len(origins) > 0 {
			line, replaced = lineOf(origins[0].Pos), origins[1:]
		}
		d.say(source{f, line}, Translated, f, "", "")
		for _, o := range replaced {
			d.say(source{f, lineOf(o.Pos)}, Implied, "", "a later document replaces it", "")
		}
	}
	d.needCluster()
	return d, nil
}

// lineOf is a place's line, if it counts in the input itself.
func lineOf(p api.Pos) int {
	if strings.Contains(p.Source, "#part") {
		return 0
	}
	return p.Line
}

// unusable returns the problems for which a configuration cannot be converted. That
// fields are missing is told in the report.
func unusable(problems []api.Problem) error {
	if slices.ContainsFunc(problems, func(p api.Problem) bool { return p.Code == api.CodeNoNodeConfig }) {
		return errors.New("cannot find a NodeConfig in the input")
	}
	grave := slices.DeleteFunc(slices.Clone(problems), func(p api.Problem) bool { return p.Code == api.CodeMissingField })
	if err := api.AsError(grave); err != nil {
		return fmt.Errorf("cannot convert a configuration with errors: %w", err)
	}
	return nil
}

// unknownField finds the name in the message of an unknown field.
var unknownField = lazyregexp.New(`^unknown field "((?:[^"\\]|\\.)*)"`)

// problem turns what decoding left out into entries.
func (d *draft) problem(p api.Problem, from Format) {
	switch p.Code {
	case api.CodeUnknownField:
		m := unknownField.FindStringSubmatch(p.Message)
		if m == nil {
			m = []string{"", "?"}
		}
		path := childPath(p.Path, m[1])
		if from == Hybrid && slices.Contains(hybridRoots(), path) && d.spoke(path) {
			return
		}
		message, remedy := whyNotHybrid(path)
		if message == "" {
			message, remedy = "NodeConfig has no such field", p.Remedy
		}
		d.say(source{path, lineOf(p.Pos)}, Lost, "", message, remedy)
	case api.CodeDuplicateKey:
		d.say(source{p.Path, lineOf(p.Pos)}, Implied, "", p.Message, "")
	case api.CodeIgnoredPart, api.CodeMissedPart:
		if p.Part != "" || p.Line > 0 {
			d.say(source{"a part of the user data", lineOf(p.Pos)}, Lost, "", p.Message, "keep the part beside the converted one")
		}
	}
}

// spoke reports whether an entry is about a field or something inside it.
func (d *draft) spoke(path string) bool {
	return slices.ContainsFunc(d.entries, func(e Entry) bool { return within(e.From, path) })
}

// hybridRoots are the fields that only EKS Hybrid's NodeConfig has.
func hybridRoots() []string { return []string{"spec.hybrid", "spec.cluster.region"} }

// hybridFields reports each field of EKS Hybrid's own.
func (d *draft) hybridFields(texts []text) {
	for _, t := range texts {
		root, err := parseYAML(t.body)
		if err != nil || root == nil {
			continue
		}
		tree, lines, err := yamlTree(root, "", t.before)
		if err != nil {
			continue
		}
		for _, f := range leafPaths("", tree) {
			if message, remedy := whyNotHybrid(f); message != "" {
				d.say(source{f, lines[f]}, Lost, "", message, remedy)
			}
		}
	}
}

func whyNotHybrid(path string) (message, remedy string) {
	switch {
	case within(path, "spec.cluster.region"):
		return "the region is not part of this version's NodeConfig; on EC2 it comes from instance metadata", ""
	case within(path, "spec.hybrid"):
		return "EKS Hybrid's credentials are not part of this version's NodeConfig", "keep them in the configuration of EKS Hybrid's own nodeadm"
	}
	return "", ""
}
