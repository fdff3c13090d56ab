package api

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// The grammar of quantities, k8s.io/apimachinery/pkg/api/resource, without the sign
// minus: digits with a fraction, then a binary suffix, a decimal one or an exponent.
var quantityForm = lazyregexp.New(`^\+?([0-9]*)(?:\.([0-9]*))?(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?$`)

// ParseQuantity reads a Kubernetes quantity, such as 100m, 1Gi, 2.5 or 1e3, and
// returns it in thousandths, rounded up as Kubernetes does: 1Gi is
// 1073741824000, 100m is 100. It fails for what is no quantity, is negative, or
// does not fit, which is from 8 PiB on.
func ParseQuantity(s string) (milli int64, err error) {
	const longest = 64
	m := quantityForm.FindStringSubmatch(s)
	if m == nil || m[1] == "" && m[2] == "" || len(s) > longest {
		if strings.HasPrefix(s, "-") && s != "-" && quantityForm.MatchString(s[1:]) {
			return 0, fmt.Errorf("cannot read quantity %s: it is negative", quoteName(s))
		}
		return 0, fmt.Errorf("cannot read quantity %s: write a number and a suffix such as m, Ki, Mi, Gi, k, M or G", quoteName(s))
	}
	value, _ := new(big.Int).SetString("0"+m[1]+m[2], 10)
	value.Mul(value, big.NewInt(1000))
	exponent := -len(m[2])
	switch suffix := m[3]; {
	case strings.HasSuffix(suffix, "i"):
		value.Lsh(value, uint(10*(1+strings.IndexByte("KMGTPE", suffix[0]))))
	case len(suffix) > 1:
		n, _ := strconv.Atoi(suffix[1:]) // three digits at most
		exponent += n
	case suffix != "":
		exponent += map[string]int{"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}[suffix]
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil)
	if exponent >= 0 {
		value.Mul(value, power)
	} else {
		rest := new(big.Int)
		if value.QuoRem(value, power, rest); rest.Sign() > 0 {
			value.Add(value, big.NewInt(1))
		}
	}
	if !value.IsInt64() {
		return 0, fmt.Errorf("cannot read quantity %s: it is too large", quoteName(s))
	}
	return value.Int64(), nil
}
