package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
)

// The forms of values that are strings. A schema cannot say all that is checked;
// what it says here, the program says, too.
const (
	quantityForm = `^[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE])?$`
	durationForm = `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`
	absoluteForm = `^/`
)

// refinement is what a schema says of a field beyond its type.
type refinement struct {
	pattern string
	enum    []string
	// anyCase is an enumeration whose case does not matter.
	anyCase bool
	minimum *int
}

func refinements() map[string]refinement {
	zero, one := 0, 1
	return map[string]refinement{
		"apiVersion":                                     {enum: []string{api.APIVersion, api.APIVersionSuperset}},
		"kind":                                           {enum: []string{api.Kind}},
		"spec.cluster.apiServerEndpoint":                 {pattern: `^https://`},
		"spec.instance.localStorage.strategy":            {anyCase: true},
		"spec.instance.localStorage.mountPath":           {pattern: absoluteForm},
		"spec.instance.localStorage.disabledMounts":      {anyCase: true},
		"spec.taints[].effect":                           {enum: []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}},
		"spec.cni.maxENIs":                               {minimum: &one},
		"spec.reserved.ephemeralStorage":                 {pattern: quantityForm},
		"spec.reserved.system.cpu":                       {pattern: quantityForm},
		"spec.reserved.system.memory":                    {pattern: quantityForm},
		"spec.reserved.system.ephemeralStorage":          {pattern: quantityForm},
		"spec.registries[].mirrors[].url":                {pattern: `^https?://`},
		"spec.registries[].mirrors[].capabilities":       {enum: []string{"pull", "resolve", "push"}},
		"spec.registries[].mirrors[].credentials.source": {enum: []string{api.CredentialsECR, api.CredentialsBasic}},
		"spec.imageCredentials[].program":                {pattern: absoluteForm},
		"spec.imageCredentials[].defaultCacheDuration":   {pattern: durationForm},
		"spec.hugePages[].size":                          {pattern: quantityForm},
		"spec.hugePages[].count":                         {minimum: &zero},
		"spec.hugePages[].numaNode":                      {minimum: &zero},
		"spec.ulimits.*.soft":                            {pattern: `^([0-9]+|unlimited)$`},
		"spec.ulimits.*.hard":                            {pattern: `^([0-9]+|unlimited)$`},
		"spec.swap.behavior":                             {enum: []string{"LimitedSwap", "NoSwap"}},
		"spec.swap.size":                                 {pattern: quantityForm},
		"spec.swap.path":                                 {pattern: absoluteForm},
		"spec.hooks[].timeout":                           {pattern: durationForm},
		"spec.readiness.taint.effect":                    {enum: []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}},
		"spec.readiness.timeout":                         {pattern: durationForm},
		"spec.readiness.roleArn":                         {pattern: `^arn:`},
	}
}

// object is a JSON object.
type object = map[string]any

// schemaMaker makes the schema from the fields and the comments.
type schemaMaker struct {
	comments map[string]comment
	refine   map[string]refinement
	fields   []api.Field
}

// Schema returns pkg/api/nodeconfig.schema.json: the JSON Schema (draft 2020-12) of
// a NodeConfig, from the fields that the program reads and the comments of the
// package in folder.
func Schema(folder string) (string, error) {
	src, err := readSource(folder)
	if err != nil {
		return "", err
	}
	m := schemaMaker{src.comments(), refinements(), api.Fields()}
	root := m.structure("")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://eksnode.dev/schemas/v1alpha1/nodeconfig.json"
	root["title"] = "NodeConfig"
	root["description"] = "One document of a node's configuration. Several merge into one, so that no field of spec is required here."
	root["type"] = "object"
	root["required"] = []string{"apiVersion", "kind"}
	refused := object{}
	for _, f := range m.fields {
		if name, ok := strings.CutPrefix(f.Path, "spec."); ok && f.Superset && !strings.ContainsAny(name, ".[*") {
			refused[name] = false
		}
	}
	root["if"] = object{"properties": object{"apiVersion": object{"const": api.APIVersion}}}
	root["then"] = object{"properties": object{"spec": object{"properties": refused}}}

	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		return "", fmt.Errorf("cannot write the schema: %w", err)
	}
	return b.String(), nil
}

