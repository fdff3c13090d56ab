package system

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// smallFile bounds what is read of the network's configuration files, of which the
// longest known, networkd.conf with all its comments, has 2 KiB.
const smallFile = 1 << 20

// configRoots are where systemd's programs look for configuration, by falling
// precedence.
func configRoots() []string {
	return []string{"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd"}
}

// netUtilsRule is the udev rule by which amazon-ec2-net-utils configures every ENI, and
// netUtilsUnits what that starts.
const netUtilsRule = "99-vpc-policy-routes.rules"

func netUtilsUnits() []string {
	return []string{"policy-routes@.service", "refresh-policy-routes@.service", "refresh-policy-routes@.timer"}
}

func nmCloudSetupUnits() []string {
	return []string{"nm-cloud-setup.service", "nm-cloud-setup.timer"}
}

// network looks at what has a say in the machine's network.
func (p *presence) network(l node.Layout) node.Network {
	n := node.Network{
		Networkd:           p.unit(l.NetworkdUnit),
		NetworkdRuns:       p.exists("/run/systemd/netif/state"),
		NetworkManager:     p.unit(l.NetworkManagerUnit),
		NetworkManagerRuns: p.exists("/run/NetworkManager/devices"),
		NetUtilsRule:       p.udevRule(l, netUtilsRule),
		NetUtilsUnits:      p.units(l, netUtilsUnits()),
		NMCloudSetup:       p.units(l, nmCloudSetupUnits()),
		BridgeModuleOurs:   p.ownsBridge,
		CNIConfigs:         p.cniConfigs(l.CNIConfigDir),
		ForwardUnset:       p.forwardUnset(l.KubeletUnit),
		BPFUnmounted:       p.bpfUnmounted(path.Join(l.UnitDir, l.BPFUnit)),
		ENILinks:           p.eniLinks(),
	}
	if n.Networkd {
		n.ForeignRoutesKept = !p.owned[l.NetworkdDropIn] && p.foreignRoutesKept()
		n.PodLinksUnmanaged = !p.owned[l.PodLinks] && p.networkFile(path.Base(l.PodLinks))
	}
	n.MACAddressesChanged = p.owned[l.MACPolicyDropIn] || p.macAddressesChanged()
	return n
}

// HasNetworkManager reports whether NetworkManager is installed, running or not.
func HasNetworkManager(root rootfs.Root, l node.Layout) (bool, error) {
	p := presence{root: root}
	has := p.unit(l.NetworkManagerUnit)
	return has, errors.Join(p.errs...)
}

// forwardUnset reports whether a unit of the image's says nothing of the chain FORWARD,
// itself or in a drop-in. Of files of one name all are read: that one is masked by
// another is too rare to be told apart, and only means that the agent keeps out. One
// that cannot be read counts as if it did.
func (p *presence) forwardUnset(unit string) bool {
	if !p.unit(unit) {
		return false
	}
	for _, dir := range unitDirs() {
		files := []string{path.Join(dir, unit)}
		for _, name := range p.entries(path.Join(dir, unit+".d")) {
			files = append(files, path.Join(dir, unit+".d", name))
		}
		for _, file := range files {
			if p.file(file) == nil {
				continue
			}
			text, err := p.root.ReadFile(file, smallFile)
			if err != nil && !rootfs.Absent(err) {
				p.errs = append(p.errs, fmt.Errorf("cannot read %s: %w", file, err))
				return false
			}
			if strings.Contains(string(text), "FORWARD") {
				return false
			}
		}
	}
	return true
}

// exists reports whether there is anything at all, of whatever kind.
func (p *presence) exists(name string) bool {
	_, err := p.root.Stat(name)
	if err != nil && !rootfs.Absent(err) {
		p.errs = append(p.errs, fmt.Errorf("cannot tell whether the machine has %s: %w", name, err))
	}
	return err == nil
}

// Where the agent has put something of its own into force, or masked something, that
// may have taken the place of another's, which is not seen any more. There the machine
// counts as what it was when the agent found that to be needed; else the agent would
// take its own back on the next run, and put it there again on the one after that.

// units returns those that the machine has.
func (p *presence) units(l node.Layout, names []string) []string {
	var out []string
	for _, name := range names {
		if p.owned[path.Join(l.UnitDir, name)] || p.unit(name) {
			out = append(out, name)
		}
	}
	return out
}

// somebodys reports whether something of someone else's is at name: also a link to
// /dev/null, by which it is masked.
func (p *presence) somebodys(name string) bool {
	if p.owned[name] {
		return false
	}
	_, err := p.root.Lstat(name)
	return err == nil
}

// udevRule reports whether a file of rules is in force, as if the agent had not
// masked it.
func (p *presence) udevRule(l node.Layout, name string) bool {
	if p.owned[path.Join(l.UdevRulesDir, name)] {
		return true
	}
	for _, dir := range []string{l.UdevRulesDir, "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d"} {
		if at := path.Join(dir, name); p.somebodys(at) {
			fi := p.file(at)
			return fi != nil && fi.Size() > 0
		}
	}
	return false
}

// networkFile reports whether systemd-networkd has a file of that name from someone
// else, or someone has masked it.
func (p *presence) networkFile(name string) bool {
	return slices.ContainsFunc(configRoots(), func(root string) bool { return p.somebodys(path.Join(root, "network", name)) })
}

