//go:build linux

package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/eksnode/eksnode/test/lab/internal/netns"
)

// The VPC's plan. Instances are in one subnet; pod ranges lie outside of it, so that the VPC routes them.
const (
	vpcCIDR     = "10.0.0.0/16"
	subnetCIDR  = "10.0.0.0/20"
	routerIP    = "10.0.0.1"
	dnsIP       = "10.0.0.2" // the VPC's base address plus two (VPC user guide, "Amazon DNS server")
	endpointsIP = "10.0.0.10"
	apiServerIP = "10.0.0.20"
	imdsIP      = "169.254.169.254"
	imdsIPv6    = "fd00:ec2::254"
	// subnetIPv6 is of the range for documentation (RFC 3849).
	subnetIPv6   = "2001:db8:1:1::/64"
	routerIPv6   = "2001:db8:1:1::1"
	serviceCIDR  = "10.100.0.0/16" // EKS's default outside of 10/8 VPCs
	maxInstances = 150
)

// instanceIP is the address of ENI k of instance n.
func instanceIP(n, k int) string { return fmt.Sprintf("10.0.%d.%d", 1+k, 10+n) }

// instanceIPv6 is the IPv6 address of ENI k of instance n.
func instanceIPv6(n, k int) string { return fmt.Sprintf("2001:db8:1:1::%x:%x", 1+k, 10+n) }

// podCIDR is the pod range of the instance whose primary address ends in lastByte; the image aws-node computes the same.
func podCIDR(lastByte int) string { return fmt.Sprintf("10.0.%d.0/24", 54+lastByte) }

// podCIDRv6 is the IPv6 one; both are routed to the instance.
func podCIDRv6(lastByte int) string { return fmt.Sprintf("2001:db8:1:%x::/64", 0x100+lastByte) }

// vpc is the network namespace of the lab's VPC and what runs in it.
type vpc struct {
	netns string
	dir   string
	ipv6  bool
}

// newVPC makes the namespace with the bridge that all ENIs are plugged into and its router's addresses.
func newVPC(ctx context.Context, name, dir string, ipv6 bool) (*vpc, error) {
	v := &vpc{netns: name, dir: dir, ipv6: ipv6}
	for _, d := range []string{"dhcp", "hosts"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("cannot make VPC: %w", err)
		}
	}
	if err := netns.Add(ctx, name); err != nil {
		return nil, fmt.Errorf("cannot make VPC: %w", err)
	}
	commands := [][]string{
		// No forwarding delay: ports work at once. A fixed address: else the bridge takes that of its first port.
		{"link", "add", "br0", "type", "bridge", "forward_delay", "0"},
		{"link", "set", "br0", "address", "02:00:0a:00:00:01"},
		{"link", "set", "br0", "mtu", "9001", "up"},
		{"addr", "add", imdsIP + "/32", "dev", "br0"},
		{"addr", "add", imdsIPv6 + "/128", "dev", "br0", "nodad"},
	}
	for _, a := range []string{routerIP, dnsIP, endpointsIP, apiServerIP} {
		commands = append(commands, []string{"addr", "add", a + "/20", "dev", "br0"})
	}
	if ipv6 {
		commands = append(commands, []string{"addr", "add", routerIPv6 + "/64", "dev", "br0", "nodad"})
	}
	for _, c := range commands {
		if err := netns.IP(ctx, append([]string{"-n", name}, c...)...); err != nil {
			return nil, fmt.Errorf("cannot make VPC: %w", err)
		}
	}
	err := netns.Do(name, func() error {
		settings := []string{"net/ipv4/ip_forward"}
		if ipv6 {
			settings = append(settings, "net/ipv6/conf/all/forwarding")
		}
		for _, s := range settings {
			if err := os.WriteFile("/proc/sys/"+s, []byte("1"), 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make VPC: %w", err)
	}
	return v, os.WriteFile(v.resolvConf(), []byte("nameserver "+dnsIP+"\n"), 0o644)
}

func (v *vpc) resolvConf() string { return filepath.Join(v.dir, "resolv.conf") }

// dnsmasqArgs are those of the VPC's DHCP and DNS server. names maps host names ("*." in front: and all below) to addresses.
func (v *vpc) dnsmasqArgs(region string, names map[string]string) []string {
	domain := region + ".compute.internal"
	args := []string{"dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--leasefile-ro",
		"--log-facility=-", "--log-queries", "--log-dhcp", "--bind-interfaces", "--interface=br0", "--except-interface=lo",
		"--no-resolv", "--no-hosts", "--no-negcache", "--hostsdir=" + filepath.Join(v.dir, "hosts"),
		"--dhcp-hostsdir=" + filepath.Join(v.dir, "dhcp"), "--dhcp-authoritative",
		"--dhcp-range=10.0.0.0,static,255.255.240.0,1h",
		"--dhcp-option=option:router," + routerIP, "--dhcp-option=option:dns-server," + dnsIP,
		"--dhcp-option=option:domain-name," + domain, "--dhcp-option=option:mtu,9001",
		// The names EC2 gives addresses, both ways (EC2 user guide, "EC2 instance hostnames, DNS names, and domains").
		"--synth-domain=" + domain + "," + vpcCIDR + ",ip-", "--local=/" + domain + "/", "--local=/amazonaws.com/", "--local=/aws/",
	}
	if v.ipv6 {
		args = append(args, "--enable-ra", "--dhcp-range="+strings.TrimSuffix(subnetIPv6, "/64")+",static,64,1h")
	}
	for _, n := range sortedKeys(names) {
		args = append(args, "--address=/"+strings.TrimPrefix(n, "*.")+"/"+names[n])
	}
	return args
}

// answers tells whether the DNS server knows a name.
func (v *vpc) answers(ctx context.Context, name string) error {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return netns.Dialer(v.netns)(ctx, "udp", dnsIP+":53")
	}}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := r.LookupHost(ctx, name)
	return err
}

