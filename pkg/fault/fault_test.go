package fault

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

func TestFindReturnsTheOutermostFaultThroughWrapping(t *testing.T) {
	inner := New(IMDSUnreachable, "inner", errors.New("connection refused"))
	outer := New(NodeNameUnknown, "outer", fmt.Errorf("cannot tell node name: %w", inner))
	f, ok := Find(fmt.Errorf("cannot init: %w", outer))
	if !ok || f.Code != NodeNameUnknown || f.Remedy != "outer" {
		t.Fatalf("Find = %+v, %v", f, ok)
	}
	if !errors.Is(outer, inner) {
		t.Error("the inner fault is lost")
	}
}

func TestNewOfNilIsNil(t *testing.T) {
	if err := New(DiskFull, "x", nil); err != nil {
		t.Fatalf("got %v", err)
	}
}

func TestAnUnclassifiedErrorIsInternal(t *testing.T) {
	if got := CodeOf(errors.New("boom")); got != Internal {
		t.Fatalf("got %s", got)
	}
}

// Every constant of type Code must be explained to users.
func TestEveryCodeIsInTheCatalogueExactlyOnce(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[Code]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil || len(spec.Values) != 1 {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "Code" {
			return true
		}
		s, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		declared[Code(s)] = 0
		return true
	})
	if len(declared) < 30 {
		t.Fatalf("found only %d codes: the test no longer reads the file rightly", len(declared))
	}
	for _, e := range Catalogue() {
		if _, ok := declared[e.Code]; !ok {
			t.Errorf("catalogue explains %s, which is not declared", e.Code)
		}
		declared[e.Code]++
		if e.Meaning == "" || e.Remedy == "" {
			t.Errorf("%s lacks a meaning or a remedy", e.Code)
		}
	}
	for c, n := range declared {
		if n != 1 {
			t.Errorf("%s stands %d times in the catalogue, want once", c, n)
		}
	}
}
