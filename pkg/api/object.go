package api

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Object is free-form JSON: an object whose values are nil, bool, string,
// json.Number, []any and map[string]any. Numbers keep the digits they were written
// with. json.Marshal writes it with sorted keys, so equal objects give equal bytes.
type Object map[string]any

// UnmarshalJSON implements json.Unmarshaler. It differs from the default in that
// numbers become json.Number, which loses nothing.
func (o *Object) UnmarshalJSON(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return fmt.Errorf("cannot read JSON object: %w", err)
	}
	*o = m
	return nil
}

// Lookup returns the value at a path of keys, and whether there is one.
func (o Object) Lookup(keys ...string) (any, bool) {
	var v any = map[string]any(o)
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[k]; !ok {
			return nil, false
		}
	}
	return v, true
}

// Clone returns a copy that shares nothing with the receiver. The clone of nil is
// nil.
func (o Object) Clone() Object {
	if o == nil {
		return nil
	}
	return cloneValue(map[string]any(o)).(map[string]any)
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = cloneValue(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneValue(e)
		}
		return out
	default:
		return v
	}
}
