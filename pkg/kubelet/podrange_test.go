package kubelet

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestTheNodesOwnRangeBoundsItsPods(t *testing.T) {
	on := true
	for _, tt := range []struct {
		profile api.CNIProfile
		cidrs   []string
		want    int
		from    string
	}{
		{api.CNIBridge, []string{"10.0.64.0/26"}, 63, "61 addresses of 10.0.64.0/26 + 2"},
		{api.CNIPointToPoint, []string{"10.0.64.0/24", "2001:db8::/64"}, 110, "253 addresses of 10.0.64.0/24 + 2 = 255, at most 110 for 2 vCPUs"},
		{api.CNIBridge, []string{"2001:db8::/64", "10.0.64.0/29"}, 7, "5 addresses of 10.0.64.0/29 + 2"},
		{api.CNIPointToPoint, []string{"2001:db8::/64"}, 110, "pods have addresses of the node's own range; 110 for 2 vCPUs"},
		{api.CNIBridge, nil, 110, "pods have addresses of the node's own range"},
	} {
		s := decide(t, func(in *node.Input) {
			machine("m5.large")(in)
			in.Config.Spec.CNI = api.CNI{Profile: tt.profile, PodCIDRs: tt.cidrs, PrefixDelegation: &on}
		})
		if got := reason(s, "maxPods"); s.MaxPods != tt.want || !strings.Contains(got, tt.from) {
			t.Errorf("%s %v: %d pods, %s; want %d, %s", tt.profile, tt.cidrs, s.MaxPods, got, tt.want, tt.from)
		}
		if !strings.Contains(strings.Join(s.Notes, "\n"), "spec.cni.prefixDelegation without effect") {
			t.Errorf("%s: notes %q", tt.profile, s.Notes)
		}
	}
}
