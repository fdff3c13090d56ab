package api_test

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
)

func TestThePodNetworkOfTheAgentNeedsRangesThatANodeCanHave(t *testing.T) {
	for lines, want := range map[string]string{
		"cni: {profile: bridge, podCIDRs: [10.0.64.0/24]}":                                                 "",
		"cni: {profile: ptp, podCIDRs: [10.0.64.0/24, '2001:db8:1:64::/64'], mtu: 1500, masquerade: true}": "",
		"cni: {profile: ptp, podCIDRs: ['2001:db8:1:64::/64']}":                                            "",
		"cni: {profile: bridge}":                                       "error: required, but missing",
		"cni: {profile: bridge, podCIDRs: []}":                         "error: required, but empty",
		"cni: {profile: bridge, podCIDRs: [10.0.64.0]}":                `error: "10.0.64.0" is no range of addresses`,
		"cni: {profile: bridge, podCIDRs: ['::ffff:10.0.64.0/120']}":   `error: "::ffff:10.0.64.0/120" is no range of addresses`,
		"cni: {profile: bridge, podCIDRs: [10.0.64.7/24]}":             `error: "10.0.64.7/24" has bits behind its prefix`,
		"cni: {profile: bridge, podCIDRs: [10.0.64.0/30]}":             `error: "10.0.64.0/30" is no range for the pods of one node`,
		"cni: {profile: bridge, podCIDRs: [0.0.0.0/0]}":                `error: "0.0.0.0/0" is no range for the pods of one node; error: "0.0.0.0/0" overlaps the services of the cluster, 10.100.0.0/16`,
		"cni: {profile: bridge, podCIDRs: ['2001:db8::/32']}":          `error: "2001:db8::/32" is no range for the pods of one node`,
		"cni: {profile: bridge, podCIDRs: [10.1.0.0/24, 10.2.0.0/24]}": "error: there is a range of this family already",
		"cni: {profile: bridge, podCIDRs: [10.100.7.0/24]}":            `error: "10.100.7.0/24" overlaps the services of the cluster, 10.100.0.0/16`,
		"cni: {profile: bridge, podCIDRs: [10.0.64.0/24], mtu: 576}":   `error: no pod can use an MTU of "576"`,
		"cni: {profile: bridge, podCIDRs: [10.0.64.0/24], mtu: 9002}":  `error: no pod can use an MTU of "9002"`,
		"cni: {profile: vpc-cni, podCIDRs: [10.0.64.0/24]}":            "error: the profile vpc-cni at user-data:9:18 gives pods their addresses itself",
		"cni: {profile: calico, mtu: 1500}":                            "error: the profile calico at user-data:9:18 decides the MTU of pods itself",
		"cni: {masquerade: true}":                                      "error: this has no effect without a profile",
		"cni: {profile: bridge, podCIDRs: [10.0.64.0/24], maxENIs: 3}": "error: the profile bridge at user-data:9:18 attaches no ENIs",
	} {
		_, problems := load(t, []byte(super(validCluster(t), lines)), api.Options{})
		var got []string
		for _, p := range problems {
			got = append(got, p.Severity.String()+": "+p.Message)
		}
		if got := strings.Join(got, "; "); got != want {
			t.Errorf("%s: got %q, want %q", lines, got, want)
		}
	}
}
