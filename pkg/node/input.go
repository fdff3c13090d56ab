// Package node is what a decision about a node may depend on, and the shape of
// a decision: a Component is a pure function from an Input to the resources
// that the machine should hold.
package node

import (
	"fmt"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/host"
)

// Input is everything that a decision may depend on. It is gathered once, and
// saved so that any decision can be replayed on another machine. It may hold
// secrets (environment values), so what it is saved to has mode 0600.
type Input struct {
	Config   api.NodeConfig `json:"config"`
	Instance Instance       `json:"instance"`
	Hardware hardware.Facts `json:"hardware"`
	Versions Versions       `json:"versions"`
	Present  Present        `json:"present"`
	Layout   Layout         `json:"layout"`
	// Problems are the facts that could not be had. A component which needs
	// one of them refuses; see Require.
	Problems []Problem `json:"problems,omitempty"`
}

// Instance is what the platform says about this machine. An empty field was
// not told; when it should have been, there is a Problem for it.
type Instance struct {
	ID     string `json:"id,omitempty"`
	Type   string `json:"type,omitempty"`
	Region string `json:"region,omitempty"`
	Zone   string `json:"zone,omitempty"`
	// OutpostARN is empty where the instance is on no Outpost. Only read where
	// something refers to it.
	OutpostARN string `json:"outpostArn,omitempty"`
	ZoneID     string `json:"zoneId,omitempty"`
	AccountID  string `json:"accountId,omitempty"`
	ImageID    string `json:"imageId,omitempty"`
	Partition  string `json:"partition,omitempty"`
	// DNSSuffix is the partition's: amazonaws.com, amazonaws.com.cn, …
	DNSSuffix string `json:"dnsSuffix,omitempty"`
	// MAC is that of the primary network interface, lower case.
	MAC string `json:"mac,omitempty"`
	// NodeName is the name under which the API server must know this node,
	// and NodeNameSource says in one phrase how it was found.
	NodeName       string `json:"nodeName,omitempty"`
	NodeNameSource string `json:"nodeNameSource,omitempty"`
	// PrivateIPv4 and IPv6 are the addresses of the primary interface, the
	// primary one first.
	PrivateIPv4 []string `json:"privateIPv4,omitempty"`
	IPv6        []string `json:"ipv6,omitempty"`
	// Limits are the instance type's ENI limits where the embedded table does
	// not know the type; nil otherwise.
	Limits *hardware.ENILimits `json:"limits,omitempty"`
	// Lifecycle is spot, on-demand, scheduled or capacity-block; Placement group and
	// partition are empty outside of one. Only read where something refers to them.
	Lifecycle       string `json:"lifecycle,omitempty"`
	PlacementGroup  string `json:"placementGroup,omitempty"`
	PartitionNumber string `json:"partitionNumber,omitempty"`
	// Tags are the instance's tags, by their keys, as far as instance metadata shows
	// them and something refers to them.
	Tags map[string]string `json:"tags,omitempty"`
	// VPCNetworks are the VPC's networks in CIDR notation, IPv4 first. Only read where
	// a proxy is configured.
	VPCNetworks []string `json:"vpcNetworks,omitempty"`
	// SandboxSource is the registry reference of the sandbox (pause) image in
	// this region, for pulling where the image has none.
	SandboxSource string `json:"sandboxSource,omitempty"`
}

// Versions are those of the programs installed on the machine, read without
// executing them.
type Versions struct {
	Kubelet    Version `json:"kubelet"`
	Containerd Version `json:"containerd"`
}

