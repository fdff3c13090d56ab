package aws

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// metadataVersions are the versions that the service lists at its root, oldest first (EC2 user guide, "Get the
// available versions of the instance metadata"). All show the same tree here.
var metadataVersions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
	"2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30",
	"2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23",
	"2021-07-15", "2022-09-24", "2024-04-11", "latest",
}

// tree is everything below a version: path without leading slash to body. A directory exists by what is in it.
type tree map[string]string

// set adds an item that has a value; AWS leaves out items that have none.
func (t tree) set(path, value string) {
	if value != "" {
		t[path] = value
	}
}

// list returns the entries of a directory in order, with a slash after subdirectories.
func (t tree) list(dir string) (entries []string, ok bool) {
	prefix := dir + "/"
	if dir == "" {
		prefix = ""
	}
	seen := map[string]bool{}
	for path := range t {
		rest, below := strings.CutPrefix(path, prefix)
		if !below {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		// The level above meta-data is listed without slashes: "dynamic", "meta-data", "user-data".
		if deeper && dir != "" {
			name += "/"
		}
		seen[name] = true
	}
	for name := range seen {
		entries = append(entries, name)
	}
	sort.Strings(entries)
	return entries, len(entries) > 0
}

// metadata builds the tree of an instance, but for what comes from elsewhere (see [Machine.tree]). The categories are those of the EC2 user guide, "Instance metadata categories".
func (i Instance) metadata(c *Cloud) tree {
	t := tree{
		"meta-data/ami-id": i.ImageID, "meta-data/ami-launch-index": "0", "meta-data/ami-manifest-path": "(unknown)",
		"meta-data/hostname": i.LocalHostname, "meta-data/local-hostname": i.LocalHostname,
		"meta-data/instance-action": "none", "meta-data/instance-id": i.ID, "meta-data/instance-type": i.Type,
		"meta-data/instance-life-cycle": i.LifeCycle, "meta-data/profile": "default-hvm", "meta-data/system": "nitro",
		"meta-data/reservation-id":        "r-0" + hexID(i.ID, 16),
		"meta-data/services/domain":       c.cfg.Domain,
		"meta-data/services/partition":    c.cfg.Partition,
		"dynamic/fws/instance-monitoring": "disabled",
		"meta-data/placement/region":      i.Region,
		"meta-data/mac":                   i.primary().MAC,
	}
	t.set("meta-data/placement/availability-zone", i.Zone)
	t.set("meta-data/placement/availability-zone-id", i.ZoneID)
	t.set("meta-data/placement/group-name", i.PlacementGroup)
	t.set("meta-data/outpost-arn", i.OutpostARN)
	t.set("meta-data/public-ipv4", i.PublicIPv4)
	t.set("meta-data/public-hostname", i.PublicHostname)
	t.set("meta-data/security-groups", strings.Join(i.primary().SecurityGroups, "\n"))
	t.set("meta-data/autoscaling/target-lifecycle-state", i.TargetLifecycleState)
	if p := i.primary(); len(p.IPv4s) > 0 {
		t.set("meta-data/local-ipv4", p.IPv4s[0])
	}
	if p := i.primary(); len(p.IPv6s) > 0 {
		t.set("meta-data/ipv6", p.IPv6s[0])
	}
	if i.KeyName != "" {
		t["meta-data/public-keys/0/openssh-key"] = i.PublicKey
	}
	for name, device := range i.BlockDevices {
		t.set("meta-data/block-device-mapping/"+name, device)
	}
	if i.TagsInMetadata {
		for key, value := range i.Tags {
			t["meta-data/tags/instance/"+key] = value
		}
	}
	if i.UserData != nil {
		t["user-data"] = string(i.UserData)
	}
	i.eventItems(t)
	for _, nic := range i.Interfaces {
		nic.items(t)
	}
	t["dynamic/instance-identity/document"] = i.identityDocument()
	return t
}

// items adds an interface below network/interfaces/macs.
func (n Interface) items(t tree) {
	dir := "meta-data/network/interfaces/macs/" + n.MAC + "/"
	lines := func(name string, values []string) { t.set(dir+name, strings.Join(values, "\n")) }
	t[dir+"mac"] = n.MAC
	t[dir+"device-number"] = strconv.Itoa(n.DeviceNumber)
	if n.NetworkCard > 0 {
		t[dir+"network-card"] = strconv.Itoa(n.NetworkCard)
	}
	t.set(dir+"interface-id", n.ID)
	t.set(dir+"local-hostname", n.LocalHostname)
	t.set(dir+"owner-id", n.OwnerID)
	t.set(dir+"subnet-id", n.SubnetID)
	t.set(dir+"subnet-ipv4-cidr-block", n.SubnetCIDR)
	t.set(dir+"vpc-id", n.VPCID)
	if len(n.VPCCIDRs) > 0 {
		t.set(dir+"vpc-ipv4-cidr-block", n.VPCCIDRs[0])
	}
	lines("vpc-ipv4-cidr-blocks", n.VPCCIDRs)
	lines("vpc-ipv6-cidr-blocks", n.VPCIPv6CIDRs)
	lines("subnet-ipv6-cidr-blocks", n.SubnetIPv6CIDRs)
	lines("local-ipv4s", n.IPv4s)
	lines("ipv6s", n.IPv6s)
	lines("ipv4-prefix", n.IPv4Prefixes)
	lines("ipv6-prefix", n.IPv6Prefixes)
	lines("public-ipv4s", n.PublicIPv4s)
	lines("security-groups", n.SecurityGroups)
	lines("security-group-ids", n.SecurityGroupIDs)
	for k, public := range n.PublicIPv4s {
		if k < len(n.IPv4s) {
			t[dir+"ipv4-associations/"+public] = n.IPv4s[k]
		}
	}
}

// eventItems adds spot/ and events/. Formats: EC2 user guide, "Spot Instance interruption notices", "EC2 instance
// rebalance recommendations" and "Scheduled events for your instances".
func (i Instance) eventItems(t tree) {
	if i.Spot != nil {
		when := i.Spot.Time.UTC().Format(time.RFC3339)
		t["meta-data/spot/instance-action"] = fmt.Sprintf(`{"action": %s, "time": %s}`, jsonString(i.Spot.Action), jsonString(when))
		if i.Spot.Action == "terminate" {
			t["meta-data/spot/termination-time"] = when
		}
	}
	if !i.Rebalance.IsZero() {
		t["meta-data/events/recommendations/rebalance"] =
			fmt.Sprintf(`{"noticeTime":%q}`, i.Rebalance.UTC().Format(time.RFC3339))
	}
	const eventTime = "2 Jan 2006 15:04:05 GMT"
	var scheduled, history []string
	for _, m := range i.Maintenance {
		event := document("  ",
			field{"NotBefore", m.NotBefore.UTC().Format(eventTime)}, field{"Code", m.Code},
			field{"Description", m.Description}, field{"EventId", m.ID},
			field{"NotAfter", m.NotAfter.UTC().Format(eventTime)}, field{"State", m.State})
		if m.State == "active" {
			scheduled = append(scheduled, event)
		} else {
			history = append(history, event)
		}
	}
	t["meta-data/events/maintenance/scheduled"] = "[" + strings.Join(scheduled, ", ") + "]"
	t["meta-data/events/maintenance/history"] = "[" + strings.Join(history, ", ") + "]"
}

// identityDocument is the instance identity document, with the keys in the order of the real one.
func (i Instance) identityDocument() string {
	private := ""
	if p := i.primary(); len(p.IPv4s) > 0 {
		private = p.IPv4s[0]
	}
	return document("  ",
		field{"accountId", i.Account}, field{"architecture", i.Architecture}, field{"availabilityZone", i.Zone},
		field{"billingProducts", nil}, field{"devpayProductCodes", nil}, field{"marketplaceProductCodes", nil},
		field{"imageId", i.ImageID}, field{"instanceId", i.ID}, field{"instanceType", i.Type}, field{"kernelId", nil},
		field{"pendingTime", i.LaunchTime.UTC().Format(time.RFC3339)}, field{"privateIp", private},
		field{"ramdiskId", nil}, field{"region", i.Region},
		field{"version", "2017-09-30"}) // the version of the format, in every document since that day
}

// field is a member of a JSON document: a string, or nil for null.
type field struct {
	name  string
	value any
}

// document lays out a JSON object the way IMDS does: one member a line, a space on both sides of the colon.
func document(indent string, fields ...field) string {
	lines := make([]string, len(fields))
	for n, f := range fields {
		value := "null"
		if s, ok := f.value.(string); ok {
			value = jsonString(s)
		}
		lines[n] = indent + jsonString(f.name) + " : " + value
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n}"
}

// jsonString quotes a string for JSON. Marshalling a string does not fail.
func jsonString(s string) string {
	quoted, _ := json.Marshal(s)
	return string(quoted)
}
