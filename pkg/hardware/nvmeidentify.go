package hardware

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// NVMeIdentifySize is the length of the data structure that a controller answers the
// command Identify with (NVM Express base specification, figure "Identify Controller
// Data Structure").
const NVMeIdentifySize = 4096

// NVMeIdentity is what an NVMe controller says of itself.
type NVMeIdentity struct {
	// VendorID is the PCI vendor: 0x1d0f is Amazon.
	VendorID uint16 `json:"vendorId"`
	// Model, Serial and Firmware are without padding and without what is not
	// printable.
	Model    string `json:"model,omitempty"`
	Serial   string `json:"serial,omitempty"`
	Firmware string `json:"firmware,omitempty"`
	// Kind is told by vendor and model together.
	Kind DiskKind `json:"kind,omitempty"`
	// VolumeID of an EBS volume: vol-0123456789abcdef0.
	VolumeID string `json:"volumeId,omitempty"`
	// BlockDevice is the name that EC2 was told in the block device mapping, without
	// /dev/: xvda, sdf. Empty where the controller does not say. It holds letters,
	// digits, - and _ alone, so that it can be a file's name.
	BlockDevice string `json:"blockDevice,omitempty"`
	// Virtual is the name of an instance store disk in the block device mapping:
	// ephemeral0.
	Virtual string `json:"virtual,omitempty"`
}

// ParseNVMeIdentify reads what a controller answered to the command Identify with
// CNS 1. The block device name is in the vendor specific area, in Amazon's
// controllers alone, padded by spaces or NUL: /dev/sdf or sdf for EBS, and
// ephemeral0:sdb for a disk of the instance store (amazon-ec2-utils, ebsnvme-id).
func ParseNVMeIdentify(page []byte) (NVMeIdentity, error) {
	const vendorArea, nameLength = 3072, 32
	if len(page) != NVMeIdentifySize {
		return NVMeIdentity{}, fmt.Errorf("cannot read what the NVMe controller says: %d bytes, want %d", len(page), NVMeIdentifySize)
	}
	id := NVMeIdentity{
		VendorID: binary.LittleEndian.Uint16(page),
		Serial:   nvmeText(page[4:24]),
		Model:    nvmeText(page[24:64]),
		Firmware: nvmeText(page[64:72]),
	}
	if id.VendorID != 0x1d0f {
		return id, nil
	}
	name := nvmeText(page[vendorArea : vendorArea+nameLength])
	switch id.Kind = diskKind(id.Model); id.Kind {
	case EBS:
		id.VolumeID = volumeID(id.Serial)
	case InstanceStore:
		if virtual, device, ok := strings.Cut(name, ":"); ok {
			id.Virtual, name = fileName(virtual), device
		}
	default:
		return id, nil
	}
	id.BlockDevice = fileName(strings.TrimPrefix(name, "/dev/"))
	return id, nil
}

// Identified returns the controllers with the block device names that they said of
// themselves, by their names. An answer with another serial number is that of a
// controller which took the name since, and is left out.
func Identified(controllers []NVMe, said map[string]NVMeIdentity) []NVMe {
	out := slices.Clone(controllers)
	for i, c := range out {
		if id, ok := said[c.Name]; ok && id.Serial == c.Serial {
			out[i].BlockDevice = id.BlockDevice
		}
	}
	return out
}

// nvmeText reads a field that ends at its first NUL or in spaces.
func nvmeText(field []byte) string {
	field, _, _ = bytes.Cut(field, []byte{0})
	return printable(string(field))
}

// fileName returns s if it can be the name of a device, or else nothing.
func fileName(s string) string {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if strings.Trim(s, allowed) != "" || s == "none" {
		return ""
	}
	return s
}
