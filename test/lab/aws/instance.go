package aws

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Instance describes an EC2 instance. It is plain data and can be written as JSON. [Cloud.Launch] fills in what is
// empty; the comments tell with what. A list or map that is empty stays so.
type Instance struct {
	// ID is required, such as i-0123456789abcdef0.
	ID string `json:"id"`
	// Type is m5.large, ImageID ami-0123456789abcdef0, Architecture x86_64 when empty.
	Type         string `json:"type,omitempty"`
	ImageID      string `json:"imageId,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	// Account and Region are the cloud's when empty; Zone is the region's "a", ZoneID is made from them, such as
	// usw2-az1.
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Zone    string `json:"zone,omitempty"`
	ZoneID  string `json:"zoneId,omitempty"`

	// Role is the name of the role of the instance profile. Without one there is no iam/ tree.
	Role string `json:"role,omitempty"`

	// HostnameType is "ip-name" (the default) or "resource-name" and decides what the names below are when they are
	// empty (EC2 user guide, "EC2 instance hostnames, DNS names, and domains").
	HostnameType string `json:"hostnameType,omitempty"`
	// LocalHostname is IMDS's local-hostname and hostname. With a DHCP option set that lists several domains the real
	// one holds all of them, separated by spaces.
	LocalHostname string `json:"localHostname,omitempty"`
	// PrivateDNSName is what DescribeInstances says; LocalHostname when empty.
	PrivateDNSName string `json:"privateDnsName,omitempty"`

	// Interfaces holds the network interfaces; the first is the primary one. At least one with an address is required.
	Interfaces []Interface `json:"interfaces"`
	// PublicIPv4 and PublicHostname exist only where they are given.
	PublicIPv4     string `json:"publicIpv4,omitempty"`
	PublicHostname string `json:"publicHostname,omitempty"`

	// Tags are the instance's. They are in IMDS only with TagsInMetadata, which is off by default, as in EC2.
	Tags           map[string]string `json:"tags,omitempty"`
	TagsInMetadata bool              `json:"tagsInMetadata,omitempty"`
	// UserData is served byte by byte; nil means that there is none (404).
	UserData []byte `json:"userData,omitempty"`

	// LifeCycle is on-demand when empty; also spot and scheduled.
	LifeCycle string `json:"lifeCycle,omitempty"`
	// State is the name of the instance's state in EC2: running when empty.
	State string `json:"state,omitempty"`
	// LaunchTime is now when zero.
	LaunchTime time.Time `json:"launchTime,omitzero"`
	// OutpostARN exists only on an Outpost, PlacementGroup only in one.
	OutpostARN     string `json:"outpostArn,omitempty"`
	PlacementGroup string `json:"placementGroup,omitempty"`
	// KeyName is the name of the launch key, and PublicKey its OpenSSH line; both or none.
	KeyName   string `json:"keyName,omitempty"`
	PublicKey string `json:"publicKey,omitempty"`
	// BlockDevices is block-device-mapping/: root and ami are /dev/xvda when the map is empty.
	BlockDevices map[string]string `json:"blockDevices,omitempty"`

	// Spot is the interruption notice, Rebalance the time of the rebalance recommendation, Maintenance the scheduled
	// events, TargetLifecycleState what the Auto Scaling group wants. All are absent (404, or an empty list for
	// Maintenance) until a test sets them with [Machine.Update].
	Spot                 *SpotAction        `json:"spot,omitempty"`
	Rebalance            time.Time          `json:"rebalance,omitzero"`
	Maintenance          []MaintenanceEvent `json:"maintenance,omitempty"`
	TargetLifecycleState string             `json:"targetLifecycleState,omitempty"`

	// TokensOptional allows requests without a session token (IMDSv1). A wrong token is refused all the same.
	TokensOptional bool `json:"tokensOptional,omitempty"`
	// MetadataOff switches the service off: everything answers 403.
	MetadataOff bool `json:"metadataOff,omitempty"`
	// Extra adds or replaces items: path below the version ("meta-data/elastic-gpus/x") to body.
	Extra map[string]string `json:"extra,omitempty"`
}

// Interface is an elastic network interface.
type Interface struct {
	// MAC is required on every interface but the first, for which it is made from the instance id.
	MAC string `json:"mac,omitempty"`
	// DeviceNumber and NetworkCard are the place of attachment. IMDS has no network-card key for card 0.
	DeviceNumber int `json:"deviceNumber"`
	NetworkCard  int `json:"networkCard,omitempty"`
	// ID is made from the MAC when empty.
	ID string `json:"id,omitempty"`
	// IPv4s and IPv6s are addresses, the primary one first; IPv4Prefixes and IPv6Prefixes delegated prefixes.
	IPv4s        []string `json:"ipv4s,omitempty"`
	IPv6s        []string `json:"ipv6s,omitempty"`
	IPv4Prefixes []string `json:"ipv4Prefixes,omitempty"`
	IPv6Prefixes []string `json:"ipv6Prefixes,omitempty"`
	PublicIPv4s  []string `json:"publicIpv4s,omitempty"`
	// SubnetID, VPCID and SecurityGroupIDs are made up when empty; SubnetCIDR is the /24 around the first IPv4 address
	// and VPCCIDRs, the primary first, the /16.
	SubnetID         string   `json:"subnetId,omitempty"`
	SubnetCIDR       string   `json:"subnetCidr,omitempty"`
	SubnetIPv6CIDRs  []string `json:"subnetIpv6Cidrs,omitempty"`
	VPCID            string   `json:"vpcId,omitempty"`
	VPCCIDRs         []string `json:"vpcCidrs,omitempty"`
	VPCIPv6CIDRs     []string `json:"vpcIpv6Cidrs,omitempty"`
	SecurityGroups   []string `json:"securityGroups,omitempty"`
	SecurityGroupIDs []string `json:"securityGroupIds,omitempty"`
	// OwnerID is the instance's account when empty.
	OwnerID string `json:"ownerId,omitempty"`
	// LocalHostname is the interface's own name, made from its address when empty.
	LocalHostname string `json:"localHostname,omitempty"`
}

// SpotAction is the two-minute notice of a Spot instance: terminate, stop or hibernate.
type SpotAction struct {
	Action string    `json:"action"`
	Time   time.Time `json:"time"`
}

// MaintenanceEvent is a scheduled event: Code such as instance-stop or system-reboot, State active, completed or canceled.
type MaintenanceEvent struct {
	ID          string    `json:"id"`
	Code        string    `json:"code"`
	Description string    `json:"description"`
	State       string    `json:"state"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
}

