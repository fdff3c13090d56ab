package node

import (
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// The kinds of zones, as EC2's DescribeAvailabilityZones names them (ZoneType).
const (
	AvailabilityZone = "availability-zone"
	LocalZone        = "local-zone"
	WavelengthZone   = "wavelength-zone"
)

var (
	// availabilityForm is what follows the region in the name of an Availability
	// Zone: us-west-2a.
	availabilityForm = lazyregexp.New(`^[a-z]$`)
	// localForm is what follows it for a Local Zone: us-west-2-lax-1a.
	localForm = lazyregexp.New(`^-[a-z]{3,}-[0-9]+[a-z]$`)
	// wavelengthForm is what follows it for a Wavelength Zone:
	// us-east-1-wl1-bos-wlz-1.
	wavelengthForm = lazyregexp.New(`^-[a-z]*wl[0-9]+-[a-z0-9]+-wlz-[0-9]+$`)
)

// ZoneType returns the kind of a zone by its name, which AWS gives in one form for
// each kind (EC2 User Guide, "Regions and Zones"); empty for a name of none of them,
// and where the zone is not one of the region.
func ZoneType(zone, region string) string {
	rest, ok := strings.CutPrefix(zone, region)
	switch {
	case !ok || region == "":
		return ""
	case availabilityForm.MatchString(rest):
		return AvailabilityZone
	case localForm.MatchString(rest):
		return LocalZone
	case wavelengthForm.MatchString(rest):
		return WavelengthZone
	}
	return ""
}
