package cel

import "math"

func overflow(n *node) error { return problemAt(n.column, "%s overflows", n.name) }

func intArithmetic(n *node, l, r int64) (any, error) {
	switch n.name {
	case "+":
		if sum := l + r; (sum > l) == (r > 0) {
			return sum, nil
		}
	case "-":
		if diff := l - r; (diff < l) == (r > 0) {
			return diff, nil
		}
	case "*":
		if l == 0 || r == 0 {
			return int64(0), nil
		}
		p := l * r
		if p/r == l && !(l == -1 && r == math.MinInt64) && !(r == -1 && l == math.MinInt64) {
			return p, nil
		}
	default:
		if r == 0 {
			return nil, problemAt(n.column, "%s by zero", n.name)
		}
		if r == -1 && l == math.MinInt64 {
			return nil, overflow(n)
		}
		if n.name == "/" {
			return l / r, nil
		}
		return l % r, nil
	}
	return nil, overflow(n)
}

func uintArithmetic(n *node, l, r uint64) (any, error) {
	switch n.name {
	case "+":
		if sum := l + r; sum >= l {
			return sum, nil
		}
	case "-":
		if l >= r {
			return l - r, nil
		}
	case "*":
		if l == 0 || l*r/l == r {
			return l * r, nil
		}
	default:
		if r == 0 {
			return nil, problemAt(n.column, "%s by zero", n.name)
		}
		if n.name == "/" {
			return l / r, nil
		}
		return l % r, nil
	}
	return nil, overflow(n)
}

func doubleArithmetic(n *node, l, r float64) (any, error) {
	switch n.name {
	case "+":
		return l + r, nil
	case "-":
		return l - r, nil
	case "*":
		return l * r, nil
	case "/":
		return l / r, nil
	}
	return nil, problemAt(n.column, "%s does not work on doubles", n.name)
}
