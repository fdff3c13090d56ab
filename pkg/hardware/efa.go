package hardware

import (
	"slices"
	"strings"
)

// EFAs returns the Elastic Fabric Adapters, in the order of their addresses, whether
// a driver is bound or not. An interface that is EFA and ENA is two functions, one
// of which is here; one that is EFA alone is one.
func (f Facts) EFAs() []PCIDevice { return f.functions(IsEFA) }

// ENAs returns the Elastic Network Adapters, in the order of their addresses, whether
// a driver is bound or not.
func (f Facts) ENAs() []PCIDevice { return f.functions(IsENA) }

// IsEFA reports whether a function is an Elastic Fabric Adapter. Each generation has
// had the next number behind efa, up to efa3 (the EFA driver's efa_main.c).
func IsEFA(d PCIDevice) bool {
	return d.Vendor == vendorAmazon && strings.HasPrefix(d.Device, "efa")
}

// IsENA reports whether a function is an Elastic Network Adapter (the ENA driver's
// ena_pci_id_tbl.h).
func IsENA(d PCIDevice) bool {
	return d.Vendor == vendorAmazon && slices.Contains([]string{"0ec2", "1ec2", "ec20", "ec21", "0051"}, d.Device)
}
