package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

// Names of the checks of readiness. The last three are followed by what they are
// about: csi-driver/ebs.csi.aws.com.
const (
	CheckNetwork = "pod-network"
	CheckCSI     = "csi-driver/"
	CheckDevices = "devices/"
	CheckNames   = "cluster-dns/"
)

// Declared is what must hold before a node takes pods. What is empty is not looked
// at.
type Declared struct {
	// Network sees whether pods get a network, and says what it has seen. It brings
	// its own bound. Its error should be a fault.
	Network func(context.Context) (seen string, err error)
	// CSIDrivers are names of drivers.
	CSIDrivers []string
	// Devices is how many of each resource are wanted. Of none, nothing is asked.
	Devices map[string]int64
	// Names are complete DNS names, and Nameservers the cluster's DNS.
	Names       []string
	Nameservers []netip.Addr
}

// ReadinessChecks returns the checks of what is declared, sorted by kind and name.
// They see what kubelet sees: the container runtime's network, the drivers that
// kubelet has registered, the devices that it gives to pods, the DNS server that it
// gives them. They may run at the same time and more than once, and are bounded by
// t.Timeout, Network aside.
func ReadinessChecks(t Target, d Declared) []health.Check {
	p := newProber(t)
	var checks []health.Check
	add := func(name, title string, run func(context.Context) health.Finding) {
		checks = append(checks, health.Check{Name: name, Title: title, Run: run})
	}
	bounded := func(run func(context.Context) health.Finding) func(context.Context) health.Finding {
		return func(ctx context.Context) health.Finding {
			ctx, cancel := context.WithTimeout(ctx, p.Timeout)
			defer cancel()
			return run(ctx)
		}
	}
	if d.Network != nil {
		add(CheckNetwork, "pods get a network", func(ctx context.Context) health.Finding {
			seen, err := d.Network(ctx)
			if err != nil {
				return health.Bad(err)
			}
			return health.Good(seen)
		})
	}
	for _, name := range unique(d.CSIDrivers) {
		add(CheckCSI+name, "CSI driver "+name+" is registered", bounded(func(ctx context.Context) health.Finding { return p.checkCSI(ctx, name) }))
	}
	for _, name := range slices.Sorted(maps.Keys(d.Devices)) {
		add(CheckDevices+name, "kubelet has all of "+name, bounded(func(ctx context.Context) health.Finding { return p.checkDevices(ctx, name, d.Devices[name]) }))
	}
	for _, name := range unique(d.Names) {
		add(CheckNames+name, "the cluster's DNS resolves "+name, bounded(func(ctx context.Context) health.Finding { return p.checkName(ctx, name, d.Nameservers) }))
	}
	return checks
}

func unique(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// checkCSI asks for the driver in the Node's CSINode object. kubelet writes it when
// the driver's registrar has introduced it and the driver has said what node this
// is, with the number of volumes in the same change.
func (p *prober) checkCSI(ctx context.Context, driver string) health.Finding {
	remedy := "See the driver's pod on this node: `kubectl get pods -A -o wide --field-selector spec.nodeName=" + p.NodeName + "`. Its DaemonSet must tolerate the startup taint."
	if err := p.nameless(); err != nil {
		return health.Bad(err)
	}
	a, err := p.askAs(ctx, "read the CSINode "+p.NodeName, http.MethodGet, "apis/storage.k8s.io/v1/csinodes/"+url.PathEscape(p.NodeName), nil)
	switch {
	case a.code == http.StatusNotFound:
		return bad(fault.CSIDriverMissing, "kubelet has registered no CSI driver yet: there is no CSINode "+p.NodeName, remedy)
	case err != nil:
		return health.Bad(err)
	}
	var c csiNode
	if err := json.Unmarshal(a.body, &c); err != nil {
		return bad(fault.EndpointHTTP, fmt.Sprintf("cannot understand CSINode %s: %v", p.NodeName, err), "Something else than a Kubernetes API server may answer at the endpoint.")
	}
	i := slices.IndexFunc(c.Spec.Drivers, func(d csiDriver) bool { return d.Name == driver })
	if i < 0 {
		return bad(fault.CSIDriverMissing, "the CSI driver "+driver+" is not registered with kubelet", remedy)
	}
	count := c.Spec.Drivers[i].Allocatable.Count
	switch {
	case count == nil:
		return health.Good("the CSI driver " + driver + " is registered, without a limit of volumes")
	case *count <= 0:
		return bad(fault.CSIDriverMissing, fmt.Sprintf("the CSI driver %s is registered for %d volumes", driver, *count), remedy)
	}
	return health.Good(fmt.Sprintf("the CSI driver %s is registered, for %d volumes", driver, *count))
}

// checkDevices compares what kubelet can give to pods with what is wanted.
func (p *prober) checkDevices(ctx context.Context, resource string, want int64) health.Finding {
	if want == 0 {
		return health.Good("there is no " + resource + " to wait for")
	}
	n, err := p.ownNode(ctx)
	if err != nil {
		return health.Bad(err)
	}
	if n.old(p.BootID) {
		return bad(fault.DevicesMissing, "node "+p.NodeName+" still shows its state from before this boot", "kubelet brings it up to date soon after its start. "+journalRemedy)
	}
	remedy := "See the device plugin's pod on this node: `kubectl get pods -A -o wide --field-selector spec.nodeName=" + p.NodeName + "`, and the driver in `dmesg`. Its DaemonSet must tolerate the startup taint."
	text, ok := n.Status.Allocatable[resource]
	if !ok {
		return bad(fault.DevicesMissing, "kubelet knows no "+resource+" yet: its device plugin is not registered", remedy)
	}
	milli, err := api.ParseQuantity(text)
	if err != nil {
		return bad(fault.EndpointHTTP, fmt.Sprintf("cannot understand how many of %s are allocatable: %v", resource, err), "")
	}
	seen := fmt.Sprintf("kubelet has %s of %d %s", text, want, resource)
	if milli/1000 < want {
		return bad(fault.DevicesMissing, seen, remedy)
	}
	return health.Good(seen)
}

// old reports whether a Node shows its state from before the boot with an ID.
func (n *node) old(boot string) bool {
	id := n.Status.NodeInfo.BootID
	return id != "" && boot != "" && id != boot
}

// nameTimeout bounds one question to one server, so that the next has its turn.
const nameTimeout = 2 * time.Second

// checkName asks the cluster's DNS servers in turn, as a pod would.
func (p *prober) checkName(ctx context.Context, name string, servers []netip.Addr) health.Finding {
	const remedy = "See CoreDNS and kube-proxy: `kubectl -n kube-system get pods -o wide`. Where every node begins with the startup taint, CoreDNS must tolerate it."
	if len(servers) == 0 {
		return bad(fault.ClusterDNS, "it is not known which DNS server pods are given", "Set spec.cluster.cidr or spec.kubelet.config.clusterDNS.")
	}
	var first error
	for _, s := range servers {
		addrs, err := p.lookUp(ctx, name, s)
		if err == nil {
			return health.Good(fmt.Sprintf("%s resolves to %s", name, addrs))
		}
		if first == nil {
			first = err
		}
	}
	return bad(fault.ClusterDNS, first.Error(), remedy)
}
