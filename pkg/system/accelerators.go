package system

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// Bounds of what is read: a value of the kernel's, and a list of devices, of which the
// longest known has 60 KiB.
const (
	valueLimit = 4 << 10
	listLimit  = 1 << 20
)

// openLists are where EKS images keep the lists of devices that NVIDIA's open module
// drives, one for each branch of the driver.
const (
	openListDir    = "/etc/eks"
	openListPrefix = "nvidia-open-supported-devices-"
)

// migDir is where NVIDIA's driver shows the parts of GPUs.
const migDir = "/proc/driver/nvidia/capabilities"

// driverDirs are where distributions put the libraries of NVIDIA's driver: Amazon
// Linux and Fedora, Debian and Ubuntu. The first that has one is taken.
func driverDirs() []string {
	return []string{"/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"}
}

// driverLibraries are the libraries of NVIDIA's driver that programs use to compute
// and to work with video, up to ".so": those of the driver capabilities compute,
// utility and video (NVIDIA Container Toolkit, "Driver Capabilities").
func driverLibraries() []string {
	return []string{
		"libcuda", "libcudadebugger", "libnvcuvid", "libnvidia-allocator", "libnvidia-cfg", "libnvidia-encode",
		"libnvidia-gpucomp", "libnvidia-ml", "libnvidia-nvvm", "libnvidia-nvvm70", "libnvidia-opencl", "libnvidia-opticalflow",
		"libnvidia-pkcs11", "libnvidia-pkcs11-openssl3", "libnvidia-ptxjitcompiler",
	}
}

// driverPrograms are its programs.
func driverPrograms() []string {
	return []string{
		"/usr/bin/nvidia-cuda-mps-control", "/usr/bin/nvidia-cuda-mps-server", "/usr/bin/nvidia-debugdump", "/usr/bin/nvidia-smi",
	}
}

// Accelerators tells what the machine under root has of drivers and devices for the
// accelerators and EFAs on its PCI bus; nothing where there are none. The error joins
// everything that could not be looked at; what it concerns counts as not there.
func Accelerators(root rootfs.Root, l node.Layout, facts hardware.Facts) (node.Accelerators, error) {
	a := accelerators{presence: presence{root: root}}
	nvidia := facts.HasNVIDIA()
	if nvidia || len(facts.NeuronDevices()) > 0 {
		a.deviceNodes()
		a.numaNodes(facts.PCI)
	}
	if nvidia {
		a.found.NvidiaCTK = a.program(l.NvidiaCTK)
		a.found.DriverVersion = a.value("/sys/module/nvidia/version")
		a.driverFiles()
		a.mig()
		a.openDrivers(facts.PCI)
	}
	if len(facts.EFAs()) > 0 {
		a.found.HugePages, _ = strconv.ParseInt(a.value("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"), 10, 64)
	}
	return a.found, errors.Join(a.errs...)
}

type accelerators struct {
	presence
	found node.Accelerators
}

