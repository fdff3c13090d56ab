package kubelet

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// The Kubernetes minors that this version of the agent knows the settings of.
const (
	oldestMinor = 29
	newestMinor = 37
)

// Settings is everything that is decided about kubelet: plain data, from which
// the files follow without another decision.
type Settings struct {
	Version node.Version `json:"version"`
	// NodeName, NodeIP and ProviderID are who the node says it is.
	NodeName   string `json:"nodeName"`
	NodeIP     string `json:"nodeIP"`
	ProviderID string `json:"providerID"`
	// Region and TokenCluster are what a token is asked for: TokenCluster is
	// the cluster's name, or its id on Outposts.
	Region       string `json:"region"`
	TokenCluster string `json:"tokenCluster"`
	// Bootstrap says that the token only serves to get a client certificate,
	// with which kubelet then goes on: local clusters on Outposts.
	Bootstrap  bool   `json:"bootstrap,omitempty"`
	ClusterDNS string `json:"clusterDNS"`
	MaxPods    int    `json:"maxPods"`
	// EffectiveMaxPods is the number of pods that kubelet will allow: MaxPods, unless
	// the user's own configuration or flags of kubelet say otherwise.
	EffectiveMaxPods int `json:"effectiveMaxPods"`
	// Reserved is kubeReserved: cpu, memory, ephemeral-storage.
	Reserved Reserved `json:"reserved"`
	// SystemReserved is systemReserved, as quantities by resource; nil for none.
	SystemReserved map[string]string `json:"systemReserved,omitempty"`
	FeatureGates   map[string]bool   `json:"featureGates"`
	// ShutdownGracePeriod and its part for critical pods are durations as
	// kubelet writes them; empty leaves graceful shutdown off.
	ShutdownGracePeriod             string `json:"shutdownGracePeriod,omitempty"`
	ShutdownGracePeriodCriticalPods string `json:"shutdownGracePeriodCriticalPods,omitempty"`
	// ImageServiceEndpoint is set where images are pulled by another service
	// than containerd.
	ImageServiceEndpoint string `json:"imageServiceEndpoint,omitempty"`
	// Labels are those that the agent gives in --node-labels: spec.labels with their
	// references replaced, and that of a GPU.
	Labels map[string]string `json:"labels,omitempty"`
	// DropIn is what the superset's fields lay over the user's part of the
	// configuration. Nothing in it is a secret.
	DropIn api.Object `json:"dropIn,omitempty"`
	// StaticPods are the manifests, and StaticPodDir where they go.
	StaticPods   []StaticPod `json:"staticPods,omitempty"`
	StaticPodDir string      `json:"staticPodDir,omitempty"`
	// Stale is what an earlier kubelet has written down, and this one would not start
	// with.
	Stale []host.Absent `json:"stale,omitempty"`
	// Flags is kubelet's command line in its final order.
	Flags []string `json:"flags"`
	// DropInByEnvironment is set for a kubelet that reads its drop-in folder
	// only when an environment variable says so.
	DropInByEnvironment bool `json:"dropInByEnvironment,omitempty"`
	// Why tells where the values come from, Notes what a person may want to
	// know and nothing else would say.
	Why   []node.Reason `json:"why"`
	Notes []string      `json:"notes,omitempty"`
}

// Reserved is what kubelet keeps for itself and the runtime, as Kubernetes
// quantities.
type Reserved struct {
	CPU              string `json:"cpu"`
	EphemeralStorage string `json:"ephemeral-storage"`
	Memory           string `json:"memory"`
}

// Decide decides everything about kubelet. It returns all that is wrong with
// the input at once, each as a fault.
func Decide(in node.Input) (Settings, error) {
	d := decider{in: in}
	d.version()
	d.identity()
	d.network()
	d.pods()
	d.reserve()
	d.userFlags()
	d.taints()
	d.staticPods()
	d.swap()
	d.toggles()
	d.labels()
	d.flags()
	d.managers()
	if len(d.errs) > 0 {
		return Settings{}, errors.Join(d.errs...)
	}
	return d.s, nil
}

// decider gathers settings and the reasons why there are none.
type decider struct {
	in node.Input
	s  Settings
	// user are the user's flags, as far as they stay flags.
	user []string
	errs []error
	// system is systemReserved in numbers.
	system kept
	// addressable is how many pods the network plugin has addresses for; 0 when that
	// is no bound or not known.
	addressable int
}

func (d *decider) fail(err error) {
	if err != nil {
		d.errs = append(d.errs, err)
	}
}

