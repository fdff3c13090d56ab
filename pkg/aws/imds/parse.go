package imds

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/eksnode/eksnode/internal/lazyregexp"
	"github.com/eksnode/eksnode/pkg/aws/partition"
)

// maxValue bounds a single metadata value. The longest that is asked for is a
// host name with a list of search domains.
const maxValue = 4 << 10

// text returns a value without surrounding white space, lines ended by \n alone,
// if it is text.
func text(body []byte) (string, error) {
	if len(body) > maxValue {
		return "", fmt.Errorf("%d bytes are too many for a metadata value", len(body))
	}
	if !utf8.Valid(body) {
		return "", errors.New("the answer is not text")
	}
	s := strings.TrimSpace(strings.ReplaceAll(string(body), "\r\n", "\n"))
	if strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && r != '\t' && (r < ' ' || r == 0x7f) }) {
		return "", errors.New("the answer has control characters")
	}
	if s == "" {
		return "", errors.New("the answer is empty")
	}
	return s, nil
}

// document has the fields of the instance identity document that matter here.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html
type document struct {
	InstanceID       string  `json:"instanceId"`
	InstanceType     string  `json:"instanceType"`
	Region           string  `json:"region"`
	AvailabilityZone string  `json:"availabilityZone"`
	AccountID        string  `json:"accountId"`
	ImageID          string  `json:"imageId"`
	Architecture     string  `json:"architecture"`
	PrivateIP        *string `json:"privateIp"`
}

// Every value goes into a file or a host name, so each must have its form. The
// id is the old or the new length; zone names of Local Zones and Wavelength
// have more parts than a region and one letter. A name's length is not in its
// pattern: every boot would wait for 62 states of an automaton to be made.
var (
	instanceIDForm = lazyregexp.New(`^i-[0-9a-f]{8,17}$`)
	nameForm       = lazyregexp.New(`^[a-z0-9][a-z0-9.-]*$`)
	looseForm      = lazyregexp.New(`^[A-Za-z0-9._-]*$`)
)

func isName(s string) bool { return len(s) <= 63 && nameForm.MatchString(s) }

func isLoose(s string) bool { return len(s) <= 64 && looseForm.MatchString(s) }

// parseDocument reads the identity document.
func parseDocument(body []byte) (Identity, error) {
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		// The error's text may quote the body; it says nothing more of use.
		return Identity{}, errors.New("the identity document is not JSON")
	}
	for _, f := range []struct {
		name, value string
		ok          bool
	}{
		{"instanceId", d.InstanceID, instanceIDForm.MatchString(d.InstanceID)},
		{"region", d.Region, partition.ValidRegion(d.Region)},
		{"availabilityZone", d.AvailabilityZone, isName(d.AvailabilityZone)},
		{"instanceType", d.InstanceType, isName(d.InstanceType)},
		{"accountId", d.AccountID, isLoose(d.AccountID)},
		{"imageId", d.ImageID, isLoose(d.ImageID)},
		{"architecture", d.Architecture, isLoose(d.Architecture)},
	} {
		if !f.ok {
			return Identity{}, fmt.Errorf("the identity document has %.64q as %s", f.value, f.name)
		}
	}
	id := Identity{
		InstanceID: d.InstanceID, InstanceType: d.InstanceType,
		Region: d.Region, Zone: d.AvailabilityZone,
		AccountID: d.AccountID, ImageID: d.ImageID, Architecture: d.Architecture,
	}
	if d.PrivateIP != nil && *d.PrivateIP != "" {
		ip, err := netip.ParseAddr(*d.PrivateIP)
		if err != nil || !ip.Is4() {
			return Identity{}, fmt.Errorf("the identity document has %.64q as privateIp", *d.PrivateIP)
		}
		id.PrivateIPv4 = ip
	}
	return id, nil
}

// parseMAC reads a hardware address.
func parseMAC(body []byte) (string, error) {
	s, err := text(body)
	if err != nil {
		return "", err
	}
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return "", fmt.Errorf("%.64q is not a hardware address", s)
	}
	return hw.String(), nil
}

// parseIPv6List reads addresses separated by white space, one a line as the
// service has them. Link-local addresses, which other machines cannot reach,
// and duplicates are dropped.
func parseIPv6List(body []byte) ([]netip.Addr, error) {
	s, err := text(body)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, f := range strings.Fields(s) {
		a, err := netip.ParseAddr(f)
		if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" {
			return nil, fmt.Errorf("%.64q is not an IPv6 address", f)
		}
		if !a.IsLinkLocalUnicast() && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, errors.New("the list has link-local addresses only")
	}
	return addrs, nil
}
