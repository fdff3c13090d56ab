package hardware

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// identifyPage is what a controller answers to Identify.
func identifyPage(vendor uint16, serial, model, name string) []byte {
	page := make([]byte, NVMeIdentifySize)
	page[0], page[1] = byte(vendor), byte(vendor>>8)
	copy(page[4:24], serial+strings.Repeat(" ", 20))
	copy(page[24:64], model+strings.Repeat(" ", 40))
	copy(page[64:72], "1.0     ")
	copy(page[3072:], name)
	return page
}

func TestAControllerSaysWhatItIs(t *testing.T) {
	for name, row := range map[string]struct {
		page []byte
		want NVMeIdentity
	}{
		"EBS, padded by spaces": {identifyPage(0x1d0f, "vol0123456789abcdef0", modelEBS, "/dev/sdf"+strings.Repeat(" ", 24)),
			NVMeIdentity{Kind: EBS, VolumeID: "vol-0123456789abcdef0", BlockDevice: "sdf"}},
		"EBS, without /dev and padded by NUL": {identifyPage(0x1d0f, "vol0123456789abcdef0", modelEBS, "xvda\x00garbage"),
			NVMeIdentity{Kind: EBS, VolumeID: "vol-0123456789abcdef0", BlockDevice: "xvda"}},
		"EBS that names no device": {identifyPage(0x1d0f, "vol0123456789abcdef0", modelEBS, ""),
			NVMeIdentity{Kind: EBS, VolumeID: "vol-0123456789abcdef0"}},
		"EBS with a name that leads out of /dev": {identifyPage(0x1d0f, "vol-0123456789abcdef0", modelEBS, "/dev/../etc/passwd"),
			NVMeIdentity{Kind: EBS, VolumeID: "vol-0123456789abcdef"}},
		"EBS with a serial number that is no volume": {identifyPage(0x1d0f, "volume", modelEBS, "sda1"),
			NVMeIdentity{Kind: EBS, BlockDevice: "sda1"}},
		"instance store": {identifyPage(0x1d0f, "AWS22F1A09C1F3000XD", modelInstanceStore, "ephemeral0:sdb"),
			NVMeIdentity{Kind: InstanceStore, BlockDevice: "sdb", Virtual: "ephemeral0"}},
		"instance store without a device": {identifyPage(0x1d0f, "AWS22F1A09C1F3000XD", modelInstanceStore, "ephemeral3:none"),
			NVMeIdentity{Kind: InstanceStore, Virtual: "ephemeral3"}},
		"another vendor's, with our model": {identifyPage(0x144d, "S675NX0T000001", modelEBS, "sdb"), NVMeIdentity{}},
		"Amazon's, of another model":       {identifyPage(0x1d0f, "x", "Something New", "sdb"), NVMeIdentity{}},
		"nothing":                          {make([]byte, NVMeIdentifySize), NVMeIdentity{}},
	} {
		got, err := ParseNVMeIdentify(row.page)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got.VendorID, got.Model, got.Serial, got.Firmware = 0, "", "", ""
		if got != row.want {
			t.Errorf("%s: got %+v, want %+v", name, got, row.want)
		}
	}
	got, err := ParseNVMeIdentify(identifyPage(0x1d0f, "vol1", modelEBS, ""))
	if err != nil || got.VendorID != 0x1d0f || got.Model != modelEBS || got.Serial != "vol1" || got.Firmware != "1.0" {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, length := range []int{0, 1, 4095, 4097} {
		if got, err := ParseNVMeIdentify(make([]byte, length)); err == nil {
			t.Errorf("%d bytes read as %+v", length, got)
		}
	}
}

func TestOnlyTheControllerItselfNamesItsBlockDevice(t *testing.T) {
	controllers := []NVMe{{Name: "nvme0", Serial: "vol0a"}, {Name: "nvme1", Serial: "vol0b"}, {Name: "nvme2", Serial: "vol0c"}}
	got := Identified(controllers, map[string]NVMeIdentity{
		"nvme0": {Serial: "vol0a", BlockDevice: "xvda"},
		"nvme1": {Serial: "vol0f", BlockDevice: "sdf"}, // attached under the name of one that is gone
		"nvme7": {Serial: "vol0g", BlockDevice: "sdg"},
	})
	want := []NVMe{{Name: "nvme0", Serial: "vol0a", BlockDevice: "xvda"}, {Name: "nvme1", Serial: "vol0b"}, {Name: "nvme2", Serial: "vol0c"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
	if controllers[0].BlockDevice != "" {
		t.Error("the controllers given were changed")
	}
}

// The fuzzer is given what is read and not all of the page, which it would mostly
// spend its time on.
func FuzzNVMeIdentify(f *testing.F) {
	f.Add(uint16(0x1d0f), identifyPage(0x1d0f, "vol0123456789abcdef0", modelEBS, "")[4:72], []byte("/dev/sdf"))
	f.Add(uint16(0x1d0f), identifyPage(0x1d0f, "AWS22F1A09C1F3000XD", modelInstanceStore, "")[4:72], []byte("ephemeral0:sdb"))
	f.Add(uint16(0x144d), []byte("S675NX0T000001"), []byte{})
	f.Fuzz(func(t *testing.T, vendor uint16, texts, name []byte) {
		page := identifyPage(vendor, "", "", "")
		copy(page[4:72], texts)
		copy(page[3072:], name)
		id, err := ParseNVMeIdentify(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{id.BlockDevice, id.Virtual} {
			if strings.ContainsAny(s, "/. \x00") {
				t.Errorf("%q cannot be a name below /dev", s)
			}
		}
		if id.VolumeID != "" && (id.Kind != EBS || volumeID(id.VolumeID) != id.VolumeID) {
			t.Errorf("%+v", id)
		}
		if id.Kind != ForeignDisk && id.VendorID != 0x1d0f {
			t.Errorf("%+v", id)
		}
		for _, s := range []string{id.Model, id.Serial, id.Firmware} {
			if s != printable(s) {
				t.Errorf("%q is not printable", s)
			}
		}
	})
}

func TestNamespacesAreThoseOfTheController(t *testing.T) {
	for name, row := range map[string]struct {
		controller string
		names      []string
		want       []string
	}{
		"one":                    {"nvme0", []string{"address", "model", "ng0n1", "nvme0n1", "power"}, []string{"nvme0n1"}},
		"many, by number":        {"nvme1", []string{"nvme1n1", "nvme1n10", "nvme1n2"}, []string{"nvme1n1", "nvme1n2", "nvme1n10"}},
		"a path of a subsystem":  {"nvme3", []string{"nvme2c3n1"}, []string{"nvme2n1"}},
		"another's":              {"nvme1", []string{"nvme0n1", "nvme0c0n1"}, nil},
		"a partition is none":    {"nvme0", []string{"nvme0n1p1"}, nil},
		"a number without end":   {"nvme0", []string{"nvme0n99999999999999999999"}, nil},
		"signs and empty fields": {"nvme0", []string{"nvme0n", "nvme0n-1", "nvme0cn1", "nvmen1", "nvme0n+1"}, nil},
	} {
		if got := namespaces(row.names, row.controller); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
}

func FuzzNamespaces(f *testing.F) {
	f.Add("nvme0n1", "nvme0")
	f.Add("nvme2c3n1", "nvme3")
	f.Add("nvme0c0n1p1", "nvme0")
	f.Fuzz(func(t *testing.T, name, controller string) {
		for _, disk := range namespaces([]string{name}, controller) {
			rest := strings.TrimPrefix(disk, "nvme")
			subsystem, number, _ := strings.Cut(rest, "n")
			if !isNumber(subsystem) || !isNumber(number) || strings.Contains(disk, "/") {
				t.Errorf("%q of %q is the disk %q", name, controller, disk)
			}
		}
	})
}

func TestABrokenControllerCostsOnlyItself(t *testing.T) {
	tree := machine(t, "i7ie.12xlarge")
	for path, lost := range map[string]string{
		nvmeDir + "/nvme2/serial":     "/sys/class/nvme/nvme2/serial",
		blockDir + "/nvme2n1/size":    "/sys/class/block/nvme2n1/size",
		blockDir + "/nvme2n1/holders": "/sys/class/block/nvme2n1/holders",
		"proc/self/mountinfo":         "/proc/self/mountinfo",
		"sys/class/block/nvme0n1p1":   "/sys/class/block/nvme0n1p1/size",
	} {
		var f Facts
		problems := lookAtNVMe(broken{tree, []string{path}, fs.ErrPermission}, &f)
		if len(f.NVMe) != 6 {
			t.Errorf("%s: %d controllers", path, len(f.NVMe))
		}
		if len(problems) != 1 || problems[0].Probe != probeNVMe || !strings.Contains(problems[0].Message, lost+": permission denied") {
			t.Errorf("%s: got problems %v", path, problems)
		}
	}
	var f Facts
	if problems := lookAtNVMe(broken{tree, []string{nvmeDir}, fs.ErrPermission}, &f); len(problems) != 1 || f.NVMe != nil {
		t.Errorf("got %v, problems %v", f.NVMe, problems)
	}
	if problems := lookAtNVMe(without(tree, nvmeDir), &f); len(problems) != 0 || f.NVMe != nil {
		t.Errorf("no NVMe driver: got %v, problems %v", f.NVMe, problems)
	}
	// A volume that is detached while it is looked at.
	problems := lookAtNVMe(without(tree, "sys/devices/pci0000:00/0000:00:1b.0/nvme/nvme5/nvme5n1/size"), &f)
	if len(problems) != 0 || len(f.NVMe) != 6 || f.NVMe[5].Disks != nil {
		t.Errorf("detached: got %+v, problems %v", f.NVMe, problems)
	}
}

func TestASizeThatIsNoneIsAProblem(t *testing.T) {
	for _, size := range []string{"", "-1", "0x10", "99999999999999999999", "9223372036854775807"} {
		tree := fstest.MapFS{
			nvmeDir + "/nvme0/nvme0n1/size": {Data: []byte("1")}, blockDir + "/nvme0n1/size": {Data: []byte(size)}, mountInfo: {},
		}
		var f Facts
		if problems := lookAtNVMe(tree, &f); len(problems) != 1 || !strings.Contains(problems[0].Message, "is no number of sectors") || f.NVMe[0].Disks != nil {
			t.Errorf("%q: got %+v, problems %v", size, f.NVMe, problems)
		}
	}
}

func TestMountsAreReadAsTheKernelWritesThem(t *testing.T) {
	got, err := mounted(fstest.MapFS{
		mountInfo: {Data: []byte("24 1 259:1 / / rw,noatime shared:1 - xfs /dev/nvme0n1p1 rw,seclabel\n" +
			"25 24 259:1 /lib/kubelet /var/lib/my\\040kubelet rw - xfs /dev/nvme0n1p1 rw\n" +
			"26 24 259:1 / / rw - xfs /dev/nvme0n1p1 rw\n" +
			"27 24 0:45 / /mnt/b rw - btrfs /dev/nvme1n1 rw,subvol=/\n" +
			"28 24 0:21 / /proc rw shared:5 master:3 - proc proc rw\n" +
			"29 24 253:0 / /data rw - ext4 /dev/mapper/vg-data rw\n" +
			"30 24 0:50 / /x rw - nfs4 10.0.0.1:/dev/sda rw\n" +
			"not a line at all\n\n - \n")},
		swaps: {Data: []byte("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/nvme0n1p2                          partition\t8388604\t\t0\t\t-2\n/swapfile file 1 0 -3\n")},
	})
	want := map[string][]string{"nvme0n1p1": {"/", "/var/lib/my kubelet"}, "nvme1n1": {"/mnt/b"}, "nvme0n1p2": {"[SWAP]"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v; want (-), got (+):\n%s", err, d)
	}
	if _, err := mounted(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := readLong(fstest.MapFS{"long": {Data: make([]byte, 11)}}, "long", 10); err == nil || !strings.Contains(err.Error(), "longer than 10 bytes") {
		t.Errorf("got %v", err)
	}
}

func FuzzMountInfo(f *testing.F) {
	f.Add("24 1 259:1 / / rw,noatime shared:1 - xfs /dev/nvme0n1p1 rw,seclabel\n")
	f.Add("25 24 259:1 / /a\\040b\\ rw - xfs /dev/\\057x rw")
	f.Add(" -  - ")
	f.Fuzz(func(t *testing.T, line string) {
		device, at, ok := parseMountInfo(line)
		if ok && (device == "" || strings.Contains(device, "/")) || !ok && at != "" {
			t.Errorf("%q reads as %q at %q, %t", line, device, at, ok)
		}
		// What the kernel would write reads back.
		escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\n", `\012`, "\t", `\011`, "#", `\043`).Replace(line)
		if again := unescape(escaped); again != line {
			t.Errorf("%q reads back as %q", line, again)
		}
	})
}
