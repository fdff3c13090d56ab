package ec2

import (
	"context"
	"fmt"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/node"
)

// hardwareChecks are the one check that the machine has what its instance type should
// have; none where the firmware is not that of an EC2 instance, as in a container on
// somebody's workstation, whose devices say nothing about the instance type. inspect is
// called each time, since drivers are loaded late.
func hardwareChecks(in node.Input, inspect func() hardware.Facts) []health.Check {
	if !hardware.PlatformOf(in.Hardware).OnEC2() {
		return nil
	}
	return []health.Check{{
		Name: "hardware", Title: "the machine has what its instance type should have",
		Run: func(context.Context) health.Finding { return compared(in.Instance.Type, inspect()) },
	}}
}

// compared makes one finding of all that a machine lacks. It is never a failure: a node
// with seven GPUs of eight runs pods, and what is to become of it is for people to say.
func compared(instanceType string, f hardware.Facts) health.Finding {
	all := instancetype.Compare(f, instanceType)
	if len(all) == 0 {
		return health.Good("as a " + instanceType + " should be")
	}
	out := health.Finding{Status: health.OK}
	var seen, remedies []string
	for _, x := range all {
		seen = append(seen, x.Message)
		if x.Remark {
			continue
		}
		if out.Status == health.OK {
			out.Status, out.Code = health.Warning, fault.Code(x.Code)
		}
		remedies = append(remedies, fmt.Sprintf("%s: %s", x.Code, x.Remedy))
	}
	out.Seen, out.Remedy = strings.Join(seen, "; "), strings.Join(remedies, " ")
	return out
}