// admit tells DHCP and DNS of an instance's interfaces.
func (v *vpc) admit(name string, nics []nic, hostnames []string) error {
	var leases strings.Builder
	for _, n := range nics {
		fmt.Fprintf(&leases, "%s,%s", n.mac, n.ipv4)
		if n.ipv6 != "" {
			fmt.Fprintf(&leases, ",[%s]", n.ipv6)
		}
		leases.WriteString("\n")
	}
	if len(hostnames) > 0 {
		line := nics[0].ipv4 + " " + strings.Join(hostnames, " ") + "\n"
		if err := replaceFile(filepath.Join(v.dir, "hosts", name), line); err != nil {
			return fmt.Errorf("cannot admit %s to the VPC: %w", name, err)
		}
	}
	if err := replaceFile(filepath.Join(v.dir, "dhcp", name), leases.String()); err != nil {
		return fmt.Errorf("cannot admit %s to the VPC: %w", name, err)
	}
	return nil
}

// nic is a plugged or to be plugged ENI.
type nic struct{ device, mac, ipv4, ipv6, port string }

// plug makes a veth pair with one end on the bridge and the other, under the device name and MAC address an instance
// sees, in its namespace.
func (v *vpc) plug(ctx context.Context, space string, n nic) error {
	if err := netns.IP(ctx, "-n", v.netns, "link", "add", n.port, "mtu", "9001", "type", "veth", "peer", "name", n.device,
		"address", n.mac, "mtu", "9001", "netns", space); err != nil {
		return fmt.Errorf("cannot plug ENI %s: %w", n.device, err)
	}
	if err := netns.IP(ctx, "-n", v.netns, "link", "set", n.port, "master", "br0", "up"); err != nil {
		return fmt.Errorf("cannot plug ENI %s: %w", n.device, err)
	}
	return nil
}

// plugTap makes a tap on the bridge, for a machine that has the other end in itself.
func (v *vpc) plugTap(ctx context.Context, n nic) error {
	for _, c := range [][]string{
		{"tuntap", "add", n.port, "mode", "tap"},
		{"link", "set", n.port, "mtu", "9001"},
		{"link", "set", n.port, "master", "br0", "up"},
	} {
		if err := netns.IP(ctx, append([]string{"-n", v.netns}, c...)...); err != nil {
			return fmt.Errorf("cannot plug ENI %s: %w", n.device, err)
		}
	}
	return nil
}

// unplug takes an ENI away, both ends.
func (v *vpc) unplug(ctx context.Context, n nic) error {
	if err := netns.IP(ctx, "-n", v.netns, "link", "delete", n.port); err != nil {
		return fmt.Errorf("cannot unplug ENI %s: %w", n.device, err)
	}
	return nil
}

// routePods sends a pod range to the instance that has it.
func (v *vpc) routePods(ctx context.Context, cidr, via string) error {
	if err := netns.IP(ctx, "-n", v.netns, "route", "replace", cidr, "via", via, "dev", "br0"); err != nil {
		return fmt.Errorf("cannot route pods: %w", err)
	}
	return nil
}

// replaceFile writes a file that another program watches: whole or not at all.
func replaceFile(path, content string) error {
	// The temporary name is outside the watched folder.
	tmp := filepath.Join(filepath.Dir(filepath.Dir(path)), ".tmp-"+filepath.Base(path))
	if err := os.WriteFile(tmp, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
