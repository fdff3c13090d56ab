package hardware

import (
	"fmt"
	"strconv"
	"strings"
)

// maxCPU is the largest CPU number believed: the kernel's NR_CPUS goes to 8192
// (arch/x86/Kconfig), so anything far beyond is garbage.
const maxCPU = 1<<16 - 1

// cpuRange is an inclusive range of CPU numbers.
type cpuRange struct{ first, last int }

// cpuList is a set of CPUs as the kernel writes it: 0-3,8,10-11.
type cpuList []cpuRange

// parseCPUList reads the kernel's list format (Documentation/admin-guide/
// cputopology.rst). Nothing at all is the empty set.
func parseCPUList(s string) (cpuList, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	var l cpuList
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := cpuNumber(first)
		b := a
		if err == nil && isRange {
			b, err = cpuNumber(last)
		}
		if err != nil || b < a {
			return nil, fmt.Errorf("cannot parse CPU list %s: %s is neither a number nor a range", quote(s), quote(part))
		}
		l = append(l, cpuRange{a, b})
	}
	return l, nil
}

// cpuNumber reads digits alone: strconv would also take signs.
func cpuNumber(s string) (int, error) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > maxCPU {
		return 0, strconv.ErrRange
	}
	return n, nil
}

// has reports whether the set holds CPU n.
func (l cpuList) has(n int) bool {
	for _, r := range l {
		if r.first <= n && n <= r.last {
			return true
		}
	}
	return false
}
