package instancetype

import (
	_ "embed"
	"strconv"
	"strings"
)

// devicesTable has one line a type that has any of its columns, sorted by its bytes,
//
//	TYPE EFAS DISKS ACCELERATORS
//
// where EFAS is the most EFA interfaces that the type can have, DISKS the number and
// the size in GB of its NVMe instance store disks (8x3800), and ACCELERATORS the
// number and the model of its GPUs or Neuron devices (8xh100), as package hardware
// names it; - stands for none. All are from EC2's DescribeInstanceTypes (EfaInfo,
// InstanceStorageInfo, GpuInfo, NeuronInfo). Disks that are not NVMe are left out: they
// are there only where the block device mapping asks for them. A part of a GPU counts
// as one, because the PCI bus shows one.
//
//go:embed devices.txt
var devicesTable string

// Devices are the devices that an instance type comes with.
type Devices struct {
	// EFAs is the most EFA interfaces that the type can have. How many it has is the
	// choice of whoever launches it.
	EFAs int
	// Disks is the number of NVMe instance store disks, and DiskGB the size of each in
	// units of 10^9 bytes. They are always there.
	Disks, DiskGB int
	// Accelerators is the number of GPUs or Neuron devices, and Model the name that
	// package hardware has for them: h100, trainium2.
	Accelerators int
	Model        string
}

// Neuron reports whether the accelerators are Neuron devices, and no GPUs.
func (d Devices) Neuron() bool {
	return strings.HasPrefix(d.Model, "inferentia") || strings.HasPrefix(d.Model, "trainium")
}

// DevicesOf returns the devices of an instance type. It is false for a type that the
// table does not have: one without any of these, or one newer than the table.
func DevicesOf(instanceType string) (Devices, bool) {
	name, d, ok := parseDevices(find(devicesTable, instanceType))
	if !ok || name != instanceType {
		return Devices{}, false
	}
	return d, true
}

// parseDevices reads one line of the table.
func parseDevices(line string) (name string, d Devices, ok bool) {
	f := strings.Split(line, " ")
	if len(f) != 4 || f[0] == "" {
		return "", Devices{}, false
	}
	var err error
	if d.EFAs, err = strconv.Atoi(f[1]); err != nil || d.EFAs < 0 {
		return "", Devices{}, false
	}
	count, size, ok := times(f[2])
	if !ok {
		return "", Devices{}, false
	}
	if d.Disks = count; count > 0 {
		if d.DiskGB, err = strconv.Atoi(size); err != nil || d.DiskGB < 1 {
			return "", Devices{}, false
		}
	}
	d.Accelerators, d.Model, ok = times(f[3])
	return f[0], d, ok
}

// times reads 8xh100; - is none.
func times(text string) (count int, what string, ok bool) {
	if text == "-" {
		return 0, "", true
	}
	number, what, ok := strings.Cut(text, "x")
	count, err := strconv.Atoi(number)
	return count, what, ok && err == nil && count > 0 && what != ""
}
