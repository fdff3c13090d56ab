package swapfile

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// The header of a swap area is its first page: union swap_header of the kernel's
// include/linux/swap.h. The magic is at the end of the page and everything else
// at a fixed place, in the byte order of the machine, which is little-endian
// wherever EC2 runs Linux.
const (
	magic      = "SWAPSPACE2"
	atVersion  = 1024 // uint32: 1
	atLastPage = 1028 // uint32
	atUUID     = 1036 // 16 bytes; the number of bad pages, 0, is before it
	atLabel    = 1052
	labelBytes = 16
	headBytes  = atLabel + labelBytes
	version    = 1
	label      = "eksnode"
	// fewestPages is what mkswap(8) takes as the smallest area.
	fewestPages = 10
)

// header returns the first page of a swap area of that many bytes.
func header(pageSize int, size int64) ([]byte, error) {
	pages := size / int64(pageSize)
	if size%int64(pageSize) != 0 || pages < fewestPages || pages > 1<<32 {
		return nil, fmt.Errorf("%d bytes are no size of a swap file: want a multiple of %d, %d times or more", size, pageSize, fewestPages)
	}
	page := make([]byte, pageSize)
	binary.LittleEndian.PutUint32(page[atVersion:], version)
	binary.LittleEndian.PutUint32(page[atLastPage:], uint32(pages-1))
	uuid := page[atUUID : atUUID+16]
	_, _ = rand.Read(uuid) // never fails: documented by crypto/rand
	uuid[6], uuid[8] = uuid[6]&0x0f|0x40, uuid[8]&0x3f|0x80
	copy(page[atLabel:], label)
	copy(page[pageSize-len(magic):], magic)
	return page, nil
}

// ours reports whether head, the first bytes of a file, is of a header that this
// package has written. The size of a page may have been another one then.
func ours(head []byte) bool {
	if len(head) < headBytes || binary.LittleEndian.Uint32(head[atVersion:]) != version {
		return false
	}
	name, rest, _ := bytes.Cut(head[atLabel:headBytes], []byte{0})
	return string(name) == label && len(bytes.Trim(rest, "\x00")) == 0
}
