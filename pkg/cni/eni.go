// Package cni prepares the machine's network for the cluster's network plugin: what
// systemd-networkd has to do with each ENI, and what it must leave alone.
//
// The files are those that EKS images of Amazon Linux 2023 have (awslabs/amazon-eks-ami,
// nodeadm-internal udev-net-manager): same paths, tables, metrics and priorities. The
// package is pure.
package cni

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// ENI is a network interface of the instance as decisions see it.
type ENI struct {
	// Link is the kernel's name for it: ens5, eth1.
	Link string `json:"link"`
	// MAC is in lower case with colons.
	MAC string `json:"mac"`
	// MACIsCurrent says that the link has no permanent address, as virtual ones have
	// none; it is then told by the address it has.
	MACIsCurrent bool `json:"macIsCurrent,omitempty"`
	// Primary says that it is the instance's first interface.
	Primary bool `json:"primary,omitempty"`
	// NetworkCard and DeviceIndex are those of the attachment, from 0.
	NetworkCard int `json:"networkCard"`
	DeviceIndex int `json:"deviceIndex"`
	// IPv4 are its addresses, the primary one first. Empty in an IPv6-only subnet.
	IPv4 []string `json:"ipv4,omitempty"`
	// IPv6 are its IPv6 addresses, the primary one first.
	IPv6 []string `json:"ipv6,omitempty"`
	// WithoutAddresses says that instance metadata has none for it, as for interfaces
	// that are for EFA alone: there is nothing to ask DHCP for.
	WithoutAddresses bool `json:"withoutAddresses,omitempty"`
}

// Manager says who looks after an ENI. The words are those of nodeadm's records.
type Manager string

const (
	// ManagerNetworkd is systemd-networkd: ENIs that were there at boot.
	ManagerNetworkd Manager = "io.systemd.Network"
	// ManagerCNI is the network plugin: ENIs that it has attached.
	ManagerCNI Manager = "cni"
)

// nodeadm's numbers: routes of later cards and interfaces weigh more, and each ENI but
// the primary has a table of its own, below which the kernel's and people's own are.
const (
	metricBase   = 512
	tableBase    = 10000
	perCard      = 100
	rulePriority = 32765 // just before the main table's 32766
	// jumboMTU is what a VPC carries (EC2 User Guide, network MTU).
	jumboMTU = 9001
)

// Metric is the priority of the ENI's routes; less is preferred.
func (e ENI) Metric() int { return metricBase + perCard*e.NetworkCard + e.DeviceIndex }

// Table is the routing table of an ENI that is not the primary.
func (e ENI) Table() int { return tableBase + perCard*e.NetworkCard + e.DeviceIndex }

