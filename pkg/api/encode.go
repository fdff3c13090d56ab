package api

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Format is how a configuration is written.
type Format int

const (
	// YAML is canonical YAML: fields in the schema's order, free-form keys sorted,
	// empty fields left out.
	YAML Format = iota
	// JSON is one line, with the fields and the order of nodeadm's "config dump".
	JSON
)

// EncodeOptions says how Encode writes.
type EncodeOptions struct {
	Format Format
	// Secrets writes secrets as they are. Without it they are [redacted].
	Secrets bool
}

// Encode writes a configuration. Equal configurations give equal bytes, which end
// in a line break. Decode and Merge of what Encode wrote with secrets give the same
// configuration, with APIVersion and Kind filled in.
//
// It fails on what no document can hold: strings with NUL or invalid UTF-8,
// free-form values that are not as in [Object], and fields of [Superset] below
// [APIVersion]. Without an APIVersion such a configuration is written as
// [APIVersionSuperset].
func Encode(c NodeConfig, o EncodeOptions) ([]byte, error) {
	e := &encoder{secrets: o.Secrets, full: o.Format == JSON}
	root := e.root(c)
	if e.err != nil {
		return nil, fmt.Errorf("cannot encode NodeConfig: %w", e.err)
	}
	var b bytes.Buffer
	if o.Format == JSON {
		writeJSON(&b, root)
		b.WriteByte('\n')
	} else {
		writeYAML(&b, root, 0, false)
	}
	return b.Bytes(), nil
}

// encoder turns a configuration into nodes. It keeps the first error.
type encoder struct {
	secrets bool
	full    bool // keep structs without content
	err     error
}

func (e *encoder) root(c NodeConfig) *node {
	version, kind := field{name: "apiVersion", value: e.str(cmp.Or(c.APIVersion, APIVersion))}, field{name: "kind", value: e.str(cmp.Or(c.Kind, Kind))}
	superset := e.superset(c.Spec.Superset)
	if len(superset) > 0 {
		if c.APIVersion == APIVersion {
			e.fail("spec.%s is a field of %s, but apiVersion is %s", superset[0].name, APIVersionSuperset, APIVersion)
		}
		version.value = e.str(cmp.Or(c.APIVersion, APIVersionSuperset))
	}
	head := []field{version, kind}
	if e.full {
		head = []field{kind, version}
	}
	spec := e.structure(append([]field{
		{name: "cluster", value: e.cluster(c.Spec.Cluster)},
		{name: "containerd", value: e.structure(
			field{name: "config", value: e.str(c.Spec.Containerd.Config)},
			field{name: "baseRuntimeSpec", value: e.object(c.Spec.Containerd.BaseRuntimeSpec)},
		)},
		{name: "instance", value: e.instance(c.Spec.Instance)},
		{name: "kubelet", value: e.structure(
			field{name: "config", value: e.object(c.Spec.Kubelet.Config)},
			field{name: "flags", value: e.list(c.Spec.Kubelet.Flags)},
			field{name: "maxPodsExpression", value: e.str(c.Spec.Kubelet.MaxPodsExpression)},
		)},
		{name: "featureGates", value: encodeMap(e, c.Spec.FeatureGates, encodeBool)},
	}, superset...)...)
	root := e.structure(append(head,
		field{name: "metadata", value: e.structure(
			field{name: "name", value: e.str(c.Metadata.Name)},
			field{name: "namespace", value: e.str(c.Metadata.Namespace)},
			field{name: "labels", value: encodeMap(e, c.Metadata.Labels, e.value)},
			field{name: "annotations", value: encodeMap(e, c.Metadata.Annotations, e.value)},
		)},
		field{name: "spec", value: spec})...)
	return root
}

func (e *encoder) cluster(c Cluster) *node {
	fields := []field{
		{name: "name", value: e.str(c.Name)},
		{name: "apiServerEndpoint", value: e.str(c.APIServerEndpoint)},
		{name: "certificateAuthority", value: e.str(base64.StdEncoding.EncodeToString(c.CertificateAuthority))},
		{name: "cidr", value: e.str(c.CIDR)},
	}
	if c.EnableOutpost != nil {
		fields = append(fields, field{name: "enableOutpost", value: encodeBool(*c.EnableOutpost)})
	}
	return e.structure(append(fields, field{name: "id", value: e.str(c.ID)})...)
}

