// Package hardware tells what a machine is made of, from the files of /sys and
// /proc, without executing anything and without the network. Package
// pkg/system/winhardware makes the same facts of a Windows machine.
//
// There are two depths: Detect sees what the decisions of a node need, Inspect all.
package hardware

// Facts is what could be seen of a machine. A probe that failed left its part
// zero, or short of what could not be read, and an entry in Problems: a zero
// alone never means "none". What only Inspect sees is zero in the facts of Detect,
// which Inspected tells.
type Facts struct {
	CPU    CPU    `json:"cpu"`
	Memory Memory `json:"memory"`
	// PCI lists all functions on the PCI buses, sorted by address.
	PCI []PCIDevice `json:"pci,omitempty"`
	// NVMe are the NVMe controllers with their disks, by number; Inspect alone
	// looks for them.
	NVMe []NVMe `json:"nvme,omitempty"`
	// Links are the network interfaces that are devices, by name: no bridges, no
	// veth. Inspect alone looks for them.
	Links []Link `json:"links,omitempty"`
	OS    OS     `json:"os"`
	DMI   DMI    `json:"dmi"`

	// From here to Problems are what Inspect alone sees.

	// NUMA are the memory nodes by number; none where the kernel knows none.
	NUMA       []NUMANode `json:"numa,omitempty"`
	Kernel     Kernel     `json:"kernel,omitzero"`
	Clock      Clock      `json:"clock,omitzero"`
	Security   Security   `json:"security,omitzero"`
	TPM        []TPM      `json:"tpm,omitempty"`
	Enclaves   Enclaves   `json:"nitroEnclaves,omitzero"`
	Hypervisor Hypervisor `json:"hypervisor,omitzero"`
	// Container names the container that the root filesystem belongs to, by its
	// manager: docker, podman, kubernetes, lxc; empty outside of one.
	Container string `json:"container,omitempty"`
	// Platform is what all of this makes the machine out to be.
	Platform Platform `json:"platform,omitzero"`

	// Problems are what the probes could not see, in the order of the probes.
	Problems []Problem `json:"problems,omitempty"`
}

// Inspected reports whether all probes were made, and not those of Detect alone.
func (f Facts) Inspected() bool { return f.Platform.Name != "" }

// CPU is what the machine has of processors.
type CPU struct {
	// Online is the number of logical CPUs online.
	Online int `json:"online"`
	// Architecture is Go's name for it: amd64, arm64.
	Architecture string `json:"architecture,omitempty"`

	// From here on, what Inspect alone sees.

	// Vendor and Model are as /proc/cpuinfo names them: GenuineIntel; for Arm, ARM
	// and the core: Neoverse-V1.
	Vendor string `json:"vendor,omitempty"`
	Model  string `json:"model,omitempty"`
	// Sockets, Cores and ThreadsPerCore (the most of any core) count what is online.
	Sockets        int `json:"sockets,omitempty"`
	Cores          int `json:"cores,omitempty"`
	ThreadsPerCore int `json:"threadsPerCore,omitempty"`
	// OnlineSet are the CPUs online, Offline those that are present and not online.
	OnlineSet CPUSet `json:"onlineSet,omitempty"`
	Offline   CPUSet `json:"offline,omitempty"`
	// Isolated are those of isolcpus, NoHzFull those without a tick.
	Isolated CPUSet `json:"isolated,omitempty"`
	NoHzFull CPUSet `json:"noHzFull,omitempty"`
	// Features are the kernel's names, sorted, of the features that matter to
	// images and runtimes; Level is x86-64-v1 to v4, empty on other processors.
	Features []string `json:"features,omitempty"`
	Level    string   `json:"level,omitempty"`
	// Allowed is what this process and its containers may use; nil when not seen.
	Allowed *Allowance `json:"allowed,omitempty"`
}

