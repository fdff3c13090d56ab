package api

import "time"

// Superset holds the fields of [APIVersionSuperset] that nodeadm does not have. A
// document of nodeadm's group may not use them: nodeadm would pass over them in
// silence. The zero value asks for nothing.
type Superset struct {
	// NodeName says where the node's name comes from.
	NodeName NodeName `json:"nodeName,omitzero"`
	// Labels are the node's. Merged by key. Values may refer to facts, as
	// ${instance.type}; see [FactNames].
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations are the node's, given to it once it is registered. Merged by key.
	// Values may refer to facts.
	Annotations map[string]string `json:"annotations,omitempty"`
	// Taints are what the node registers with. Merged by key and effect. Values may
	// refer to facts.
	Taints []Taint `json:"taints,omitempty"`
	// CNI says which network plugin the cluster runs, from which the number of pods
	// follows.
	CNI CNI `json:"cni,omitzero"`
	// Reserved says what is kept from pods for the machine's own daemons.
	Reserved Reserved `json:"reserved,omitzero"`
	// Registries configures where containerd pulls from. Merged by registry.
	Registries []Registry `json:"registries,omitempty"`
	// ImageCredentials are credential providers for kubelet, beside the one for ECR.
	// Merged by name.
	ImageCredentials []ImageCredential `json:"imageCredentials,omitempty"`
	// Proxy is how the machine's services reach the outside.
	Proxy Proxy `json:"proxy,omitzero"`
	// Sysctls are kernel parameters by their dotted name. Merged by name.
	Sysctls map[string]string `json:"sysctls,omitempty"`
	// HugePages are pools of huge pages. Merged by size and NUMA node.
	HugePages []HugePages `json:"hugePages,omitempty"`
	// KernelModules are loaded at boot. Merged by name.
	KernelModules []KernelModule `json:"kernelModules,omitempty"`
	// Ulimits are the resource limits that every container starts with, by the name
	// that ulimit(1) and docker use: nofile, memlock. Merged by name.
	Ulimits map[string]Ulimit `json:"ulimits,omitempty"`
	// Swap says whether pods may use swap, and makes a swap file.
	Swap Swap `json:"swap,omitzero"`
	// StaticPods are manifests of v1 Pods by the name of their file, which kubelet
	// runs without an API server. They merge deep, by name.
	StaticPods Object `json:"staticPods,omitempty"`
	// Hooks are programs of the machine that are run on the way to a node. Merged
	// by name, in the order in which names first appear.
	Hooks []Hook `json:"hooks,omitempty"`
	// TimeSync configures the machine's clock.
	TimeSync TimeSync `json:"timeSync,omitzero"`
	// Readiness keeps pods off the node until what is declared here holds.
	Readiness Readiness `json:"readiness,omitzero"`
	// Accelerators says how containers get at GPUs and Neuron devices.
	Accelerators Accelerators `json:"accelerators,omitzero"`
}

// NodeName says where the node's name comes from.
type NodeName struct {
	// Source says how the name is found. Empty means [NodeNameAuto].
	Source NodeNameSource `json:"source,omitempty"`
	// Name is the name itself, for the source fixed. It may refer to facts.
	Name string `json:"name,omitempty"`
}

// NodeNameSource says how a node's name is found.
type NodeNameSource string

const (
	// NodeNameAuto is the private DNS name, unless the feature gate
	// InstanceIdNodeName asks for the instance ID.
	NodeNameAuto NodeNameSource = "auto"
	// NodeNamePrivateDNS is the name that EC2 calls PrivateDnsName, from instance
	// metadata where that can tell it, else from EC2.
	NodeNamePrivateDNS NodeNameSource = "privateDns"
	// NodeNameInstanceID is the instance ID. The access entry must be of type EC2.
	NodeNameInstanceID NodeNameSource = "instanceId"
	// NodeNameIPName is made from the primary IPv4 address, as
	// ip-10-0-0-1.us-west-2.compute.internal, whatever DHCP says.
	NodeNameIPName NodeNameSource = "ipName"
	// NodeNameResourceName is made from the instance ID, as
	// i-0123456789abcdef0.us-west-2.compute.internal, whatever DHCP says.
	NodeNameResourceName NodeNameSource = "resourceName"
	// NodeNameFixed is NodeName.Name.
	NodeNameFixed NodeNameSource = "fixed"
)

