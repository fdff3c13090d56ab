package hardware

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// smbiosOf builds a structure: the formatted part behind the header, then strings.
func smbiosOf(kind byte, formatted []byte, strings ...string) []byte {
	b := append([]byte{kind, byte(4 + len(formatted)), kind, 0}, formatted...)
	for _, s := range strings {
		b = append(append(b, s...), 0)
	}
	if len(strings) == 0 {
		b = append(b, 0)
	}
	return append(b, 0)
}

// nitroTable is a table such as Nitro's, with a structure in it that nobody reads.
func nitroTable(virtual byte) []byte {
	bios := append([]byte{1, 2, 0, 0xf0, 3, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 1}, virtual)
	uuid := []byte{0x45, 0xe1, 0x2a, 0xec, 0xdc, 0xd1, 0xb2, 0x13, 0x94, 0xed, 1, 0x23, 0x45, 0x67, 0x89, 0x0a}
	return slices.Concat(
		smbiosOf(0, bios, "Amazon EC2", "1.0", "10/16/2017"),
		smbiosOf(1, slices.Concat([]byte{1, 2, 0, 3}, uuid, []byte{6, 0, 4}), "Amazon EC2", "m5.large", "serial", "family"),
		smbiosOf(2, []byte{1, 0, 0, 0, 2}, "Amazon EC2", "i-0123456789abcdef0"),
		smbiosOf(3, []byte{1, 1, 0, 0, 2}, "Amazon EC2", "tag\x1b"),
		smbiosOf(2, []byte{1}, "a second board"),
		smbiosOf(32, make([]byte, 7)),
		smbiosOf(127, nil),
		[]byte("what is behind the end"),
	)
}

func nitroDMI() DMI {
	return DMI{
		SysVendor: "Amazon EC2", ProductName: "m5.large", ProductFamily: "family", ProductUUID: "ec2ae145-d1dc-13b2-94ed-01234567890a",
		BIOSVendor: "Amazon EC2", BIOSVersion: "1.0", BIOSDate: "10/16/2017", BoardVendor: "Amazon EC2", BoardAssetTag: "i-0123456789abcdef0",
		ChassisVendor: "Amazon EC2", ChassisAssetTag: "tag", Virtual: "yes",
	}
}

func TestSMBIOSTellsWhatTheFilesOfLinuxDo(t *testing.T) {
	got, err := ParseSMBIOS(nitroTable(0x1c))
	if d := cmp.Diff(nitroDMI(), got); d != "" || err != nil {
		t.Errorf("%v, want (-), got (+):\n%s", err, d)
	}
	if got, err := ParseSMBIOS(nitroTable(0x0d)); err != nil || got.Virtual != "no" {
		t.Errorf("metal: got %+v, %v", got, err)
	}
	// SMBIOS 2.0 has neither the bit nor the UUID; strings may be fewer than asked for.
	old := slices.Concat(smbiosOf(0, []byte{1, 9, 0, 0, 0}, "old"), smbiosOf(1, []byte{1, 0}, "maker"))
	if got, err := ParseSMBIOS(old); err != nil || got != (DMI{BIOSVendor: "old", SysVendor: "maker"}) {
		t.Errorf("old: got %+v, %v", got, err)
	}
	for _, unset := range []byte{0, 0xff} {
		b := smbiosOf(1, slices.Concat([]byte{0, 0, 0, 0}, bytes.Repeat([]byte{unset}, 16)))
		if got, err := ParseSMBIOS(b); err != nil || got.ProductUUID != "" {
			t.Errorf("UUID of %#x: got %+v, %v", unset, got, err)
		}
	}
}

func TestSMBIOSThatBreaksOffIsAnError(t *testing.T) {
	table := nitroTable(0)
	whole := len(table) - len("what is behind the end")
	end := len(smbiosOf(127, nil))
	for n := range whole - end {
		// Between two structures a table may end.
		if _, err := ParseSMBIOS(table[:n]); err == nil && !slices.Contains(ends(table), n) {
			t.Errorf("%d of %d bytes are read", n, whole)
		}
	}
	for name, b := range map[string][]byte{"nothing": nil, "only an end": smbiosOf(127, nil), "a length less than the header's": {0, 3, 0, 0, 0, 0}, "nothing known": smbiosOf(32, nil)} {
		if got, err := ParseSMBIOS(b); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// ends are the places at which structures end.
func ends(table []byte) []int {
	var out []int
	at := 0
	for at < len(table) {
		_, rest, err := nextStructure(table[at:])
		if err != nil {
			break
		}
		at = len(table) - len(rest)
		out = append(out, at)
	}
	return out
}

// raw puts the header of Windows before a table.
func raw(table []byte) []byte {
	return slices.Concat([]byte{0, 3, 2, 0}, binary.LittleEndian.AppendUint32(nil, uint32(len(table))), table)
}

func TestSMBIOSOfWindowsHasAHeader(t *testing.T) {
	b := raw(nitroTable(0x1c))
	for name, b := range map[string][]byte{"exact": b, "a buffer that is longer": append(slices.Clone(b), 0, 0, 0)} {
		if got, err := ParseRawSMBIOS(b); err != nil || got != nitroDMI() {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for name, b := range map[string][]byte{"empty": nil, "short": b[:7], "less than it says": b[:len(b)-1]} {
		if got, err := ParseRawSMBIOS(b); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func FuzzSMBIOS(f *testing.F) {
	f.Add(nitroTable(0x1c))
	f.Add(raw(nitroTable(0)))
	f.Add([]byte{0, 4, 0, 0, 0, 0})
	f.Add([]byte{0, 4, 0, 0, 'a', 0, 0, 1, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) (DMI, error){ParseSMBIOS, ParseRawSMBIOS} {
			d, _ := parse(b)
			for _, s := range []string{d.SysVendor, d.ProductName, d.ProductVersion, d.BIOSVendor, d.BoardAssetTag, d.ChassisAssetTag} {
				if s != printable(s) {
					t.Errorf("%x holds %q", b, s)
				}
			}
			if d.ProductUUID != "" && (len(d.ProductUUID) != 36 || strings.Count(d.ProductUUID, "-") != 4) {
				t.Errorf("%x has UUID %q", b, d.ProductUUID)
			}
		}
	})
}
