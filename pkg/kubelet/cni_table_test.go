package kubelet

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/node"
)

// The table shows for the odd types of each kind what every profile makes of them.
func TestTheNumberOfPodsOfOddTypes(t *testing.T) {
	var b strings.Builder
	for _, name := range []string{
		"c4.large",            // Xen
		"c9g.metal-48xl",      // more ENIs and addresses than any type before
		"g7.24xlarge",         // more ENIs than its larger size
		"hpc6id.32xlarge",     // one ENI
		"i4i.large",           // Nitro without a trunk
		"m5.large",            // the ordinary
		"m8azn.medium",        // one CPU
		"m99.4xlarge",         // not known
		"m99.huge",            // nothing like it is known
		"p5.48xlarge",         // 32 network cards
		"t3.medium",           // no trunk
		"t3.nano",             // next to no memory
		"u7in-32tb.224xlarge", // 896 CPUs
	} {
		for _, six := range []bool{false, true} {
			all := variants()
			for _, variant := range []string{
				"", "vpc-cni", "vpc-cni prefixes", "vpc-cni custom", "vpc-cni trunk", "cilium-eni prefixes", "cilium-eni custom", "cilium-overlay",
			} {
				if six && variant != "vpc-cni" {
					continue
				}
				s := decide(t, func(in *node.Input) {
					machine(name)(in)
					if in.Hardware.CPU.Online == 0 {
						in.Hardware.CPU.Online = 64
					}
					in.Config.Spec.CNI = all[variant]
					if six {
						ipv6(in)
					}
				})
				fmt.Fprintf(&b, "%s, %q%s: %d pods, %s and %s\n  %s\n", name, variant, map[bool]string{true: ", IPv6"}[six], s.MaxPods, s.Reserved.CPU, s.Reserved.Memory, reason(s, "maxPods"))
				for _, n := range s.Notes {
					fmt.Fprintf(&b, "  note: %s\n", n)
				}
			}
		}
	}
	golden.Assert(t, "testdata/pods.txt", []byte(b.String()))
}
