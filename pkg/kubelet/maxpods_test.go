package kubelet

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestMaxPodsAreThoseOfTheInstanceType(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*node.Input)
		want   int
		from   string
	}{
		{"known type", nil, 29, "ENI table m5.large: 3 ENIs × (10−1) + 2"},
		{"the table wins over what EC2 said", func(in *node.Input) {
			in.Instance.Limits = &hardware.ENILimits{MaxENIs: 1, IPv4PerENI: 2}
		}, 29, "ENI table"},
		{"unknown type that EC2 knows", func(in *node.Input) {
			in.Instance.Type, in.Instance.Limits = "m99.large", &hardware.ENILimits{MaxENIs: 4, IPv4PerENI: 15}
		}, 58, "EC2's limits of m99.large: 4 ENIs × (15−1) + 2"},
		{"unknown type", func(in *node.Input) { in.Instance.Type = "m99.large" }, 110, "neither in the table nor told by EC2"},
		{"limits without sense", func(in *node.Input) {
			in.Instance.Type, in.Instance.Limits = "m99.large", &hardware.ENILimits{}
		}, 110, "neither in the table nor told by EC2"},
		{"type that IMDS did not tell", func(in *node.Input) {
			in.Instance.Type = ""
			in.Problems = []node.Problem{{Fact: "instance.type", Code: fault.IMDSNotFound, Message: "404"}}
		}, 110, "fallback: cannot tell instance.type: 404"},
		{"no type and no problem", func(in *node.Input) { in.Instance.Type = "" }, 110, "fallback: the instance type is not known"},
		{"unknown type too small for 110", func(in *node.Input) {
			in.Instance.Type, in.Hardware.Memory.OnlineBytes = "m99.nano", 1<<30
		}, 23, "fallback"},
		{"unknown type with next to no memory", func(in *node.Input) {
			in.Instance.Type, in.Hardware.Memory.OnlineBytes = "m99.nano", 400<<20
		}, 1, "fallback"},
		{"unknown type of unknown size", func(in *node.Input) {
			in.Instance.Type, in.Hardware.Memory.OnlineBytes = "m99.nano", 0
		}, 110, "fallback"},
		{"expression", expression("max_pods > 20 ? 20 : max_pods"), 20, "spec.kubelet.maxPodsExpression with default_enis=3, ips_per_eni=10, max_pods=29 (ENI table m5.large)"},
		{"expression with a fraction", expression("double(max_pods) * 0.8"), 23, "maxPodsExpression"},
		{"expression of blanks is none", expression(" \n"), 29, "ENI table"},
		{"expression for an unknown type", func(in *node.Input) {
			expression("1 / 0")(in)
			in.Instance.Type = "m99.large"
		}, 110, "fallback"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, row.change)
			if s.MaxPods != row.want {
				t.Errorf("%d pods, want %d", s.MaxPods, row.want)
			}
			if from := reason(s, "maxPods"); !strings.Contains(from, row.from) {
				t.Errorf("from %q, want %q in it", from, row.from)
			}
			if fallback := strings.HasPrefix(reason(s, "maxPods"), "fallback"); fallback != strings.Contains(strings.Join(s.Notes, "\n"), "a fallback") {
				t.Errorf("fallback %t and notes %q do not fit", fallback, s.Notes)
			}
		})
	}
}

func expression(text string) func(*node.Input) {
	return func(in *node.Input) { in.Config.Spec.Kubelet.MaxPodsExpression = text }
}

func TestAnExpressionThatGivesNoNumberOfPodsIsRefused(t *testing.T) {
	for text, phrase := range map[string]string{
		"max_pods +":       "column 11",
		"max_pod":          "no variable max_pod",
		"max_pods / 0":     "by zero",
		"0":                "the result 0 is not between 1 and 2147483647",
		"-1":               "the result -1",
		"2147483648":       "the result 2147483648",
		"max_pods > 1":     "bool",
		"math.least(1, 2)": "no function least",
	} {
		refused(t, expression(text), fault.ConfigInvalid, text, phrase, "for 3 ENIs of 10 addresses")
	}
	if s := decide(t, func(in *node.Input) { expression("2147483647")(in); in.Hardware.Memory.OnlineBytes = 0 }); s.MaxPods != 2147483647 {
		t.Errorf("the largest number of pods became %d", s.MaxPods)
	}
}

func TestMaxPodsSetBehindOurBackAreNoted(t *testing.T) {
	for _, row := range []struct {
		name   string
		config api.Object
		flags  []string
		want   int // notes
	}{
		{"nothing", nil, nil, 0},
		{"the same", api.Object{"maxPods": 29}, []string{"--max-pods=29"}, 0},
		{"config", api.Object{"maxPods": 110}, nil, 1},
		{"config and flag, one of several in an item", api.Object{"maxPods": 110}, []string{"--v=2 --max-pods=50"}, 2},
	} {
		s := decide(t, func(in *node.Input) {
			in.Config.Spec.Kubelet.Config, in.Config.Spec.Kubelet.Flags = row.config, row.flags
		})
		if len(s.Notes) != row.want || s.MaxPods != 29 || s.Reserved.Memory != "574Mi" {
			t.Errorf("%s: notes %q, %d pods, %s", row.name, s.Notes, s.MaxPods, s.Reserved.Memory)
		}
	}
}

// The values are those that nodeadm's formula gives.
func TestReservedCPUIsThatOfEKSImages(t *testing.T) {
	for cpus, want := range map[int]int{0: 0, 1: 60, 2: 70, 3: 75, 4: 80, 8: 90, 16: 110, 32: 150, 48: 190, 64: 230, 96: 310, 128: 390, 192: 550, 448: 1190} {
		if got := reservedCPU(cpus); got != want {
			t.Errorf("%d CPUs: %dm, want %dm", cpus, got, want)
		}
	}
}

func TestAReservationThatLeavesNothingIsRefused(t *testing.T) {
	small := func(in *node.Input) {
		in.Hardware.Memory.OnlineBytes = 4 << 30
		expression("1000")(in)
	}
	refused(t, small, fault.ConfigInvalid, "11255 MiB", "4096 MiB", "1000 pods")
	s := decide(t, func(in *node.Input) {
		small(in)
		in.Config.Spec.Kubelet.Config = api.Object{"kubeReserved": map[string]any{"memory": "1Gi"}}
	})
	if s.MaxPods != 1000 {
		t.Errorf("with a reservation of the user's own: %d pods", s.MaxPods)
	}
	s = decide(t, func(in *node.Input) { small(in); in.Hardware.Memory.OnlineBytes = 12 << 30 })
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "more than half") {
		t.Errorf("notes %q", s.Notes)
	}
}