// Taint is a taint of the node.
type Taint struct {
	// Key of the taint.
	Key string `json:"key"`
	// Value may be empty and may refer to facts.
	Value string `json:"value,omitempty"`
	// Effect is NoSchedule, PreferNoSchedule or NoExecute.
	Effect string `json:"effect"`
}

// CNI describes the cluster's network plugin. The zero value is nodeadm's
// behaviour: as many pods as the VPC CNI has secondary addresses for, without a cap.
type CNI struct {
	// Profile names the plugin. Empty is nodeadm's behaviour.
	Profile CNIProfile `json:"profile,omitempty"`
	// PrefixDelegation says that ENIs get /28 prefixes in place of single addresses
	// (ENABLE_PREFIX_DELEGATION of the VPC CNI, and Cilium's
	// aws-enable-prefix-delegation). It has no effect on Xen instances, which have no
	// prefixes.
	PrefixDelegation *bool `json:"prefixDelegation,omitempty"`
	// CustomNetworking says that pods get no address of the primary ENI
	// (AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG; Cilium's first-interface-index 1).
	CustomNetworking *bool `json:"customNetworking,omitempty"`
	// SecurityGroupsForPods says that one ENI is the trunk of branch ENIs
	// (ENABLE_POD_ENI of the VPC CNI).
	SecurityGroupsForPods *bool `json:"securityGroupsForPods,omitempty"`
	// MaxENIs bounds how many ENIs the plugin attaches (MAX_ENI of the VPC CNI). nil
	// is as many as the instance type has.
	MaxENIs *int64 `json:"maxENIs,omitempty"`
	// PodCIDRs are, for the profiles bridge and ptp, this node's own ranges of pod
	// addresses in CIDR notation: one, or one of each family. The first address of
	// each is the node's end. The VPC must route them to this node, whose
	// source/destination check is off, unless masquerade is on.
	PodCIDRs []string `json:"podCIDRs,omitempty"`
	// MTU is, for the profiles bridge and ptp, that of the pods' interfaces in bytes.
	// nil is that of the primary interface.
	MTU *int64 `json:"mtu,omitempty"`
	// Masquerade makes, for the profiles bridge and ptp, pods leave the node with the
	// node's address. It is for networks that do not route the pods' addresses.
	Masquerade *bool `json:"masquerade,omitempty"`
}

// CNIProfile names a network plugin and how it is run.
type CNIProfile string

const (
	// CNIVPC is the Amazon VPC CNI.
	CNIVPC CNIProfile = "vpc-cni"
	// CNICiliumENI is Cilium with addresses of ENIs.
	CNICiliumENI CNIProfile = "cilium-eni"
	// CNICiliumOverlay is Cilium with addresses of its own, over VXLAN or Geneve.
	CNICiliumOverlay CNIProfile = "cilium-overlay"
	// CNICalico is Calico's own network, over VXLAN.
	CNICalico CNIProfile = "calico"
	// CNIBridge is a network that the agent configures itself where the cluster
	// brings none: pods are on a bridge of the node.
	CNIBridge CNIProfile = "bridge"
	// CNIPointToPoint is the same, but each pod has a link of its own to the node.
	CNIPointToPoint CNIProfile = "ptp"
	// CNINone is any other plugin that does not use addresses of the VPC.
	CNINone CNIProfile = "none"
)

// Reserved says what is kept from pods. The zero value is nodeadm's behaviour: the
// model eks over the number of pods that the ENIs allow, whatever maxPods says.
// With any of it set, or with a CNI profile, the number of pods that counts is the
// effective one, and a node on which pods would have no room is refused.
type Reserved struct {
	// Model says how kubeReserved is reckoned.
	Model ReservationModel `json:"model,omitempty"`
	// CPU is, for the model expression, a CEL expression for millicores over the
	// variables cpus, memory_mib and max_pods, all int.
	CPU string `json:"cpu,omitempty"`
	// Memory is, for the model expression, one for MiB over the same variables.
	Memory string `json:"memory,omitempty"`
	// EphemeralStorage is a quantity. Empty is 1Gi.
	EphemeralStorage string `json:"ephemeralStorage,omitempty"`
	// System is kubelet's systemReserved: quantities, nothing if empty.
	System SystemReserved `json:"system,omitzero"`
}

// SystemReserved is what is kept for daemons that are not Kubernetes' own, as
// Kubernetes quantities.
type SystemReserved struct {
	// CPU is a quantity of CPUs, as 100m.
	CPU string `json:"cpu,omitempty"`
	// Memory is a quantity of bytes.
	Memory string `json:"memory,omitempty"`
	// EphemeralStorage is a quantity of bytes of the root volume.
	EphemeralStorage string `json:"ephemeralStorage,omitempty"`
}

