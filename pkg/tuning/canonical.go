package tuning

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// aliases are other names of parameters of the agent's own: the kernel keeps one
// value for both (net/ipv4/devinet.c; fs/notify/inotify/inotify_user.c and
// kernel/ucount.c).
func aliases() map[string]string {
	return map[string]string{
		"net.ipv4.conf.all.forwarding": "net.ipv4.ip_forward",
		"user.max_inotify_watches":     "fs.inotify.max_user_watches",
		"user.max_inotify_instances":   "fs.inotify.max_user_instances",
	}
}

// counterparts are parameters of which the kernel sets one to 0 when the other is
// written (mm/page-writeback.c, mm/util.c).
func counterparts() map[string]string {
	return map[string]string{
		"vm.dirty_bytes":            "vm.dirty_ratio",
		"vm.dirty_background_bytes": "vm.dirty_background_ratio",
		"vm.overcommit_kbytes":      "vm.overcommit_ratio",
	}
}

// related makes parameters that depend on each other agree: whoever asks for one
// name of a value means the other, too, and the 0 of a counterpart is the kernel's
// to write. It calls refuse for those that cannot both be had; without that they
// would be set anew by every run.
func related(asked map[string]string, refuse func(key string, err error)) {
	names := aliases()
	for _, other := range slices.Sorted(maps.Keys(names)) {
		value, ok := asked[other]
		if !ok {
			continue
		}
		own := names[other]
		if set, both := asked[own]; both && set != value {
			refuse(other, fmt.Errorf("it is %s by another name, which is to be %s", own, set))
		}
		asked[own] = value
	}
	pairs := counterparts()
	for _, a := range slices.Sorted(maps.Keys(pairs)) {
		b := pairs[a]
		first, okA := asked[a]
		second, okB := asked[b]
		switch {
		case !okA || !okB:
		case first != "0" && second != "0":
			refuse(a, fmt.Errorf("the kernel sets it to 0 when it is given %s", b))
		case first == "0":
			delete(asked, a)
		default:
			delete(asked, b)
		}
	}
}

// canonical returns a value as the kernel will show it, which is what it is compared
// with: blanks folded, numbers in decimal, lists of ports in order.
func canonical(key, value string) string {
	words := strings.Fields(value)
	for i, w := range words {
		digits, hex := strings.CutPrefix(strings.ToLower(w), "0x")
		if n, ok := new(big.Int).SetString(digits, 16); hex && ok && n.Sign() >= 0 && !strings.HasPrefix(digits, "+") {
			words[i] = n.String()
		}
	}
	value = strings.Join(words, " ")
	if key == "net.ipv4.ip_local_reserved_ports" {
		if list, err := portList(value); err == nil {
			return list
		}
	}
	return value
}

// portList writes a list of ports and ranges as the kernel does
// (proc_do_large_bitmap of kernel/sysctl.c): sorted, and joined where they touch.
func portList(value string) (string, error) {
	type ports struct{ from, to uint64 }
	var all []ports
	for _, item := range strings.Split(value, ",") {
		low, high, isRange := strings.Cut(item, "-")
		if !isRange {
			high = low
		}
		from, errFrom := strconv.ParseUint(low, 10, 16)
		to, errTo := strconv.ParseUint(high, 10, 16)
		if err := errors.Join(errFrom, errTo); err != nil || from > to {
			return "", fmt.Errorf("%q is no port and no range of ports", item)
		}
		all = append(all, ports{from, to})
	}
	slices.SortFunc(all, func(a, b ports) int { return cmp.Compare(a.from, b.from) })
	joined := all[:1]
	for _, p := range all[1:] {
		if last := &joined[len(joined)-1]; p.from <= last.to+1 {
			last.to = max(last.to, p.to)
		} else {
			joined = append(joined, p)
		}
	}
	var out []string
	for _, p := range joined {
		text := strconv.FormatUint(p.from, 10)
		if p.to > p.from {
			text += "-" + strconv.FormatUint(p.to, 10)
		}
		out = append(out, text)
	}
	return strings.Join(out, ","), nil
}
