package cel

import (
	"math"
	"strconv"
)

func outOfRange(n *node, wanted string) error {
	return problemAt(n.column, "the value is outside of the range of %s", wanted)
}

func toInt(n *node, v any) (int64, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case uint64:
		if v > math.MaxInt64 {
			return 0, outOfRange(n, "int")
		}
		return int64(v), nil
	case float64:
		// The ends themselves are refused, as in cel-go: 2^63 is no int, and no
		// double lies between it and the largest int.
		if !(v > math.MinInt64 && v < math.MaxInt64) {
			return 0, outOfRange(n, "int")
		}
		return int64(v), nil
	case string:
		i, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return 0, problemAt(n.column, "%q is no int", v)
		}
		return i, nil
	}
	return 0, problemAt(n.column, "a result of type %s is no number", typ{kind: valueKind(v)})
}

func valueKind(v any) kind {
	if _, ok := v.([]any); ok {
		return kindList
	}
	return literalKind(v)
}

func toUint(n *node, v any) (uint64, error) {
	switch v := v.(type) {
	case uint64:
		return v, nil
	case int64:
		if v < 0 {
			return 0, outOfRange(n, "uint")
		}
		return uint64(v), nil
	case float64:
		if !(v >= 0 && v < math.MaxUint64) {
			return 0, outOfRange(n, "uint")
		}
		return uint64(v), nil
	case string:
		u, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return 0, problemAt(n.column, "%q is no uint", v)
		}
		return u, nil
	}
	return 0, problemAt(n.column, "uint does not work on this")
}

func toDouble(n *node, v any) (float64, error) {
	switch v := v.(type) {
	case float64:
		return v, nil
	case int64:
		return float64(v), nil
	case uint64:
		return float64(v), nil
	case string:
		d, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return 0, problemAt(n.column, "%q is no double", v)
		}
		return d, nil
	}
	return 0, problemAt(n.column, "double does not work on this")
}

func toString(n *node, v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	}
	return "", problemAt(n.column, "string does not work on this")
}