// fill sets what is empty.
func (i *Instance) fill(c *Cloud) {
	setDefault(&i.Type, "m5.large")
	setDefault(&i.ImageID, "ami-0123456789abcdef0")
	setDefault(&i.Architecture, "x86_64")
	setDefault(&i.Account, c.cfg.AccountID)
	setDefault(&i.Region, c.cfg.Region)
	setDefault(&i.Zone, i.Region+"a")
	setDefault(&i.ZoneID, zoneID(i.Zone, i.Region))
	setDefault(&i.HostnameType, "ip-name")
	setDefault(&i.LifeCycle, "on-demand")
	setDefault(&i.State, "running")
	if i.LaunchTime.IsZero() {
		i.LaunchTime = c.now().UTC().Truncate(time.Second)
	}
	if len(i.BlockDevices) == 0 {
		i.BlockDevices = map[string]string{"ami": "/dev/xvda", "root": "/dev/xvda"}
	}
	for n := range i.Interfaces {
		if n == 0 {
			setDefault(&i.Interfaces[n].MAC, macOf(i.ID))
		}
		i.Interfaces[n].fill(*i)
	}
	setDefault(&i.LocalHostname, i.defaultHostname())
	setDefault(&i.PrivateDNSName, i.LocalHostname)
}

// fill sets what is empty in an interface of an instance whose own fields are set.
func (n *Interface) fill(i Instance) {
	n.MAC = strings.ToLower(n.MAC)
	setDefault(&n.ID, "eni-0"+hexID(n.MAC, 16))
	setDefault(&n.SubnetID, "subnet-0"+hexID(i.Zone, 16))
	setDefault(&n.VPCID, "vpc-0"+hexID(i.Account+i.Region, 16))
	setDefault(&n.OwnerID, i.Account)
	if len(n.SecurityGroupIDs) == 0 {
		n.SecurityGroupIDs = []string{"sg-0" + hexID(n.VPCID, 16)}
	}
	if len(n.SecurityGroups) == 0 {
		n.SecurityGroups = []string{"default"}
	}
	if len(n.IPv4s) == 0 {
		return
	}
	if addr, err := netip.ParseAddr(n.IPv4s[0]); err == nil && addr.Is4() {
		setDefault(&n.SubnetCIDR, netip.PrefixFrom(addr, 24).Masked().String())
		if len(n.VPCCIDRs) == 0 {
			n.VPCCIDRs = []string{netip.PrefixFrom(addr, 16).Masked().String()}
		}
		setDefault(&n.LocalHostname, ipName(addr.String(), i.Region))
	}
}

