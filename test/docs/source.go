package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// source is what the comments of a package's types say.
type source struct {
	structs map[string]*ast.StructType
	// enums are the values of the string types.
	enums map[string][]enumValue
	// constants are all string constants, to which comments link.
	constants map[string]string
	// names are the names in documents of fields that have a struct type, by type.
	names map[string]string
}

// enumValue is one value of a string type.
type enumValue struct{ value, doc string }

// comment is what is said about one field.
type comment struct {
	text string
	enum []enumValue
}

// readSource parses the files of a package but its tests.
func readSource(folder string) (*source, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the sources: %w", err)
	}
	s := &source{structs: map[string]*ast.StructType{}, enums: map[string][]enumValue{}, constants: map[string]string{}, names: map[string]string{}}
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("cannot read the types: %w", err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, raw, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("cannot parse the types: %w", err)
		}
		s.collect(f)
	}
	return s, nil
}

// collect finds the struct types and the string constants of a file.
func (s *source) collect(f *ast.File) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if st, ok := spec.Type.(*ast.StructType); ok {
					s.structs[spec.Name.Name] = st
				}
			case *ast.ValueSpec:
				s.constant(spec)
			}
		}
	}
}

func (s *source) constant(spec *ast.ValueSpec) {
	if len(spec.Values) != 1 {
		return
	}
	lit, ok := spec.Values[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return
	}
	text := strings.Trim(lit.Value, "`\"")
	s.constants[spec.Names[0].Name] = text
	if t, ok := spec.Type.(*ast.Ident); ok {
		s.enums[t.Name] = append(s.enums[t.Name], enumValue{text, s.plain(spec.Doc.Text(), spec.Names[0].Name)})
	}
}

// comments returns what is said about each field, by api.Field.Path. It reads the
// types twice, for names that are used before they are declared.
func (s *source) comments() map[string]comment {
	out := map[string]comment{}
	s.fields("NodeConfig", "", map[string]comment{})
	s.fields("NodeConfig", "", out)
	return out
}

func (s *source) fields(typ, path string, out map[string]comment) {
	for _, f := range s.structs[typ].Fields.List {
		if f.Tag == nil {
			continue
		}
		name, options, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
		inner, step := innerType(f.Type)
		if len(f.Names) == 0 {
			if strings.Contains(options, "inline") {
				s.fields(inner, path, out)
			}
			continue
		}
		full := strings.TrimPrefix(path+"."+name, ".")
		c := comment{text: s.sentence(f.Doc.Text(), f.Names[0].Name, typ)}
		for _, v := range s.enums[inner] {
			c.enum = append(c.enum, enumValue{v.value, s.sentence(v.doc, "", "")})
		}
		out[full] = c
		if s.structs[inner] != nil {
			if step == "" {
				s.names[inner] = name
			}
			s.fields(inner, full+step, out)
		}
	}
}

// innerType returns the name of a type, or of what a list or mapping of it holds,
// and the step to that in a path.
func innerType(e ast.Expr) (name, step string) {
	switch e := e.(type) {
	case *ast.StarExpr:
		return innerType(e.X)
	case *ast.ArrayType:
		name, _ = innerType(e.Elt)
		return name, "[]"
	case *ast.MapType:
		name, _ = innerType(e.Value)
		return name, ".*"
	case *ast.Ident:
		return e.Name, ""
	}
	return "", ""
}

var (
	goLink = regexp.MustCompile(`\[([A-Za-z]+)\]`)
	// Type.Field, and a word that may be the name of a field.
	qualified = regexp.MustCompile(`\b([A-Z][A-Za-z]+)\.([A-Z][A-Za-z]+)\b`)
	fieldWord = regexp.MustCompile(`([a-z,;:] )([A-Z][A-Za-z]+)\b`)
	ofThe     = regexp.MustCompile(`^the (\w+)'s([,.])`)
)

// plain is a comment on one line without the Go name that it begins with.
func (s *source) plain(doc, name string) string {
	line := strings.Join(strings.Fields(doc), " ")
	rest, ok := strings.CutPrefix(line, name+" ")
	if !ok || name == "" {
		return line
	}
	if second, after, both := strings.Cut(strings.TrimPrefix(rest, "and "), " "); both && strings.HasPrefix(rest, "and ") && second != "" {
		rest = after // "HTTP and HTTPS are the URLs"
	}
	verb, after, _ := strings.Cut(rest, " ")
	switch verb {
	case "is", "are":
		rest = ofThe.ReplaceAllString(after, "the $1's "+strings.ToLower(name)+"$2")
	case "is,", "are,":
		rest = after
	case "of":
		return line
	case "say":
		rest = "says " + after
	}
	return capital(rest)
}

// sentence is a comment for people who know no Go: fields have their names in
// documents, links are values, and nil is said in words. typ is the struct that the
// field belongs to.
func (s *source) sentence(doc, name, typ string) string {
	line := s.plain(doc, name)
	line = goLink.ReplaceAllStringFunc(line, func(link string) string {
		name := strings.Trim(link, "[]")
		if v, ok := s.constants[name]; ok {
			return "`" + v + "`"
		}
		if name == "FactNames" {
			return "the list of facts"
		}
		return name
	})
	line = qualified.ReplaceAllStringFunc(line, func(q string) string {
		t, f, _ := strings.Cut(q, ".")
		if field := s.fieldName(t, f); field != "" && s.names[t] != "" {
			return "`" + s.names[t] + "." + field + "`"
		}
		return q
	})
	line = fieldWord.ReplaceAllStringFunc(line, func(w string) string {
		before, word := w[:2], w[2:]
		if field := s.fieldName(typ, word); field != "" {
			return before + "`" + field + "`"
		}
		return w
	})
	if first, after, _ := strings.Cut(line, " "); s.fieldName(typ, first) != "" && strings.Contains(first, "Outpost") {
		line = "`" + s.fieldName(typ, first) + "` " + after
	}
	return strings.NewReplacer(". nil ", ". Unset ", " nil ", " unset ", "The zero value", "Unset", "; here it is decoded", "").Replace(line)
}

// fieldName returns the name in documents of a field of a struct type, or nothing.
func (s *source) fieldName(typ, field string) string {
	st := s.structs[typ]
	if st == nil {
		return ""
	}
	for _, f := range st.Fields.List {
		for _, n := range f.Names {
			if n.Name == field && f.Tag != nil {
				name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
				return name
			}
		}
	}
	return ""
}

// capital begins a sentence with a capital letter, unless its first word is a value.
func capital(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if first == "http" || first == "https" || first == "ecr" {
		return s
	}
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}
