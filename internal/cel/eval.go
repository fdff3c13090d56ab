package cel

import (
	"math"
	"unicode/utf8"
)

// evaluator walks a checked tree; steps bounds the walk.
type evaluator struct{ steps int }

func (e *evaluator) eval(n *node, vars scope[any]) (any, error) {
	if e.steps++; e.steps > maxSteps {
		return nil, problemAt(n.column, "the expression takes more than %d steps", maxSteps)
	}
	switch n.op {
	case opLiteral:
		return n.value, nil
	case opVariable:
		v, _ := vars.lookup(n.name)
		return v, nil
	case opAnd, opOr:
		return e.logical(n, vars)
	case opChoice:
		condition, err := e.bool(n.args[0], vars)
		if err != nil {
			return nil, err
		}
		if condition {
			return e.eval(n.args[1], vars)
		}
		return e.eval(n.args[2], vars)
	case opMacro:
		return e.macro(n, vars)
	}
	args := make([]any, len(n.args))
	for i, a := range n.args {
		var err error
		if args[i], err = e.eval(a, vars); err != nil {
			return nil, err
		}
	}
	switch n.op {
	case opList:
		return args, nil
	case opIndex:
		return index(n, args[0], args[1])
	case opUnary:
		return unary(n, args[0])
	case opBinary:
		return e.binary(n, args[0], args[1])
	default:
		return call(n, args[0])
	}
}

// bool evaluates a node that must give a bool. The checker cannot always tell:
// the items of an empty list are of any type.
func (e *evaluator) bool(n *node, vars scope[any]) (bool, error) {
	v, err := e.eval(n, vars)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, problemAt(n.column, "this is no bool")
	}
	return b, nil
}

// logical evaluates && and ||: a side that decides hides the other's error.
func (e *evaluator) logical(n *node, vars scope[any]) (any, error) {
	decides := n.op == opOr
	left, errL := e.bool(n.args[0], vars)
	if errL == nil && left == decides {
		return decides, nil
	}
	right, errR := e.bool(n.args[1], vars)
	switch {
	case errR == nil && right == decides:
		return decides, nil
	case errL != nil:
		return nil, errL
	case errR != nil:
		return nil, errR
	}
	return !decides, nil
}

func index(n *node, list, at any) (any, error) {
	l, okL := list.([]any)
	i, okI := at.(int64)
	if !okL || !okI {
		return nil, problemAt(n.column, "this is no list")
	}
	if i < 0 || i >= int64(len(l)) {
		return nil, problemAt(n.column, "the list of %d has no item %d", len(l), i)
	}
	return l[i], nil
}

func unary(n *node, arg any) (any, error) {
	switch v := arg.(type) {
	case bool:
		return !v, nil
	case float64:
		return -v, nil
	case int64:
		if v == math.MinInt64 {
			return nil, overflow(n)
		}
		return -v, nil
	}
	return nil, problemAt(n.column, "%s does not work on this", n.name)
}

func (e *evaluator) binary(n *node, left, right any) (any, error) {
	switch n.name {
	case "==":
		return e.equal(left, right), nil
	case "!=":
		return !e.equal(left, right), nil
	case "in":
		list, ok := right.([]any)
		if !ok {
			return nil, problemAt(n.column, "this is no list")
		}
		for _, item := range list {
			if e.equal(left, item) {
				return true, nil
			}
		}
		return false, nil
	case "<", "<=", ">", ">=":
		return compare(n, left, right)
	}
	switch l := left.(type) {
	case int64:
		if r, ok := right.(int64); ok {
			return intArithmetic(n, l, r)
		}
	case uint64:
		if r, ok := right.(uint64); ok {
			return uintArithmetic(n, l, r)
		}
	case float64:
		if r, ok := right.(float64); ok {
			return doubleArithmetic(n, l, r)
		}
	case string:
		if r, ok := right.(string); ok && n.name == "+" {
			e.steps += (len(l) + len(r)) / 16
			return l + r, nil
		}
	case []any:
		if r, ok := right.([]any); ok && n.name == "+" {
			e.steps += len(l) + len(r)
			return append(l[:len(l):len(l)], r...), nil
		}
	}
	return nil, problemAt(n.column, "%s does not work on these", n.name)
}

func (e *evaluator) equal(left, right any) bool {
	e.steps++
	l, okL := left.([]any)
	r, okR := right.([]any)
	if !okL || !okR {
		return !okL && !okR && left == right
	}
	if len(l) != len(r) {
		return false
	}
	for i := range l {
		if !e.equal(l[i], r[i]) {
			return false
		}
	}
	return true
}

func compare(n *node, left, right any) (any, error) {
	switch l := left.(type) {
	case int64:
		if r, ok := right.(int64); ok {
			return ordered(n.name, l, r), nil
		}
	case uint64:
		if r, ok := right.(uint64); ok {
			return ordered(n.name, l, r), nil
		}
	case float64:
		if r, ok := right.(float64); ok {
			return ordered(n.name, l, r), nil
		}
	case string:
		if r, ok := right.(string); ok {
			return ordered(n.name, l, r), nil
		}
	case bool:
		if r, ok := right.(bool); ok {
			return ordered(n.name, rank(l), rank(r)), nil
		}
	}
	return nil, problemAt(n.column, "%s does not work on these", n.name)
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func ordered[T int | int64 | uint64 | float64 | string](name string, l, r T) bool {
	switch name {
	case "<":
		return l < r
	case "<=":
		return l <= r
	case ">":
		return l > r
	}
	return l >= r
}

func (e *evaluator) macro(n *node, vars scope[any]) (any, error) {
	v, err := e.eval(n.args[0], vars)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, problemAt(n.column, "%s works on a list", n.name)
	}
	body := func(item any) (any, error) { return e.eval(n.args[2], vars.with(n.args[1].name, item)) }
	switch n.name {
	case "map":
		out := make([]any, len(list))
		for i, item := range list {
			if out[i], err = body(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case "filter":
		out := []any{}
		for _, item := range list {
			keep, err := asBool(n, body, item)
			if err != nil {
				return nil, err
			}
			if keep {
				out = append(out, item)
			}
		}
		return out, nil
	}
	return count(n, list, body)
}

func asBool(n *node, body func(any) (any, error), item any) (bool, error) {
	v, err := body(item)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, problemAt(n.column, "the expression of %s is no bool", n.name)
	}
	return b, nil
}

// count evaluates all, exists and exists_one. As with && and ||, an item that
// decides all or exists hides the errors of the others.
func count(n *node, list []any, body func(any) (any, error)) (any, error) {
	var first error
	hits := 0
	for _, item := range list {
		b, err := asBool(n, body, item)
		switch {
		case err != nil && n.name == "exists_one":
			return nil, err
		case err != nil && first == nil:
			first = err
		case err != nil:
		case n.name == "all" && !b:
			return false, nil
		case n.name == "exists" && b:
			return true, nil
		case b:
			hits++
		}
	}
	if first != nil {
		return nil, first
	}
	return n.name == "all" || n.name == "exists_one" && hits == 1, nil
}

func call(n *node, arg any) (any, error) {
	switch n.name {
	case "int":
		return toInt(n, arg)
	case "uint":
		return toUint(n, arg)
	case "double":
		return toDouble(n, arg)
	case "string":
		return toString(n, arg)
	}
	switch v := arg.(type) {
	case string:
		return int64(utf8.RuneCountInString(v)), nil
	case []any:
		return int64(len(v)), nil
	}
	return nil, problemAt(n.column, "%s does not work on this", n.name)
}
