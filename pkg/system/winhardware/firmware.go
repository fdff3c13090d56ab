package winhardware

// bootOf is what booted the machine, by its FIRMWARE_TYPE (winnt.h), or by the key of
// secure boot, which UEFI alone has; empty when neither tells.
func bootOf(firmwareType uint32, secureBootKey bool) string {
	const bios, uefi = 1, 2
	switch {
	case firmwareType == uefi, secureBootKey:
		return "uefi"
	case firmwareType == bios:
		return "bios"
	}
	return ""
}
