package swapfile

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// What the kernel reads of a header (mm/swapfile.c, read_swap_header), and what
// blkid shows of it.
func TestTheHeaderIsWhatTheKernelReads(t *testing.T) {
	for _, pageSize := range []int{4096, 65536} {
		page, err := header(pageSize, 4<<30)
		if err != nil || len(page) != pageSize {
			t.Fatalf("%d bytes (%v)", len(page), err)
		}
		if got := string(page[pageSize-10:]); got != "SWAPSPACE2" {
			t.Errorf("the magic is %q", got)
		}
		version, last, bad := binary.LittleEndian.Uint32(page[1024:]), binary.LittleEndian.Uint32(page[1028:]), binary.LittleEndian.Uint32(page[1032:])
		if version != 1 || int64(last) != 4<<30/int64(pageSize)-1 || bad != 0 {
			t.Errorf("version %d, last page %d, %d bad pages", version, last, bad)
		}
		if got := string(page[1052:1068]); got != "eksnode\x00\x00\x00\x00\x00\x00\x00\x00\x00" {
			t.Errorf("the label is %q", got)
		}
		if page[1036+6]>>4 != 4 || page[1036+8]>>6 != 2 {
			t.Errorf("no random UUID: %x", page[1036:1052])
		}
		if !ours(page) || !ours(page[:headBytes]) {
			t.Error("its own header is not known again")
		}
		for _, r := range [][2]int{{0, 1024}, {1068, pageSize - 10}} {
			if strings.Trim(string(page[r[0]:r[1]]), "\x00") != "" {
				t.Errorf("something is in bytes %d to %d", r[0], r[1])
			}
		}
	}
}

func TestASizeThatNoSwapAreaHasIsRefused(t *testing.T) {
	for _, size := range []int64{0, -4096, 4096, 9 * 4096, 1<<20 + 1, 4096 * (1<<32 + 1)} {
		if _, err := header(4096, size); err == nil {
			t.Errorf("%d bytes are accepted", size)
		}
	}
}

func TestWhatOthersMadeIsNotOurs(t *testing.T) {
	page, err := header(4096, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int, b byte) []byte {
		c := slices.Clone(page)
		c[at] = b
		return c
	}
	for name, head := range map[string][]byte{
		"empty": nil, "short": page[:headBytes-1], "text": []byte(strings.Repeat("important\n", 500)), "zeros": make([]byte, 4096),
		"mkswap without a label": change(atLabel, 0), "another label": change(atLabel, 'E'), "a longer label": change(atLabel+7, '2'),
		"something after the label": change(atLabel+9, 'x'), "another version": change(atVersion, 2),
	} {
		if ours(head) {
			t.Errorf("%s: taken for ours", name)
		}
	}
}

func FuzzTheTableOfSwapsIsNeverTooMuch(f *testing.F) {
	f.Add("Filename\tType\tSize\tUsed\tPriority\n/swapfile file 2097148 0 -2\n")
	f.Add(`/a\040b\011\134\012\777\0 file 1 2 3`)
	f.Fuzz(func(t *testing.T, table string) {
		if got := swapFiles(table); len(strings.Join(got, "")) > len(table) {
			t.Errorf("%q", got)
		}
	})
}

func TestTheTableOfSwapsIsRead(t *testing.T) {
	got := swapFiles("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" +
		"/dev/zram0                              partition\t8388604\t\t0\t\t100\n" +
		"/var/lib/eksnode/swapfile               file\t\t2097148\t\t0\t\t-2\n" +
		`/mnt/a\040b\134c\011d                   file		2097148		0		-3` + "\n" +
		`/gone\040(deleted)                      file		2097148		0		-4` + "\n" +
		"half a line file\n")
	want := []string{"/var/lib/eksnode/swapfile", "/mnt/a b\\c\td", "/gone (deleted)"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for in, want := range map[string]string{`\04`: `\04`, `\400`: `\400`, `a\`: `a\`, `\08x`: `\08x`, `\377`: "\xff"} {
		if got := unescape(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
