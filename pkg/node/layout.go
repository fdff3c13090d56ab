package node

// Layout is where things are on this kind of machine: paths and unit names.
// Components take them from here and hold none of their own, so that another
// kind of machine is another Layout.
type Layout struct {
	// Agent is the installed path of this program.
	Agent string `json:"agent"`
	// StateDir keeps what must survive a reboot, RunDir what must not.
	StateDir string `json:"stateDir"`
	RunDir   string `json:"runDir"`
	// UnitDir is where unit files written by the agent go.
	UnitDir string `json:"unitDir"`

	// Kubelet.
	Kubelet                       string `json:"kubelet"` // the binary
	KubeletUnit                   string `json:"kubeletUnit"`
	KubeletVersionFile            string `json:"kubeletVersionFile"`
	KubeletConfig                 string `json:"kubeletConfig"`
	KubeletConfigDir              string `json:"kubeletConfigDir"`
	KubeletDropIn                 string `json:"kubeletDropIn"`
	KubeletEnvironment            string `json:"kubeletEnvironment"`
	Kubeconfig                    string `json:"kubeconfig"`
	BootstrapKubeconfig           string `json:"bootstrapKubeconfig"`
	ClusterCA                     string `json:"clusterCA"`
	StaticPodDir                  string `json:"staticPodDir"`            // of spec.staticPods
	ImageCredentialProvider       string `json:"imageCredentialProvider"` // binary that the image may bring
	ImageCredentialProviderConfig string `json:"imageCredentialProviderConfig"`
	// CredentialProviderLink is where the agent links to itself under the name
	// by which kubelet runs it for registry credentials. It is alone in its
	// directory, so that nothing of the image is replaced.
	CredentialProviderLink string `json:"credentialProviderLink"`
	// UseImageCredentialProvider makes kubelet run ImageCredentialProvider in
	// place of the agent. Set where a person asks for another program, with
	// ECR_CREDENTIAL_PROVIDER_BIN_PATH in nodeadm's manner.
	UseImageCredentialProvider bool `json:"useImageCredentialProvider,omitempty"`

	// Containerd.
	Containerd            string   `json:"containerd"` // the binary
	ContainerdUnit        string   `json:"containerdUnit"`
	ContainerdVersionFile string   `json:"containerdVersionFile"`
	ContainerdConfig      string   `json:"containerdConfig"`
	ContainerdSocket      string   `json:"containerdSocket"`
	ContainerdRoot        string   `json:"containerdRoot"`  // keeps images and snapshots
	ContainerdState       string   `json:"containerdState"` // does not survive a reboot
	BaseRuntimeSpec       string   `json:"baseRuntimeSpec"`
	Runc                  string   `json:"runc"`
	NvidiaRuntime         string   `json:"nvidiaRuntime"`
	RegistryConfigDirs    []string `json:"registryConfigDirs"`
	CNIConfigDir          string   `json:"cniConfigDir"`
	CNIBinDir             string   `json:"cniBinDir"`
	// RuntimeSlice is the slice of kubelet and containerd, and
	// ContainerdSliceDropIn what puts a containerd unit of the image into it.
	RuntimeSlice          string `json:"runtimeSlice"`
	ContainerdSliceDropIn string `json:"containerdSliceDropIn"`

	// SOCI snapshotter, for the feature gate FastImagePull.
	SOCIUnit             string `json:"sociUnit"`
	SOCIConfig           string `json:"sociConfig"`
	SOCISocket           string `json:"sociSocket"`
	SOCIRoot             string `json:"sociRoot"`
	ContainerdSOCIDropIn string `json:"containerdSOCIDropIn"`

	// SandboxImage is the reference by which containerd asks for the pause
	// image; SandboxArchive is where the machine image may keep it.
	SandboxImage   string `json:"sandboxImage"`
	SandboxArchive string `json:"sandboxArchive"`

	// System.
	SysctlDropIn       string `json:"sysctlDropIn"`
	ModulesLoad        string `json:"modulesLoad"`   // names the modules that are loaded at boot
	ModuleOptions      string `json:"moduleOptions"` // their parameters, modprobe.d(5)
	TimesyncdDropIn    string `json:"timesyncdDropIn"`
	TimesyncdUnit      string `json:"timesyncdUnit"`
	ResolvedDropIn     string `json:"resolvedDropIn"`
	ResolvedUnit       string `json:"resolvedUnit"`
	ManagerEnvironment string `json:"managerEnvironment"`
	// NvidiaCTK is NVIDIA's own generator of CDI specifications. CDIDir is where
	// specifications last, CDIRunDir where they are gone at the next boot; the latter
	// comes before the former. NvidiaDriverChoice is where the decision about NVIDIA's
	// kernel module is written for the image's own step that loads it.
	NvidiaCTK          string `json:"nvidiaCTK"`
	CDIDir             string `json:"cdiDir"`
	CDIRunDir          string `json:"cdiRunDir"`
	NvidiaDriverChoice string `json:"nvidiaDriverChoice"`
	// CPUManagerState and MemoryManagerState are what kubelet writes down of the CPUs
	// and memory that it has given to containers.
	CPUManagerState    string `json:"cpuManagerState"`
	MemoryManagerState string `json:"memoryManagerState"`
	// SetupLocalDisks is the program of EKS images that joins and mounts the disks
	// of the instance.
	SetupLocalDisks string `json:"setupLocalDisks"`

	// Network: files that last, and the units that read them.
	NetworkdUnit         string `json:"networkdUnit"`
	NetworkdDropIn       string `json:"networkdDropIn"`
	PodLinks             string `json:"podLinks"`        // systemd.network(5) file of the links of pods
	MACPolicyDropIn      string `json:"macPolicyDropIn"` // for systemd's default systemd.link(5) file
	UdevRulesDir         string `json:"udevRulesDir"`
	NetworkManagerUnit   string `json:"networkManagerUnit"`
	NetworkManagerDropIn string `json:"networkManagerDropIn"`
	NetworkSysctl        string `json:"networkSysctl"`
	NetworkModules       string `json:"networkModules"`
	BPFUnit              string `json:"bpfUnit"`   // mounts the BPF file system
	CNIConfig            string `json:"cniConfig"` // the agent's own pod network

	// NetworkDir is where systemd-networkd finds files that last until the next
	// boot, ENIRecordDir where it is written down who looks after each ENI.
	NetworkDir   string `json:"networkDir"`
	ENIRecordDir string `json:"eniRecordDir"`
	// RunMarker says that the machine's daemons are being started: ENIs that appear
	// from then on belong to the network plugin.
	RunMarker string `json:"runMarker"`
}