// Memory is what the machine has of memory.
type Memory struct {
	// OnlineBytes is the size of all online memory blocks: what nodeadm
	// reckons with, more than /proc/meminfo's MemTotal. Where the kernel has
	// no memory blocks it is MemTotal, and a remark in Problems says so.
	OnlineBytes int64 `json:"onlineBytes"`

	// From here on, what Inspect alone sees.

	// TotalBytes is MemTotal: what the kernel left for use at boot.
	TotalBytes int64 `json:"totalBytes,omitempty"`
	// HugePages are the pools by the size of their pages, also those without pages;
	// of a NUMA node, NUMANode has its part.
	HugePages []HugePages `json:"hugePages,omitempty"`
	// TransparentHugePages is always, madvise or never; empty where the kernel
	// does not have them.
	TransparentHugePages string `json:"transparentHugePages,omitempty"`
	// Swap are the areas in use, in the kernel's order.
	Swap []Swap `json:"swap,omitempty"`
}

// PCIDevice is one function on a PCI bus.
type PCIDevice struct {
	// Address is domain:bus:device.function.
	Address string `json:"address"`
	// Vendor, Device and Class are as the kernel prints them, without 0x and
	// in lower case: 10de, 2330, 030200.
	Vendor string `json:"vendor"`
	Device string `json:"device"`
	Class  string `json:"class"`
	// Driver is the name of the bound driver; empty when none is bound.
	Driver string `json:"driver,omitempty"`
	// Subsystem is who built the card and what it is to them: 10de:16c1. It is
	// read for NVIDIA's GPUs alone, whose kernel module can depend on it.
	Subsystem string `json:"subsystem,omitempty"`
	// NUMANode is the node that the function is nearest to. It is nil where the
	// firmware does not say, as on every machine with one node, and where Inspect
	// did not look.
	NUMANode *int `json:"numaNode,omitempty"`
}

// OS is the operating system as it describes itself.
type OS struct {
	// ID and VersionID are those of os-release: amzn 2023.
	ID            string `json:"id,omitempty"`
	VersionID     string `json:"versionId,omitempty"`
	PrettyName    string `json:"prettyName,omitempty"`
	KernelRelease string `json:"kernelRelease,omitempty"`
	// CgroupVersion is 1 or 2.
	CgroupVersion int `json:"cgroupVersion,omitempty"`
}

// DMI is what the firmware says about the machine; readable without root.
type DMI struct {
	SysVendor     string `json:"sysVendor,omitempty"`
	ProductName   string `json:"productName,omitempty"`
	BoardAssetTag string `json:"boardAssetTag,omitempty"`

	// From here on, what Inspect alone sees.

	ProductVersion  string `json:"productVersion,omitempty"`
	ProductFamily   string `json:"productFamily,omitempty"`
	BIOSVendor      string `json:"biosVendor,omitempty"`
	BIOSVersion     string `json:"biosVersion,omitempty"`
	BIOSDate        string `json:"biosDate,omitempty"`
	BoardVendor     string `json:"boardVendor,omitempty"`
	BoardName       string `json:"boardName,omitempty"`
	ChassisVendor   string `json:"chassisVendor,omitempty"`
	ChassisAssetTag string `json:"chassisAssetTag,omitempty"`
	// ProductUUID is for root alone to see.
	ProductUUID string `json:"productUuid,omitempty"`
	// Virtual is the firmware's own word on whether it is a virtual machine's: yes
	// or no, for root alone; empty when not seen. Firmware older than SMBIOS 2.4
	// has no such bit, and not every virtual machine monitor sets it.
	Virtual string `json:"virtual,omitempty"`
}

// Problem is something that a probe could not see.
type Problem struct {
	// Probe is its name: cpu, memory, pci, os, dmi, and those of Inspect.
	Probe   string `json:"probe"`
	Message string `json:"message"`
	// Remark: the fact is there and may be used, but was had in a second-best
	// way which the message names.
	Remark bool `json:"remark,omitempty"`
}

// ENILimits are what an instance type allows on its default network card
// (EC2 DescribeInstanceTypes, NetworkInfo).
type ENILimits struct {
	// MaxENIs is the number of network interfaces.
	MaxENIs int `json:"maxENIs"`
	// IPv4PerENI is the number of private IPv4 addresses for each.
	IPv4PerENI int `json:"ipv4PerENI"`
}

// HasNVIDIA reports whether a function of NVIDIA's (vendor 10de) is on the PCI
// bus, driver or not, which is the test that nodeadm makes.
func (f Facts) HasNVIDIA() bool {
	for _, d := range f.PCI {
		if d.Vendor == "10de" {
			return true
		}
	}
	return false
}
