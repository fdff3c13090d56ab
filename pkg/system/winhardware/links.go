package winhardware

import (
	"bytes"
	"math"
	"net"
	"strings"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// adapter is what Windows says of a network interface.
type adapter struct {
	guid, name     string
	index          int
	mtu            uint32
	mac, permanent []byte
}

// link makes a link of an interface and of what is known of its adapter, by GUIDs in
// upper case. An MTU beyond all numbers is that of an interface without one.
func (a adapter) link(functions map[string]hardware.PCIDevice) hardware.Link {
	const macSize = 6
	function := functions[strings.ToUpper(a.guid)]
	l := hardware.Link{Name: a.name, Index: a.index, Driver: function.Driver, Address: function.Address}
	if a.mtu <= math.MaxInt32 {
		l.MTU = int(a.mtu)
	}
	if len(a.mac) == macSize && !bytes.Equal(a.mac, make([]byte, macSize)) {
		l.MAC = net.HardwareAddr(a.mac).String()
		l.Permanent = bytes.Equal(a.mac, a.permanent)
	}
	return l
}
