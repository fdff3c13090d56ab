package hardware

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	probeHugePages = "hugepages"
	hugePagesDir   = "sys/kernel/mm/hugepages"
	thpEnabled     = "sys/kernel/mm/transparent_hugepage/enabled"
)

// HugePages is a pool of huge pages of one size.
type HugePages struct {
	// PageBytes is the size of a page.
	PageBytes int64 `json:"pageBytes"`
	// Pages is the number in the pool, Free of those not handed out.
	Pages int64 `json:"pages"`
	Free  int64 `json:"free"`
}

// lookAtHugePages reads the pools of the machine, and how the kernel makes huge
// pages by itself. A kernel without either has no folder for it.
func lookAtHugePages(root fs.FS, f *Facts) []Problem {
	var problems []Problem
	pools, err := hugePages(root, "sys/kernel", hugePagesDir)
	if err != nil {
		problems = append(problems, failed(probeHugePages, err))
	}
	f.Memory.HugePages = pools
	text, err := readOf(root, "sys/kernel", thpEnabled)
	if err == nil && text != "" {
		text, err = chosen(text)
	}
	if err != nil {
		problems = append(problems, failed(probeHugePages, err))
		return problems
	}
	f.Memory.TransparentHugePages = text
	return problems
}

// hugePages reads the pools in a folder, by size
// (Documentation/admin-guide/mm/hugetlbpage.rst). A folder that is not there, below
// one that is, holds none.
func hugePages(root fs.FS, mount, dir string) ([]HugePages, error) {
	names, err := list(root, dir)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = there(root, mount, dir)
	}
	if err != nil {
		return nil, err
	}
	var pools []HugePages
	for _, name := range names {
		size, ok := strings.CutPrefix(name, "hugepages-")
		if !ok {
			continue
		}
		size, ok = strings.CutSuffix(size, "kB")
		kib, err := strconv.ParseInt(size, 10, 64)
		if !ok || err != nil || kib <= 0 || kib > math.MaxInt64/1024 {
			return nil, fmt.Errorf("cannot read pools of huge pages: /%s is of no size", quote(path.Join(dir, name)))
		}
		p := HugePages{PageBytes: kib * 1024}
		if p.Pages, err = readCount(root, path.Join(dir, name, "nr_hugepages")); err != nil {
			return nil, err
		}
		if p.Free, err = readCount(root, path.Join(dir, name, "free_hugepages")); err != nil {
			return nil, err
		}
		pools = append(pools, p)
	}
	slices.SortFunc(pools, func(a, b HugePages) int { return cmp.Compare(a.PageBytes, b.PageBytes) })
	return pools, nil
}

// readCount reads a number that is not negative.
func readCount(root fs.FS, name string) (int64, error) {
	text, err := read(root, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("cannot parse /%s: %s is no count", name, quote(text))
	}
	return n, nil
}

// chosen returns the word in brackets of a line in which the kernel shows all
// choices: always [madvise] never.
func chosen(text string) (string, error) {
	for word := range strings.FieldsSeq(text) {
		if w, ok := strings.CutPrefix(word, "["); ok && len(w) > 1 && strings.HasSuffix(w, "]") {
			return printable(strings.TrimSuffix(w, "]")), nil
		}
	}
	return "", fmt.Errorf("cannot tell which of %s is chosen", quote(text))
}

// there reports whether a file or a folder is there. That it is not is an answer
// only where the folder mount is, which shows that what it would be on is mounted.
func there(root fs.FS, mount, name string) (bool, error) {
	_, err := fs.Stat(root, name)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, errMount := fs.Stat(root, mount); errMount == nil {
			return false, nil
		}
	}
	return false, fmt.Errorf("cannot look at /%s: %w", name, cause(err))
}

// readOf is read for a file that some kernels do not have: nothing then, where
// mount shows that this is an answer.
func readOf(root fs.FS, mount, name string) (string, error) {
	text, err := read(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = there(root, mount, name)
	}
	return text, err
}
