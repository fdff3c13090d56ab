package windows

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
)

// forwarder makes a DLL that has one function, which is that of another DLL:
// ADVAPI32.SystemFunction036. There is no code in it, only a name for a name.
//
// Go's runtime takes its random numbers from ProcessPrng of bcryptprimitives.dll, which
// Wine has since version 9.6. SystemFunction036, also called RtlGenRandom, does the
// same with the same arguments.
func forwarder(dll, function, target string) []byte {
	const (
		headers, page   = 0x200, 0x1000 // of the file, of the memory
		machineAMD64    = 0x8664
		isDLL           = 0x2022 // IMAGE_FILE_DLL, LARGE_ADDRESS_AWARE, EXECUTABLE_IMAGE
		pe64            = 0x20b
		readable        = 0x40000040 // IMAGE_SCN_MEM_READ, CNT_INITIALIZED_DATA
		directory       = 40         // IMAGE_EXPORT_DIRECTORY
		addresses       = page + directory
		names           = addresses + 4
		ordinals        = names + 4
		texts           = ordinals + 2
		optional        = 240
		console         = 3
		imageBase       = 0x180000000
		directories     = 16
		signature, stub = "PE\x00\x00", 0x40
	)
	at := func(n int) uint32 { return uint32(texts + n) }
	text := dll + "\x00" + function + "\x00" + target + "\x00"
	nameAt, functionAt, targetAt := at(0), at(len(dll)+1), at(len(dll)+len(function)+2)

	var exports bytes.Buffer
	put := func(b *bytes.Buffer, values ...any) {
		for _, v := range values {
			_ = binary.Write(b, binary.LittleEndian, v) // a buffer takes all that has a size
		}
	}
	put(&exports, [3]uint32{}, nameAt, [3]uint32{1, 1, 1}, [3]uint32{addresses, names, ordinals}, targetAt, functionAt, uint16(0), []byte(text))

	header := pe.OptionalHeader64{
		Magic: pe64, ImageBase: imageBase, SectionAlignment: page, FileAlignment: headers, MajorOperatingSystemVersion: 6, MajorSubsystemVersion: 6,
		SizeOfImage: 2 * page, SizeOfHeaders: headers, Subsystem: console, NumberOfRvaAndSizes: directories,
	}
	// An address within the directory is what makes an export a forwarded one.
	header.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT] = pe.DataDirectory{VirtualAddress: page, Size: uint32(exports.Len())}
	section := pe.SectionHeader32{VirtualSize: uint32(exports.Len()), VirtualAddress: page, SizeOfRawData: headers, PointerToRawData: headers, Characteristics: readable}
	copy(section.Name[:], ".edata")

	var out bytes.Buffer
	dos := make([]byte, stub)
	copy(dos, "MZ")
	dos[stub-4] = stub
	put(&out, dos, []byte(signature), pe.FileHeader{Machine: machineAMD64, NumberOfSections: 1, SizeOfOptionalHeader: optional, Characteristics: isDLL}, header, section)
	put(&out, make([]byte, headers-out.Len()), exports.Bytes(), make([]byte, headers-exports.Len()))
	return out.Bytes()
}