func (d *decider) because(setting, value, from string) {
	d.s.Why = append(d.s.Why, node.Reason{Setting: setting, Value: value, From: from})
}

func (d *decider) note(format string, args ...any) {
	d.s.Notes = append(d.s.Notes, fmt.Sprintf(format, args...))
}

// fact returns a fact that kubelet cannot be set up without.
func (d *decider) fact(name, value string) string {
	v, err := d.in.Fact(name, value)
	d.fail(err)
	return v
}

func (d *decider) version() {
	// What the image brings decides what is written: unknown is not absent.
	d.fail(d.in.Require("present"))
	v, err := d.in.VersionFact("kubelet", d.in.Versions.Kubelet)
	d.fail(err)
	d.s.Version = v
	switch {
	case err != nil:
	case !v.AtLeast(1, oldestMinor):
		d.note("kubelet %s is older than 1.%d, the oldest that this agent is made for", v, oldestMinor)
	case v.AtLeast(1, newestMinor+1):
		d.note("kubelet %s is newer than 1.%d; it gets the settings of 1.%d", v, newestMinor, newestMinor)
	}
}

func (d *decider) identity() {
	instance, cluster := d.in.Instance, d.in.Config.Spec.Cluster
	d.s.NodeName = d.fact("instance.nodeName", instance.NodeName)
	d.because("nodeName", d.s.NodeName, instance.NodeNameSource)

	zone, id := d.fact("instance.zone", instance.Zone), d.fact("instance.id", instance.ID)
	d.s.ProviderID = "aws:///" + zone + "/" + id
	d.because("providerID", d.s.ProviderID, "zone and id of the instance")

	d.s.Region = d.fact("instance.region", instance.Region)
	d.s.TokenCluster = cluster.Name
	if cluster.EnableOutpost != nil && *cluster.EnableOutpost {
		d.s.Bootstrap, d.s.TokenCluster = true, cluster.ID
		d.note("local cluster on Outposts: the address of %s is not kept in /etc/hosts, so the node finds its API server by DNS alone", cluster.APIServerEndpoint)
	}
	if d.s.TokenCluster == "" {
		d.fail(fault.New(fault.ConfigInvalid, "Set spec.cluster.name, and on Outposts spec.cluster.id.", errors.New("cannot make a kubeconfig: the cluster has no name")))
	}
}

// toggles sets what depends on the version of Kubernetes alone. The minors are
// those of nodeadm.
func (d *decider) toggles() {
	v := d.s.Version
	d.s.FeatureGates = map[string]bool{"RotateKubeletServerCertificate": true}
	if v.AtLeast(1, 33) {
		d.s.FeatureGates["DynamicResourceAllocation"] = true
	}
	if v.AtLeast(1, 34) {
		d.s.FeatureGates["MutableCSINodeAllocatableCount"] = true
		d.s.ShutdownGracePeriod, d.s.ShutdownGracePeriodCriticalPods = "2m30s", "30s"
	}
	d.s.DropInByEnvironment = d.hasDropIn() && !v.AtLeast(1, 30)

	on, why := d.in.FastImagePull()
	if on {
		d.s.ImageServiceEndpoint = "unix://" + d.in.Layout.SOCISocket
		d.because("imageServiceEndpoint", d.s.ImageServiceEndpoint, "feature gate FastImagePull")
	} else if why != "" {
		d.note("feature gate FastImagePull has no effect: %s", why)
	}
}

// hasDropIn reports whether there is a part of kubelet's configuration beside
// config.json: the user's, or what the superset's fields come to.
func (d *decider) hasDropIn() bool {
	return len(d.in.Config.Spec.Kubelet.Config) > 0 || len(d.s.DropIn) > 0
}

// add sets a field of the drop-in, by its path, unless the user's own part of the
// configuration has it: what is written in kubelet's words counts, and a remark
// says so when it differs.
func (d *decider) add(value any, from string, path ...string) {
	name := strings.Join(path, ".")
	if own, ok := d.in.Config.Spec.Kubelet.Config.Lookup(path...); ok {
		if fmt.Sprint(own) != fmt.Sprint(value) {
			d.note("%s is %v, from spec.kubelet.config, and not %v of %s", name, own, value, from)
		}
		return
	}
	if d.s.DropIn == nil {
		d.s.DropIn = api.Object{}
	}
	at := map[string]any(d.s.DropIn)
	for _, key := range path[:len(path)-1] {
		next, ok := at[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	at[path[len(path)-1]] = value
	d.because(name, fmt.Sprint(value), from)
}

func itoa(i int) string { return strconv.Itoa(i) }
