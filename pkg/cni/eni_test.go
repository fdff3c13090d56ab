package cni

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestSystemdNetworkdIsToldAboutEachENI(t *testing.T) {
	for name, e := range map[string]ENI{
		"primary":                       {Link: "ens5", MAC: "0a:00:00:00:00:01", Primary: true, IPv4: []string{"10.0.0.10", "10.0.0.11"}},
		"second of the first card":      {Link: "ens6", MAC: "0a:00:00:00:00:02", DeviceIndex: 1, IPv4: []string{"10.0.0.20"}},
		"second card of a p5.48xlarge":  {Link: "ens33", MAC: "0a:00:00:00:00:03", NetworkCard: 31, DeviceIndex: 1, IPv4: []string{"10.0.0.30"}},
		"in an IPv6-only subnet":        {Link: "eth1", MAC: "0a:00:00:00:00:04", DeviceIndex: 1},
		"virtual, without an own MAC":   {Link: "eth1", MAC: "0a:00:00:00:00:05", MACIsCurrent: true, DeviceIndex: 1, IPv4: []string{"10.0.0.50"}},
		"dual stack":                    {Link: "ens7", MAC: "0a:00:00:00:00:07", DeviceIndex: 2, IPv4: []string{"10.0.0.70", "10.0.0.71"}, IPv6: []string{"2001:db8::70", "2001:db8::71"}},
		"IPv6 alone":                    {Link: "ens8", MAC: "0a:00:00:00:00:08", DeviceIndex: 3, IPv6: []string{"2001:db8::80"}},
		"primary, dual stack":           {Link: "ens5", MAC: "0a:00:00:00:00:09", Primary: true, IPv4: []string{"10.0.0.90"}, IPv6: []string{"2001:db8::90"}},
		"EFA-only, without addresses":   {Link: "ens35", MAC: "0a:00:00:00:00:0a", NetworkCard: 3, WithoutAddresses: true},
		"EFA-only card with an address": {Link: "ens34", MAC: "0a:00:00:00:00:06", NetworkCard: 2, IPv4: []string{"10.0.0.60"}},
	} {
		rs, err := Desired(node.AL2023(), e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var out strings.Builder
		for _, r := range rs {
			f := r.(host.File)
			out.WriteString("# " + f.Path + "\n" + string(f.Content) + "\n")
		}
		golden.Assert(t, "testdata/eni/"+strings.ReplaceAll(name, " ", "-")+".txt", out.String())
	}
}

func TestWhatIsNoENIIsRefused(t *testing.T) {
	good := ENI{Link: "eth0", MAC: "0a:00:00:00:00:01"}
	for name, change := range map[string]func(*ENI){
		"a path":                  func(e *ENI) { e.Link = "../eth0" },
		"a name too long":         func(e *ENI) { e.Link = "abcdefghijklmnop" },
		"no name":                 func(e *ENI) { e.Link = "" },
		"a line end":              func(e *ENI) { e.Link = "eth0\n" },
		"dots":                    func(e *ENI) { e.Link = ".." },
		"no MAC":                  func(e *ENI) { e.MAC = "" },
		"two MACs":                func(e *ENI) { e.MAC += "\n0a:00:00:00:00:02" },
		"a card below zero":       func(e *ENI) { e.NetworkCard = -1 },
		"a device too high":       func(e *ENI) { e.DeviceIndex = 100 },
		"an IPv6 address":         func(e *ENI) { e.IPv4 = []string{"::1"} },
		"half of an address":      func(e *ENI) { e.IPv4 = []string{"10.0.0"} },
		"an IPv4 address as IPv6": func(e *ENI) { e.IPv6 = []string{"10.0.0.1"} },
		"IPv4 written as IPv6":    func(e *ENI) { e.IPv6 = []string{"::ffff:10.0.0.1"} },
		"a zone":                  func(e *ENI) { e.IPv6 = []string{"fe80::1%eth0"} },
	} {
		e := good
		change(&e)
		if rs, err := Desired(node.AL2023(), e); err == nil {
			t.Errorf("%s: got %v", name, rs)
		}
	}
	if _, err := Desired(node.AL2023(), good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestTablesAndMetricsOfTwoENIsDiffer(t *testing.T) {
	seen := map[int]ENI{}
	for card := range 64 {
		for device := range perCard {
			e := ENI{NetworkCard: card, DeviceIndex: device}
			if other, ok := seen[e.Table()]; ok || e.Metric()-metricBase != e.Table()-tableBase {
				t.Fatalf("%+v and %+v share table %d", e, other, e.Table())
			}
			seen[e.Table()] = e
		}
	}
}

func TestNetworkManagerIsToldOfEachENIOfThePluginsByWhatItCompares(t *testing.T) {
	for _, tt := range []struct {
		eni  node.PluginENI
		want string
	}{
		{node.PluginENI{Link: "ens6", MAC: "0a:00:00:00:00:02"}, "unmanaged-devices+=mac:0a:00:00:00:00:02"},
		{node.PluginENI{Link: "ens6", MAC: "0a:00:00:00:00:02", MACIsCurrent: true}, "unmanaged-devices+=interface-name:=ens6"},
	} {
		f, err := Unmanaged(node.AL2023(), tt.eni)
		want := host.File{Path: "/etc/NetworkManager/conf.d/90-eksnode-eni-ens6.conf", Mode: 0o644,
			Content: []byte("# Written by eksnode.\n[keyfile]\n" + tt.want + "\n")}
		if err != nil || !host.Equal(f, want) {
			t.Errorf("got %+v, %v", f, err)
		}
		if link, ok := UnmanagedLink(node.AL2023(), f.Path); !ok || link != "ens6" {
			t.Errorf("%s is taken for that of %q, %t", f.Path, link, ok)
		}
	}
	for _, bad := range [][2]string{{"../ens6", "0a:00:00:00:00:02"}, {"ens6", ""}, {"ens6", "0a:00:00:00:00:02;*"}} {
		if f, err := Unmanaged(node.AL2023(), node.PluginENI{Link: bad[0], MAC: bad[1]}); err == nil {
			t.Errorf("%q: %+v", bad, f)
		}
	}
	dir := "/etc/NetworkManager/conf.d/"
	for _, other := range []string{dir + "90-eksnode.conf", dir + "90-eksnode-eni-.conf", dir + "90-eksnode-eni-a b.conf", dir + "90-eksnode-eni-ens6", "/etc/90-eksnode-eni-ens6.conf"} {
		if link, ok := UnmanagedLink(node.AL2023(), other); ok {
			t.Errorf("%s is taken for that of %s", other, link)
		}
	}
}
