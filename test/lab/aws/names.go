package aws

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"strconv"
	"strings"
)

// internalDomain is the private DNS domain of a region; us-east-1 has one of its own (EC2 user guide, "EC2 instance
// hostnames, DNS names, and domains").
func internalDomain(region string) string {
	if region == "us-east-1" {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}

// ipName is the IP-based private DNS name of an IPv4 address.
func ipName(ipv4, region string) string {
	return "ip-" + strings.ReplaceAll(ipv4, ".", "-") + "." + internalDomain(region)
}

// shortRegion is the region's part of a zone id: us-west-2 is usw2, ap-southeast-1 apse1, us-gov-west-1 usgw1.
func shortRegion(region string) string {
	var b strings.Builder
	for n, part := range strings.Split(region, "-") {
		switch {
		case n == 0:
			b.WriteString(part)
		case part == "northeast" || part == "northwest" || part == "southeast" || part == "southwest":
			b.WriteString(part[:1] + part[5:6])
		case part != "":
			b.WriteString(part[:1])
		}
	}
	return b.String()
}

// zoneID is the id of a zone: zone a is az1 and so on. In real accounts the numbers are shuffled.
func zoneID(zone, region string) string {
	number := 1
	if letter, ok := strings.CutPrefix(zone, region); ok && len(letter) == 1 && 'a' <= letter[0] && letter[0] <= 'z' {
		number += int(letter[0] - 'a')
	}
	return shortRegion(region) + "-az" + strconv.Itoa(number)
}

// hexID returns n hexadecimal digits that are always the same for the same seed; ids of EC2 resources are such digits.
func hexID(seed string, n int) string {
	sum := sha256.Sum256([]byte(seed))
	return hex.EncodeToString(sum[:])[:n]
}

// macOf makes a locally administered unicast MAC address from a seed.
func macOf(seed string) string {
	sum := sha256.Sum256([]byte("mac/" + seed))
	sum[0] = sum[0]&^0x01 | 0x02
	return net.HardwareAddr(sum[:6]).String()
}
