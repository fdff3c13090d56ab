package hardware

import (
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// ethernet is a machine with one link on PCI.
func ethernet(attributes map[string]string) fstest.MapFS {
	const device = "sys/devices/pci0000:00/0000:00:05.0"
	tree := fstest.MapFS{
		netDir + "/eth0":             {Data: []byte("../../devices/pci0000:00/0000:00:05.0/net/eth0"), Mode: fs.ModeSymlink},
		pciDir + "/0000:00:05.0":     {Data: []byte("../../../devices/pci0000:00/0000:00:05.0"), Mode: fs.ModeSymlink},
		device + "/numa_node":        {Data: []byte("1\n")},
		device + "/driver":           {Data: []byte("../../../bus/pci/drivers/ena"), Mode: fs.ModeSymlink},
		device + "/net/eth0/device":  {Data: []byte("../../../0000:00:05.0"), Mode: fs.ModeSymlink},
		netDir + "/bonding_masters":  {Data: []byte("\n")},
		netDir + "/veth1":            {Data: []byte("../../devices/virtual/net/veth1"), Mode: fs.ModeSymlink},
		"sys/devices/virtual/net/lo": {Mode: fs.ModeDir},
	}
	all := map[string]string{"address": "0A:58:a9:fe:00:01\n", "ifindex": "2\n", "mtu": "9001\n", "addr_assign_type": "0\n"}
	maps.Copy(all, attributes)
	for name, value := range all {
		tree[device+"/net/eth0/"+name] = &fstest.MapFile{Data: []byte(value)}
	}
	return tree
}

func TestALinkIsToldWithItsDevice(t *testing.T) {
	var f Facts
	problems := lookAtLinks(ethernet(nil), &f)
	if len(problems) != 0 || len(f.Links) != 1 {
		t.Fatalf("got %+v, problems %v", f.Links, problems)
	}
	got := f.Links[0]
	if got.NUMANode == nil || *got.NUMANode != 1 {
		t.Errorf("NUMA node %v", got.NUMANode)
	}
	got.NUMANode = nil
	if want := (Link{Name: "eth0", Index: 2, MAC: "0a:58:a9:fe:00:01", Permanent: true, Driver: "ena", Address: "0000:00:05.0", MTU: 9001}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAnAddressThatWasGivenIsNotPermanent(t *testing.T) {
	for attribute, values := range map[string][]string{
		"addr_assign_type": {"1", "2", "3"},
		"address":          {"", "00:11", "00:00:10:29:fe:80:00:00:00:00:00:00:b8:ce:f6:03:00:a1:b2:c3", "zz:58:a9:fe:00:01"},
	} {
		for _, value := range values {
			var f Facts
			if problems := lookAtLinks(ethernet(map[string]string{attribute: value}), &f); len(problems) != 0 || len(f.Links) != 1 || f.Links[0].Permanent {
				t.Errorf("%s %q: got %+v, problems %v", attribute, value, f.Links, problems)
			}
		}
	}
}

func TestALinkThatCannotBeReadIsAProblem(t *testing.T) {
	for attribute, value := range map[string]string{"ifindex": "two", "mtu": "-1", "addr_assign_type": ""} {
		var f Facts
		if problems := lookAtLinks(ethernet(map[string]string{attribute: value}), &f); len(problems) != 1 || f.Links != nil || !strings.Contains(problems[0].Message, "/eth0/"+attribute) {
			t.Errorf("%s %q: got %+v, problems %v", attribute, value, f.Links, problems)
		}
	}
	var f Facts
	if problems := lookAtLinks(broken{ethernet(nil), []string{netDir}, fs.ErrPermission}, &f); len(problems) != 1 || f.Links != nil {
		t.Errorf("got %+v, problems %v", f.Links, problems)
	}
	if problems := lookAtLinks(plain{ethernet(nil)}, &f); len(problems) != 1 || f.Links != nil {
		t.Errorf("without links: got %+v, problems %v", f.Links, problems)
	}
	// Unplugged between the list and the look, or no network at all.
	tree := without(ethernet(nil), "sys/devices/pci0000:00/0000:00:05.0/net")
	for name, root := range map[string]fs.FS{"unplugged": tree, "no network": fstest.MapFS{}} {
		if problems := lookAtLinks(root, &f); len(problems) != 0 || f.Links != nil {
			t.Errorf("%s: got %+v, problems %v", name, f.Links, problems)
		}
	}
}

func TestWhereADeviceIsAndWhereNot(t *testing.T) {
	node := func(text string) fstest.MapFS { return fstest.MapFS{"d/numa_node": {Data: []byte(text)}} }
	if n, err := nearestNode(node("3\n"), "d"); err != nil || n == nil || *n != 3 {
		t.Errorf("got %v, %v", n, err)
	}
	for name, tree := range map[string]fstest.MapFS{"none known": node("-1\n"), "a kernel without NUMA": {}} {
		if n, err := nearestNode(tree, "d"); err != nil || n != nil {
			t.Errorf("%s: got %v, %v", name, n, err)
		}
	}
	for _, text := range []string{"", "-2", "1,2", "x", "99999999999"} {
		if n, err := nearestNode(node(text), "d"); err == nil || n != nil {
			t.Errorf("%q: got %v", text, n)
		}
	}
}

func FuzzPCIAddress(f *testing.F) {
	for _, s := range []string{"0000:00:05.0", "10000:e1:00.0", "pci0000:00/0000:00:05.0/virtio2/net/eth0", "::.", "0000:00:05:0", "0000.00:05.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a := addressIn(s)
		if a != "" && (!isPCIAddress(a) || !strings.Contains(s, a)) {
			t.Errorf("%q is at %q", s, a)
		}
		if isPCIAddress(s) && (len(s) < 12 || s[len(s)-2] != '.' || strings.Count(s, ":") != 2) {
			t.Errorf("%q is taken for an address", s)
		}
	})
}

func FuzzPCINumber(f *testing.F) {
	f.Add("0x10DE", 4)
	f.Add("0x", 0)
	f.Add("030200", 6)
	f.Fuzz(func(t *testing.T, text string, digits int) {
		if n, err := pciNumber(text, digits); err == nil && (len(n) != digits || n != strings.ToLower(n)) {
			t.Errorf("%q reads as %q", text, n)
		}
	})
}
