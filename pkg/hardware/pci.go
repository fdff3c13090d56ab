package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	busDir = "sys/bus"
	pciDir = busDir + "/pci/devices"
)

// pci lists the functions on the PCI buses. A machine whose kernel has other
// buses but no PCI has none, which is no problem. A function that cannot be
// read is left out with a problem; one unplugged meanwhile, without.
func pci(root fs.FS) ([]PCIDevice, []Problem) {
	addresses, err := list(root, pciDir)
	if errors.Is(err, fs.ErrNotExist) && hasNoPCI(root) {
		return nil, nil
	}
	if err != nil {
		return nil, []Problem{failed(probePCI, err)}
	}
	var devices []PCIDevice
	var problems []Problem
	for _, address := range addresses {
		d, err := pciDevice(root, address)
		switch {
		case err == nil:
			devices = append(devices, d)
		case !unplugged(root, address):
			problems = append(problems, failed(probePCI, err))
		}
	}
	if _, ok := root.(fs.ReadLinkFS); !ok && len(devices) > 0 {
		problems = append(problems, Problem{
			Probe:   probePCI,
			Message: "cannot tell bound drivers: symbolic links cannot be read here",
			Remark:  true,
		})
	}
	return devices, problems
}

// hasNoPCI reports whether sysfs is there and knows no PCI bus.
func hasNoPCI(root fs.FS) bool {
	buses, err := list(root, busDir)
	return err == nil && len(buses) > 0 && !slices.Contains(buses, "pci")
}

func unplugged(root fs.FS, address string) bool {
	_, err := fs.Stat(root, path.Join(pciDir, address))
	return errors.Is(err, fs.ErrNotExist)
}

// pciDevice reads one function. The kernel keeps these attributes in memory,
// so reading them neither wakes nor touches the device.
func pciDevice(root fs.FS, address string) (PCIDevice, error) {
	dir := path.Join(pciDir, address)
	d := PCIDevice{Address: address}
	for _, a := range []struct {
		name   string
		digits int
		value  *string
	}{{"vendor", 4, &d.Vendor}, {"device", 4, &d.Device}, {"class", 6, &d.Class}} {
		text, err := read(root, path.Join(dir, a.name))
		if err != nil {
			return d, err
		}
		if *a.value, err = pciNumber(text, a.digits); err != nil {
			return d, fmt.Errorf("cannot parse /%s: %w", path.Join(dir, a.name), err)
		}
	}
	driver, err := boundDriver(root, dir)
	if err != nil {
		return d, err
	}
	d.Driver = driver
	if gpuVendor(d) == "nvidia" {
		d.Subsystem = pciSubsystem(root, dir)
	}
	return d, nil
}

// pciSubsystem returns the subsystem's vendor and device; empty where they cannot
// be read, since a card without them is driven all the same.
func pciSubsystem(root fs.FS, dir string) string {
	var ids [2]string
	for i, name := range []string{"subsystem_vendor", "subsystem_device"} {
		text, err := read(root, path.Join(dir, name))
		if err != nil {
			return ""
		}
		if ids[i], err = pciNumber(text, 4); err != nil {
			return ""
		}
	}
	return ids[0] + ":" + ids[1]
}

// lookAtNUMANodes tells where each PCI function is.
func lookAtNUMANodes(root fs.FS, f *Facts) []Problem {
	var problems []Problem
	for i := range f.PCI {
		node, err := nearestNode(root, path.Join(pciDir, f.PCI[i].Address))
		if err != nil {
			problems = append(problems, failed(probePCI, err))
		}
		f.PCI[i].NUMANode = node
	}
	return problems
}

// nearestNode reads the NUMA node of a device. It is nil for -1, which the kernel has
// for a device whose firmware names none, and without the file, which a kernel
// without NUMA does not make.
func nearestNode(root fs.FS, dir string) (*int, error) {
	name := path.Join(dir, "numa_node")
	text, err := read(root, name)
	if errors.Is(err, fs.ErrNotExist) || text == "-1" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n, err := cpuNumber(text)
	if err != nil || text == "" {
		return nil, fmt.Errorf("cannot parse /%s: %s is no number of a NUMA node", name, quote(text))
	}
	return &n, nil
}

// pciNumber reads 0x and an exact number of hexadecimal digits.
func pciNumber(text string, digits int) (string, error) {
	hex, ok := strings.CutPrefix(strings.ToLower(text), "0x")
	if !ok || len(hex) != digits || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%s is not 0x and %d hexadecimal digits", quote(text), digits)
	}
	return hex, nil
}

// boundDriver returns the name of the driver that a device's link points to:
// empty when there is no link, or links cannot be read.
func boundDriver(root fs.FS, dir string) (string, error) {
	if _, ok := root.(fs.ReadLinkFS); !ok {
		return "", nil
	}
	target, err := fs.ReadLink(root, path.Join(dir, "driver"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read link /%s/driver: %w", dir, cause(err))
	}
	return path.Base(target), nil
}
