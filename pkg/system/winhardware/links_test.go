package winhardware

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/hardware"
)

func TestALinkIsAnInterfaceAndItsAdapter(t *testing.T) {
	mac, other := []byte{2, 0xfc, 0, 0, 0, 1}, []byte{2, 0xfc, 0, 0, 0, 2}
	functions := map[string]hardware.PCIDevice{
		"{3B2C4D5E-0000-0000-0000-000000000001}": {Address: "0000:00:05.0", Driver: "ena"},
		"{3B2C4D5E-0000-0000-0000-000000000002}": {Driver: "netvsc"},
	}
	for name, tt := range map[string]struct {
		have adapter
		want hardware.Link
	}{
		"on PCI, the GUID in small letters": {
			adapter{guid: "{3b2c4d5e-0000-0000-0000-000000000001}", name: "Ethernet 2", index: 7, mtu: 9001, mac: mac, permanent: mac},
			hardware.Link{Name: "Ethernet 2", Index: 7, MAC: "02:fc:00:00:00:01", Permanent: true, Driver: "ena", Address: "0000:00:05.0", MTU: 9001},
		},
		"elsewhere, with an address that was given to it": {
			adapter{guid: "{3B2C4D5E-0000-0000-0000-000000000002}", name: "x", mtu: 1500, mac: mac, permanent: other},
			hardware.Link{Name: "x", MAC: "02:fc:00:00:00:01", Driver: "netvsc", MTU: 1500},
		},
		"of an adapter that nobody knows":     {adapter{guid: "{0}", name: "x", mac: mac}, hardware.Link{Name: "x", MAC: "02:fc:00:00:00:01"}},
		"without an address and an MTU":       {adapter{name: "x", mtu: 0xffffffff}, hardware.Link{Name: "x"}},
		"with an address of zeros":            {adapter{name: "x", mac: make([]byte, 6), permanent: make([]byte, 6)}, hardware.Link{Name: "x"}},
		"with an address that is no Ethernet": {adapter{name: "x", mac: make([]byte, 20)}, hardware.Link{Name: "x"}},
	} {
		if d := cmp.Diff(tt.want, tt.have.link(functions)); d != "" {
			t.Errorf("%s: want (-), got (+):\n%s", name, d)
		}
	}
}

func TestWhatBootedIsNotGuessed(t *testing.T) {
	for _, tt := range []struct {
		kind uint32
		key  bool
		want string
	}{{1, false, "bios"}, {2, false, "uefi"}, {0, true, "uefi"}, {1, true, "uefi"}, {0, false, ""}, {3, false, ""}} {
		if got := bootOf(tt.kind, tt.key); got != tt.want {
			t.Errorf("firmware type %d, key %v: got %q, want %q", tt.kind, tt.key, got, tt.want)
		}
	}
}
