package instancetype

import (
	"fmt"
	"slices"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// Code names a kind of finding. Like the codes of package fault they are written as
// Kubernetes condition reasons and never change their meaning.
type Code string

// The codes of findings.
const (
	// GPUMissing: fewer GPUs on the PCI bus than the type has.
	GPUMissing Code = "GPUMissing"
	// GPUOther: the GPUs are of another model than the type's.
	GPUOther Code = "GPUOther"
	// GPUWithoutDriver: a GPU that no driver is bound to.
	GPUWithoutDriver Code = "GPUWithoutDriver"
	// NeuronMissing: fewer Neuron devices on the PCI bus than the type has.
	NeuronMissing Code = "NeuronMissing"
	// NeuronOther: the Neuron devices are of another model than the type's.
	NeuronOther Code = "NeuronOther"
	// NeuronWithoutDriver: a Neuron device that no driver is bound to.
	NeuronWithoutDriver Code = "NeuronWithoutDriver"
	// EFAFewer: fewer EFA interfaces than the type can have.
	EFAFewer Code = "EFAFewer"
	// EFAWithoutDriver: an EFA that no driver is bound to.
	EFAWithoutDriver Code = "EFAWithoutDriver"
	// ENAMissing: no ENA on the PCI bus of a type that needs one.
	ENAMissing Code = "ENAMissing"
	// ENAWithoutDriver: an ENA that no driver is bound to.
	ENAWithoutDriver Code = "ENAWithoutDriver"
	// InstanceStoreMissing: fewer instance store disks than the type has.
	InstanceStoreMissing Code = "InstanceStoreMissing"
	// NVMeWithoutDriver: NVMe controllers that another driver than nvme has, or none,
	// so that the instance store disks behind them are not seen.
	NVMeWithoutDriver Code = "NVMeWithoutDriver"
	// InstanceStoreSmall: an instance store disk that is smaller than the type's.
	InstanceStoreSmall Code = "InstanceStoreSmall"
	// CPUFewer: fewer CPUs online than the type has.
	CPUFewer Code = "CPUFewer"
	// MemoryLess: much less memory online than the type has.
	MemoryLess Code = "MemoryLess"
)

// Finding is something about a machine that is not as its instance type has it.
type Finding struct {
	Code Code `json:"code"`
	// Expected and Seen are short: 8 h100, 7 h100.
	Expected string `json:"expected"`
	Seen     string `json:"seen"`
	// Message is one sentence that has both.
	Message string `json:"message"`
	// Remedy says what a person should do, in one sentence.
	Remedy string `json:"remedy"`
	// Remark: it can be meant so, such as CPUs switched off at the launch. Without it
	// something is broken.
	Remark bool `json:"remark,omitempty"`
}

// Remedies.
const (
	replaceRemedy = "Stop and start the instance, which moves it to another host, or terminate it; report the host to AWS if it happens again."
	launchRemedy  = "Add EFA interfaces to the launch template if the workload is to use all network cards; nothing is wrong otherwise."
	moduleRemedy  = "Load the %s driver, or use an image that brings it for this kernel; `dmesg` says why a driver that is loaded did not take the device."
	optionsRemedy = "Nothing, if CPU options, `nosmt` or an enclave are meant to take them; otherwise look at the launch template and the kernel's command line."
	memoryRemedy  = "Nothing, if an enclave or the kernel's command line is meant to take it; otherwise treat the host as faulty and replace the instance."
	typeRemedy    = "Check the instance type that was given; if it is right, terminate the instance and report it to AWS."
)

const (
	// Of a disk's stated size and of the memory, so much per cent must be there. EC2
	// rounds the one; of the other firmware and hypervisor keep a part, which is large
	// in small instances.
	leastDisk, leastMemory = 95, 80
)

// Compare tells what a machine lacks of what its instance type has. Disks are
// compared only in the facts of hardware.Inspect. What a probe could not see is not
// compared: it is among the problems of the facts, and no finding. A type that the
// tables do not know has none. The order is that of the codes.
func Compare(f hardware.Facts, instanceType string) []Finding {
	c := comparison{facts: f, name: instanceType}
	devices, _ := DevicesOf(instanceType)
	shape, known := ShapeOf(instanceType)
	if c.seen("pci") {
		c.accelerators(devices)
		c.network(devices, known && shape.Hypervisor != Xen)
	}
	if c.seen("pci") && c.seen("nvme") {
		c.disks(devices)
	}
	if known && !shape.Estimated {
		c.shape(shape)
	}
	return c.findings
}

// comparison collects findings.
type comparison struct {
	facts    hardware.Facts
	name     string
	findings []Finding
}

func (c *comparison) add(x Finding) { c.findings = append(c.findings, x) }

// less adds that there is less of something than the type has, and where it was
// looked for.
func (c *comparison) less(code Code, expected, seen, where, remedy string, remark bool) {
	c.add(Finding{
		Code: code, Expected: expected, Seen: seen, Remedy: remedy, Remark: remark,
		Message: fmt.Sprintf("%s expected of %s, %s %s", expected, c.name, seen, where),
	})
}

// seen reports whether a probe saw all that it looked for.
func (c *comparison) seen(probe string) bool {
	return !slices.ContainsFunc(c.facts.Problems, func(p hardware.Problem) bool { return p.Probe == probe && !p.Remark })
}

// driversSeen reports whether it could be told which drivers are bound.
func (c *comparison) driversSeen() bool {
	return !slices.ContainsFunc(c.facts.Problems, func(p hardware.Problem) bool { return p.Probe == "pci" })
}

// accelerator is what was seen of one kind.
type accelerator struct {
	count, bound                  int
	model, driver                 string
	missing, other, withoutDriver Code
}

func (c *comparison) accelerators(want Devices) {
	g, n := c.facts.GPUs(), c.facts.Neuron()
	gpus := accelerator{g.Count, g.Bound, g.Model, g.Vendor, GPUMissing, GPUOther, GPUWithoutDriver}
	neuron := accelerator{n.Count, n.Bound, n.Model, "neuron", NeuronMissing, NeuronOther, NeuronWithoutDriver}
	switch g.Vendor {
	case "amd":
		gpus.driver = "amdgpu"
	case "habana":
		gpus.driver = "habanalabs"
	}
	if want.Neuron() {
		c.accelerator(neuron, want)
	} else {
		c.accelerator(gpus, want)
	}
}

func (c *comparison) accelerator(have accelerator, want Devices) {
	const where = "on the PCI bus"
	if want.Accelerators == 0 {
		return
	}
	expected := counted(want.Accelerators, want.Model)
	model := have.model
	if model == "" {
		model = want.Model // an ID that is not in the table, or nothing at all
	}
	switch seen := counted(have.count, model); {
	case have.count > 0 && model != want.Model:
		c.less(have.other, expected, seen, where, typeRemedy, false)
	case have.count < want.Accelerators:
		c.less(have.missing, expected, seen, where, replaceRemedy, false)
	}
	c.bound(have.withoutDriver, model, have.driver, have.count, have.bound)
}

// network compares the functions of EFA and ENA. How many interfaces there are is the
// choice of whoever launches the instance, and remarkable only where there are some
// and not all, or none on a machine with accelerators and several network cards.
func (c *comparison) network(want Devices, needsENA bool) {
	const where = "on the PCI bus"
	efas, enas := c.facts.EFAs(), c.facts.ENAs()
	if n := len(efas); n < want.EFAs && (n > 0 || want.EFAs > 1 && want.Accelerators > 0) {
		c.add(Finding{
			Code: EFAFewer, Expected: fmt.Sprintf("up to %d EFA", want.EFAs), Seen: counted(n, "EFA"), Remedy: launchRemedy, Remark: true,
			Message: fmt.Sprintf("%s can have %d EFA interfaces, %d %s", c.name, want.EFAs, n, where),
		})
	}
	c.drivers(EFAWithoutDriver, "EFA", "efa", efas)
	if needsENA && len(enas) == 0 {
		c.less(ENAMissing, "an ENA", "none", where, replaceRemedy, false)
	}
	c.drivers(ENAWithoutDriver, "ENA", "ena", enas)
}

// drivers tells the functions without a driver.
func (c *comparison) drivers(code Code, what, driver string, functions []hardware.PCIDevice) {
	bound := 0
	for _, d := range functions {
		if d.Driver != "" {
			bound++
		}
	}
	c.bound(code, what, driver, len(functions), bound)
}

// bound tells that some of count devices have no driver.
func (c *comparison) bound(code Code, what, driver string, count, bound int) {
	if c.driversSeen() && bound < count {
		c.add(Finding{
			Code: code, Expected: fmt.Sprintf("%d with a driver", count), Seen: fmt.Sprint(bound), Remedy: fmt.Sprintf(moduleRemedy, driver), Remark: true,
			Message: fmt.Sprintf("the %s driver is not bound to %d of %d %s", driver, count-bound, count, what),
		})
	}
}

// disks compares the instance store. Without any NVMe controller the facts are either
// not those of Inspect, or those of a machine whose root is elsewhere than EBS; the
// PCI bus tells which.
func (c *comparison) disks(want Devices) {
	if want.Disks == 0 || len(c.facts.NVMe) == 0 && slices.ContainsFunc(c.facts.PCI, isNVMe) {
		return
	}
	const gb = 1_000_000_000
	count, small := 0, int64(0)
	for _, n := range c.facts.NVMe {
		if n.Kind != hardware.InstanceStore {
			continue
		}
		count++
		for _, d := range n.Disks {
			if least := int64(want.DiskGB) * gb / 100 * leastDisk; d.Bytes < least && (small == 0 || d.Bytes < small) {
				small = d.Bytes
			}
		}
	}
	controllers, driven := 0, 0
	for _, d := range c.facts.PCI {
		if isNVMe(d) {
			controllers++
			if d.Driver == "nvme" {
				driven++
			}
		}
	}
	switch {
	case count >= want.Disks:
	case c.driversSeen() && count+controllers-driven >= want.Disks:
		c.bound(NVMeWithoutDriver, "NVMe controllers", "nvme", controllers, driven)
	default:
		c.less(InstanceStoreMissing, counted(want.Disks, "instance store disks"), fmt.Sprint(count), "seen", replaceRemedy, false)
	}
	if small > 0 {
		c.less(InstanceStoreSmall, fmt.Sprintf("disks of %d GB", want.DiskGB), fmt.Sprintf("one of %d GB", small/gb), "seen", typeRemedy, false)
	}
}

// isNVMe reports whether a function is an NVMe controller, by its class.
func isNVMe(d hardware.PCIDevice) bool { return len(d.Class) == 6 && d.Class[:4] == "0108" }

// shape compares CPUs and memory.
func (c *comparison) shape(want Shape) {
	if n := c.facts.CPU.Online; c.seen("cpu") && n < want.VCPUs {
		c.less(CPUFewer, counted(want.VCPUs, "CPUs"), fmt.Sprint(n), "online", optionsRemedy, true)
	}
	if mib := c.facts.Memory.OnlineBytes >> 20; c.seen("memory") && mib < int64(want.MemoryMiB)*leastMemory/100 {
		c.less(MemoryLess, counted(want.MemoryMiB, "MiB of memory"), fmt.Sprintf("%d MiB", mib), "online", memoryRemedy, true)
	}
}

func counted(n int, what string) string { return fmt.Sprintf("%d %s", n, what) }