// names lists a directory, sorted; nothing when it is not there.
func (p *presence) names(dir string) []string {
	entries, err := p.root.ReadDir(dir)
	if err != nil && !rootfs.Absent(err) {
		p.errs = append(p.errs, fmt.Errorf("cannot list %s: %w", dir, err))
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// value reads a file of one line; empty when it is not there.
func (p *presence) value(name string) string {
	text, err := p.root.ReadFile(name, valueLimit)
	if err != nil && !rootfs.Absent(err) {
		p.errs = append(p.errs, fmt.Errorf("cannot read %s: %w", name, err))
	}
	return strings.TrimSpace(string(text))
}

// deviceNodes finds the nodes of the drivers. Their kind is not asked for: what makes
// them is the driver, or a person who knows.
func (a *accelerators) deviceNodes() {
	for _, name := range a.names("/dev") {
		number, neuron := strings.CutPrefix(name, "neuron")
		nvidia := strings.HasPrefix(name, "nvidia") && !strings.HasPrefix(name, "nvidia-caps") // those are folders
		if nvidia || neuron && number != "" && strings.Trim(number, "0123456789") == "" {
			a.found.DeviceNodes = append(a.found.DeviceNodes, "/dev/"+name)
		}
	}
}

// driverFiles finds the libraries by all of the names that a program may link to.
func (a *accelerators) driverFiles() {
	for _, dir := range driverDirs() {
		for _, name := range a.names(dir) {
			library, version, ok := strings.Cut(name, ".so.")
			if ok && version != "" && slices.Contains(driverLibraries(), library) && a.file(path.Join(dir, name)) != nil {
				a.found.DriverFiles = append(a.found.DriverFiles, path.Join(dir, name))
			}
		}
		if len(a.found.DriverFiles) > 0 {
			break
		}
	}
	for _, name := range driverPrograms() {
		if a.program(name) {
			a.found.DriverFiles = append(a.found.DriverFiles, name)
		}
	}
	slices.Sort(a.found.DriverFiles)
}

// mig finds the parts of GPUs with the minor numbers of their capabilities.
func (a *accelerators) mig() {
	for _, gpu := range a.numbered(migDir, "gpu") {
		dir := path.Join(migDir, "gpu"+strconv.Itoa(gpu), "mig")
		for _, gi := range a.numbered(dir, "gi") {
			giDir := path.Join(dir, "gi"+strconv.Itoa(gi))
			giCap, okGI := capability(a.value(path.Join(giDir, "access")))
			for _, ci := range a.numbered(giDir, "ci") {
				ciCap, okCI := capability(a.value(path.Join(giDir, "ci"+strconv.Itoa(ci), "access")))
				if okGI && okCI {
					a.found.MIG = append(a.found.MIG, node.MIGDevice{GPU: gpu, GI: gi, CI: ci, GICap: giCap, CICap: ciCap})
				}
			}
		}
	}
}

// numbered returns the numbers behind a prefix of the names in a directory, sorted.
func (a *accelerators) numbered(dir, prefix string) []int {
	var out []int
	for _, name := range a.names(dir) {
		number, ok := strings.CutPrefix(name, prefix)
		if n, err := strconv.Atoi(number); ok && err == nil && n >= 0 {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// capability reads the minor number from a capability file, whose lines are such as
// "DeviceFileMinor: 12".
func capability(text string) (minor int, ok bool) {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, "DeviceFileMinor:"); found {
			minor, err := strconv.Atoi(strings.TrimSpace(value))
			return minor, err == nil && minor >= 0
		}
	}
	return 0, false
}

// openDrivers looks the machine's devices up in the lists of the image.
func (a *accelerators) openDrivers(pci []hardware.PCIDevice) {
	for _, name := range a.names(openListDir) {
		branch, ok := strings.CutPrefix(name, openListPrefix)
		branch, okTxt := strings.CutSuffix(branch, ".txt")
		major, err := strconv.Atoi(branch)
		if !ok || !okTxt || err != nil {
			continue
		}
		text, err := a.root.ReadFile(path.Join(openListDir, name), listLimit)
		if err != nil {
			a.errs = append(a.errs, fmt.Errorf("cannot tell which devices NVIDIA's open module drives: %w", err))
			continue
		}
		list := node.OpenDriver{Major: major}
		listed := listedDevices(string(text))
		for _, d := range pci {
			if d.Vendor == "10de" && listed[d.Device] && !slices.Contains(list.Devices, d.Device) {
				list.Devices = append(list.Devices, d.Device)
			}
		}
		slices.Sort(list.Devices)
		a.found.OpenDrivers = append(a.found.OpenDrivers, list)
	}
	slices.SortFunc(a.found.OpenDrivers, func(x, y node.OpenDriver) int { return x.Major - y.Major })
}

// listedDevices reads a list: a device a line, as "0x2330 NVIDIA H100", and comments.
func listedDevices(text string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if id, ok := strings.CutPrefix(strings.ToLower(words[0]), "0x"); ok {
			out[id] = true
		}
	}
	return out
}

// numaNodes reads which NUMA node a function is next to; the kernel has -1 where the
// firmware does not tell.
func (a *accelerators) numaNodes(pci []hardware.PCIDevice) {
	for _, d := range pci {
		if d.Vendor != "10de" && d.Vendor != "1d0f" {
			continue
		}
		n, err := strconv.Atoi(a.value(path.Join("/sys/bus/pci/devices", d.Address, "numa_node")))
		if err != nil || n < 0 {
			continue
		}
		if a.found.NUMANodes == nil {
			a.found.NUMANodes = map[string]int{}
		}
		a.found.NUMANodes[d.Address] = n
	}
}
