package winhardware

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// Names of the probes, as hardware.Problem.Probe has them.
const (
	probeCPU      = "cpu"
	probeMemory   = "memory"
	probePCI      = "pci"
	probeOS       = "os"
	probeDMI      = "dmi"
	probeSecurity = "security"
	probeTPM      = "tpm"
	probeLinks    = "links"
	probeFeatures = "processor"
	probeNUMA     = "numa"
	probeDisks    = "nvme"
)

// Inspect looks at this machine; arch is Go's name of its architecture. It never
// fails: what could not be seen is in Problems, and costs the rest nothing. What
// Windows has no word for stays zero: cgroups, huge pages, the kernel's clock, SELinux
// and its like. Page files are not swap areas and are not looked for.
func Inspect(arch string) hardware.Facts {
	f := hardware.Facts{CPU: hardware.CPU{Architecture: arch}}
	for _, p := range []struct {
		name string
		look func(*hardware.Facts) error
	}{
		{probeCPU, cpu}, {probeMemory, memory}, {probePCI, pci}, {probeOS, system}, {probeDMI, firmware}, {probeSecurity, security}, {probeTPM, tpm},
		{probeFeatures, features}, {probeNUMA, nodes}, {probeLinks, links}, {probeDisks, disks},
	} {
		if err := p.look(&f); err != nil {
			_, remark := errors.AsType[remark](err)
			f.Problems = append(f.Problems, hardware.Problem{Probe: p.name, Message: err.Error(), Remark: remark})
		}
	}
	f.Platform = hardware.PlatformOf(f)
	return f
}

// features asks the processor for what it can do, and for the hypervisor below it.
func features(f *hardware.Facts) error {
	p, ok := thisProcessor()
	if !ok {
		return fmt.Errorf("cannot tell the processor's features on %s, which has no CPUID: Get-CimInstance Win32_Processor shows some", f.CPU.Architecture)
	}
	kind, guest := p.hypervisor()
	flags := p.flags()
	if !guest {
		flags = slices.DeleteFunc(flags, func(name string) bool { return name == "hypervisor" })
	}
	f.Hypervisor.Kind = kind
	f.CPU.Features, f.CPU.Level = hardware.NotableFeatures(f.CPU.Architecture, flags)
	return nil
}

// remark is what is said of a fact that was had in a second-best way.
type remark string

func (r remark) Error() string { return string(r) }

// nodes says what is missing of nodes when there are several: Windows tells what is
// left of their memory, and not what they have.
func nodes(f *hardware.Facts) error {
	if len(f.NUMA) > 1 {
		return fmt.Errorf("cannot tell the memory and the distances of %d NUMA nodes on Windows, which has no word for them: the firmware's SRAT and SLIT do", len(f.NUMA))
	}
	return nil
}

// disks is not a look at all, and says so: an empty list would mean that there are
// none.
func disks(*hardware.Facts) error {
	return errors.New("cannot list NVMe controllers on Windows, where eksnode does not know how: Get-PhysicalDisk shows them")
}

// call calls a procedure of a system library that package windows does not have. A
// zero is its failure, as is a library without it. The arguments may be pointers.
//
//go:uintptrescapes
func call(library, name string, args ...uintptr) (uintptr, error) {
	proc := windows.NewLazySystemDLL(library).NewProc(name)
	if err := proc.Find(); err != nil {
		return 0, fmt.Errorf("cannot call %s: %w", name, err)
	}
	r, _, err := proc.Call(args...)
	if r == 0 {
		return 0, fmt.Errorf("cannot call %s: %w", name, err)
	}
	return r, nil
}

// cpu reads processors and NUMA nodes; the model is in the registry. Nodes are asked
// for twice: the second question, which older Windows does not know, has all groups.
func cpu(f *hardware.Facts) error {
	const relationNodeEx, relationAll = 6, 0xffff
	b, err := processorList(relationAll)
	if err != nil {
		return err
	}
	if all, err := processorList(relationNodeEx); err == nil {
		b = append(b, all...)
	}
	got, nodes, err := parseTopology(b)
	if err != nil {
		return err
	}
	got.Architecture = f.CPU.Architecture
	f.CPU, f.NUMA = got, nodes
	return model(&f.CPU)
}

