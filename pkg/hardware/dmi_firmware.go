package hardware

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

const (
	probeFirmware = "firmware"
	// smbiosTable holds all structures as the firmware wrote them, for root alone
	// (the kernel's ABI/testing/sysfs-firmware-dmi-tables).
	smbiosTable   = "sys/firmware/dmi/tables/DMI"
	hypervisorDir = "sys/hypervisor"
	deviceTree    = "proc/device-tree"

	// maxSMBIOS bounds what is read of the table: large servers have some 100 KiB.
	maxSMBIOS = 4 << 20
)

// Hypervisor is what a hypervisor says of itself in files, which Xen does, and
// device trees of Arm. Others are known by CPU feature and firmware only.
type Hypervisor struct {
	// Kind is xen, or the compatible string of the device tree: linux,kvm. On Windows
	// the processor is asked, and it is also kvm, hyperv or vmware.
	Kind string `json:"kind,omitempty"`
	// Version of Xen with what its builder appended: 4.11.amazon.
	Version string `json:"version,omitempty"`
	// UUID is the guest's. On EC2 it begins with ec2.
	UUID string `json:"uuid,omitempty"`
}

// lookAtFirmware reads the rest of what firmware and hypervisor say. That there is
// no DMI at all is the dmi probe's to tell, and no problem again.
func lookAtFirmware(root fs.FS, f *Facts) []Problem {
	var problems []Problem
	d := &f.DMI
	for _, a := range []struct {
		name  string
		value *string
	}{
		{"product_version", &d.ProductVersion}, {"product_family", &d.ProductFamily}, {"product_uuid", &d.ProductUUID},
		{"bios_vendor", &d.BIOSVendor}, {"bios_version", &d.BIOSVersion}, {"bios_date", &d.BIOSDate},
		{"board_vendor", &d.BoardVendor}, {"board_name", &d.BoardName},
		{"chassis_vendor", &d.ChassisVendor}, {"chassis_asset_tag", &d.ChassisAssetTag},
	} {
		text, err := firmwareText(root, path.Join(dmiDir, a.name))
		if err != nil {
			problems = append(problems, rootOnly(probeFirmware, err))
		}
		*a.value = text
	}
	virtual, err := virtualBit(root)
	if err != nil {
		problems = append(problems, rootOnly(probeFirmware, err))
	}
	d.Virtual = virtual
	if f.Hypervisor, err = hypervisor(root); err != nil {
		problems = append(problems, failed(probeFirmware, err))
	}
	return problems
}

// firmwareText is readText for a string that firmware may leave out, or leave
// blank.
func firmwareText(root fs.FS, name string) (string, error) {
	text, err := read(root, name)
	return printable(text), notMissing(err)
}

// rootOnly makes a remark of the error of a file that only root may read: everybody
// else sees the machine well enough without.
func rootOnly(probe string, err error) Problem {
	p := failed(probe, err)
	p.Remark = errors.Is(err, fs.ErrPermission)
	return p
}

// virtualBit reads the SMBIOS table's word on whether the machine is virtual.
func virtualBit(root fs.FS) (string, error) {
	file, err := root.Open(smbiosTable)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", smbiosTable, cause(err))
	}
	defer func() { _ = file.Close() }() // nothing was written
	b, err := io.ReadAll(io.LimitReader(file, maxSMBIOS))
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", smbiosTable, cause(err))
	}
	d, err := ParseSMBIOS(b)
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", smbiosTable, err)
	}
	return d.Virtual, nil
}

// hypervisor reads Xen's folder, which other kernels do not have or have empty, and
// the hypervisor node of a device tree.
func hypervisor(root fs.FS) (Hypervisor, error) {
	var h Hypervisor
	var errs []error
	for _, a := range []struct {
		name  string
		value *string
	}{{"type", &h.Kind}, {"uuid", &h.UUID}} {
		text, err := firmwareText(root, path.Join(hypervisorDir, a.name))
		errs = append(errs, err)
		*a.value = text
	}
	for _, part := range []string{"major", "minor", "extra"} {
		text, err := firmwareText(root, path.Join(hypervisorDir, "version", part))
		errs = append(errs, err)
		if part == "minor" && text != "" {
			text = "." + text
		}
		h.Version += text // extra begins with its own dot
	}
	if h.Kind == "" {
		text, err := read(root, deviceTree+"/hypervisor/compatible")
		errs = append(errs, notMissing(err))
		first, _, _ := strings.Cut(text, "\x00") // a list, each with a zero behind it
		h.Kind = printable(first)
	}
	for _, err := range errs {
		if err != nil {
			return h, err // one line; the others are of the same folder
		}
	}
	return h, nil
}
