package ec2

import (
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/ec2"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestEC2IsAskedForLimitsOnlyWherePodsDependOnThem(t *testing.T) {
	const four, six = "10.100.0.0/16", "fd30:1c53:5f8a::/108"
	for _, r := range []struct {
		name, instance, cidr, expression string
		profile                          api.CNIProfile
		asked                            bool
	}{
		{"known type", "m5.large", four, "", "", false},
		{"known type with a profile", "m5.large", four, "", api.CNIVPC, false},
		{"unknown type as nodeadm", "m99.large", four, "", "", true},
		{"unknown type as nodeadm, IPv6", "m99.large", six, "", "", true},
		{"unknown type, VPC CNI", "m99.large", four, "", api.CNIVPC, true},
		{"unknown type, Cilium on ENIs", "m99.large", four, "", api.CNICiliumENI, true},
		{"unknown type, VPC CNI, IPv6", "m99.large", six, "", api.CNIVPC, false},
		{"unknown type, overlay", "m99.large", four, "", api.CNICiliumOverlay, false},
		{"unknown type, Calico", "m99.large", four, "", api.CNICalico, false},
		{"unknown type, another plugin", "m99.large", four, "", api.CNINone, false},
		{"unknown type, overlay and an expression", "m99.large", four, "default_enis * 4", api.CNICalico, true},
		{"unknown type, overlay and an expression of blanks", "m99.large", four, " ", api.CNICalico, false},
	} {
		t.Run(r.name, func(t *testing.T) {
			config := clusterCIDR(r.cidr)
			config.Spec.CNI.Profile, config.Spec.Kubelet.MaxPodsExpression = r.profile, r.expression
			a := &answers{limits: ec2.Limits{MaxENIs: 7, IPv4PerENI: 20}}
			in := node.Instance{Type: r.instance}
			problems := limits(t.Context(), config, &in, func() (EC2, error) { return a, nil }, slog.New(slog.DiscardHandler))
			if len(problems) > 0 || (in.Limits != nil) != r.asked {
				t.Errorf("limits %+v, problems %+v", in.Limits, problems)
			}
			var want []string
			if r.asked {
				want = []string{"limits of " + r.instance}
			}
			if !slices.Equal(a.asked, want) {
				t.Errorf("asked %v, want %v", a.asked, want)
			}
		})
	}
}

func TestLimitsThatEC2DeniesAreAProblemAndNothingMore(t *testing.T) {
	denied := fault.New(fault.EC2Denied, "allow it", errors.New("UnauthorizedOperation"))
	for name, ask := range map[string]func() (EC2, error){
		"denied":         func() (EC2, error) { return &answers{err: denied}, nil },
		"no credentials": func() (EC2, error) { return nil, denied },
	} {
		in := node.Instance{Type: "m99.large"}
		problems := limits(t.Context(), clusterCIDR("10.100.0.0/16"), &in, ask, slog.New(slog.DiscardHandler))
		if in.Limits != nil || len(problems) != 1 || problems[0].Fact != "instance.limits" || problems[0].Code != fault.EC2Denied || problems[0].Remedy != "allow it" {
			t.Errorf("%s: limits %+v, problems %+v", name, in.Limits, problems)
		}
	}
}
