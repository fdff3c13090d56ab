package convert

import (
	"encoding/base64"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/eksnode/eksnode/pkg/api"
)

// childPath appends a key to a path as package api does: in brackets if it would
// be mistaken for several.
func childPath(path, key string) string {
	if key == "" || strings.ContainsAny(key, `.[]"' =/`) || strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func itemPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// keyedLists are the lists of NodeConfig whose items merge by key, with the fields
// that are the key. Package api names their items by it, and so do reports.
func keyedLists() map[string][]string {
	return map[string][]string{
		"spec.taints": {"key", "effect"}, "spec.registries": {"registry"}, "spec.imageCredentials": {"name"},
		"spec.hugePages": {"size", "numaNode"}, "spec.kernelModules": {"name"}, "spec.hooks": {"name"},
	}
}

func keyedItem(path string, item any, keys []string) string {
	var parts []string
	for _, k := range keys {
		v := at(item, k)
		if s, ok := stringOf(v); ok {
			parts = append(parts, s)
		}
	}
	return keyedPath(path, parts...)
}

func keyedPath(path string, key ...string) string {
	return path + "[" + strconv.Quote(strings.Join(key, ":")) + "]"
}

func taintPath(t api.Taint) string { return keyedPath("spec.taints", t.Key, t.Effect) }

// keysPath is the path of nested keys.
func keysPath(keys ...string) string {
	path := ""
	for _, k := range keys {
		path = childPath(path, k)
	}
	return path
}

// parentPath returns the path of what a field stands in, or "".
func parentPath(path string) string {
	if strings.HasSuffix(path, "]") {
		// The key may hold brackets and escaped quotes: look for where its quoting starts.
		for i := strings.LastIndexByte(path, '['); i >= 0; i = strings.LastIndexByte(path[:i], '[') {
			inner := path[i+1 : len(path)-1]
			if _, err := strconv.Atoi(inner); err == nil {
				return path[:i]
			}
			if _, err := strconv.Unquote(inner); err == nil {
				return path[:i]
			}
		}
		return ""
	}
	return path[:max(strings.LastIndexByte(path, '.'), 0)]
}

// leafPaths returns the paths of all values of a tree that hold no others, keys
// sorted.
func leafPaths(path string, v any) []string {
	switch v := v.(type) {
	case map[string]any:
		var out []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, leafPaths(childPath(path, k), v[k])...)
		}
		if len(v) > 0 {
			return out
		}
	case []any:
		var out []string
		for i, e := range v {
			at := itemPath(path, i)
			if keys := keyedLists()[path]; keys != nil {
				at = keyedItem(path, e, keys)
			}
			out = append(out, leafPaths(at, e)...)
		}
		if len(v) > 0 {
			return out
		}
	}
	if path == "" {
		return nil
	}
	return []string{path}
}

// treeOf returns what a configuration says as a tree with the names of its
// document. What says nothing is left out.
func treeOf(c api.NodeConfig) map[string]any {
	tree, _ := valueTree(reflect.ValueOf(c)).(map[string]any)
	delete(tree, "apiVersion")
	delete(tree, "kind")
	return tree
}

// valueTree returns nil for what says nothing.
func valueTree(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		if v.Kind() == reflect.Interface {
			return v.Interface() // free-form values are a tree already
		}
		if e := v.Elem(); e.Kind() == reflect.Bool || e.Kind() == reflect.Int64 {
			return e.Interface() // a pointer to false says something
		}
		return valueTree(v.Elem())
	case reflect.Struct:
		return structTree(v)
	case reflect.Map:
		if o, ok := v.Interface().(api.Object); ok {
			if len(o) == 0 {
				return nil
			}
			return map[string]any(o)
		}
		out := make(map[string]any)
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = mapValue(it.Value())
		}
		return orNil(out)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.Len() == 0 {
				return nil
			}
			return base64.StdEncoding.EncodeToString(v.Bytes())
		}
		var out []any
		for i := range v.Len() {
			out = append(out, valueTree(v.Index(i)))
		}
		if out == nil {
			return nil
		}
		return out
	case reflect.String:
		if v.Len() == 0 {
			return nil
		}
		return v.String()
	default:
		return v.Interface()
	}
}

// mapValue is the value of a key, which says something even if it is empty.
func mapValue(v reflect.Value) any {
	if v.Kind() == reflect.String {
		return v.String()
	}
	return valueTree(v)
}

func structTree(v reflect.Value) any {
	out := make(map[string]any)
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		child := valueTree(v.Field(i))
		switch {
		case child == nil:
		case name == "" && strings.Contains(options, "inline"):
			inner, _ := child.(map[string]any)
			maps.Copy(out, inner)
		default:
			out[name] = child
		}
	}
	return orNil(out)
}

func orNil(m map[string]any) any {
	if len(m) == 0 {
		return nil
	}
	return m
}
