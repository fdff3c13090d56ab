package winhardware

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/sys/windows"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// device is one that Plug and Play knows.
type device struct {
	set  windows.DevInfo
	info *windows.DevInfoData
}

// devices yields what is there now of a device class, or what a bus driver found: its
// enumerator is PCI.
func devices(class *windows.GUID, enumerator string) iter.Seq2[device, error] {
	return func(yield func(device, error) bool) {
		flags := windows.DIGCF_PRESENT
		if class == nil {
			flags |= windows.DIGCF_ALLCLASSES
		}
		set, err := windows.SetupDiGetClassDevsEx(class, enumerator, 0, flags, 0, "")
		if err != nil {
			yield(device{}, fmt.Errorf("cannot list devices: %w", err))
			return
		}
		defer func() { _ = set.Close() }() // it is a list in memory
		for i := 0; ; i++ {
			info, err := set.EnumDeviceInfo(i)
			if errors.Is(err, windows.ERROR_NO_MORE_ITEMS) {
				return
			}
			if err != nil {
				yield(device{}, fmt.Errorf("cannot list devices: %w", err))
				return
			}
			if !yield(device{set, info}, nil) {
				return
			}
		}
	}
}

// texts is a property of one or many strings; nothing where it is not set.
func (d device) texts(p windows.SPDRP) []string {
	switch v, _ := d.set.DeviceRegistryProperty(d.info, p); v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return v
	}
	return nil
}

// number is a property that is one. Not set is not zero.
func (d device) number(p windows.SPDRP) (uint32, error) {
	v, err := d.set.DeviceRegistryProperty(d.info, p)
	if err != nil {
		return 0, err
	}
	n, ok := v.(uint32)
	if !ok {
		return 0, fmt.Errorf("it is no number but %v", v)
	}
	return n, nil
}

// service is the name of the bound driver; empty when none is.
func (d device) service() string {
	if s := d.texts(windows.SPDRP_SERVICE); len(s) > 0 {
		return s[0]
	}
	return ""
}

// function makes a PCI function of the device.
func (d device) function() (hardware.PCIDevice, error) {
	ids := d.texts(windows.SPDRP_HARDWAREID)
	bus, errBus := d.number(windows.SPDRP_BUSNUMBER)
	address, errAddress := d.number(windows.SPDRP_ADDRESS)
	if err := errors.Join(errBus, errAddress); err != nil {
		return hardware.PCIDevice{}, fmt.Errorf("cannot tell the place of PCI function %q: %w", append(ids, "without a name")[0], cmp.Or(errBus, errAddress))
	}
	return parsePCI(ids, d.texts(windows.SPDRP_COMPATIBLEIDS), bus, address, d.service())
}

// pci lists the functions that the PCI bus driver found and that are there now.
func pci(f *hardware.Facts) error {
	var first error // of many, one line is enough
	for d, err := range devices(nil, "PCI") {
		if err == nil {
			var function hardware.PCIDevice
			if function, err = d.function(); err == nil {
				f.PCI = append(f.PCI, function)
			}
		}
		first = cmp.Or(first, err)
	}
	slices.SortFunc(f.PCI, func(a, b hardware.PCIDevice) int { return cmp.Compare(a.Address, b.Address) })
	return first
}