// ReservationModel says how kubeReserved is reckoned.
type ReservationModel string

const (
	// ReservationEKS is 255 MiB + 11 MiB a pod, and the CPU bands of EKS.
	ReservationEKS ReservationModel = "eks"
	// ReservationGKE takes falling shares of memory and CPU, as GKE does, whatever
	// the number of pods.
	ReservationGKE ReservationModel = "gke"
	// ReservationExpression evaluates Reserved.CPU and Reserved.Memory.
	ReservationExpression ReservationModel = "expression"
)

// Registry configures where the images of one registry are pulled from.
type Registry struct {
	// Registry is the host in image references, as docker.io or
	// registry.example.com:5000. "*" means all registries without an entry.
	Registry string `json:"registry"`
	// Mirrors are asked in their order. A later document's list replaces an earlier
	// one's.
	Mirrors []Mirror `json:"mirrors,omitempty"`
	// Fallback says whether the registry itself is asked when no mirror has the
	// image. nil is true, but false where a mirror has credentials from ECR, which
	// would otherwise be shown to the registry.
	Fallback *bool `json:"fallback,omitempty"`
}

// Mirror is one place that serves a registry's images.
type Mirror struct {
	// URL is http or https, with a path where the mirror serves under one.
	URL string `json:"url"`
	// CA is a PEM bundle that the mirror's certificate is checked with. Empty is the
	// system's.
	CA string `json:"ca,omitempty"`
	// InsecureSkipVerify leaves the certificate unchecked.
	InsecureSkipVerify *bool `json:"insecureSkipVerify,omitempty"`
	// OverridePath says that URL holds the whole path of the API root, so that /v2 is
	// not added, as for ECR pull-through caches. nil is true if URL has a path.
	OverridePath *bool `json:"overridePath,omitempty"`
	// Capabilities are what the mirror is asked for: pull, resolve, push. Empty is
	// pull and resolve.
	Capabilities []string `json:"capabilities,omitempty"`
	// Credentials say how to log in. The zero value does not.
	Credentials MirrorCredentials `json:"credentials,omitzero"`
}

// MirrorCredentials say how to log in to a mirror.
type MirrorCredentials struct {
	// Source is ecr for a token of the instance's role, basic for Username and
	// Password. Empty is no login.
	Source string `json:"source,omitempty"`
	// Username is for the source basic, as is Password.
	Username string `json:"username,omitempty"`
	// Password is a secret.
	Password Secret `json:"password,omitempty"`
}

// The sources of mirror credentials.
const (
	CredentialsECR   = "ecr"
	CredentialsBasic = "basic"
)

// ImageCredential is a kubelet image credential provider.
type ImageCredential struct {
	// Name is the provider's, and unique.
	Name string `json:"name"`
	// Program is the absolute path of the provider's binary.
	Program string `json:"program"`
	// MatchImages are kubelet's patterns of the images that it is asked about.
	MatchImages []string `json:"matchImages,omitempty"`
	// DefaultCacheDuration is a Go duration. Empty is 12h.
	DefaultCacheDuration string `json:"defaultCacheDuration,omitempty"`
	// APIVersion is of credentialprovider.kubelet.k8s.io, whose name may stand before
	// it: v1, v1beta1 or v1alpha1. Empty is v1.
	APIVersion string `json:"apiVersion,omitempty"`
	// Args are given to the program.
	Args []string `json:"args,omitempty"`
	// Env is added to the program's environment. Values are secrets.
	Env map[string]Secret `json:"env,omitempty"`
}

// Proxy is how the machine's services reach the outside. It is used for every
// request of the agent itself, but never for instance metadata.
type Proxy struct {
	// HTTP is the URL of the proxy for requests of the scheme http. It is a secret,
	// since it may carry a password.
	HTTP Secret `json:"http,omitempty"`
	// HTTPS is likewise for requests of the scheme https, which is nearly all of them.
	HTTPS Secret `json:"https,omitempty"`
	// NoProxy are hosts, domains (.example.com), addresses and networks that are
	// reached directly, beside the computed ones: loopback, link-local with
	// instance metadata, the VPC's and the service network, cluster-internal names.
	// Later documents' entries are appended.
	NoProxy []string `json:"noProxy,omitempty"`
	// ProxyAPIServer sends requests to the API server through the proxy. nil is
	// false: it is reached directly.
	ProxyAPIServer *bool `json:"proxyAPIServer,omitempty"`
}

