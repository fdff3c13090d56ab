package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

const (
	probeLinks = "links"
	netDir     = "sys/class/net"
)

// Link is a network interface that is a device of the machine. Which ENI it is EC2
// tells by its MAC address.
type Link struct {
	// Name is the kernel's: eth0, ens5.
	Name string `json:"name"`
	// Index is its interface index.
	Index int `json:"index,omitempty"`
	// MAC is the address it uses, in lower case; empty for a link without.
	MAC string `json:"mac,omitempty"`
	// Permanent: MAC is the device's own, and not one that was given to it. sysfs has
	// no other word on the permanent address.
	Permanent bool `json:"permanent,omitempty"`
	// Driver is the name of the driver: ena, vif, virtio_net.
	Driver string `json:"driver,omitempty"`
	// Address is that of the PCI function which the link is on, directly or by
	// virtio; empty for a device elsewhere, such as Xen's vif.
	Address string `json:"address,omitempty"`
	// NUMANode is the node that the device is nearest to; nil where the firmware
	// does not say.
	NUMANode *int `json:"numaNode,omitempty"`
	// MTU is the size in bytes of its largest packet.
	MTU int `json:"mtu,omitempty"`
}

// lookAtLinks lists the links that are devices. Which are is told by where their
// symbolic link points, so that hundreds of pods cost one look each.
func lookAtLinks(root fs.FS, f *Facts) []Problem {
	names, err := list(root, netDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []Problem{failed(probeLinks, err)}
	}
	if _, ok := root.(fs.ReadLinkFS); !ok {
		return []Problem{{Probe: probeLinks, Message: "cannot tell devices: symbolic links cannot be read here"}}
	}
	var problems []Problem
	for _, name := range names {
		target, err := fs.ReadLink(root, path.Join(netDir, name))
		if err != nil || strings.Contains(target, "/virtual/") {
			continue // bonding_masters is a file; a veth may be gone already
		}
		l, err := link(root, name, target)
		switch {
		case err == nil:
			f.Links = append(f.Links, l)
		case !errors.Is(err, fs.ErrNotExist):
			problems = append(problems, failed(probeLinks, err))
		}
	}
	return problems
}

// link reads one link, whose place below /sys/devices is in target. The attributes
// are those of Documentation/ABI/testing/sysfs-class-net.
func link(root fs.FS, name, target string) (Link, error) {
	dir := path.Join(netDir, name)
	l := Link{Name: name, Address: addressIn(target)}
	assigned := 0
	for _, a := range []struct {
		name  string
		value *int
	}{{"ifindex", &l.Index}, {"mtu", &l.MTU}, {"addr_assign_type", &assigned}} {
		text, err := read(root, path.Join(dir, a.name))
		if err != nil {
			return l, err
		}
		if *a.value, err = strconv.Atoi(text); err != nil || *a.value < 0 {
			return l, fmt.Errorf("cannot parse /%s/%s: %s is no number", dir, a.name, quote(text))
		}
	}
	mac, err := read(root, path.Join(dir, "address"))
	if err != nil {
		return l, err
	}
	if l.MAC = strings.ToLower(mac); !isMAC(l.MAC) {
		l.MAC = "" // InfiniBand has longer ones, a tunnel none
	}
	const permanent = 0 // NET_ADDR_PERM of the kernel's netdevice.h
	l.Permanent = assigned == permanent && l.MAC != ""
	if l.Driver, err = boundDriver(root, path.Join(dir, "device")); err != nil {
		return l, err
	}
	at := path.Join(dir, "device")
	if l.Address != "" {
		at = path.Join(pciDir, l.Address)
	}
	l.NUMANode, err = nearestNode(root, at)
	return l, err
}

// addressIn returns the last PCI address in a path below /sys/devices; empty when it
// has none.
func addressIn(p string) string {
	out := ""
	for part := range strings.SplitSeq(p, "/") {
		if isPCIAddress(part) {
			out = part
		}
	}
	return out
}

// isPCIAddress reports whether s is domain:bus:device.function, in hexadecimal.
func isPCIAddress(s string) bool {
	f := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '.' })
	if len(f) != 4 || len(f[0]) < 4 || len(f[1]) != 2 || len(f[2]) != 2 || len(f[3]) != 1 {
		return false
	}
	return strings.Trim(f[0]+f[1]+f[2]+f[3], "0123456789abcdef") == "" && s == f[0]+":"+f[1]+":"+f[2]+"."+f[3]
}

// isMAC reports whether s is a MAC address of six bytes in lower case.
func isMAC(s string) bool {
	parts := strings.Split(s, ":")
	for _, p := range parts {
		if len(p) != 2 || strings.Trim(p, "0123456789abcdef") != "" {
			return false
		}
	}
	return len(parts) == 6
}

// isNumber reports whether s is decimal digits and nothing else.
func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
