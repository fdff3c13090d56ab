// Package docs makes the parts of the user guide that follow from the code, so
// that they cannot differ from it: the NodeConfig reference from the types and
// their comments, and the troubleshooting guide from the catalogue of faults.
package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
)

// Troubleshooting returns the body of docs/troubleshooting.md.
func Troubleshooting() string {
	var b strings.Builder
	b.WriteString(`# Troubleshooting by error code

Every failure has a code. It is in the last line on the console (` + "`aws ec2 get-console-output`" + ` shows it without a login), in
` + "`/run/eksnode/status.json`, in `eksnode status`" + ` and in the journal (` + "`journalctl -u eksnode-config -u eksnode-run`" + `). The message
beside the code has the values that matter; the remedy there is more precise than the one here.

This page is made from the program's own catalogue.

| code | what has been seen | what usually mends it |
|---|---|---|
`)
	for _, e := range fault.Catalogue() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e.Code, cell(e.Meaning), cell(e.Remedy))
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// Reference returns the body of docs/nodeconfig.md from the source text of
// pkg/api/types.go.
func Reference(types []byte) (string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), "types.go", types, parser.ParseComments)
	if err != nil {
		return "", fmt.Errorf("cannot parse the types: %w", err)
	}
	r := reference{structs: map[string]*ast.StructType{}, enums: map[string][]string{}, constants: map[string]string{}}
	r.collect(f)
	r.b.WriteString(`# NodeConfig reference

A NodeConfig says what one node should be. It is accepted under two API groups with the same fields at the same places:
` + "`node.eks.aws/v1alpha1`, which nodeadm reads and Karpenter, eksctl, managed node groups and Terraform modules write, and\n`eksnode.dev/v1alpha1`" + `. An unknown field is an error that names the nearest known one.

Only ` + "`spec.cluster`" + ` is required. How several documents merge, and what the program does with each field on EC2, is in [ec2.md](ec2.md).
` + "`spec.instance.localStorage`" + ` is read and checked, but this version does not prepare disks: a node whose configuration has a strategy is
refused. The feature gates are ` + "`InstanceIdNodeName` and `FastImagePull`" + `; another one is a warning.

This page is made from the program's types.

| field | type | meaning |
|---|---|---|
`)
	r.fields("NodeConfig", "")
	return r.b.String(), nil
}

type reference struct {
	b       strings.Builder
	structs map[string]*ast.StructType
	enums   map[string][]string
	// constants are the untyped string constants, to which comments link.
	constants map[string]string
}

// collect finds the struct types, the values of the string types, and the
// constants.
func (r *reference) collect(f *ast.File) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range g.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if st, ok := s.Type.(*ast.StructType); ok {
					r.structs[s.Name.Name] = st
				}
			case *ast.ValueSpec:
				r.value(s)
			}
		}
	}
}

func (r *reference) value(s *ast.ValueSpec) {
	if len(s.Values) != 1 {
		return
	}
	lit, ok := s.Values[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return
	}
	text := strings.Trim(lit.Value, `"`)
	if t, ok := s.Type.(*ast.Ident); ok {
		r.enums[t.Name] = append(r.enums[t.Name], text)
	} else if s.Type == nil {
		r.constants[s.Names[0].Name] = text
	}
}

func (r *reference) fields(typ, path string) {
	st := r.structs[typ]
	if st == nil {
		return
	}
	for _, f := range st.Fields.List {
		if f.Tag == nil || len(f.Names) == 0 {
			continue
		}
		name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		full := strings.TrimPrefix(path+"."+name, ".")
		typeName, inner := r.typeName(f.Type)
		fmt.Fprintf(&r.b, "| `%s` | %s | %s |\n", full, cell(typeName), cell(r.sentence(f.Doc.Text())))
		r.fields(inner, full)
	}
}

// typeName returns the type as users know it, and the struct to descend into.
func (r *reference) typeName(e ast.Expr) (shown, inner string) {
	switch e := e.(type) {
	case *ast.StarExpr:
		return r.typeName(e.X)
	case *ast.ArrayType:
		if id, ok := e.Elt.(*ast.Ident); ok && id.Name == "byte" {
			return "base64", ""
		}
		s, _ := r.typeName(e.Elt)
		return "list of " + s, ""
	case *ast.MapType:
		s, _ := r.typeName(e.Value)
		return "map to " + s, ""
	case *ast.Ident:
		switch e.Name {
		case "bool":
			return "true or false", ""
		case "int", "int32", "int64":
			return "whole number", ""
		case "string":
			return "string", ""
		case "Object":
			return "object, as written", ""
		case "Secret":
			return "string (secret)", ""
		case "FeatureGates":
			return "map to true or false", ""
		}
		if r.structs[e.Name] != nil {
			return "object", e.Name
		}
		if values := r.enums[e.Name]; len(values) > 0 {
			return "one of `" + strings.Join(values, "`, `") + "`", ""
		}
		return e.Name, ""
	}
	return "value", ""
}

// sentence is a comment in one line. What links to a constant in Go's
// documentation is its value here; other links are their text.
func (r *reference) sentence(doc string) string {
	line := strings.Join(strings.Fields(doc), " ")
	for name, value := range r.constants {
		line = strings.ReplaceAll(line, "["+name+"]", "`"+value+"`")
	}
	return strings.NewReplacer("[", "", "]", "").Replace(line)
}
