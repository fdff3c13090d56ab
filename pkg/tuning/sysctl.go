package tuning

import (
	"strings"

	"github.com/eksnode/eksnode/pkg/host"
)

// The parameters of pkg/kubelet/cm in Kubernetes, which kubelet compares at its
// start, and what a node needs besides; the values are those of EKS images.
const (
	fromKubelet = "kubelet does not start with another value"
	fromPods    = "pods cannot be reached without it"
	fromCRI     = "services reach pods on the same bridge by it"
	fromLimits  = "a node full of pods needs more than a stock kernel allows"
)

var why = map[string]string{
	"vm.overcommit_memory":                fromKubelet,
	"vm.panic_on_oom":                     fromKubelet,
	"kernel.panic":                        fromKubelet,
	"kernel.panic_on_oops":                fromKubelet,
	"kernel.keys.root_maxkeys":            fromKubelet,
	"kernel.keys.root_maxbytes":           fromKubelet,
	"net.ipv4.ip_forward":                 fromPods,
	"net.bridge.bridge-nf-call-iptables":  fromCRI,
	"net.bridge.bridge-nf-call-ip6tables": fromCRI,
	"fs.inotify.max_user_watches":         fromLimits,
	"fs.inotify.max_user_instances":       fromLimits,
	"vm.max_map_count":                    fromLimits,
	"kernel.pid_max":                      fromLimits,
}

// exact are the parameters that must have one value.
func exact() []host.Sysctl {
	return []host.Sysctl{
		{Key: "vm.overcommit_memory", Value: "1"},
		{Key: "vm.panic_on_oom", Value: "0"},
		{Key: "kernel.panic", Value: "10"},
		{Key: "kernel.panic_on_oops", Value: "1"},
		{Key: "kernel.keys.root_maxkeys", Value: "1000000"},
		{Key: "kernel.keys.root_maxbytes", Value: "25000000"},
		{Key: "net.ipv4.ip_forward", Value: "1"},
	}
}

// bridgeModule is the module that brings the parameters of bridge.
const bridgeModule = "br_netfilter"

// bridge are the parameters that a kernel has only once the module br_netfilter
// is loaded, which the CNI does that needs it, or spec.kernelModules asks for.
func bridge() []host.Sysctl {
	return []host.Sysctl{
		{Key: "net.bridge.bridge-nf-call-iptables", Value: "1"},
		{Key: "net.bridge.bridge-nf-call-ip6tables", Value: "1"},
	}
}

// atLeast are limits. net.netfilter.nf_conntrack_max is none of them: kube-proxy raises
// it at its start to 32768 for each CPU, and 131072 at least, and sets the timeouts that
// it needs (conntrack of KubeProxyConfiguration); neither EKS images nor the VPC CNI ask
// for a number, and a kernel without the module nf_conntrack has no such parameter. Who
// runs something in place of kube-proxy asks for one in spec.sysctls.
func atLeast() []host.Sysctl {
	return []host.Sysctl{
		{Key: "fs.inotify.max_user_watches", Value: "524288", AtLeast: true},
		{Key: "fs.inotify.max_user_instances", Value: "8192", AtLeast: true},
		{Key: "vm.max_map_count", Value: "524288", AtLeast: true},
		{Key: "kernel.pid_max", Value: "4194304", AtLeast: true},
	}
}

// sysctlFile renders the file for sysctl.d. The parameters of bridges are in it
// whether the kernel has them yet or not: the minus tells systemd-sysctl to do
// without, and udev applies them when the module comes. So the file does not
// depend on when one looked.
func sysctlFile(all []host.Sysctl) []byte {
	var b strings.Builder
	b.WriteString("# Written by eksnode.\n")
	for _, p := range all {
		if strings.HasPrefix(p.Key, "net.bridge.") {
			b.WriteString("-")
		}
		b.WriteString(strings.TrimSuffix(p.Key+" = "+p.Value, " ") + "\n")
	}
	return []byte(b.String())
}
