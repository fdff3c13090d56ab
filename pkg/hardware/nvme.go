package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	probeNVMe = "nvme"
	nvmeDir   = "sys/class/nvme"
	blockDir  = "sys/class/block"
)

// DiskKind is what a disk is to EC2.
type DiskKind string

const (
	// EBS is a volume of the Elastic Block Store.
	EBS DiskKind = "ebs"
	// InstanceStore is a disk of the instance's host, empty at every start.
	InstanceStore DiskKind = "instance-store"
	// ForeignDisk is any other: a vendor's own disk, in a machine that is not EC2's.
	ForeignDisk DiskKind = ""
)

// The models of Amazon's NVMe controllers (EC2 user guide, "Map NVMe disks on Amazon
// EC2 Linux instance to volumes"). The PCI IDs do not tell them apart.
const (
	modelEBS           = "Amazon Elastic Block Store"
	modelInstanceStore = "Amazon EC2 NVMe Instance Storage"
)

// NVMe is one NVMe controller with its disks. The number in its name depends on the
// order in which the kernel met it; the serial number stays.
type NVMe struct {
	// Name is that of the controller: nvme0.
	Name string `json:"name"`
	// Kind is told by the model.
	Kind DiskKind `json:"kind,omitempty"`
	// Model and Serial are as the controller gives them, without padding.
	Model  string `json:"model,omitempty"`
	Serial string `json:"serial,omitempty"`
	// VolumeID of an EBS volume: vol-0123456789abcdef0.
	VolumeID string `json:"volumeId,omitempty"`
	// BlockDevice is the name that EC2 was told for it in the block device mapping,
	// sdf; sysfs does not have it, see [Identified].
	BlockDevice string `json:"blockDevice,omitempty"`
	// Address is that of its PCI function; empty for a controller elsewhere.
	Address string `json:"address,omitempty"`
	// Disks are its namespaces, by name. EC2's controllers have one each.
	Disks []Disk `json:"disks,omitempty"`
}

// Disk is a block device and the partitions on it.
type Disk struct {
	// Name is the kernel's, as below /dev: nvme0n1, nvme0n1p1.
	Name string `json:"name"`
	// Bytes is its size.
	Bytes int64 `json:"bytes"`
	// Mounts are the paths where it is mounted in this mount namespace, sorted, and
	// [SWAP] where the kernel swaps to it.
	Mounts []string `json:"mounts,omitempty"`
	// Holders are the devices that are built upon it, sorted: md127, dm-0.
	Holders []string `json:"holders,omitempty"`
	// Partitions of a whole disk, by name.
	Partitions []Disk `json:"partitions,omitempty"`
}

// InUse reports whether the disk or a partition of it is mounted, swapped to or held
// by another device. A disk that is not in use may still have data on it.
func (d Disk) InUse() bool {
	for _, p := range d.Partitions {
		if p.InUse() {
			return true
		}
	}
	return len(d.Mounts)+len(d.Holders) > 0
}

// diskKind tells a disk by the model of its controller.
func diskKind(model string) DiskKind {
	switch model {
	case modelEBS:
		return EBS
	case modelInstanceStore:
		return InstanceStore
	}
	return ForeignDisk
}

// volumeID makes an EBS volume's ID of a serial number, which lacks its hyphen; empty
// for what cannot be one.
func volumeID(serial string) string {
	digits, ok := strings.CutPrefix(serial, "vol")
	digits = strings.TrimPrefix(digits, "-")
	if !ok || digits == "" || strings.Trim(digits, "0123456789abcdef") != "" {
		return ""
	}
	return "vol-" + digits
}

// lookAtNVMe lists the NVMe controllers. A kernel whose driver has found none has no
// class of them, which is no problem.
func lookAtNVMe(root fs.FS, f *Facts) []Problem {
	names, err := list(root, nvmeDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []Problem{failed(probeNVMe, err)}
	}
	var problems []Problem
	controllers := numbered(names, "nvme")
	if len(controllers) == 0 {
		return nil
	}
	used, err := mounted(root)
	if err != nil {
		problems = append(problems, failed(probeNVMe, err))
	}
	sortByNumber(controllers)
	for _, c := range controllers {
		n, bad := nvmeController(root, c.name, used)
		f.NVMe = append(f.NVMe, n)
		problems = append(problems, bad...)
	}
	return problems
}