// defaultHostname is the private DNS name EC2 gives an instance that has no DHCP option set of its own.
func (i Instance) defaultHostname() string {
	p := i.primary()
	if i.HostnameType == "resource-name" || len(p.IPv4s) == 0 {
		return i.ID + "." + internalDomain(i.Region)
	}
	return ipName(p.IPv4s[0], i.Region)
}

// check reports everything that makes an instance impossible.
func (i Instance) check() error {
	var errs []error
	if !strings.HasPrefix(i.ID, "i-") {
		errs = append(errs, fmt.Errorf("id %q does not begin with i-", i.ID))
	}
	if len(i.Interfaces) == 0 {
		errs = append(errs, errors.New("it has no network interface"))
	}
	macs := map[string]bool{}
	for n, nic := range i.Interfaces {
		if nic.MAC == "" || macs[nic.MAC] {
			errs = append(errs, fmt.Errorf("interface %d has no MAC address of its own (%q)", n, nic.MAC))
		}
		macs[nic.MAC] = true
		for _, a := range slices.Concat(nic.IPv4s, nic.IPv6s) {
			if _, err := netip.ParseAddr(a); err != nil {
				errs = append(errs, fmt.Errorf("interface %d: %w", n, err))
			}
		}
	}
	if len(i.Interfaces) > 0 && len(i.addresses()) == 0 {
		errs = append(errs, errors.New("it has no address"))
	}
	if i.HostnameType != "ip-name" && i.HostnameType != "resource-name" {
		errs = append(errs, fmt.Errorf("hostname type %q is neither ip-name nor resource-name", i.HostnameType))
	}
	// EC2 user guide, "Access instance tags using instance metadata": keys may not hold spaces or slashes and may not be
	// ".", ".." or "_index" while tags in metadata are on.
	for _, key := range sortedKeys(i.Tags) {
		if i.TagsInMetadata && (strings.ContainsAny(key, " /") || key == "." || key == ".." || key == "_index") {
			errs = append(errs, fmt.Errorf("tag key %q is not allowed while tags are in the metadata", key))
		}
	}
	return errors.Join(errs...)
}

// clone returns a copy that shares no memory with i.
func (i Instance) clone() Instance {
	i.Tags, i.BlockDevices, i.Extra = maps.Clone(i.Tags), maps.Clone(i.BlockDevices), maps.Clone(i.Extra)
	i.UserData = slices.Clone(i.UserData)
	i.Maintenance = slices.Clone(i.Maintenance)
	if i.Spot != nil {
		spot := *i.Spot
		i.Spot = &spot
	}
	i.Interfaces = slices.Clone(i.Interfaces)
	for n := range i.Interfaces {
		nic := &i.Interfaces[n]
		for _, list := range []*[]string{
			&nic.IPv4s, &nic.IPv6s, &nic.IPv4Prefixes, &nic.IPv6Prefixes, &nic.PublicIPv4s, &nic.SubnetIPv6CIDRs,
			&nic.VPCCIDRs, &nic.VPCIPv6CIDRs, &nic.SecurityGroups, &nic.SecurityGroupIDs,
		} {
			*list = slices.Clone(*list)
		}
	}
	return i
}

// primary returns the first interface, or an empty one.
func (i Instance) primary() Interface {
	if len(i.Interfaces) == 0 {
		return Interface{}
	}
	return i.Interfaces[0]
}

// addresses returns every address of the instance that can be parsed.
func (i Instance) addresses() []netip.Addr {
	var out []netip.Addr
	for _, nic := range i.Interfaces {
		for _, s := range slices.Concat(nic.IPv4s, nic.IPv6s) {
			if a, err := netip.ParseAddr(s); err == nil {
				out = append(out, a.Unmap())
			}
		}
	}
	return out
}

func (i Instance) hasAddress(addr netip.Addr) bool { return slices.Contains(i.addresses(), addr) }
