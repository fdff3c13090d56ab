package ec2

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/node"
)

// notConfigured says why an operating system, by its ID of os-release, is none that
// this agent runs on, or "".
func notConfigured(id string) string {
	switch strings.ToLower(id) {
	case "windows", "win":
		return "this agent runs on Linux alone"
	case "bottlerocket":
		return "Bottlerocket is configured by its own settings; `eksnode config convert --to bottlerocket` writes them"
	}
	return ""
}

// architecture takes a CPU architecture as Go and Kubernetes name it, or as uname
// does.
func architecture(in *node.Input, value string) error {
	names := map[string]string{"amd64": "amd64", "x86_64": "amd64", "arm64": "arm64", "aarch64": "arm64"}
	name, ok := names[value]
	if !ok {
		return fmt.Errorf("%q is none that EKS has nodes of: write amd64 or arm64", value)
	}
	in.Hardware.CPU.Architecture = name
	return nil
}

// addresses takes a list of IP addresses with commas between them.
func addresses(field func(*node.Input) *[]string) func(*node.Input, string) error {
	return func(in *node.Input, v string) error {
		list := strings.Split(v, ",")
		for _, a := range list {
			if _, err := netip.ParseAddr(a); err != nil {
				return err
			}
		}
		*field(in) = list
		return nil
	}
}

// nearestType returns the known instance type that one which nobody knows was most
// likely meant to be, or "": equal but for case, or with at most two characters
// changed, of the same family if there is one.
func nearestType(name string) string {
	const most = 2
	family, _, _ := strings.Cut(strings.ToLower(name), ".")
	best, least := "", most+1
	for t := range instancetype.All() {
		if strings.EqualFold(t, name) {
			return t
		}
		if d := len(t) - len(name); d > most || d < -most {
			continue
		}
		d := 2 * changes(strings.ToLower(name), t)
		if !strings.HasPrefix(t, family+".") {
			d++ // of two as near, the one of the same family
		}
		if d/2 <= most && (best == "" || d < least) {
			best, least = t, d
		}
	}
	return best
}

// changes counts the characters that are inserted, left out or replaced on the way
// from one word to another.
func changes(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0] // of the row above, one to the left
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
