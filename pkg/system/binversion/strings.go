package binversion

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// A Go string variable is a pointer and a length, 16 bytes on a 64-bit
// machine. The linker sorts variables by size and keeps those of one package
// together, so that the variables of a package of strings, as both version
// packages are, lie side by side in .data. Symbols are not needed for this,
// which is well, since released programs are stripped.
const (
	headerSize = 16
	// near is how far apart, in bytes, two variables of such a package lie at
	// most: Kubernetes has eight of them, not all of which are set.
	near = 6 * headerSize
)

// Bounds on what is read, several times above what real programs have: kubelet
// 1.37 has 0.3 MiB of .data, and as a position-independent program some 6 MiB
// of relocations.
const (
	dataLimit  = 16 << 20
	relaLimit  = 64 << 20
	countLimit = 4096 // candidates whose text is read
)

// versionText is what a version variable can hold; ~ is for Debian's.
var versionText = lazyregexp.New(`^v?[0-9]+\.[0-9]+\.[0-9]+([-+~.][0-9A-Za-z.+~-]*)?$`)

// The lengths of 1.2.3 and of the longest version seen in the wild, with room.
const minVersion, maxVersion = 5, 64

// placeholder begins the version of a Kubernetes program whose builder set
// none. Where it stands, nothing farther away may be taken for the version.
const placeholder = "v0.0.0"

// errNoVersion is what remains when nothing in the data looks like the
// program's version.
var errNoVersion = errors.New("no version in its data")

// header is a string variable: where it is, and its text.
type header struct {
	at, ptr, length uint64
}

// fromStrings finds the version among the string variables of an ELF program:
// the one beside a neighbour.
func (p Program) fromStrings(r io.ReaderAt) (string, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return "", errors.New("not an ELF program")
	}
	if f.Class != elf.ELFCLASS64 {
		return "", errors.New("not a 64-bit program")
	}
	s := &scanner{f: f, order: f.ByteOrder}
	data := f.Section(".data")
	if data == nil || data.Type != elf.SHT_PROGBITS || data.Size > dataLimit {
		return "", errNoVersion
	}
	raw, err := data.Data()
	if err != nil {
		return "", fmt.Errorf("cannot read its data: %w", err)
	}
	// A position-independent program has its pointers either in place or, as
	// some linkers have it, only in the relocations.
	text, err := p.choose(s, s.headers(data.Addr, raw, nil))
	if !errors.Is(err, errNoVersion) {
		return text, err
	}
	pointers, err := s.relocated(data.Addr, data.Addr+data.Size)
	if err != nil || len(pointers) == 0 {
		return "", cmp.Or(err, errNoVersion)
	}
	return p.choose(s, s.headers(data.Addr, raw, pointers))
}

// choose returns the text of the variable that is a version and lies best to a
// neighbour: at its known place, else as near as any. Where several lie equally
// well, they must agree.
func (p Program) choose(s *scanner, headers []header) (string, error) {
	var best []string
	rank, read := uint64(near)+1, 0
	for i, h := range headers {
		if !slices.Contains(p.NeighbourLengths, int(h.length)) {
			continue
		}
		candidates := around(headers, i)
		if read += 1 + len(candidates); read > countLimit {
			break
		}
		if len(candidates) == 0 || !p.Neighbour.MatchString(s.text(h)) {
			continue
		}
		for _, c := range candidates {
			r := p.rank(h, c)
			if r > rank {
				continue
			}
			text := s.text(c)
			version := versionText.MatchString(text) && looksLikeVersion(text)
			if r < rank && (version || r == 0 && strings.HasPrefix(text, placeholder)) {
				rank, best = r, nil
			}
			if version {
				best = append(best, text)
			}
		}
	}
	slices.Sort(best)
	switch best = slices.Compact(best); len(best) {
	case 0:
		return "", errNoVersion
	case 1:
		return best[0], nil
	}
	return "", fmt.Errorf("several versions in its data: %s", strings.Join(best, ", "))
}

// rank is the distance of two variables in bytes, and 0 where the version has
// its known place.
func (p Program) rank(neighbour, c header) uint64 {
	if int64(c.at-neighbour.at) == int64(p.Place*headerSize) {
		return 0
	}
	return max(c.at, neighbour.at) - min(c.at, neighbour.at)
}

// around returns the headers near headers[i] that could hold a version.
func around(headers []header, i int) []header {
	var out []header
	for j := i - 1; j >= 0 && headers[i].at-headers[j].at <= near; j-- {
		out = append(out, headers[j])
	}
	for j := i + 1; j < len(headers) && headers[j].at-headers[i].at <= near; j++ {
		out = append(out, headers[j])
	}
	return slices.DeleteFunc(out, func(h header) bool { return h.length < minVersion || h.length > maxVersion })
}

// scanner reads one program.
type scanner struct {
	f     *elf.File
	order binary.ByteOrder
}

// headers returns everything in the data that could be a short string
// variable, by rising address. Where pointers has an address, it says what the
// loader will put there.
func (s *scanner) headers(base uint64, raw []byte, pointers map[uint64]uint64) []header {
	var out []header
	for i := 0; i+headerSize <= len(raw); i += 8 {
		h := header{at: base + uint64(i), ptr: s.order.Uint64(raw[i:]), length: s.order.Uint64(raw[i+8:])}
		if p, ok := pointers[h.at]; ok {
			h.ptr = p
		}
		if h.length > 0 && h.length <= maxVersion && s.section(h) != nil {
			out = append(out, h)
		}
	}
	return out
}

// section returns the read-only section that holds all of a string's text.
func (s *scanner) section(h header) *elf.Section {
	for _, sec := range s.f.Sections {
		readOnly := sec.Flags&elf.SHF_ALLOC != 0 && sec.Flags&(elf.SHF_WRITE|elf.SHF_EXECINSTR) == 0
		if readOnly && sec.Type == elf.SHT_PROGBITS && h.ptr >= sec.Addr && h.ptr-sec.Addr < sec.Size && sec.Size-(h.ptr-sec.Addr) >= h.length {
			return sec
		}
	}
	return nil
}

// text returns the text of a string, empty when it cannot be read.
func (s *scanner) text(h header) string {
	sec := s.section(h)
	if sec == nil {
		return ""
	}
	b := make([]byte, h.length)
	if _, err := sec.ReadAt(b, int64(h.ptr-sec.Addr)); err != nil {
		return ""
	}
	return string(b)
}

// relocated returns the pointers that the loader puts between two addresses.
func (s *scanner) relocated(from, to uint64) (map[uint64]uint64, error) {
	var relative uint32
	switch s.f.Machine {
	case elf.EM_X86_64:
		relative = uint32(elf.R_X86_64_RELATIVE)
	case elf.EM_AARCH64:
		relative = uint32(elf.R_AARCH64_RELATIVE)
	default:
		return nil, nil
	}
	const size = 24 // of Elf64_Rela
	out := map[uint64]uint64{}
	for _, sec := range s.f.Sections {
		if sec.Type != elf.SHT_RELA || sec.Flags&elf.SHF_ALLOC == 0 || sec.Size > relaLimit {
			continue
		}
		raw, err := sec.Data()
		if err != nil {
			return nil, fmt.Errorf("cannot read its relocations: %w", err)
		}
		for ; len(raw) >= size; raw = raw[size:] {
			at, info := s.order.Uint64(raw), s.order.Uint64(raw[8:])
			if at >= from && at < to && uint32(info) == relative {
				out[at] = s.order.Uint64(raw[16:])
			}
		}
	}
	return out, nil
}