// structure is a mapping with the fields directly below a path.
func (m schemaMaker) structure(path string) object {
	properties, required := object{}, []string{}
	for _, f := range m.fields {
		name, ok := strings.CutPrefix(f.Path, path)
		if path != "" && ok {
			name, ok = strings.CutPrefix(name, ".")
		}
		if !ok || strings.ContainsAny(name, ".[*") {
			continue
		}
		properties[name] = m.field(f)
		// Where lists merge, only what tells the items apart must be in each document.
		inList := strings.HasSuffix(path, "[]")
		if inList && m.mustHave(path, name, f) {
			required = append(required, name)
		}
	}
	out := object{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"], out["type"] = required, "object"
	}
	return out
}

func (m schemaMaker) mustHave(path, name string, f api.Field) bool {
	list := strings.TrimSuffix(path, "[]")
	i := slices.IndexFunc(m.fields, func(f api.Field) bool { return f.Path == list })
	if keys := m.fields[i].Keys; len(keys) > 0 {
		return slices.Contains(keys, name) && f.Kind != api.IntField
	}
	return f.DefaultFrom == "required"
}

// field is the schema of one field. Every field may be null, which is as if it were
// not there.
func (m schemaMaker) field(f api.Field) object {
	out := m.kind(f)
	if text := m.comments[f.Path].text; text != "" {
		out["description"] = text
	}
	if f.Default != "" {
		var v any = f.Default
		if f.Kind != api.StringField {
			_ = json.Unmarshal([]byte(f.Default), &v) // else it is a string as it stands
		}
		out["default"] = v
	}
	return out
}

func (m schemaMaker) kind(f api.Field) object {
	text := func() object {
		if f.Path == "apiVersion" || f.Path == "kind" {
			return m.refined(f, object{"type": "string"})
		}
		return m.refined(f, object{"type": []string{"string", "null"}})
	}
	mapOf := func(value object) object {
		return object{"type": []string{"object", "null"}, "additionalProperties": value}
	}
	secret := func() object { return object{"type": []string{"string", "null"}, "writeOnly": true} }
	scalar := []string{"string", "number", "boolean", "null"}
	switch f.Kind {
	case api.ObjectField:
		return m.structure(f.Path)
	case api.ListField:
		return object{"type": []string{"array", "null"}, "items": m.structure(f.Path + "[]")}
	case api.MapField:
		return mapOf(m.structure(f.Path + ".*"))
	case api.Base64Field:
		return object{"type": []string{"string", "null"}, "contentEncoding": "base64"}
	case api.BoolField:
		return object{"type": []string{"boolean", "null"}}
	case api.IntField:
		return m.refined(f, object{"type": []string{"integer", "null"}})
	case api.ScalarField:
		return m.refined(f, object{"type": scalar})
	case api.SecretField:
		return secret()
	case api.StringsField:
		return object{"type": []string{"array", "null"}, "items": m.refined(f, object{"type": "string"})}
	case api.TOMLField:
		return object{"type": []string{"string", "null"}, "contentMediaType": "application/toml"}
	case api.FreeField:
		return object{"type": []string{"object", "null"}}
	case api.BoolMapField:
		return mapOf(object{"type": []string{"boolean", "null"}})
	case api.StringMapField:
		return mapOf(object{"type": []string{"string", "null"}})
	case api.ScalarMapField:
		return mapOf(object{"type": scalar})
	case api.SecretMapField:
		return mapOf(secret())
	case api.EnvironmentField:
		return mapOf(mapOf(secret()))
	case api.IgnoredField:
		return object{}
	}
	return text()
}

// refined adds a field's form, and the values of its Go type.
func (m schemaMaker) refined(f api.Field, out object) object {
	r := m.refine[f.Path]
	values := r.enum
	for _, v := range m.comments[f.Path].enum {
		values = append(values, v.value)
	}
	if r.pattern != "" {
		out["pattern"] = r.pattern // for strings alone
		if out["type"] != "string" {
			out["pattern"] = "^$|" + r.pattern
		}
	}
	if r.minimum != nil {
		out["minimum"] = *r.minimum
	}
	if len(values) == 0 {
		return out
	}
	all := make([]any, 0, len(values)+2)
	for _, v := range values {
		all = append(all, v)
	}
	if out["type"] != "string" { // an empty value counts as none
		all = append(all, "", nil)
	}
	if !r.anyCase {
		out["enum"] = all
		return out
	}
	out["anyOf"] = []object{{"enum": all}, {"pattern": anyCase(values)}}
	return out
}

// anyCase is a pattern for values in any case. JSON Schema's patterns have no flags.
func anyCase(values []string) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte('|')
		}
		for _, r := range v {
			s := string(r)
			if lower, upper := strings.ToLower(s), strings.ToUpper(s); lower != upper {
				s = "[" + upper + lower + "]"
			}
			b.WriteString(s)
		}
	}
	return "^(" + b.String() + ")$"
}
