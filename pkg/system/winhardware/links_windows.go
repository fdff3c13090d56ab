package winhardware

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// links lists the network interfaces that are devices. Which PCI function and driver
// one has is told by its adapter, as long as both bear the same GUID.
func links(f *hardware.Facts) error {
	var table *windows.MibIfTable2
	if err := windows.GetIfTable2Ex(windows.MibIfTableNormalWithoutStatistics, &table); err != nil {
		return fmt.Errorf("cannot list network interfaces: %w", err)
	}
	defer windows.FreeMibTable(unsafe.Pointer(table))
	var found []adapter
	for _, row := range unsafe.Slice(&table.Table[0], table.NumEntries) {
		const hardwareInterface, filterInterface = 1 << 0, 1 << 1 // MIB_IF_ROW2's bits
		if row.InterfaceAndOperStatusFlags&(hardwareInterface|filterInterface) != hardwareInterface {
			continue
		}
		n := min(int(row.PhysicalAddressLength), len(row.PhysicalAddress))
		found = append(found, adapter{
			guid: row.InterfaceGuid.String(), name: windows.UTF16ToString(row.Alias[:]), index: int(row.InterfaceIndex), mtu: row.Mtu,
			mac: row.PhysicalAddress[:n], permanent: row.PermanentPhysicalAddress[:n],
		})
	}
	functions, err := adapters()
	for _, a := range found {
		f.Links = append(f.Links, a.link(functions))
	}
	slices.SortFunc(f.Links, func(a, b hardware.Link) int { return cmp.Compare(a.Name, b.Name) })
	return err
}

// adapters returns the place and the driver of every network adapter by the GUID of
// its interface, in upper case. Those that are not on PCI have a driver alone.
func adapters() (map[string]hardware.PCIDevice, error) {
	class := windows.GUID{Data1: 0x4d36e972, Data2: 0xe325, Data3: 0x11ce, Data4: [8]byte{0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18}} // GUID_DEVCLASS_NET
	out := map[string]hardware.PCIDevice{}
	for d, err := range devices(&class, "") {
		if err != nil {
			return out, err
		}
		h, err := d.set.OpenDevRegKey(d.info, windows.DICS_FLAG_GLOBAL, 0, windows.DIREG_DRV, windows.KEY_QUERY_VALUE)
		if err != nil {
			continue // an adapter without a driver has no interface
		}
		key := registry.Key(h)
		guid, _, err := key.GetStringValue("NetCfgInstanceId")
		_ = key.Close() // nothing was written
		if err != nil {
			continue // as above: the driver is not set up
		}
		function, err := d.function()
		if err != nil { // it is not on PCI
			function = hardware.PCIDevice{Driver: strings.ToLower(d.service())}
		}
		out[strings.ToUpper(guid)] = function
	}
	return out, nil
}
