package api

// The two API groups that a document may name. The superset has all fields of
// nodeadm's group at the same places, and those of [Superset] beside them.
const (
	// APIVersion is nodeadm's group, which Karpenter, eksctl, managed node groups
	// and Terraform modules generate.
	APIVersion = "node.eks.aws/v1alpha1"
	// APIVersionSuperset is this project's own group.
	APIVersionSuperset = "eksnode.dev/v1alpha1"
	// Kind is the only kind there is.
	Kind = "NodeConfig"
	// MediaType marks the MIME part of user data that holds a NodeConfig.
	MediaType = "application/node.eks.aws"
	// MediaTypeSuperset marks one that nodeadm shall not read, since it is of
	// [APIVersionSuperset]. cloud-init passes over both.
	MediaTypeSuperset = "application/eksnode.dev"
)

// NodeConfig is everything a person may ask of one node. The zero value asks for
// nothing and is not valid: a node needs at least its cluster.
//
// Treat a NodeConfig as immutable once decoded: values share the maps and slices
// inside it.
type NodeConfig struct {
	// Kind is "NodeConfig".
	Kind string `json:"kind,omitempty"`
	// APIVersion is one of [APIVersion] and [APIVersionSuperset]. A configuration
	// merged from documents of both groups has the superset's.
	APIVersion string `json:"apiVersion,omitempty"`
	// Metadata is accepted so that Kubernetes tooling can write the document. It
	// has no effect on the node.
	Metadata Metadata `json:"metadata"`
	// Spec is the configuration itself.
	Spec Spec `json:"spec"`
}

