package binversion

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"
)

// withoutPointers returns a copy of a position-independent program in which the
// pointers of .data are zero, as linkers leave them that put them only into
// the relocations.
func withoutPointers(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	data := f.Section(".data")
	s := &scanner{f: f, order: f.ByteOrder}
	pointers, err := s.relocated(data.Addr, data.Addr+data.Size)
	if err != nil || len(pointers) == 0 {
		t.Fatalf("%d relocations (%v)", len(pointers), err)
	}
	for at := range pointers {
		copy(b[data.Offset+at-data.Addr:], make([]byte, 8))
	}
	out := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(out, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return out
}

// What is at the path may be any bytes.
func FuzzNoBytesMakeItPanicOrInventAVersion(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("#!/bin/sh\n"))
	f.Add([]byte("\x7fELF"))
	f.Add([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00\x01\x00\x00\x00"))
	f.Add([]byte("MZ"))
	f.Add(smallELF())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range []Program{Kubelet(), Containerd()} {
			text, how, err := p.find(bytes.NewReader(b))
			if err == nil && !looksLikeVersion(text) {
				t.Errorf("%s: found %q in %s", p.Name, text, how)
			}
		}
	})
}

// smallELF is a whole program of a few hundred bytes with a read-only section
// that holds texts, and a .data section with variables that point to them.
func smallELF() []byte {
	const textAt, dataAt, namesAt = 0x200, 0x280, 0x300
	texts := "v1.33.5" + "1970-01-01T00:00:00Z"
	names := "\x00.rodata\x00.data\x00.shstrtab\x00"
	var b bytes.Buffer
	le := func(n uint64, size int) {
		for range size {
			b.WriteByte(byte(n))
			n >>= 8
		}
	}
	pad := func(to int) { b.Write(make([]byte, to-b.Len())) }
	b.WriteString("\x7fELF\x02\x01\x01")
	pad(16)
	le(2, 2)      // ET_EXEC
	le(62, 2)     // EM_X86_64
	le(1, 4)      // version
	le(0, 8)      // entry
	le(0, 8)      // no program headers
	le(0x40, 8)   // section headers
	le(0, 4)      // flags
	le(0x40, 2)   // size of this header
	le(0, 2)      // size of a program header
	le(0, 2)      // number of program headers
	le(0x40, 2)   // size of a section header
	le(4, 2)      // number of section headers
	le(3, 2)      // which holds the names
	pad(2 * 0x40) // the first section header is empty
	section := func(name, typ, flags, at, size uint64) {
		le(name, 4)
		le(typ, 4)
		le(flags, 8)
		le(at, 8) // its address is its place in the file
		le(at, 8)
		le(size, 8)
		le(0, 8)
		le(8, 8)
		le(0, 8)
	}
	section(1, 1, 2, textAt, uint64(len(texts)))
	section(9, 1, 3, dataAt, 32)
	section(15, 3, 0, namesAt, uint64(len(names)))
	pad(textAt)
	b.WriteString(texts)
	pad(dataAt)
	le(textAt, 8)
	le(7, 8)
	le(textAt+7, 8)
	le(20, 8)
	pad(namesAt)
	b.WriteString(names)
	return b.Bytes()
}

func TestTheSmallestProgramIsUnderstood(t *testing.T) {
	text, how, err := Kubelet().find(bytes.NewReader(smallELF()))
	if err != nil || text != "v1.33.5" || how != "program data" {
		t.Errorf("found %q in %s (%v)", text, how, err)
	}
}
