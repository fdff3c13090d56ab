package node

import "testing"

func TestTheKindOfAZoneIsInItsName(t *testing.T) {
	for _, tt := range []struct{ zone, region, want string }{
		{"us-west-2a", "us-west-2", AvailabilityZone},
		{"us-gov-east-1c", "us-gov-east-1", AvailabilityZone},
		{"us-west-2-lax-1a", "us-west-2", LocalZone},
		{"ap-northeast-1-tpe-1a", "ap-northeast-1", LocalZone},
		{"us-east-1-wl1-bos-wlz-1", "us-east-1", WavelengthZone},
		{"eu-west-2-wl2-man-wlz1", "eu-west-2", ""},
		{"us-west-2", "us-west-2", ""},
		{"us-west-2a", "us-west-1", ""},
		{"us-west-2a", "", ""},
		{"", "us-west-2", ""},
		{"us-west-2ab", "us-west-2", ""},
	} {
		if got := ZoneType(tt.zone, tt.region); got != tt.want {
			t.Errorf("%s in %s: %q, want %q", tt.zone, tt.region, got, tt.want)
		}
	}
}
