package winhardware

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// Keys below HKEY_LOCAL_MACHINE.
const (
	versionKey    = `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	processorKey  = `HARDWARE\DESCRIPTION\System\CentralProcessor\0`
	secureBootKey = `SYSTEM\CurrentControlSet\Control\SecureBoot\State`
	fipsKey       = `SYSTEM\CurrentControlSet\Control\Lsa\FipsAlgorithmPolicy`
)

// open opens a key of this machine for reading.
func open(name string) (registry.Key, error) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, name, registry.QUERY_VALUE)
	if err != nil {
		return k, fmt.Errorf(`cannot open HKLM\%s: %w`, name, err)
	}
	return k, nil
}

// system reads the version of Windows. Its build is the kernel's too; the revision
// is what updates change.
func system(f *hardware.Facts) error {
	v := windows.RtlGetVersion()
	f.OS.ID = "windows"
	f.OS.VersionID = fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
	f.OS.KernelRelease = f.OS.VersionID
	k, err := open(versionKey)
	if err != nil {
		return err
	}
	defer func() { _ = k.Close() }() // nothing was written
	name, _, err := k.GetStringValue("ProductName")
	if err != nil {
		return fmt.Errorf(`cannot read ProductName in HKLM\%s: %w`, versionKey, err)
	}
	f.OS.PrettyName = name
	if kind, _, err := k.GetStringValue("InstallationType"); err == nil { // Server Core, Server, Client
		f.OS.PrettyName += " (" + kind + ")"
	}
	if revision, _, err := k.GetIntegerValue("UBR"); err == nil {
		f.OS.KernelRelease += fmt.Sprintf(".%d", revision)
	}
	return nil
}

// model reads the maker and the model of the first processor.
func model(cpu *hardware.CPU) error {
	k, err := open(processorKey)
	if err != nil {
		return err
	}
	defer func() { _ = k.Close() }() // nothing was written
	var errVendor, errModel error
	cpu.Vendor, _, errVendor = k.GetStringValue("VendorIdentifier")
	cpu.Model, _, errModel = k.GetStringValue("ProcessorNameString")
	cpu.Model = strings.TrimSpace(cpu.Model)
	if err := errors.Join(errVendor, errModel); err != nil {
		return fmt.Errorf(`cannot read HKLM\%s: %w`, processorKey, err)
	}
	return nil
}

// security reads secure boot and FIPS. The key of the first is there on UEFI only,
// that of the second on every Windows Server.
func security(f *hardware.Facts) error {
	var kind uint32
	_, errKind := call("kernel32.dll", "GetFirmwareType", uintptr(unsafe.Pointer(&kind)))
	secure, uefi, errSecure := enabled(secureBootKey, "UEFISecureBootEnabled")
	f.Security.Boot = bootOf(kind, uefi)
	switch {
	case f.Security.Boot != "":
		f.Security.SecureBoot, errKind = secure, nil
	case errKind != nil:
		errKind = fmt.Errorf("cannot tell BIOS from UEFI (msinfo32 shows the BIOS mode): %w", errKind)
	default:
		errKind = fmt.Errorf("cannot tell BIOS from UEFI (msinfo32 shows the BIOS mode): Windows speaks of firmware of type %d", kind)
	}
	var errFIPS error
	f.Security.FIPS, _, errFIPS = enabled(fipsKey, "Enabled")
	return errors.Join(errKind, errSecure, errFIPS)
}

// enabled reads a switch; without the key it is off.
func enabled(key, value string) (state string, there bool, err error) {
	k, err := open(key)
	if errors.Is(err, registry.ErrNotExist) {
		return hardware.Disabled, false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer func() { _ = k.Close() }() // nothing was written
	n, _, err := k.GetIntegerValue(value)
	if err != nil && !errors.Is(err, registry.ErrNotExist) {
		return "", true, fmt.Errorf(`cannot read %s in HKLM\%s: %w`, value, key, err)
	}
	if n != 0 {
		return hardware.Enabled, true, nil
	}
	return hardware.Disabled, true, nil
}
