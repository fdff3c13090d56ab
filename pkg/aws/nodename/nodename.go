// Package nodename decides under which name a machine on EC2 must register, from
// what the metadata service says, without asking EC2. It is pure.
//
// The API server maps a node's IAM role to a user name with the node's name in
// it, so the name must be the one that EC2 has for the instance: either its id
// or its PrivateDnsName. The latter is made from the host label (ip-10-0-0-1 or
// the instance id) and the region's own domain. The metadata key local-hostname
// has the same label, but the domain of the VPC's DHCP option set, which may be
// custom, and several domains joined in more than one way. So the label is taken
// from local-hostname, checked against the instance's own facts, and the domain
// is the region's.
//
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-naming.html
package nodename

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/aws/partition"
)

// Machine is what naming depends on.
type Machine struct {
	InstanceID string
	Region     string
	// LocalHostname is the metadata key of that name, as it came.
	LocalHostname string
	// PrivateIPs are the instance's private IPv4 addresses, the primary first;
	// the identity document has that one.
	PrivateIPs []netip.Addr
}

// InstanceIDName returns the node name where nodes are named by instance id
// (the access entry's user name is system:node:{{SessionName}}). ok is false,
// with the reason in why, when the id has not the form of one.
func InstanceIDName(instanceID string) (name string, ok bool, why string) {
	if !isInstanceID(instanceID) {
		return "", false, fmt.Sprintf("%.64q is not an instance id", instanceID)
	}
	return instanceID, true, "it is the instance id"
}

// FromLocalHostname returns what EC2's PrivateDnsName for this machine must be,
// and in why how it is known. With ok false it cannot be told from the facts,
// why says what is amiss, and EC2 must be asked (DescribeInstances).
func FromLocalHostname(m Machine) (name string, ok bool, why string) {
	if !partition.ValidRegion(m.Region) {
		return "", false, fmt.Sprintf("%.64q is not a region", m.Region)
	}
	label, rest := split(m.LocalHostname)
	if label == "" {
		return "", false, "local-hostname is empty"
	}
	naming, why := proveLabel(label, m)
	if naming == "" {
		return "", false, why
	}
	domain, certain := Domain(m.Region)
	name = label + "." + domain
	if name == label+rest {
		return name, true, fmt.Sprintf("local-hostname is the %s", naming)
	}
	if !certain {
		return "", false, fmt.Sprintf("local-hostname has the domain %.128q, and the domain that EC2 gives names in %s is not documented", strings.TrimPrefix(rest, "."), m.Region)
	}
	if rest == "" {
		return name, true, fmt.Sprintf("local-hostname has the host label of the %s and no domain", naming)
	}
	return name, true, fmt.Sprintf("local-hostname has the host label of the %s; its domain %.128q comes from a DHCP option set", naming, strings.TrimPrefix(rest, "."))
}

// IPName returns the IP name of an address in a region, as
// ip-10-0-0-1.us-west-2.compute.internal, whatever local-hostname says. ok is
// false, with the reason in why, where there is no such name: in a subnet with
// IPv6 alone.
func IPName(ip netip.Addr, region string) (name string, ok bool, why string) {
	if !ip.Is4() {
		return "", false, "the instance has no private IPv4 address, from which an IP name is made"
	}
	return composed(IPLabel(ip), region, "IP name of the primary address")
}

// ResourceName returns the resource name of an instance in a region, as
// i-0123456789abcdef0.us-west-2.compute.internal, whatever local-hostname says.
// ok is false, with the reason in why, when the id has not the form of one.
func ResourceName(instanceID, region string) (name string, ok bool, why string) {
	if !isInstanceID(instanceID) {
		return "", false, fmt.Sprintf("%.64q is not an instance id", instanceID)
	}
	return composed(instanceID, region, "resource name")
}

// composed joins a host label with the region's domain.
func composed(label, region, naming string) (name string, ok bool, why string) {
	if !partition.ValidRegion(region) {
		return "", false, fmt.Sprintf("%.64q is not a region", region)
	}
	domain, certain := Domain(region)
	why = "it is the " + naming
	if !certain {
		why += ", with the domain that other partitions have: the one of " + region + " is not documented"
	}
	return label + "." + domain, true, why
}

