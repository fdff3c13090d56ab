package api

import (
	_ "embed" // for the schema
	"encoding/json"
	"strings"
)

// nodeConfigJSONSchema is made by test/docs from the types and their comments; a
// test there fails when it is stale.
//
//go:embed nodeconfig.schema.json
var nodeConfigJSONSchema string

// JSONSchema returns the JSON Schema (draft 2020-12) of one NodeConfig document of
// either group. What it refuses, Decode or Validate refuse, too; they check more
// than a schema can say, such as addresses and what must be there when all documents
// are merged.
func JSONSchema() []byte { return []byte(nodeConfigJSONSchema) }

// jsonSchema is as much of a JSON Schema as describe reads.
type jsonSchema struct {
	Description          string                `json:"description"`
	Properties           map[string]jsonSchema `json:"properties"`
	Items                *jsonSchema           `json:"items"`
	AdditionalProperties json.RawMessage       `json:"additionalProperties"`
}

// readJSONSchema returns the embedded schema, which a test parses.
func readJSONSchema() jsonSchema {
	var s jsonSchema
	if json.Unmarshal([]byte(nodeConfigJSONSchema), &s) != nil {
		return jsonSchema{}
	}
	return s
}

// describe returns the description of a field by its Field.Path, or nothing.
func (s jsonSchema) describe(path string) string {
	for _, name := range strings.Split(path, ".") {
		name, items := strings.CutSuffix(name, "[]")
		if name == "*" {
			var each jsonSchema
			if json.Unmarshal(s.AdditionalProperties, &each) != nil {
				return ""
			}
			s = each
			continue
		}
		s = s.Properties[name]
		if items && s.Items != nil {
			s = *s.Items
		}
	}
	return s.Description
}