func (e *encoder) instance(i Instance) *node {
	env := &node{kind: objectNode}
	for _, service := range slices.Sorted(maps.Keys(i.Environment)) {
		if vars := encodeMap(e, i.Environment[service], e.secret); vars != nil {
			env.fields = append(env.fields, field{name: e.key(service), value: vars})
		}
	}
	if len(env.fields) == 0 {
		env = nil
	}
	return e.structure(
		field{name: "localStorage", value: e.structure(
			field{name: "strategy", value: e.str(string(i.LocalStorage.Strategy))},
			field{name: "mountPath", value: e.str(i.LocalStorage.MountPath)},
			field{name: "disabledMounts", value: e.list(stringsOf(i.LocalStorage.DisabledMounts))},
		)},
		field{name: "environment", value: env},
		field{name: "network", value: e.structure(
			field{name: "nameservers", value: e.list(i.Network.Nameservers)},
			field{name: "domains", value: e.list(i.Network.Domains)},
		)},
	)
}

// structure joins the fields that have a value. In full mode it is never nil.
func (e *encoder) structure(fields ...field) *node {
	n := &node{kind: objectNode}
	for _, f := range fields {
		if f.value != nil {
			n.fields = append(n.fields, f)
		}
	}
	if len(n.fields) == 0 && !e.full {
		return nil
	}
	return n
}

// str is a string field, nil if empty.
func (e *encoder) str(s string) *node {
	if s == "" {
		return nil
	}
	return e.value(s)
}

// secret is a secret, empty or not.
func (e *encoder) secret(s Secret) *node {
	if !e.secrets {
		return e.value(redacted)
	}
	return e.value(s.Reveal())
}

// fail keeps an error unless there is one.
func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

// value is a string, empty or not.
func (e *encoder) value(s string) *node { return &node{kind: stringNode, scalar: e.key(s)} }

// key checks a string.
func (e *encoder) key(s string) string {
	if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
		e.fail("a string holds NUL or is not valid UTF-8")
	}
	return s
}

func (e *encoder) list(items []string) *node {
	if len(items) == 0 {
		return nil
	}
	n := &node{kind: listNode}
	for _, s := range items {
		n.items = append(n.items, e.value(s))
	}
	return n
}

func (e *encoder) object(o Object) *node {
	if len(o) == 0 {
		return nil
	}
	return e.free(map[string]any(o))
}

// free is a free-form value.
func (e *encoder) free(v any) *node {
	switch v := v.(type) {
	case nil:
		return &node{kind: nullNode}
	case bool:
		return encodeBool(v)
	case string:
		return e.value(v)
	case json.Number:
		if !jsonNumberForm.MatchString(v.String()) {
			e.fail("%q is not a JSON number", v.String())
		}
		return &node{kind: numberNode, scalar: v.String()}
	case int:
		return &node{kind: numberNode, scalar: strconv.Itoa(v)}
	case int64:
		return &node{kind: numberNode, scalar: strconv.FormatInt(v, 10)}
	case []any:
		n := &node{kind: listNode}
		for _, item := range v {
			n.items = append(n.items, e.free(item))
		}
		return n
	case map[string]any:
		n := &node{kind: objectNode}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.fields = append(n.fields, field{name: e.key(k), value: e.free(v[k])})
		}
		return n
	default:
		e.fail("a free-form value has the Go type %T", v)
		return &node{kind: nullNode}
	}
}

func encodeBool(b bool) *node { return &node{kind: boolNode, scalar: strconv.FormatBool(b)} }

// encodeMap is a mapping with sorted keys, nil if empty.
func encodeMap[M ~map[string]V, V any](e *encoder, m M, value func(V) *node) *node {
	if len(m) == 0 {
		return nil
	}
	n := &node{kind: objectNode}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		n.fields = append(n.fields, field{name: e.key(k), value: value(m[k])})
	}
	return n
}

func stringsOf[S ~string](in []S) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}
