package aws

import (
	"encoding/xml"
)

// The XML of EC2, version 2016-11-15 (EC2 API reference, DescribeInstances and DescribeInstanceTypes).

type describeInstancesResponse struct {
	XMLName      xml.Name         `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeInstancesResponse"`
	RequestID    string           `xml:"requestId"`
	Reservations []xmlReservation `xml:"reservationSet>item"`
}

type xmlReservation struct {
	ID        string        `xml:"reservationId"`
	OwnerID   string        `xml:"ownerId"`
	Instances []xmlInstance `xml:"instancesSet>item"`
}

type xmlInstance struct {
	InstanceID       string       `xml:"instanceId"`
	ImageID          string       `xml:"imageId"`
	StateCode        int          `xml:"instanceState>code"`
	StateName        string       `xml:"instanceState>name"`
	PrivateDNSName   string       `xml:"privateDnsName"` // present and empty while there is none
	DNSName          string       `xml:"dnsName"`
	KeyName          string       `xml:"keyName,omitempty"`
	AMILaunchIndex   int          `xml:"amiLaunchIndex"`
	InstanceType     string       `xml:"instanceType"`
	LaunchTime       string       `xml:"launchTime"`
	Placement        xmlPlacement `xml:"placement"`
	Monitoring       string       `xml:"monitoring>state"`
	SubnetID         string       `xml:"subnetId,omitempty"`
	VPCID            string       `xml:"vpcId,omitempty"`
	PrivateIP        string       `xml:"privateIpAddress,omitempty"`
	PublicIP         string       `xml:"ipAddress,omitempty"`
	IPv6Address      string       `xml:"ipv6Address,omitempty"`
	Groups           []xmlGroup   `xml:"groupSet>item"`
	Architecture     string       `xml:"architecture"`
	RootDeviceType   string       `xml:"rootDeviceType"`
	RootDeviceName   string       `xml:"rootDeviceName,omitempty"`
	Lifecycle        string       `xml:"instanceLifecycle,omitempty"` // absent for on-demand
	Virtualization   string       `xml:"virtualizationType"`
	Hypervisor       string       `xml:"hypervisor"`
	ENASupport       bool         `xml:"enaSupport"`
	OutpostARN       string       `xml:"outpostArn,omitempty"`
	Tags             []xmlTag     `xml:"tagSet>item"`
	Interfaces       []xmlENI     `xml:"networkInterfaceSet>item"`
	Profile          *xmlProfile  `xml:"iamInstanceProfile"`
	MetadataState    string       `xml:"metadataOptions>state"`
	MetadataTokens   string       `xml:"metadataOptions>httpTokens"`
	MetadataEndpoint string       `xml:"metadataOptions>httpEndpoint"`
	MetadataTags     string       `xml:"metadataOptions>instanceMetadataTags"`
	HostnameType     string       `xml:"privateDnsNameOptions>hostnameType"`
}

type xmlPlacement struct {
	Zone      string `xml:"availabilityZone"`
	ZoneID    string `xml:"availabilityZoneId,omitempty"`
	GroupName string `xml:"groupName"`
	Tenancy   string `xml:"tenancy"`
}

type xmlGroup struct {
	ID   string `xml:"groupId"`
	Name string `xml:"groupName"`
}

type xmlTag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type xmlProfile struct {
	ARN string `xml:"arn"`
	ID  string `xml:"id"`
}

type xmlENI struct {
	ID           string       `xml:"networkInterfaceId"`
	SubnetID     string       `xml:"subnetId"`
	VPCID        string       `xml:"vpcId"`
	OwnerID      string       `xml:"ownerId"`
	Status       string       `xml:"status"`
	MAC          string       `xml:"macAddress"`
	PrivateIP    string       `xml:"privateIpAddress,omitempty"`
	PrivateDNS   string       `xml:"privateDnsName,omitempty"`
	Groups       []xmlGroup   `xml:"groupSet>item"`
	DeviceIndex  int          `xml:"attachment>deviceIndex"`
	NetworkCard  int          `xml:"attachment>networkCardIndex"`
	AttachStatus string       `xml:"attachment>status"`
	Addresses    []xmlAddress `xml:"privateIpAddressesSet>item"`
	IPv6s        []xmlIPv6    `xml:"ipv6AddressesSet>item"`
}

type xmlAddress struct {
	IP      string `xml:"privateIpAddress"`
	Primary bool   `xml:"primary"`
}

type xmlIPv6 struct {
	IP string `xml:"ipv6Address"`
}

// stateCodes are the low bytes of InstanceState.Code (EC2 API reference, InstanceState).
var stateCodes = map[string]int{
	"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80,
}

