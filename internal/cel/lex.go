package cel

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenOperator
	tokenLiteral
)

// token is one word of an expression.
type token struct {
	kind   tokenKind
	text   string // of a name or operator
	value  any    // of a literal: int64, uint64, float64, string
	column int
}

// operators, the longer ones first where one begins another.
var operators = [...]string{
	"==", "!=", "<=", ">=", "&&", "||",
	"+", "-", "*", "/", "%", "<", ">", "!", "?", ":", "(", ")", "[", "]", ",", ".",
}

// lex cuts a text into tokens; the last one is tokenEnd.
func lex(text string) ([]token, error) {
	var out []token
	for pos := 0; ; {
		pos = skipBlank(text, pos)
		column := utf8.RuneCountInString(text[:pos]) + 1
		if pos == len(text) {
			return append(out, token{kind: tokenEnd, column: column}), nil
		}
		t, size, err := lexOne(text[pos:], column)
		if err != nil {
			return nil, err
		}
		t.column = column
		out = append(out, t)
		pos += size
	}
}

// skipBlank skips white space and comments, which run from // to the line's end.
func skipBlank(text string, pos int) int {
	for pos < len(text) {
		switch {
		case strings.IndexByte(" \t\r\n\f", text[pos]) >= 0:
			pos++
		case strings.HasPrefix(text[pos:], "//"):
			end := strings.IndexByte(text[pos:], '\n')
			if end < 0 {
				return len(text)
			}
			pos += end
		default:
			return pos
		}
	}
	return pos
}

func lexOne(rest string, column int) (token, int, error) {
	c := rest[0]
	switch {
	case c == '"' || c == '\'':
		return lexString(rest, column)
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return lexNumber(rest, column)
	case isLetter(c):
		size := 1
		for size < len(rest) && (isLetter(rest[size]) || isDigit(rest[size])) {
			size++
		}
		if size < len(rest) && (rest[size] == '"' || rest[size] == '\'') {
			return token{}, 0, problemAt(column, "strings with the prefix %s are not supported here", rest[:size])
		}
		return token{kind: tokenName, text: rest[:size]}, size, nil
	case c == '{' || c == '}':
		return token{}, 0, problemAt(column, "maps and messages are not supported here")
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			return token{kind: tokenOperator, text: op}, len(op), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, 0, problemAt(column, "%q has no meaning here", r)
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// lexString reads a quoted string. Of CEL's escapes it knows those that a
// number in quotes could ever need, and refuses the others.
func lexString(rest string, column int) (token, int, error) {
	quote := rest[0]
	if strings.HasPrefix(rest[1:], string([]byte{quote, quote})) {
		return token{}, 0, problemAt(column, "strings in triple quotes are not supported here")
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; c {
		case quote:
			return token{kind: tokenLiteral, value: b.String()}, i + 1, nil
		case '\n', '\r':
			return token{}, 0, problemAt(column, "the string does not end on its line")
		case '\\':
			if i++; i == len(rest) || strings.IndexByte("\\\"'`?", rest[i]) < 0 {
				return token{}, 0, problemAt(column, "this escape is not supported here")
			}
			b.WriteByte(rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return token{}, 0, problemAt(column, "the string does not end")
}

// lexNumber reads an int, a uint (with the suffix u) or a double.
func lexNumber(rest string, column int) (token, int, error) {
	size, base, double := 0, 10, false
	if strings.HasPrefix(rest, "0x") || strings.HasPrefix(rest, "0X") {
		for size, base = 2, 16; size < len(rest) && isHex(rest[size]); size++ {
		}
	} else {
		size, double = decimal(rest)
	}
	text, end := rest[:size], size
	unsigned := !double && size < len(rest) && (rest[size] == 'u' || rest[size] == 'U')
	if unsigned {
		end++
	}
	if end < len(rest) && (isLetter(rest[end]) || isDigit(rest[end])) {
		return token{}, 0, problemAt(column, "%s… is no number", rest[:end+1])
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "0x"), "0X")
	var v any
	var err error
	switch {
	case double:
		v, err = strconv.ParseFloat(text, 64)
	case unsigned:
		v, err = strconv.ParseUint(digits, base, 64)
	default:
		// Up to 2^63: the parser takes that one only behind a minus.
		v, err = strconv.ParseUint(digits, base, 64)
		if n, _ := v.(uint64); err == nil && n > 1<<63 {
			err = strconv.ErrRange
		} else if err == nil && n == 1<<63 {
			v = tooLarge{}
		} else if err == nil {
			v = int64(n)
		}
	}
	if err != nil {
		return token{}, 0, problemAt(column, "%s is no number, or too large a one", rest[:end])
	}
	return token{kind: tokenLiteral, value: v}, end, nil
}

// tooLarge is the literal 9223372036854775808, which is only a number with a
// minus before it.
type tooLarge struct{}

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// decimal returns the size of the number at the start of rest, and whether it
// is a double. A point counts only with a digit behind it.
func decimal(rest string) (size int, double bool) {
	digits := func() {
		for size < len(rest) && isDigit(rest[size]) {
			size++
		}
	}
	digits()
	if size+1 < len(rest) && rest[size] == '.' && isDigit(rest[size+1]) {
		size, double = size+1, true
		digits()
	}
	if size < len(rest) && (rest[size] == 'e' || rest[size] == 'E') {
		exponent := size + 1
		if exponent < len(rest) && (rest[exponent] == '+' || rest[exponent] == '-') {
			exponent++
		}
		if exponent < len(rest) && isDigit(rest[exponent]) {
			size, double = exponent, true
			digits()
		}
	}
	return size, double
}