// HugePages is a pool of huge pages.
type HugePages struct {
	// Size is the size of one page as Kubernetes writes it: 2Mi or 1Gi, on arm64 also
	// 64Ki, 32Mi, 512Mi or 16Gi, as the kernel's own pages allow.
	Size string `json:"size"`
	// Count of pages.
	Count int64 `json:"count"`
	// NUMANode is where they are allocated. nil spreads them over all nodes.
	NUMANode *int64 `json:"numaNode,omitempty"`
}

// KernelModule is loaded at boot.
type KernelModule struct {
	// Name of the module.
	Name string `json:"name"`
	// Parameters are the module's options, by name.
	Parameters map[string]string `json:"parameters,omitempty"`
}

// Ulimit is a resource limit: a whole number, or "unlimited".
type Ulimit struct {
	// Soft is what a process starts with. Empty is Hard.
	Soft string `json:"soft,omitempty"`
	// Hard is what it may raise itself to.
	Hard string `json:"hard"`
}

// Swap says how swap is used.
type Swap struct {
	// Behavior is kubelet's memorySwap.swapBehavior: LimitedSwap or NoSwap. Empty
	// leaves kubelet's defaults, which do not start with swap on.
	Behavior string `json:"behavior,omitempty"`
	// Size is a quantity: a swap file of that size is made and used. Empty makes
	// none, for machines that bring swap.
	Size string `json:"size,omitempty"`
	// Path of the swap file. Empty means [DefaultSwapPath].
	Path string `json:"path,omitempty"`
}

// DefaultSwapPath is where the swap file is made if no path is given.
const DefaultSwapPath = "/var/lib/eksnode/swapfile"

// Hook is a program of the machine, run on the way to a node. It is run as root
// and not by a shell.
type Hook struct {
	// Name of the hook, and unique.
	Name string `json:"name"`
	// Stage says when it is run.
	Stage HookStage `json:"stage"`
	// Command is the program's absolute path and its arguments. A later document's
	// list replaces an earlier one's.
	Command []string `json:"command,omitempty"`
	// Env is added to the environment, which also says what node this is
	// (EKSNODE_NODE_NAME, EKSNODE_CLUSTER, ...). Values are secrets.
	Env map[string]Secret `json:"env,omitempty"`
	// Timeout is a Go duration from 1s to 1h, after which the program and its children are killed.
	// Empty is [DefaultHookTimeout].
	Timeout string `json:"timeout,omitempty"`
	// OnFailure says what becomes of the run when the program fails. Empty is fail.
	OnFailure HookPolicy `json:"onFailure,omitempty"`
	// Run says how often. Empty is boot.
	Run HookFrequency `json:"run,omitempty"`
}

// DefaultHookTimeout bounds a hook without a timeout.
const DefaultHookTimeout = "1m"

// Within returns how long the hook may take.
func (h Hook) Within() time.Duration { return durationOr(h.Timeout, DefaultHookTimeout) }

// durationOr reads a duration that has been checked; an empty one is the other.
func durationOr(text, other string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil { // empty; anything else has been refused
		d, _ = time.ParseDuration(other)
	}
	return d
}

// HookStage is a moment on the way to a node.
type HookStage string

const (
	// HookPreConfig is before any file is written.
	HookPreConfig HookStage = "pre-config"
	// HookPreKubelet is when all is configured and containerd runs, before kubelet
	// is started.
	HookPreKubelet HookStage = "pre-kubelet"
	// HookPostReady is when the node is Ready.
	HookPostReady HookStage = "post-ready"
)

// HookPolicy says what becomes of a run whose hook has failed.
type HookPolicy string

const (
	// HookFail ends the run.
	HookFail HookPolicy = "fail"
	// HookWarn goes on and says so.
	HookWarn HookPolicy = "warn"
)

// HookFrequency says how often a hook is run. A changed hook is run again.
type HookFrequency string

const (
	// HookEveryBoot runs once a boot.
	HookEveryBoot HookFrequency = "boot"
	// HookOnce runs once in the machine's life.
	HookOnce HookFrequency = "once"
)

// TimeSync configures the machine's clock.
type TimeSync struct {
	// Servers are NTP servers by name or address, such as 169.254.169.123. A later
	// document's list replaces an earlier one's. Empty leaves the image's.
	Servers []string `json:"servers,omitempty"`
}
