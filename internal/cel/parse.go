package cel

import "slices"

// node is one operation of an expression.
type node struct {
	op     op
	name   string // of a variable, operator, function or macro
	value  any    // of a literal
	args   []*node
	column int
}

type op int

const (
	opLiteral op = iota
	opVariable
	opUnary  // name is - or !
	opBinary // name is the operator
	opAnd
	opOr
	opChoice // condition, then, else
	opList
	opIndex // list, index
	opCall  // name is the function
	opMacro // name is the macro: list, variable, body
)

// macros are the functions that are called on a list, with a variable and an
// expression about it.
var macros = []string{"all", "exists", "exists_one", "map", "filter"}

// reserved are CEL's words that are no names.
var reserved = []string{
	"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in",
	"let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while",
}

// levels are the binary operators, the loosest first.
var levels = [][]string{
	{"||"},
	{"&&"},
	{"==", "!=", "<", "<=", ">", ">=", "in"},
	{"+", "-"},
	{"*", "/", "%"},
}

type parser struct {
	tokens []token
	depth  int
}

// parse turns a text into its tree, or says what is wrong with it.
func parse(text string) (*node, error) {
	if len(text) > maxLength {
		return nil, problemAt(1, "the expression is longer than %d bytes", maxLength)
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	root, err := p.expression()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, p.unexpected("an operator")
	}
	return root, nil
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != tokenEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

// is reports whether the next token is one of these operators or words.
func (p *parser) is(texts ...string) bool {
	t := p.peek()
	return (t.kind == tokenOperator || t.kind == tokenName) && slices.Contains(texts, t.text)
}

func (p *parser) expect(text string) error {
	if !p.is(text) {
		return p.unexpected(text)
	}
	p.next()
	return nil
}

func (p *parser) unexpected(wanted string) error {
	t := p.peek()
	switch t.kind {
	case tokenEnd:
		return problemAt(t.column, "the expression ends where %s should be", wanted)
	case tokenLiteral:
		return problemAt(t.column, "a literal stands where %s should be", wanted)
	}
	return problemAt(t.column, "%s stands where %s should be", t.text, wanted)
}

// deeper guards every recursion.
func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return problemAt(p.peek().column, "the expression is nested deeper than %d", maxDepth)
	}
	return nil
}

func (p *parser) expression() (*node, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	condition, err := p.binary(0)
	if err != nil || !p.is("?") {
		return condition, err
	}
	column := p.next().column
	then, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	otherwise, err := p.expression()
	if err != nil {
		return nil, err
	}
	return &node{op: opChoice, args: []*node{condition, then, otherwise}, column: column}, nil
}

// binary parses the operators of a level and everything that binds tighter.
func (p *parser) binary(level int) (*node, error) {
	if level == len(levels) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	for err == nil && p.is(levels[level]...) {
		if err := p.deeper(); err != nil { // a tree leans as deep as it has operators
			return nil, err
		}
		defer func() { p.depth-- }()
		t := p.next()
		var right *node
		if right, err = p.binary(level + 1); err != nil {
			return nil, err
		}
		n := &node{op: opBinary, name: t.text, args: []*node{left, right}, column: t.column}
		switch t.text {
		case "&&":
			n.op = opAnd
		case "||":
			n.op = opOr
		}
		left = n
	}
	return left, err
}

func (p *parser) unary() (*node, error) {
	if !p.is("-", "!") {
		return p.member()
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	t := p.next()
	if _, ok := p.peek().value.(tooLarge); ok && t.text == "-" {
		p.next()
		return p.members(&node{op: opLiteral, value: int64(-1 << 63), column: t.column})
	}
	arg, err := p.unary()
	if err != nil {
		return nil, err
	}
	return &node{op: opUnary, name: t.text, args: []*node{arg}, column: t.column}, nil
}

func (p *parser) member() (*node, error) {
	n, err := p.primary()
	if err != nil {
		return nil, err
	}
	return p.members(n)
}

// members parses what follows a value: indexes and calls on it.
func (p *parser) members(n *node) (*node, error) {
	for p.is(".", "[") {
		if err := p.deeper(); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		t := p.next()
		var err error
		if t.text == "[" {
			n, err = p.index(n, t.column)
		} else {
			n, err = p.method(n)
		}
		if err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (p *parser) index(list *node, column int) (*node, error) {
	at, err := p.expression()
	if err != nil {
		return nil, err
	}
	return &node{op: opIndex, args: []*node{list, at}, column: column}, p.expect("]")
}

// method parses a macro, or a function in the form value.size().
func (p *parser) method(target *node) (*node, error) {
	name := p.next()
	if name.kind != tokenName || !p.is("(") {
		return nil, problemAt(name.column, "fields are not supported here")
	}
	args, err := p.list(")")
	if err != nil {
		return nil, err
	}
	args = append([]*node{target}, args...)
	if !slices.Contains(macros, name.text) {
		if name.text != "size" {
			return nil, problemAt(name.column, "there is no function %s on a value here", name.text)
		}
		return &node{op: opCall, name: name.text, args: args, column: name.column}, nil
	}
	if len(args) != 3 || args[1].op != opVariable {
		return nil, problemAt(name.column, "%s needs a variable and an expression", name.text)
	}
	return &node{op: opMacro, name: name.text, args: args, column: name.column}, nil
}

// list parses what stands between brackets, of which the first is next.
func (p *parser) list(end string) ([]*node, error) {
	p.next()
	var out []*node
	for !p.is(end) {
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		out = append(out, n)
		if !p.is(",") {
			break
		}
		p.next()
		if p.is(end) && end == ")" {
			return nil, p.unexpected("an argument")
		}
	}
	return out, p.expect(end)
}

func (p *parser) primary() (*node, error) {
	t := p.peek()
	switch {
	case t.kind == tokenLiteral:
		p.next()
		if _, ok := t.value.(tooLarge); ok {
			return nil, problemAt(t.column, "the number is too large")
		}
		return &node{op: opLiteral, value: t.value, column: t.column}, nil
	case t.kind == tokenName:
		return p.name()
	case p.is("["):
		items, err := p.list("]")
		return &node{op: opList, args: items, column: t.column}, err
	case p.is("("):
		p.next()
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	}
	return nil, p.unexpected("a value")
}

// name parses a constant, a variable or a call.
func (p *parser) name() (*node, error) {
	t := p.peek()
	switch t.text {
	case "true", "false":
		p.next()
		return &node{op: opLiteral, value: t.text == "true", column: t.column}, nil
	case "null":
		p.next()
		return &node{op: opLiteral, column: t.column}, nil
	}
	if slices.Contains(reserved, t.text) {
		return nil, p.unexpected("a value")
	}
	p.next()
	if !p.is("(") {
		return &node{op: opVariable, name: t.text, column: t.column}, nil
	}
	args, err := p.list(")")
	return &node{op: opCall, name: t.text, args: args, column: t.column}, err
}
