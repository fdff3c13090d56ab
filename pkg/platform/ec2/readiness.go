package ec2

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/kubelet"
	"github.com/eksnode/eksnode/pkg/node"
)

// deviceCounts is how many of each resource spec.readiness asks for. In place of auto
// stands what the PCI bus shows, and no less than the instance type has: a GPU that
// has fallen off the bus is missing, and not one less to wait for.
func deviceCounts(in node.Input) (map[string]int64, error) {
	out := map[string]int64{}
	for resource, text := range in.Config.Spec.Readiness.Checks.Devices {
		if text != api.DevicesAuto {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, err
			}
			out[resource] = n
			continue
		}
		if err := in.Require("hardware.pci"); err != nil {
			return nil, err
		}
		out[resource] = int64(max(onBus(in, resource), ofType(in.Instance.Type, resource)))
	}
	return out, nil
}

// onBus counts the devices that a plugin offers under the name of a resource. Those
// of api.AutoDevices are known: as many as are whole devices, without a driver too.
func onBus(in node.Input, resource string) int {
	gpus := in.Hardware.GPUs()
	switch resource {
	case "nvidia.com/gpu":
		if gpus.Vendor == "nvidia" {
			return gpus.Count
		}
	case "amd.com/gpu":
		if gpus.Vendor == "amd" {
			return gpus.Count
		}
	case "aws.amazon.com/neuron", "aws.amazon.com/neurondevice":
		return len(in.Hardware.NeuronDevices())
	case "vpc.amazonaws.com/efa":
		return len(in.Hardware.EFAs())
	}
	return 0
}

// ofType is how many accelerators of a resource an instance type comes with; 0 for a
// type that the table does not have, and for EFA, whose number is the choice of
// whoever launches the instance.
func ofType(instanceType, resource string) int {
	d, _ := instancetype.DevicesOf(instanceType)
	var of []string
	switch {
	case d.Neuron():
		of = []string{"aws.amazon.com/neuron", "aws.amazon.com/neurondevice"}
	case strings.HasPrefix(d.Model, "radeon"):
		of = []string{"amd.com/gpu"}
	case !strings.HasPrefix(d.Model, "gaudi"):
		of = []string{"nvidia.com/gpu"}
	}
	if slices.Contains(of, resource) {
		return d.Accelerators
	}
	return 0
}

// dnsServers are those that kubelet gives to pods: the user's own, or else the
// agent's.
func dnsServers(in node.Input) ([]netip.Addr, error) {
	texts := []string{}
	if own, ok := in.Config.Spec.Kubelet.Config.Lookup("clusterDNS"); ok {
		list, _ := own.([]any)
		for _, v := range list {
			if s, ok := v.(string); ok {
				texts = append(texts, s)
			}
		}
	} else {
		s, err := kubelet.Decide(in)
		if err != nil {
			return nil, err
		}
		texts = append(texts, s.ClusterDNS)
	}
	var out []netip.Addr
	for _, s := range texts {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}