// Present says what the machine image already brings.
type Present struct {
	// KubeletUnit and ContainerdUnit: the image has a unit file of its own.
	KubeletUnit    bool `json:"kubeletUnit,omitempty"`
	ContainerdUnit bool `json:"containerdUnit,omitempty"`
	// NvidiaRuntime: the NVIDIA container runtime binary is installed.
	NvidiaRuntime bool `json:"nvidiaRuntime,omitempty"`
	// SandboxArchive: the archive at Layout.SandboxArchive exists.
	SandboxArchive bool `json:"sandboxArchive,omitempty"`
	// ECRProvider: the image brings its own ECR credential provider binary at
	// Layout.ImageCredentialProvider.
	ECRProvider bool `json:"ecrProvider,omitempty"`
	// SOCISnapshotter: the soci-snapshotter unit is installed.
	SOCISnapshotter bool `json:"sociSnapshotter,omitempty"`
	// RuntimeSlice: the image has a unit file for Layout.RuntimeSlice and runs
	// its containerd in that slice.
	RuntimeSlice bool `json:"runtimeSlice,omitempty"`
	// BridgeNetfilter: the kernel has the sysctls net.bridge.bridge-nf-call-*,
	// which come with the module br_netfilter and not before.
	BridgeNetfilter bool `json:"bridgeNetfilter,omitempty"`
	// Chrony is the unit of chrony, chronyd.service or chrony.service; empty when
	// there is none. ChronySources is the path of a file of the agent's own from
	// which this chrony would take time sources when it starts; empty when its
	// configuration names no directory for such files.
	Chrony        string `json:"chrony,omitempty"`
	ChronySources string `json:"chronySources,omitempty"`
	// Timesyncd: the image has systemd-timesyncd.
	Timesyncd bool `json:"timesyncd,omitempty"`
	// SetupLocalDisks: the program at Layout.SetupLocalDisks is installed.
	SetupLocalDisks bool `json:"setupLocalDisks,omitempty"`
	// Iptables is the path of the iptables program; empty when there is none.
	Iptables string `json:"iptables,omitempty"`
	// Network is what has a say in the machine's network.
	Network Network `json:"network,omitzero"`
	// Programs says of the programs that the configuration names by their path
	// whether they are installed. One that is not in it has not been looked for.
	Programs map[string]bool `json:"programs,omitempty"`
	// Accelerators is what there is of them beside the PCI bus.
	Accelerators Accelerators `json:"accelerators,omitzero"`
	// Managers is what an earlier kubelet has written down of its managers' work.
	Managers Managers `json:"managers,omitzero"`
}

// Problem is a fact that could not be had.
type Problem struct {
	// Fact names it in the words of Input: instance.nodeName, hardware.cpu,
	// versions.kubelet.
	Fact    string     `json:"fact"`
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Remedy  string     `json:"remedy,omitempty"`
}

// Require returns nil when all of the named facts are there, else a fault for
// the first that is not. Components call it before they use a fact whose
// absence they cannot bear.
func (in Input) Require(facts ...string) error {
	for _, f := range facts {
		for _, p := range in.Problems {
			if p.Fact == f {
				return fault.New(p.Code, p.Remedy, fmt.Errorf("cannot tell %s: %s", f, p.Message))
			}
		}
	}
	return nil
}

// Component decides one concern of a node.
type Component struct {
	// Name owns the resources; `eksnode init --only NAME` applies them alone.
	Name string
	// Desired returns the resources wanted, in the order in which they are to
	// be made. It is pure. An error means that the input does not allow a
	// decision; then nothing is applied at all.
	Desired func(Input) ([]host.Resource, error)
	// Notes returns what a person may want to know about the decision: a wish
	// without effect, two settings that do not go together. Nil when there is
	// never anything to say.
	Notes func(Input) []string
	// Reasons returns where the decided values come from. Nil when nothing is
	// decided; no reasons when the input allows no decision.
	Reasons func(Input) []Reason
}

// Reasons joins the reasons of all components, each with its component's name.
func Reasons(in Input, components []Component) []Reason {
	var out []Reason
	for _, c := range components {
		if c.Reasons == nil {
			continue
		}
		for _, r := range c.Reasons(in) {
			r.Component = c.Name
			out = append(out, r)
		}
	}
	return out
}

// Notes joins the remarks of all components, each with its component's name.
func Notes(in Input, components []Component) []string {
	var out []string
	for _, c := range components {
		if c.Notes == nil {
			continue
		}
		for _, n := range c.Notes(in) {
			out = append(out, c.Name+": "+n)
		}
	}
	return out
}

// Desired asks every component in order and joins their answers. All
// components are asked even when one refuses; the errors come joined. Programs
// with a stage are where their stage says, all else is in the order asked for.
func Desired(in Input, components []Component) (host.State, error) {
	var entries []host.Entry
	var errs joined
	for _, c := range components {
		rs, err := c.Desired(in)
		if err != nil {
			errs.add(fmt.Errorf("cannot decide %s: %w", c.Name, err))
			continue
		}
		for _, r := range rs {
			entries = append(entries, host.Entry{Owner: c.Name, Resource: r})
		}
	}
	s, err := join(entries, in.Layout.KubeletUnit)
	errs.add(err)
	return s, errs.err()
}