// AL2023 is the layout of Amazon Linux 2023 images made for EKS: the paths
// that nodeadm writes there, so that everything which reads them keeps working
// (awslabs/amazon-eks-ami, nodeadm). The agent's own paths are added to it.
// Other distributions with systemd use it too; only binaries may be elsewhere.
func AL2023() Layout {
	return Layout{
		Agent:    "/usr/bin/eksnode",
		StateDir: "/var/lib/eksnode",
		RunDir:   "/run/eksnode",
		UnitDir:  "/etc/systemd/system",

		Kubelet:                       "/usr/bin/kubelet",
		KubeletUnit:                   "kubelet.service",
		KubeletVersionFile:            "/etc/eks/kubelet-version.txt",
		KubeletConfig:                 "/etc/kubernetes/kubelet/config.json",
		KubeletConfigDir:              "/etc/kubernetes/kubelet/config.json.d",
		KubeletDropIn:                 "/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf",
		KubeletEnvironment:            "/etc/eks/kubelet/environment",
		Kubeconfig:                    "/var/lib/kubelet/kubeconfig",
		BootstrapKubeconfig:           "/var/lib/kubelet/bootstrap-kubeconfig",
		ClusterCA:                     "/etc/kubernetes/pki/ca.crt",
		StaticPodDir:                  "/etc/kubernetes/manifests",
		ImageCredentialProvider:       "/etc/eks/image-credential-provider/ecr-credential-provider",
		ImageCredentialProviderConfig: "/etc/eks/image-credential-provider/config.json",
		CredentialProviderLink:        "/var/lib/eksnode/bin/ecr-credential-provider",

		Containerd:            "/usr/bin/containerd",
		ContainerdUnit:        "containerd.service",
		ContainerdVersionFile: "/etc/eks/containerd-version.txt",
		ContainerdConfig:      "/etc/containerd/config.toml",
		ContainerdSocket:      "/run/containerd/containerd.sock",
		ContainerdRoot:        "/var/lib/containerd",
		ContainerdState:       "/run/containerd",
		BaseRuntimeSpec:       "/etc/containerd/base-runtime-spec.json",
		Runc:                  "/usr/sbin/runc",
		NvidiaRuntime:         "/usr/bin/nvidia-container-runtime",
		RegistryConfigDirs:    []string{"/etc/containerd/certs.d", "/etc/docker/certs.d"},
		CNIConfigDir:          "/etc/cni/net.d",
		CNIBinDir:             "/opt/cni/bin",
		RuntimeSlice:          "runtime.slice",
		ContainerdSliceDropIn: "/etc/systemd/system/containerd.service.d/00-runtime-slice.conf",

		SOCIUnit:             "soci-snapshotter.service",
		SOCIConfig:           "/etc/soci-snapshotter-grpc/config.toml",
		SOCISocket:           "/run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock",
		SOCIRoot:             "/var/lib/soci-snapshotter-grpc",
		ContainerdSOCIDropIn: "/etc/systemd/system/containerd.service.d/10-soci-snapshotter.conf",

		SandboxImage:   "localhost/kubernetes/pause:latest",
		SandboxArchive: "/etc/eks/pause.tar",

		SysctlDropIn: "/etc/sysctl.d/99-eksnode.conf",
		ModulesLoad:  "/etc/modules-load.d/eksnode.conf",
		// kmod joins what all files say of a module, in the order of their names, and the kernel
		// believes the last: systemd.conf of systemd sets parameters of bonding and dummy.
		ModuleOptions:      "/etc/modprobe.d/zz-eksnode.conf",
		TimesyncdDropIn:    "/etc/systemd/timesyncd.conf.d/eksnode.conf",
		TimesyncdUnit:      "systemd-timesyncd.service",
		ResolvedDropIn:     "/run/systemd/resolved.conf.d/40-eks.conf",
		ResolvedUnit:       "systemd-resolved.service",
		ManagerEnvironment: "/etc/systemd/system.conf.d/environment.conf",
		NvidiaCTK:          "/usr/bin/nvidia-ctk",
		CDIDir:             "/etc/cdi",
		CDIRunDir:          "/var/run/cdi",
		NvidiaDriverChoice: "/etc/eksnode/nvidia-driver.json",
		CPUManagerState:    "/var/lib/kubelet/cpu_manager_state",
		MemoryManagerState: "/var/lib/kubelet/memory_manager_state",
		SetupLocalDisks:    "/usr/bin/setup-local-disks",

		NetworkdUnit:         "systemd-networkd.service",
		NetworkdDropIn:       "/etc/systemd/networkd.conf.d/80-eksnode.conf",
		PodLinks:             "/etc/systemd/network/60-eksnode-pods.network",
		MACPolicyDropIn:      "/etc/systemd/network/99-default.link.d/90-eksnode.conf",
		UdevRulesDir:         "/etc/udev/rules.d",
		NetworkManagerUnit:   "NetworkManager.service",
		NetworkManagerDropIn: "/etc/NetworkManager/conf.d/90-eksnode.conf",
		NetworkSysctl:        "/etc/sysctl.d/99-eksnode-network.conf",
		NetworkModules:       "/etc/modules-load.d/eksnode-network.conf",
		BPFUnit:              "eksnode-bpf.service",
		CNIConfig:            "/etc/cni/net.d/10-eksnode.conflist",

		NetworkDir:   "/run/systemd/network",
		ENIRecordDir: "/etc/eks/nodeadm/udev-net-manager",
		RunMarker:    "/run/nodeadm/init",
	}
}

// RegistryCredentialProvider returns the path of the program that kubelet runs
// for registry credentials. Its directory is kubelet's
// --image-credential-provider-bin-dir and its base name the provider's name.
func (l Layout) RegistryCredentialProvider() string {
	if l.UseImageCredentialProvider {
		return l.ImageCredentialProvider
	}
	return l.CredentialProviderLink
}
