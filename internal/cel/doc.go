// Package cel evaluates expressions about whole numbers, in the part of the
// Common Expression Language (github.com/google/cel-spec) that they need.
//
// It knows int, uint, double, bool, string, null and lists; all operators;
// the functions int, uint, double, string, size; the macros all, exists,
// exists_one, map and filter; and CEL's rules: no conversion that was not
// asked for, overflow and division by zero are errors, and && and || hide an
// error of one side when the other side decides. Types are checked over the
// whole expression before any of it is evaluated. It is stricter than CEL in
// one thing: the items of a list are of one type. What it does not know (maps,
// timestamps, regular expressions, messages) is an error that names it.
//
// The reference implementation, cel-go, would be a sixth of the whole program
// (4.7 MB). testdata/reference.tsv records what cel-go 0.29.2 answers for
// default_enis=3, ips_per_eni=10, max_pods=29, and the tests hold this package
// to it.
package cel

import "fmt"

// The bounds of an expression. They are far above what a person writes and far
// below what could make the agent wait or run out of memory.
const (
	maxLength = 4096    // bytes of text
	maxDepth  = 100     // operators within operators
	maxSteps  = 100_000 // evaluated nodes
)

// Int evaluates an expression over integer variables and converts the result
// to a whole number as CEL's int() does: doubles are cut towards zero, strings
// must hold a number. All other results, and all errors, are errors that name
// the column.
func Int(text string, variables map[string]int64) (int64, error) {
	root, err := parse(text)
	if err != nil {
		return 0, err
	}
	types := scope[typ]{}
	values := scope[any]{}
	for name, v := range variables {
		types = types.with(name, typ{kind: kindInt})
		values = values.with(name, v)
	}
	if _, err := check(root, types); err != nil {
		return 0, err
	}
	v, err := (&evaluator{}).eval(root, values)
	if err != nil {
		return 0, err
	}
	return toInt(root, v)
}

// problem is an error at a column of the text, counted from 1 in characters.
type problem struct {
	column  int
	message string
}

func (p *problem) Error() string { return fmt.Sprintf("column %d: %s", p.column, p.message) }

func problemAt(column int, format string, args ...any) error {
	return &problem{column, fmt.Sprintf(format, args...)}
}

// scope is a chain of names; a macro's variable shadows those outside.
type scope[T any] struct {
	name  string
	value T
	outer *scope[T]
}

func (s scope[T]) with(name string, value T) scope[T] {
	return scope[T]{name: name, value: value, outer: &s}
}

func (s *scope[T]) lookup(name string) (T, bool) {
	for ; s != nil; s = s.outer {
		if s.outer != nil && s.name == name {
			return s.value, true
		}
	}
	var zero T
	return zero, false
}
