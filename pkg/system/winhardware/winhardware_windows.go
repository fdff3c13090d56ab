package winhardware

import (
	"cmp"
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
)

// Inspect looks at this machine; arch is Go's name of its architecture. It never
// fails: what could not be seen is in Problems, and costs the rest nothing. What
// Windows has no word for stays zero: cgroups, huge pages, NUMA memory.
func Inspect(arch string) hardware.Facts {
	f := hardware.Facts{CPU: hardware.CPU{Architecture: arch}}
	for _, p := range []struct {
		name string
		look func(*hardware.Facts) error
	}{
		{probeCPU, cpu}, {probeMemory, memory}, {probePCI, pci}, {probeOS, system}, {probeDMI, firmware}, {probeSecurity, security}, {probeTPM, tpm},
	} {
		if err := p.look(&f); err != nil {
			f.Problems = append(f.Problems, hardware.Problem{Probe: p.name, Message: err.Error()})
		}
	}
	f.Platform = hardware.PlatformOf(f)
	return f
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
	var kib uint64
	if _, err := call("kernel32.dll", "GetPhysicallyInstalledSystemMemory", uintptr(unsafe.Pointer(&kib))); err == nil && kib > s.totalPhys>>10 && kib < 1<<52 {
		f.Memory.OnlineBytes = int64(kib << 10)
	}
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
	f.DMI, err = hardware.ParseRawSMBIOS(b[:n])
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

// pci lists the functions that the PCI bus driver found and that are there now.
func pci(f *hardware.Facts) error {
	set, err := windows.SetupDiGetClassDevsEx(nil, "PCI", 0, windows.DIGCF_ALLCLASSES|windows.DIGCF_PRESENT, 0, "")
	if err != nil {
		return fmt.Errorf("cannot list PCI: %w", err)
	}
	defer func() { _ = set.Close() }() // it is a list in memory
	var errs []error
	for i := 0; ; i++ {
		info, err := set.EnumDeviceInfo(i)
		if errors.Is(err, windows.ERROR_NO_MORE_ITEMS) {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot list PCI: %w", err)
		}
		text := func(p windows.SPDRP) []string {
			switch v, _ := set.DeviceRegistryProperty(info, p); v := v.(type) {
			case string:
				return []string{v}
			case []string:
				return v
			}
			return nil // the property is not set
		}
		number := func(p windows.SPDRP) uint32 {
			v, _ := set.DeviceRegistryProperty(info, p)
			n, _ := v.(uint32)
			return n
		}
		service := ""
		if s := text(windows.SPDRP_SERVICE); len(s) > 0 {
			service = s[0]
		}
		d, err := parsePCI(text(windows.SPDRP_HARDWAREID), text(windows.SPDRP_COMPATIBLEIDS), number(windows.SPDRP_BUSNUMBER), number(windows.SPDRP_ADDRESS), service)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f.PCI = append(f.PCI, d)
	}
	slices.SortFunc(f.PCI, func(a, b hardware.PCIDevice) int { return cmp.Compare(a.Address, b.Address) })
	if len(errs) > 0 {
		return errs[0] // of many, one line is enough
	}
	return nil
}