// processorList asks for the records of a relation.
func processorList(relation uintptr) ([]byte, error) {
	var size uint32
	_, err := call("kernel32.dll", "GetLogicalProcessorInformationEx", relation, 0, uintptr(unsafe.Pointer(&size)))
	if err != nil && !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER) {
		return nil, err
	}
	if size == 0 {
		return nil, errors.New("cannot read processors: the answer is empty")
	}
	b := make([]byte, size)
	if _, err = call("kernel32.dll", "GetLogicalProcessorInformationEx", relation, uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size))); err != nil {
		return nil, err
	}
	return b[:min(int(size), len(b))], nil
}

// memoryStatus is MEMORYSTATUSEX (sysinfoapi.h).
type memoryStatus struct {
	length, load                               uint32
	totalPhys, availPhys, totalPage, availPage uint64
	totalVirtual, availVirtual, availExtended  uint64
}

// memory reads what Windows uses, and what is installed: the latter stands for the
// memory blocks of Linux. A firmware without word on it leaves the former.
func memory(f *hardware.Facts) error {
	var s memoryStatus
	s.length = uint32(unsafe.Sizeof(s))
	if _, err := call("kernel32.dll", "GlobalMemoryStatusEx", uintptr(unsafe.Pointer(&s))); err != nil {
		return err
	}
	f.Memory.TotalBytes, f.Memory.OnlineBytes = int64(s.totalPhys), int64(s.totalPhys)
	if len(f.NUMA) == 1 {
		f.NUMA[0].MemoryBytes = f.Memory.TotalBytes
	}
	var kib uint64
	if _, err := call("kernel32.dll", "GetPhysicallyInstalledSystemMemory", uintptr(unsafe.Pointer(&kib))); err != nil {
		return remark("the installed memory is not known, and what Windows uses stands for it: " + err.Error())
	}
	if kib < s.totalPhys>>10 || kib >= 1<<52 {
		return remark(fmt.Sprintf("the firmware speaks of %d KiB of memory, which cannot be; what Windows uses stands for it", kib))
	}
	f.Memory.OnlineBytes = int64(kib << 10)
	return nil
}

// firmware reads the SMBIOS table.
func firmware(f *hardware.Facts) error {
	const rsmb = 'R'<<24 | 'S'<<16 | 'M'<<8 | 'B'
	size, err := call("kernel32.dll", "GetSystemFirmwareTable", rsmb, 0, 0, 0)
	if err != nil {
		return err
	}
	const most = 4 << 20
	if size > most {
		return fmt.Errorf("cannot read SMBIOS: %d bytes are more than can be", size)
	}
	b := make([]byte, size)
	n, err := call("kernel32.dll", "GetSystemFirmwareTable", rsmb, 0, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if err != nil {
		return err
	}
	if n > uintptr(len(b)) {
		return errors.New("cannot read SMBIOS: it grew while it was read")
	}
	if f.DMI, err = hardware.ParseRawSMBIOS(b[:n]); err == nil && f.DMI.SysVendor == "" && f.DMI.ProductName == "" {
		err = errors.New("cannot tell the machine: its SMBIOS names neither a maker nor a product; ask the firmware's, or the hypervisor's, administrator")
	}
	return err
}

// tpmInfo is TPM_DEVICE_INFO (tbs.h).
type tpmInfo struct{ structVersion, version, kind, revision uint32 }

// tpm asks the TPM Base Services.
func tpm(f *hardware.Facts) error {
	const notFound = 0x8028400f // TBS_E_TPM_NOT_FOUND
	proc := windows.NewLazySystemDLL("tbs.dll").NewProc("Tbsi_GetDeviceInfo")
	if err := proc.Find(); err != nil {
		return fmt.Errorf("cannot ask for a TPM: %w", err)
	}
	var info tpmInfo
	switch r, _, _ := proc.Call(unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info))); uint32(r) {
	case 0:
		f.TPM = []hardware.TPM{{Name: "tpm0", Version: fmt.Sprint(info.version)}}
	case notFound:
	default:
		return fmt.Errorf("cannot ask for a TPM: error %#x", uint32(r))
	}
	return nil
}
