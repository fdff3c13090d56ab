package cel

import (
	"maps"
	"slices"
	"strings"
)

type kind int

const (
	kindAny kind = iota // of the items of an empty list, and of null
	kindInt
	kindUint
	kindDouble
	kindBool
	kindString
	kindNull
	kindList
)

var kindNames = [...]string{"any", "int", "uint", "double", "bool", "string", "null", "list"}

// typ is a static type; of is that of a list's items.
type typ struct {
	kind kind
	of   *typ
}

func (t typ) String() string {
	if t.kind == kindList && t.of != nil {
		return "list(" + t.of.String() + ")"
	}
	return kindNames[t.kind]
}

// join returns the one type of two values that stand for each other.
func join(a, b typ) (typ, bool) {
	switch {
	case a.kind == kindAny:
		return b, true
	case b.kind == kindAny:
		return a, true
	case a.kind != b.kind:
		return typ{}, false
	case a.kind != kindList:
		return a, true
	}
	of, ok := join(*a.of, *b.of)
	return typ{kindList, &of}, ok
}

// overloads are the types that an operator takes on both of its sides.
var overloads = map[string][]kind{
	"+":  {kindInt, kindUint, kindDouble, kindString, kindList},
	"-":  {kindInt, kindUint, kindDouble},
	"*":  {kindInt, kindUint, kindDouble},
	"/":  {kindInt, kindUint, kindDouble},
	"%":  {kindInt, kindUint},
	"<":  {kindInt, kindUint, kindDouble, kindBool, kindString},
	"<=": {kindInt, kindUint, kindDouble, kindBool, kindString},
	">":  {kindInt, kindUint, kindDouble, kindBool, kindString},
	">=": {kindInt, kindUint, kindDouble, kindBool, kindString},
	"==": {kindInt, kindUint, kindDouble, kindBool, kindString, kindNull, kindList},
	"!=": {kindInt, kindUint, kindDouble, kindBool, kindString, kindNull, kindList},
}

// functions are the types that a function of one argument takes, and what it gives.
var functions = map[string]struct {
	takes []kind
	gives kind
}{
	"int":    {[]kind{kindInt, kindUint, kindDouble, kindString}, kindInt},
	"uint":   {[]kind{kindInt, kindUint, kindDouble, kindString}, kindUint},
	"double": {[]kind{kindInt, kindUint, kindDouble, kindString}, kindDouble},
	"string": {[]kind{kindInt, kindUint, kindDouble, kindString, kindBool}, kindString},
	"size":   {[]kind{kindString, kindList}, kindInt},
}

// check returns the type of a node, or the first thing in it that has none.
func check(n *node, vars scope[typ]) (typ, error) {
	if n.op == opMacro {
		return checkMacro(n, vars)
	}
	args := make([]typ, len(n.args))
	for i, a := range n.args {
		var err error
		if args[i], err = check(a, vars); err != nil {
			return typ{}, err
		}
	}
	switch n.op {
	case opLiteral:
		return typ{kind: literalKind(n.value)}, nil
	case opVariable:
		if t, ok := vars.lookup(n.name); ok {
			return t, nil
		}
		return typ{}, problemAt(n.column, "there is no variable %s", n.name)
	case opUnary:
		return checkUnary(n, args[0])
	case opAnd, opOr:
		return checkLogical(n, args)
	case opBinary:
		return checkBinary(n, args[0], args[1])
	case opChoice:
		return checkChoice(n, args)
	case opList:
		return checkList(n, args)
	case opIndex:
		if !admits(args[0], kindList) || !admits(args[1], kindInt) {
			return typ{}, problemAt(n.column, "%s cannot be indexed by %s", args[0], args[1])
		}
		return items(args[0]), nil
	default:
		return checkCall(n, args)
	}
}

func literalKind(v any) kind {
	switch v.(type) {
	case int64:
		return kindInt
	case uint64:
		return kindUint
	case float64:
		return kindDouble
	case bool:
		return kindBool
	case string:
		return kindString
	}
	return kindNull
}

// admits reports whether a value of the type may be of one of the kinds.
func admits(t typ, kinds ...kind) bool {
	return t.kind == kindAny || slices.Contains(kinds, t.kind)
}

func items(list typ) typ {
	if list.of == nil {
		return typ{}
	}
	return *list.of
}

func checkUnary(n *node, arg typ) (typ, error) {
	if n.name == "!" && admits(arg, kindBool) {
		return typ{kind: kindBool}, nil
	}
	if n.name == "-" && admits(arg, kindInt, kindDouble) {
		return arg, nil
	}
	return typ{}, problemAt(n.column, "%s does not work on %s", n.name, arg)
}

func checkLogical(n *node, args []typ) (typ, error) {
	for i, a := range args {
		if !admits(a, kindBool) {
			return typ{}, problemAt(n.args[i].column, "%s stands where a bool should be", a)
		}
	}
	return typ{kind: kindBool}, nil
}

func checkBinary(n *node, left, right typ) (typ, error) {
	if n.name == "in" {
		if _, ok := join(typ{kindList, &left}, right); !ok {
			return typ{}, problemAt(n.column, "in does not work on %s and %s", left, right)
		}
		return typ{kind: kindBool}, nil
	}
	both, ok := join(left, right)
	if !ok || !admits(both, overloads[n.name]...) {
		return typ{}, problemAt(n.column, "%s does not work on %s and %s; convert with int() or double()", n.name, left, right)
	}
	switch n.name {
	case "+", "-", "*", "/", "%":
		return both, nil
	}
	return typ{kind: kindBool}, nil
}

func checkChoice(n *node, args []typ) (typ, error) {
	if !admits(args[0], kindBool) {
		return typ{}, problemAt(n.args[0].column, "the condition is %s, not bool", args[0])
	}
	both, ok := join(args[1], args[2])
	if !ok {
		return typ{}, problemAt(n.column, "the two sides of ?: are %s and %s", args[1], args[2])
	}
	return both, nil
}

func checkList(n *node, args []typ) (typ, error) {
	var of typ
	for i, a := range args {
		both, ok := join(of, a)
		if !ok {
			return typ{}, problemAt(n.args[i].column, "%s stands in a list of %s", a, of)
		}
		of = both
	}
	return typ{kindList, &of}, nil
}

func checkCall(n *node, args []typ) (typ, error) {
	f, ok := functions[n.name]
	if !ok {
		return typ{}, problemAt(n.column, "there is no function %s here; there are %s", n.name,
			strings.Join(slices.Sorted(maps.Keys(functions)), ", "))
	}
	if len(args) != 1 {
		return typ{}, problemAt(n.column, "%s takes one argument, not %d", n.name, len(args))
	}
	if !admits(args[0], f.takes...) {
		return typ{}, problemAt(n.column, "%s does not work on %s", n.name, args[0])
	}
	return typ{kind: f.gives}, nil
}

func checkMacro(n *node, vars scope[typ]) (typ, error) {
	list, err := check(n.args[0], vars)
	if err != nil {
		return typ{}, err
	}
	if !admits(list, kindList) {
		return typ{}, problemAt(n.column, "%s works on a list, not on %s", n.name, list)
	}
	body, err := check(n.args[2], vars.with(n.args[1].name, items(list)))
	if err != nil {
		return typ{}, err
	}
	if n.name == "map" {
		return typ{kindList, &body}, nil
	}
	if !admits(body, kindBool) {
		return typ{}, problemAt(n.args[2].column, "the expression of %s is %s, not bool", n.name, body)
	}
	if n.name == "filter" {
		return list, nil
	}
	return typ{kind: kindBool}, nil
}
