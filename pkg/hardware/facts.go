// Package hardware tells what a machine is made of, from the files of /sys and
// /proc, without executing anything and without the network.
package hardware

// Facts is what could be seen of a machine. A probe that failed left its part
// zero, or short of what could not be read, and an entry in Problems: a zero
// alone never means "none".
type Facts struct {
	CPU    CPU    `json:"cpu"`
	Memory Memory `json:"memory"`
	// PCI lists all functions on the PCI buses, sorted by address.
	PCI []PCIDevice `json:"pci,omitempty"`
	OS  OS          `json:"os"`
	DMI DMI         `json:"dmi"`
	// Problems are what the probes could not see, in the order of the probes.
	Problems []Problem `json:"problems,omitempty"`
}

// CPU is what the machine has of processors.
type CPU struct {
	// Online is the number of logical CPUs online.
	Online int `json:"online"`
	// Architecture is Go's name for it: amd64, arm64.
	Architecture string `json:"architecture,omitempty"`
}

// Memory is what the machine has of memory.
type Memory struct {
	// OnlineBytes is the size of all online memory blocks: what nodeadm
	// reckons with, more than /proc/meminfo's MemTotal. Where the kernel has
	// no memory blocks it is MemTotal, and a remark in Problems says so.
	OnlineBytes int64 `json:"onlineBytes"`
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
}

// Problem is something that a probe could not see.
type Problem struct {
	// Probe is its name: cpu, memory, pci, os, dmi.
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
