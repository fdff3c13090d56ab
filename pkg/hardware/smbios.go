package hardware

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The structures of an SMBIOS table that are read, by their types (DMTF DSP0134,
// System Management BIOS Reference Specification, section 7).
const (
	smbiosBIOS    = 0
	smbiosSystem  = 1
	smbiosBoard   = 2
	smbiosChassis = 3
	smbiosEnd     = 127
)

// structure is one structure of an SMBIOS table.
type structure struct {
	kind byte
	// formatted is the part with fixed places, with its header of four bytes.
	formatted []byte
	// strings are those behind it; the fields count them from 1.
	strings []string
}

// ParseSMBIOS reads what a firmware says about its machine from its table of
// structures, as /sys/firmware/dmi/tables/DMI has it. Of two structures of one type
// the first counts. A table that breaks off is an error, with what came before; one
// without anything known in it, too.
func ParseSMBIOS(table []byte) (DMI, error) {
	var d DMI
	seen := map[byte]bool{}
	for len(table) > 0 {
		s, rest, err := nextStructure(table)
		if err != nil {
			return d, err
		}
		if s.kind == smbiosEnd {
			break
		}
		if !seen[s.kind] {
			seen[s.kind] = true
			s.fill(&d)
		}
		table = rest
	}
	if !seen[smbiosBIOS] && !seen[smbiosSystem] {
		return d, errors.New("cannot read SMBIOS: the table has neither the BIOS nor the system in it")
	}
	return d, nil
}

// ParseRawSMBIOS reads the answer of Windows' GetSystemFirmwareTable for provider
// RSMB: RawSMBIOSData, which is eight bytes of header with the length of the table
// in the last four, and the table.
func ParseRawSMBIOS(b []byte) (DMI, error) {
	const header = 8
	if len(b) < header {
		return DMI{}, fmt.Errorf("cannot read SMBIOS: %d bytes are less than its header", len(b))
	}
	table := b[header:]
	if n := binary.LittleEndian.Uint32(b[4:]); uint64(n) < uint64(len(table)) {
		table = table[:n]
	} else if uint64(n) > uint64(len(table)) {
		return DMI{}, fmt.Errorf("cannot read SMBIOS: %d bytes are there of %d", len(table), n)
	}
	return ParseSMBIOS(table)
}

// nextStructure cuts the first structure off a table.
func nextStructure(table []byte) (s structure, rest []byte, err error) {
	const header = 4
	if len(table) < header || int(table[1]) < header || len(table) < int(table[1]) {
		return s, nil, errors.New("cannot read SMBIOS: the table breaks off within a structure")
	}
	s.kind, s.formatted, rest = table[0], table[:table[1]], table[table[1]:]
	// Strings end with a zero each, and all of them with one more; without any, two.
	for start, i := 0, 0; i < len(rest); i++ {
		if rest[i] != 0 {
			continue
		}
		if i == start {
			if i == 0 {
				i++ // the first of the two
			}
			if i == len(rest) {
				break
			}
			return s, rest[i+1:], nil
		}
		s.strings = append(s.strings, printable(string(rest[start:i])))
		start = i + 1
	}
	return s, nil, errors.New("cannot read SMBIOS: the table breaks off within strings")
}

// text is the string whose number is at an offset; empty when the structure is too
// old to have the field, or the field is.
func (s structure) text(offset int) string {
	if offset >= len(s.formatted) {
		return ""
	}
	if n := int(s.formatted[offset]); n > 0 && n <= len(s.strings) {
		return s.strings[n-1]
	}
	return ""
}

// fill reads a structure's fields, by the offsets of the specification.
func (s structure) fill(d *DMI) {
	switch s.kind {
	case smbiosBIOS:
		d.BIOSVendor, d.BIOSVersion, d.BIOSDate = s.text(0x04), s.text(0x05), s.text(0x08)
		// Second extension byte of the BIOS characteristics, since SMBIOS 2.4.
		if len(s.formatted) > 0x13 {
			d.Virtual = "no"
			if s.formatted[0x13]&(1<<4) != 0 {
				d.Virtual = "yes"
			}
		}
	case smbiosSystem:
		d.SysVendor, d.ProductName, d.ProductVersion = s.text(0x04), s.text(0x05), s.text(0x06)
		d.ProductUUID, d.ProductFamily = s.uuid(0x08), s.text(0x1a)
	case smbiosBoard:
		d.BoardVendor, d.BoardName, d.BoardAssetTag = s.text(0x04), s.text(0x05), s.text(0x08)
	case smbiosChassis:
		d.ChassisVendor, d.ChassisAssetTag = s.text(0x04), s.text(0x08)
	}
}

// uuid formats the sixteen bytes at an offset; empty when they are not set. The
// first three fields are little endian since SMBIOS 2.6.
func (s structure) uuid(offset int) string {
	if len(s.formatted) < offset+16 {
		return ""
	}
	b := s.formatted[offset : offset+16]
	zeros, ones := true, true
	for _, x := range b {
		zeros, ones = zeros && x == 0, ones && x == 0xff
	}
	if zeros || ones { // the specification's "not present" and "not set"
		return ""
	}
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:])
}