// entries returns the names in a directory, sorted; none where there is no such.
func (p *presence) entries(dir string) []string {
	list, err := p.root.ReadDir(dir)
	if err != nil && !rootfs.Absent(err) {
		p.errs = append(p.errs, fmt.Errorf("cannot list %s: %w", dir, err))
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// settings returns the last value that each key has, by
// section and key: Network.ManageForeignRoutes. As in systemd, the drop-ins of all
// directories are read in the order of their names, and of one name the first found.
func (p *presence) settings(main, dropIns string) map[string]string {
	at := map[string]string{}
	for _, root := range configRoots() {
		for _, name := range p.entries(path.Join(root, dropIns)) {
			file := path.Join(root, dropIns, name)
			if _, taken := at[name]; !taken && strings.HasSuffix(name, ".conf") {
				at[name] = file
			}
		}
	}
	names := make([]string, 0, len(at))
	for name := range at {
		names = append(names, name)
	}
	slices.Sort(names)
	var files []string
	for _, root := range configRoots() {
		if file := path.Join(root, main); p.somebodys(file) {
			files = append(files, file)
			break
		}
	}
	for _, name := range names {
		files = append(files, at[name])
	}
	out := map[string]string{}
	for _, file := range files {
		if p.file(file) == nil {
			continue // masked
		}
		text, err := p.root.ReadFile(file, smallFile)
		if err != nil && !rootfs.Absent(err) {
			p.errs = append(p.errs, fmt.Errorf("cannot read %s: %w", file, err))
		}
		readSettings(string(text), out)
	}
	return out
}

// readSettings adds what the text of an ini file says.
func readSettings(text string, into map[string]string) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || line[0] == '#' || line[0] == ';' {
			continue
		}
		into[section+"."+strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
}

func (p *presence) foreignRoutesKept() bool {
	s := p.settings("networkd.conf", "networkd.conf.d")
	return isOff(s["Network.ManageForeignRoutes"]) && isOff(s["Network.ManageForeignRoutingPolicyRules"])
}

// isOff reads a boolean as systemd does (systemd.syntax(7)).
func isOff(value string) bool {
	return slices.Contains([]string{"no", "false", "off", "0", "n", "f"}, strings.ToLower(value))
}

// macAddressesChanged reports whether systemd's own file for all links is there, and
// has not been told to leave addresses alone.
func (p *presence) macAddressesChanged() bool {
	const link = "network/99-default.link"
	if !slices.ContainsFunc(configRoots(), func(root string) bool { return p.file(path.Join(root, link)) != nil }) {
		return false
	}
	policy := p.settings(link, link+".d")["Link.MACAddressPolicy"]
	return policy != "" && policy != "none"
}

// cniConfigs are the files of which containerd reads the first (go-cni: .conf,
// .conflist and .json).
func (p *presence) cniConfigs(dir string) []string {
	var out []string
	for _, name := range p.entries(dir) {
		switch path.Ext(name) {
		case ".conf", ".conflist", ".json":
			if !p.owned[path.Join(dir, name)] {
				out = append(out, name)
			}
		}
	}
	return out
}

// bpfUnmounted reports whether /sys/fs/bpf is there and bears no file system, as if the
// agent had not made the unit that mounts one.
func (p *presence) bpfUnmounted(unit string) bool {
	const at = "/sys/fs/bpf"
	if !p.exists(at) {
		return false
	}
	if p.owned[unit] {
		return true
	}
	text, err := p.root.ReadFile("/proc/self/mountinfo", 8<<20)
	if err != nil {
		return false // nothing is known, so nothing is changed
	}
	for line := range strings.Lines(string(text)) {
		// proc(5): the mount point is the fifth field.
		if f := strings.Fields(line); len(f) > 4 && f[4] == at {
			return false
		}
	}
	return true
}

// netClass is where the kernel shows its links.
const netClass = "/sys/class/net"

// eniLinks are the links with a driver of EC2's network interfaces: ENA, the Virtual
// Function of Intel's, and Xen's.
func (p *presence) eniLinks() []string {
	var out []string
	for _, name := range p.entries(netClass) {
		at, err := p.root.Path(path.Join(netClass, name, "device", "driver"))
		if err != nil {
			continue
		}
		driver, err := os.Readlink(at)
		if err == nil && slices.Contains([]string{"ena", "ixgbevf", "vif"}, path.Base(driver)) {
			out = append(out, name)
		}
	}
	return out
}

// PrimaryLink returns the link with a MAC address, in lower case, and its MTU in bytes;
// nothing where there is none. Of several, such as a bridge on top of it, it is the one
// that the kernel has had for longest.
func PrimaryLink(root rootfs.Root, mac string) (name string, mtu int) {
	if mac == "" {
		return "", 0
	}
	p := presence{root: root}
	first := 0
	for _, link := range p.entries(netClass) {
		text := func(of string) string {
			b, err := root.ReadFile(path.Join(netClass, link, of), 4<<10)
			if err != nil {
				return ""
			}
			return strings.TrimSpace(string(b))
		}
		if text("address") != mac {
			continue
		}
		index, err := strconv.Atoi(text("ifindex"))
		if err != nil || first != 0 && index > first {
			continue
		}
		n, err := strconv.Atoi(text("mtu"))
		if err != nil {
			n = 0
		}
		name, mtu, first = link, n, index
	}
	return name, mtu
}