// nvmeController reads one controller. What cannot be read of it is left out.
func nvmeController(root fs.FS, name string, used map[string][]string) (NVMe, []Problem) {
	dir := path.Join(nvmeDir, name)
	n := NVMe{Name: name}
	var problems []Problem
	for _, a := range []struct {
		name  string
		value *string
	}{{"model", &n.Model}, {"serial", &n.Serial}, {"address", &n.Address}} {
		text, err := readText(root, path.Join(dir, a.name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, failed(probeNVMe, err))
		}
		*a.value = text
	}
	if !isPCIAddress(n.Address) {
		n.Address = "" // that of a controller over a network
	}
	if n.Kind = diskKind(n.Model); n.Kind == EBS {
		n.VolumeID = volumeID(n.Serial)
	}
	names, err := list(root, dir)
	if err != nil {
		return n, append(problems, failed(probeNVMe, err))
	}
	for _, disk := range namespaces(names, name) {
		d, err := blockDevice(root, disk, used)
		if err == nil {
			d.Partitions, err = partitions(root, disk, used)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // detached meanwhile
		}
		if err != nil {
			problems = append(problems, failed(probeNVMe, err))
			continue
		}
		n.Disks = append(n.Disks, d)
	}
	return n, problems
}

// namespaces returns the block devices of a controller: nvme0n1. Where the kernel
// reaches namespaces by several controllers, the one below a controller is a path,
// nvme0c1n1, and the device is nvme0n1.
func namespaces(names []string, controller string) []string {
	_, own, _ := strings.Cut(controller, "nvme")
	var out []numberedName
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, "nvme")
		subsystem, number, both := strings.Cut(rest, "n")
		if !ok || !both || !isNumber(number) {
			continue
		}
		subsystem, through, multipath := strings.Cut(subsystem, "c")
		if !isNumber(subsystem) || multipath && through != own || !multipath && subsystem != own {
			continue
		}
		if n, err := strconv.Atoi(number); err == nil {
			out = append(out, numberedName{"nvme" + subsystem + "n" + number, n})
		}
	}
	sortByNumber(out)
	disks := make([]string, len(out))
	for i, o := range out {
		disks[i] = o.name
	}
	return disks
}

// partitions reads the partitions of a disk, by number.
func partitions(root fs.FS, disk string, used map[string][]string) ([]Disk, error) {
	names, err := list(root, path.Join(blockDir, disk))
	if err != nil {
		return nil, err
	}
	var out []Disk
	parts := numbered(names, disk+"p")
	sortByNumber(parts)
	for _, p := range parts {
		d, err := blockDevice(root, p.name, used)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// blockDevice reads one disk or partition, without its partitions. The kernel gives
// sizes in units of 512 bytes, whatever the blocks of the device
// (Documentation/ABI/stable/sysfs-block).
func blockDevice(root fs.FS, name string, used map[string][]string) (Disk, error) {
	dir := path.Join(blockDir, name)
	d := Disk{Name: name, Mounts: used[name]}
	text, err := read(root, path.Join(dir, "size"))
	if err != nil {
		return d, err
	}
	sectors, err := strconv.ParseInt(text, 10, 64)
	if err != nil || sectors < 0 || sectors > math.MaxInt64/512 {
		return d, fmt.Errorf("cannot parse /%s/size: %s is no number of sectors", dir, quote(text))
	}
	d.Bytes = sectors * 512
	d.Holders, err = list(root, path.Join(dir, "holders"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	if len(d.Holders) == 0 {
		d.Holders = nil
	}
	return d, nil
}

// sortByNumber puts nvme10 behind nvme9.
func sortByNumber(names []numberedName) {
	slices.SortFunc(names, func(a, b numberedName) int { return a.number - b.number })
}