var (
	// linkForm is what may be part of a file's name; the kernel allows 15 characters
	// (IFNAMSIZ) and more signs.
	linkForm = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}$`)
	macForm  = lazyregexp.New(`^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$`)
)

// CheckLink returns an error for what is no name of a network interface, or none that
// may become part of a path.
func CheckLink(name string) error {
	if !linkForm.MatchString(name) || strings.Contains(name, "..") {
		return fmt.Errorf("cannot use %q as the name of a network interface", name)
	}
	return nil
}

// check returns all that is wrong with what is known of an ENI.
func (e ENI) check() error {
	errs := []error{CheckLink(e.Link)}
	if !macForm.MatchString(e.MAC) {
		errs = append(errs, fmt.Errorf("cannot use %q as a MAC address", e.MAC))
	}
	if e.NetworkCard < 0 || e.DeviceIndex < 0 || e.DeviceIndex >= perCard {
		errs = append(errs, fmt.Errorf("cannot use card %d, device %d as the place of a network interface", e.NetworkCard, e.DeviceIndex))
	}
	for _, a := range e.IPv4 {
		if addr, err := netip.ParseAddr(a); err != nil || !addr.Is4() {
			errs = append(errs, fmt.Errorf("cannot use %q as an IPv4 address", a))
		}
	}
	for _, a := range e.IPv6 {
		if addr, err := netip.ParseAddr(a); err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != "" {
			errs = append(errs, fmt.Errorf("cannot use %q as an IPv6 address", a))
		}
	}
	return errors.Join(errs...)
}

// NetworkFile returns the path of the ENI's systemd.network(5) file.
func NetworkFile(l node.Layout, link string) string {
	return path.Join(l.NetworkDir, "70-eks-"+link+".network")
}

// RecordFile returns where it is written down who looks after a link of an instance,
// so that it is decided once: ENIs that the plugin attached must stay its own when the
// instance boots again.
func RecordFile(l node.Layout, instanceID, link string) string {
	return path.Join(l.ENIRecordDir, instanceID, link)
}

// UnmanagedFile returns the path of the file by which NetworkManager leaves an ENI alone.
func UnmanagedFile(l node.Layout, link string) string {
	return strings.TrimSuffix(l.NetworkManagerDropIn, ".conf") + "-eni-" + link + ".conf"
}

// UnmanagedLink returns the link of which [UnmanagedFile] returns a path; ok is false for
// any other path.
func UnmanagedLink(l node.Layout, file string) (link string, ok bool) {
	link, ok = strings.CutPrefix(file, strings.TrimSuffix(l.NetworkManagerDropIn, ".conf")+"-eni-")
	if ok {
		link, ok = strings.CutSuffix(link, ".conf")
	}
	return link, ok && CheckLink(link) == nil
}

// Unmanaged returns what makes NetworkManager leave an ENI of the network plugin's alone,
// at later boots too, when udev does not know any more whose it is. It is told by its
// permanent MAC address, and where it has none by its name: NetworkManager compares only
// permanent ones. An error is for what is no link or no address.
func Unmanaged(l node.Layout, e node.PluginENI) (host.File, error) {
	if err := (ENI{Link: e.Link, MAC: e.MAC}).check(); err != nil {
		return host.File{}, err
	}
	spec := "mac:" + e.MAC
	if e.MACIsCurrent {
		spec = "interface-name:=" + e.Link
	}
	// Added to what others have said (NetworkManager.conf(5)).
	text := head + section("keyfile", "unmanaged-devices+="+spec)
	return host.File{Path: UnmanagedFile(l, e.Link), Content: []byte(text), Mode: 0o644}, nil
}

// Desired returns what systemd-networkd needs for an ENI that it manages. For the
// primary one that is also a drop-in by which the image's own file for all ENIs
// (80-ec2.network of amazon-ec2-net-utils) matches none: from then on only ENIs with
// a file of their own are configured.
func Desired(l node.Layout, e ENI) ([]host.Resource, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	out := []host.Resource{host.File{Path: NetworkFile(l, e.Link), Content: []byte(e.network()), Mode: 0o644}}
	if e.Primary {
		out = append(out, host.File{
			Path: path.Join(l.NetworkDir, "80-ec2.network.d", "10-eks-disable.conf"),
			// The empty line takes back names that the image's file may match.
			Content: []byte("[Match]\nName=\nName=none\n"), Mode: 0o644,
		})
	}
	return out, nil
}

// network renders the systemd.network(5) file.
func (e ENI) network() string {
	metric := strconv.Itoa(e.Metric())
	match := "PermanentMACAddress"
	if e.MACIsCurrent {
		match = "MACAddress"
	}
	if e.WithoutAddresses && !e.Primary {
		return section("Match", match+"="+e.MAC) + "\n" + section("Link", "Unmanaged=yes")
	}
	sections := []string{
		section("Match", match+"="+e.MAC),
		section("Link", "MTUBytes="+strconv.Itoa(jumboMTU)),
		section("Network", "DHCP=yes", "IPv6DuplicateAddressDetection=0", "LLMNR=no", "DNSDefaultRoute=yes"),
		section("DHCPv4", "UseHostname=no", "UseDNS=yes", "UseNTP=yes", "UseDomains=yes",
			"RouteMetric="+metric, "UseRoutes=true", "UseGateway=true"),
		section("DHCPv6", "UseHostname=no", "UseDNS=yes", "UseNTP=yes", "WithoutRA=solicit"),
		section("IPv6AcceptRA", "RouteMetric="+metric, "UseGateway=true"),
	}
	if !e.Primary {
		table := "Table=" + strconv.Itoa(e.Table())
		sections = append(sections,
			section("Route", table, "Gateway=_ipv6ra"),
			section("Route", table, "Gateway=_dhcp4"))
		// What comes from its own address leaves by it, in both families.
		for _, all := range [][]string{e.IPv4, e.IPv6} {
			if len(all) > 0 {
				sections = append(sections, section("RoutingPolicyRule",
					"From="+all[0], table, "Priority="+strconv.Itoa(rulePriority)))
			}
		}
	}
	return strings.Join(sections, "\n")
}

func section(name string, lines ...string) string {
	return "[" + name + "]\n" + strings.Join(lines, "\n") + "\n"
}
