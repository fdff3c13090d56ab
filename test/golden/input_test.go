package golden_test

import (
	"fmt"
	"testing"

	"github.com/eksnode/eksnode/pkg/accelerator"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/containerd"
	"github.com/eksnode/eksnode/pkg/credential"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hook"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/kubelet"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/tuning"
)

// components are those of an EC2 node, in the order in which they are asked.
func components() []node.Component {
	return []node.Component{hook.Component(), tuning.Component(), cni.Component(), accelerator.Component(), containerd.Component(), credential.Component(), kubelet.Component()}
}

func desired(t testing.TB, in node.Input) host.State {
	t.Helper()
	s, err := node.Desired(in, components())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// machine is an instance type as the hardware probes see it.
type machine struct {
	name      string
	cpus      int
	memoryMiB int64
	arch      string
	pci       []hardware.PCIDevice
}

var (
	nitro  = hardware.PCIDevice{Address: "0000:00:05.0", Vendor: "1d0f", Device: "ec20", Class: "020000", Driver: "ena"}
	nvidia = hardware.PCIDevice{Address: "0000:00:1e.0", Vendor: "10de", Device: "2237", Class: "030200"}
	neuron = hardware.PCIDevice{Address: "0000:00:1f.0", Vendor: "1d0f", Device: "7264", Class: "088000"}
)

// machines are small and huge, old and new, x86 and ARM, with and without
// accelerators; u-24tb1.112xlarge is one that the ENI table does not know.
var machines = []machine{
	{"t2.micro", 1, 1024, "amd64", nil},
	{"t3.medium", 2, 4096, "amd64", []hardware.PCIDevice{nitro}},
	{"m5.large", 2, 8192, "amd64", []hardware.PCIDevice{nitro}},
	{"m5.24xlarge", 96, 393216, "amd64", []hardware.PCIDevice{nitro}},
	{"m7g.medium", 1, 4096, "arm64", []hardware.PCIDevice{nitro}},
	{"c7gn.16xlarge", 64, 131072, "arm64", []hardware.PCIDevice{nitro}},
	{"i4i.large", 2, 16384, "amd64", []hardware.PCIDevice{nitro}},
	{"i7ie.48xlarge", 192, 1572864, "amd64", []hardware.PCIDevice{nitro}},
	{"p4d.24xlarge", 96, 1179648, "amd64", []hardware.PCIDevice{nitro, nvidia}},
	{"p5.48xlarge", 192, 2097152, "amd64", []hardware.PCIDevice{nitro, nvidia}},
	{"g5.xlarge", 4, 16384, "amd64", []hardware.PCIDevice{nitro, nvidia}},
	{"inf2.xlarge", 4, 16384, "amd64", []hardware.PCIDevice{nitro, neuron}},
	{"trn1.32xlarge", 128, 524288, "amd64", []hardware.PCIDevice{nitro, neuron}},
	{"u-24tb1.112xlarge", 448, 25165824, "amd64", []hardware.PCIDevice{nitro}},
}

func machineOf(t testing.TB, name string) machine {
	t.Helper()
	for _, m := range machines {
		if m.name == name {
			return m
		}
	}
	t.Fatalf("no machine %s", name)
	return machine{}
}

// minors are the versions of Kubernetes at which something changes, and the
// containerd that EKS images of that time have.
var minors = []struct {
	kubelet, containerd string
}{
	{"v1.29.15-eks-473151a", "1.7.28"},
	{"v1.31.13-eks-113cf36", "2.1.4"},
	{"v1.33.5-eks-113cf36", "2.1.5"},
	{"v1.35.4-eks-1111111", "2.2.9"},
	{"v1.37.2-eks-2222222", "2.4.2"},
}

// certificate stands for the cluster's CA; the components do not look into it.
const certificate = "-----BEGIN CERTIFICATE-----\nTUlJQmVUQ0NBUitnQXdJQkFnSUJBREFLQmdncWhrak9QUVFEQWpBVk1STXdFUVlE\n-----END CERTIFICATE-----\n"

// ipv4 and ipv6 are service networks as EKS makes them.
const (
	ipv4 = "10.100.0.0/16"
	ipv6 = "fd30:1c53:5f8a::/108"
)

// input is a machine from an EKS image of Amazon Linux 2023, with the user data
// that a managed node group gives it.
func input(t testing.TB, m machine, kubeletVersion, containerdVersion, services string) node.Input {
	t.Helper()
	in := node.Input{
		Config: api.NodeConfig{
			APIVersion: api.APIVersion,
			Kind:       api.Kind,
			Spec: api.Spec{Cluster: api.Cluster{
				Name:                 "prod",
				APIServerEndpoint:    "https://0123456789ABCDEF0123456789ABCDEF.gr7.us-west-2.eks.amazonaws.com",
				CertificateAuthority: []byte(certificate),
				CIDR:                 services,
			}},
		},
		Instance: node.Instance{
			ID:             "i-0123456789abcdef0",
			Type:           m.name,
			Region:         "us-west-2",
			Zone:           "us-west-2a",
			ZoneID:         "usw2-az1",
			AccountID:      "111122223333",
			ImageID:        "ami-0123456789abcdef0",
			Partition:      "aws",
			DNSSuffix:      "amazonaws.com",
			MAC:            "02:00:00:00:00:01",
			NodeName:       "ip-10-0-1-23.us-west-2.compute.internal",
			NodeNameSource: "local-hostname of the instance metadata",
			PrivateIPv4:    []string{"10.0.1.23"},
			IPv6:           []string{"2600:1f14:aaaa:bbbb::17"},
			SandboxSource:  "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/pause:3.10",
		},
		Hardware: hardware.Facts{
			CPU:    hardware.CPU{Online: m.cpus, Architecture: m.arch},
			Memory: hardware.Memory{OnlineBytes: m.memoryMiB << 20},
			PCI:    m.pci,
			OS:     hardware.OS{ID: "amzn", VersionID: "2023", CgroupVersion: 2},
		},
		Present: node.Present{
			KubeletUnit:    true,
			ContainerdUnit: true,
			RuntimeSlice:   true,
			SandboxArchive: true,
			ECRProvider:    true,
			Iptables:       "/usr/sbin/iptables",
		},
		Layout: node.AL2023(),
	}
	if m.name == "u-24tb1.112xlarge" {
		in.Instance.Limits = &hardware.ENILimits{MaxENIs: 15, IPv4PerENI: 50}
	}
	in.Present.NvidiaRuntime = in.Hardware.HasNVIDIA() // EKS has images of their own for GPUs
	var err error
	if in.Versions.Kubelet, err = node.ParseVersion(kubeletVersion); err != nil {
		t.Fatal(err)
	}
	if in.Versions.Containerd, err = node.ParseVersion(containerdVersion); err != nil {
		t.Fatal(err)
	}
	return in
}

// everyInput yields the matrix of machines, versions and address families.
func everyInput(t testing.TB, yield func(name string, in node.Input)) {
	t.Helper()
	for _, m := range machines {
		for _, v := range minors {
			for family, services := range map[string]string{"ipv4": ipv4, "ipv6": ipv6} {
				in := input(t, m, v.kubelet, v.containerd, services)
				yield(fmt.Sprintf("%s/%d.%d-%s", m.name, in.Versions.Kubelet.Major, in.Versions.Kubelet.Minor, family), in)
			}
		}
	}
}