// Metadata is the part of Kubernetes object metadata that is kept. The other
// fields of object metadata (creationTimestamp, uid, ...) are read past.
type Metadata struct {
	// Name of the document; a later document's name replaces it.
	Name string `json:"name,omitempty"`
	// Namespace of the document.
	Namespace string `json:"namespace,omitempty"`
	// Labels of the document, not of the node. Merged by key.
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations of the document, not of the node. Merged by key.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Spec holds the configuration, one field for each part of the node.
type Spec struct {
	// Cluster says which cluster the node joins and how to reach it.
	Cluster Cluster `json:"cluster"`
	// Containerd configures the container runtime.
	Containerd Containerd `json:"containerd"`
	// Instance configures the machine: local disks, environment of services, DNS.
	Instance Instance `json:"instance"`
	// Kubelet configures the kubelet.
	Kubelet Kubelet `json:"kubelet"`
	// FeatureGates switches optional behaviour of the agent on or off. Merged by
	// gate; a later false does switch off an earlier true.
	FeatureGates FeatureGates `json:"featureGates,omitempty"`
	// Superset holds the fields that only [APIVersionSuperset] has. In a document
	// they stand beside the others.
	Superset `json:",inline"`
}

// Cluster holds the coordinates of the cluster, as `aws eks describe-cluster`
// prints them. With all of them given, the node joins without asking the EKS API.
type Cluster struct {
	// Name of the EKS cluster. Required. Two documents that name two clusters are
	// an error.
	Name string `json:"name,omitempty"`
	// APIServerEndpoint is the https URL of the API server, without a path.
	// Required.
	APIServerEndpoint string `json:"apiServerEndpoint,omitempty"`
	// CertificateAuthority is the PEM bundle that the API server's certificate is
	// checked with. In a document it is written in base64, as the EKS API returns
	// it; here it is decoded. Required.
	CertificateAuthority []byte `json:"certificateAuthority,omitempty"`
	// CIDR is the cluster's service network, IPv4 or IPv6. The cluster's DNS
	// address and IP family follow from it. Required.
	CIDR string `json:"cidr,omitempty"`
	// EnableOutpost says that the cluster's control plane runs on an AWS Outpost.
	// nil means that no document said anything.
	EnableOutpost *bool `json:"enableOutpost,omitempty"`
	// ID identifies a local cluster on an Outpost. Required if EnableOutpost is
	// true, unused otherwise.
	ID string `json:"id,omitempty"`
}

// Kubelet holds what is passed to the kubelet beyond the agent's own settings.
type Kubelet struct {
	// Config is a KubeletConfiguration (kubelet.config.k8s.io/v1beta1) or a part
	// of one. It is laid over the agent's defaults; documents merge field by field,
	// lists are replaced.
	Config Object `json:"config,omitempty"`
	// Flags are kubelet command line arguments. They follow the agent's own, so
	// for a flag given twice the kubelet takes the one from here. The flags of
	// later documents are appended to those of earlier ones.
	Flags []string `json:"flags,omitempty"`
	// MaxPodsExpression is a CEL expression for the number of pods, over the
	// variables default_enis, ips_per_eni and max_pods.
	MaxPodsExpression string `json:"maxPodsExpression,omitempty"`
}

// Containerd holds what is laid over the agent's containerd settings.
type Containerd struct {
	// Config is containerd configuration in TOML. Several documents' TOML merges
	// key by key, arrays are replaced; a single document's text is kept verbatim.
	Config string `json:"config,omitempty"`
	// BaseRuntimeSpec is an OCI runtime specification, or a part of one, laid over
	// the default specification that every container starts from.
	BaseRuntimeSpec Object `json:"baseRuntimeSpec,omitempty"`
}

// Instance configures the machine below Kubernetes.
type Instance struct {
	// LocalStorage says what becomes of the instance's local NVMe disks.
	LocalStorage LocalStorage `json:"localStorage"`
	// Environment sets environment variables: for the systemd service of that
	// name, or under the name "default" for every service of the machine. Merged
	// by variable; a later empty value does replace an earlier one. Values are
	// secrets, since proxy settings carry passwords.
	Environment map[string]map[string]Secret `json:"environment,omitempty"`
	// Network configures name resolution of the machine.
	Network Network `json:"network"`
}

// EnvironmentDefault is the key of Instance.Environment that means every service
// of the machine.
const EnvironmentDefault = "default"

// LocalStorage says what becomes of local NVMe disks. The zero value leaves them
// untouched.
type LocalStorage struct {
	// Strategy says how the disks are joined. Empty leaves them untouched.
	Strategy LocalStorageStrategy `json:"strategy,omitempty"`
	// MountPath is the directory below which the file systems are mounted. Empty
	// means [DefaultMountPath].
	MountPath string `json:"mountPath,omitempty"`
	// DisabledMounts names the directories that stay on the root volume. A later
	// document's list replaces an earlier one's.
	DisabledMounts []DisabledMount `json:"disabledMounts,omitempty"`
}

// DefaultMountPath is where local disks are mounted if no path is given, as
// nodeadm's disk script does it.
const DefaultMountPath = "/mnt/k8s-disks"

// LocalStorageStrategy says how local disks are joined.
type LocalStorageStrategy string

const (
	// LocalStorageRAID0 makes one striped array of all disks.
	LocalStorageRAID0 LocalStorageStrategy = "RAID0"
	// LocalStorageRAID10 makes one mirrored and striped array. It needs four disks.
	LocalStorageRAID10 LocalStorageStrategy = "RAID10"
	// LocalStorageMount gives every disk a file system of its own.
	LocalStorageMount LocalStorageStrategy = "Mount"
)

// DisabledMount names a directory that does not move to the local disks.
type DisabledMount string

const (
	// DisabledMountContainerd is containerd's state, /var/lib/containerd.
	DisabledMountContainerd DisabledMount = "Containerd"
	// DisabledMountPodLogs is the logs of pods, /var/log/pods.
	DisabledMountPodLogs DisabledMount = "PodLogs"
	// DisabledMountSOCI is the SOCI snapshotter's state,
	// /var/lib/soci-snapshotter-grpc.
	DisabledMountSOCI DisabledMount = "SOCI"
)

// Network configures name resolution.
type Network struct {
	// Nameservers are the IP addresses of DNS servers for the machine. A later
	// document's list replaces an earlier one's.
	Nameservers []string `json:"nameservers,omitempty"`
	// Domains are the machine's DNS search domains. A later document's list
	// replaces an earlier one's.
	Domains []string `json:"domains,omitempty"`
}

// FeatureGates maps a gate's name to whether it is on. Gates that are not there
// are off.
type FeatureGates map[string]bool

// The known feature gates.
const (
	// InstanceIDNodeName names the node after its EC2 instance ID in place of its
	// private DNS name.
	InstanceIDNodeName = "InstanceIdNodeName"
	// FastImagePull pulls image layers in parallel through the SOCI snapshotter.
	FastImagePull = "FastImagePull"
)

// Enabled reports whether a gate is on.
func (g FeatureGates) Enabled(gate string) bool { return g[gate] }