// Domain returns the domain of private DNS names in a region. certain is false
// in partitions for which AWS documents none; there it is the usual form.
func Domain(region string) (domain string, certain bool) {
	if region == "us-east-1" {
		return "ec2.internal", true
	}
	switch partition.Of(region).ID {
	case "aws", "aws-cn", "aws-us-gov":
		certain = true
	}
	return region + ".compute.internal", certain
}

// split returns the first label of the first name in s, and what follows it in s
// up to the first name's end and beyond. Host names know no case, and resolvers
// write them with a dot at the end.
func split(s string) (label, rest string) {
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	end := strings.IndexAny(s, ". ")
	if end < 0 {
		return s, ""
	}
	return s[:end], strings.TrimSuffix(s[end:], ".")
}

// proveLabel says which naming a host label is of, if it is this machine's: the
// IP name of one of its addresses, or the resource name with its id. Otherwise
// naming is empty and why says what is wrong.
func proveLabel(label string, m Machine) (naming, why string) {
	if ip, ok := parseIPLabel(label); ok {
		switch {
		case len(m.PrivateIPs) == 0:
			return "", fmt.Sprintf("local-hostname begins with %s, and the instance's private address to check it against is not known", label)
		case !slices.Contains(m.PrivateIPs, ip):
			return "", fmt.Sprintf("local-hostname begins with %s, but the instance's private address is %s", label, m.PrivateIPs[0])
		}
		return "IP name", ""
	}
	if isInstanceID(label) {
		if label != m.InstanceID {
			return "", fmt.Sprintf("local-hostname begins with %s, but the instance is %.64q", label, m.InstanceID)
		}
		return "resource name", ""
	}
	return "", fmt.Sprintf("local-hostname begins with %.64q, which is neither an IP name nor a resource name", label)
}

// parseIPLabel reads ip-10-0-0-1. Exactly one label stands for an address, so
// leading zeros and the like are not one.
func parseIPLabel(label string) (netip.Addr, bool) {
	rest, ok := strings.CutPrefix(label, "ip-")
	if !ok {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(strings.ReplaceAll(rest, "-", "."))
	if err != nil || !ip.Is4() || IPLabel(ip) != label {
		return netip.Addr{}, false
	}
	return ip, true
}

// IPLabel returns the host label of an IP name: ip-10-0-0-1.
func IPLabel(ip netip.Addr) string {
	return "ip-" + strings.ReplaceAll(ip.String(), ".", "-")
}

// isInstanceID knows the two lengths that EC2 has used.
func isInstanceID(s string) bool {
	hex, ok := strings.CutPrefix(s, "i-")
	if !ok || len(hex) != 8 && len(hex) != 17 {
		return false
	}
	return strings.Trim(hex, "0123456789abcdef") == ""
}

// Bounds of a node name: it is a label value, and a DNS subdomain.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
const (
	maxLabel = 63
	maxName  = 253
)

// Check says why name cannot be a node's name, or returns "" when it can: kubelet
// registers under an RFC 1123 subdomain of at most 253 characters, and writes
// it into the label kubernetes.io/hostname, which holds at most 63. It is for
// names that come from elsewhere (EC2, the user).
func Check(name string) (why string) {
	switch {
	case name == "":
		return "it is empty"
	case len(name) > maxName:
		return fmt.Sprintf("it has %d characters, more than %d", len(name), maxName)
	}
	for _, label := range strings.Split(name, ".") {
		if why := checkLabel(label); why != "" {
			return why
		}
	}
	if len(name) > maxLabel {
		return fmt.Sprintf("it has %d characters, more than the %d of the label kubernetes.io/hostname", len(name), maxLabel)
	}
	return ""
}

func checkLabel(label string) (why string) {
	switch {
	case label == "":
		return "it has an empty part between dots"
	case len(label) > maxLabel:
		return fmt.Sprintf("its part %.20q… has %d characters, more than %d", label, len(label), maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return fmt.Sprintf("its part %q begins or ends with a hyphen", label)
	}
	for _, r := range label {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return fmt.Sprintf("its part %.64q has %q, which is not a lower-case letter, digit or hyphen", label, r)
		}
	}
	return ""
}