// reservation is an instance in a reservation of its own.
func (c *Cloud) reservation(i Instance, privateDNSName string) xmlReservation {
	onOff := func(on bool, yes, no string) string {
		if on {
			return yes
		}
		return no
	}
	p := i.primary()
	x := xmlInstance{
		InstanceID: i.ID, ImageID: i.ImageID, StateCode: stateCodes[i.State], StateName: i.State,
		PrivateDNSName: privateDNSName, DNSName: i.PublicHostname, KeyName: i.KeyName, InstanceType: i.Type,
		LaunchTime: i.LaunchTime.UTC().Format("2006-01-02T15:04:05.000Z"),
		Placement:  xmlPlacement{Zone: i.Zone, ZoneID: i.ZoneID, GroupName: i.PlacementGroup, Tenancy: "default"},
		Monitoring: "disabled", SubnetID: p.SubnetID, VPCID: p.VPCID, PublicIP: i.PublicIPv4, Groups: p.groups(),
		Architecture: i.Architecture, RootDeviceType: "ebs", RootDeviceName: i.BlockDevices["root"],
		Virtualization: "hvm", Hypervisor: "xen", // what EC2 says of Nitro instances too
		ENASupport: true, OutpostARN: i.OutpostARN, MetadataState: "applied",
		MetadataTokens:   onOff(i.TokensOptional, "optional", "required"),
		MetadataEndpoint: onOff(i.MetadataOff, "disabled", "enabled"),
		MetadataTags:     onOff(i.TagsInMetadata, "enabled", "disabled"),
		HostnameType:     i.HostnameType,
	}
	if i.LifeCycle != "on-demand" {
		x.Lifecycle = i.LifeCycle
	}
	if len(p.IPv4s) > 0 {
		x.PrivateIP = p.IPv4s[0]
	}
	if len(p.IPv6s) > 0 {
		x.IPv6Address = p.IPv6s[0]
	}
	if i.Role != "" {
		x.Profile = &xmlProfile{ARN: c.profileARN(i), ID: uniqueID("AIPA", i.Account, i.Role)}
	}
	for _, key := range sortedKeys(i.Tags) {
		x.Tags = append(x.Tags, xmlTag{key, i.Tags[key]})
	}
	for _, nic := range i.Interfaces {
		x.Interfaces = append(x.Interfaces, nic.xml())
	}
	return xmlReservation{ID: "r-0" + hexID(i.ID, 16), OwnerID: i.Account, Instances: []xmlInstance{x}}
}

// groups pairs the ids of security groups with their names.
func (n Interface) groups() []xmlGroup {
	var out []xmlGroup
	for k, id := range n.SecurityGroupIDs {
		g := xmlGroup{ID: id}
		if k < len(n.SecurityGroups) {
			g.Name = n.SecurityGroups[k]
		}
		out = append(out, g)
	}
	return out
}

func (n Interface) xml() xmlENI {
	x := xmlENI{
		ID: n.ID, SubnetID: n.SubnetID, VPCID: n.VPCID, OwnerID: n.OwnerID, Status: "in-use", MAC: n.MAC,
		PrivateDNS: n.LocalHostname, Groups: n.groups(), DeviceIndex: n.DeviceNumber, NetworkCard: n.NetworkCard,
		AttachStatus: "attached",
	}
	for k, ip := range n.IPv4s {
		if k == 0 {
			x.PrivateIP = ip
		}
		x.Addresses = append(x.Addresses, xmlAddress{IP: ip, Primary: k == 0})
	}
	for _, ip := range n.IPv6s {
		x.IPv6s = append(x.IPv6s, xmlIPv6{ip})
	}
	return x
}

type describeInstanceTypesResponse struct {
	XMLName   xml.Name  `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeInstanceTypesResponse"`
	RequestID string    `xml:"requestId"`
	Types     []xmlType `xml:"instanceTypeSet>item"`
}

type xmlType struct {
	Name          string   `xml:"instanceType"`
	Current       bool     `xml:"currentGeneration"`
	BareMetal     bool     `xml:"bareMetal"`
	Hypervisor    string   `xml:"hypervisor,omitempty"` // absent for bare metal
	Architectures []string `xml:"processorInfo>supportedArchitectures>item"`
	VCPUs         int      `xml:"vCpuInfo>defaultVCpus"`
	MemoryMiB     int64    `xml:"memoryInfo>sizeInMiB"`
	MaxENIs       int      `xml:"networkInfo>maximumNetworkInterfaces"`
	Cards         int      `xml:"networkInfo>maximumNetworkCards"`
	DefaultCard   int      `xml:"networkInfo>defaultNetworkCardIndex"`
	IPv4Each      int      `xml:"networkInfo>ipv4AddressesPerInterface"`
	IPv6Each      int      `xml:"networkInfo>ipv6AddressesPerInterface"`
	IPv6          bool     `xml:"networkInfo>ipv6Supported"`
	ENA           string   `xml:"networkInfo>enaSupport"`
	EFA           bool     `xml:"networkInfo>efaSupported"`
}

func (t InstanceType) item() xmlType {
	x := xmlType{
		Name: t.Name, Current: true, BareMetal: t.BareMetal, Hypervisor: "nitro", Architectures: []string{"x86_64"},
		VCPUs: t.VCPUs, MemoryMiB: t.MemoryMiB, MaxENIs: t.MaxENIs, Cards: max(t.NetworkCards, 1),
		IPv4Each: t.AddressesEach, IPv6Each: t.AddressesEach, IPv6: true, ENA: "required", EFA: t.EFA,
	}
	if t.BareMetal {
		x.Hypervisor = ""
	}
	if t.Architecture != "" {
		x.Architectures = []string{t.Architecture}
	}
	return x
}
