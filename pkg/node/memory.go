package node

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

// sizeInBytes reads a Kubernetes quantity as a number of bytes above zero, rounded up.
func sizeInBytes(quantity string) (int64, error) {
	milli, err := api.ParseQuantity(quantity)
	if err != nil {
		return 0, err
	}
	if milli == 0 {
		return 0, fmt.Errorf("%s is no size", quantity)
	}
	return (milli-1)/1000 + 1, nil
}

// The sizes that a huge page can have: from 64 KiB (arm64 with pages of 4 KiB,
// Documentation/arch/arm64/hugetlbpage.rst) to 16 GiB (arm64 with pages of 64 KiB).
const (
	smallestHugePage = 64 << 10
	largestHugePage  = 16 << 30
)

// HugePages returns the pools of spec.hugePages, the largest pages first, since
// they need the longest stretches of free memory. Whether the kernel has pages of
// that size is not looked at. An error says of which entry it speaks.
func (in Input) HugePages() ([]host.HugePages, error) {
	var out []host.HugePages
	var errs joined
	for i, p := range in.Config.Spec.HugePages {
		pool, err := hugePages(p)
		if err != nil {
			errs.add(fault.New(fault.ConfigInvalid, fmt.Sprintf("Correct spec.hugePages[%d].", i),
				fmt.Errorf("cannot use spec.hugePages[%d]: %w", i, err)))
			continue
		}
		out = append(out, pool)
	}
	slices.SortStableFunc(out, func(a, b host.HugePages) int {
		return cmp.Or(cmp.Compare(b.SizeKiB, a.SizeKiB), cmp.Compare(a.NUMANode, b.NUMANode))
	})
	for i := range out {
		if i > 0 && out[i].SizeKiB == out[i-1].SizeKiB && (out[i].NUMANode == out[i-1].NUMANode || out[i-1].NUMANode < 0) {
			errs.add(fault.New(fault.ConfigInvalid,
				"Name each size once, or once for each NUMA node: a pool over all nodes is the sum of theirs.",
				fmt.Errorf("cannot use spec.hugePages: %s and %s set the same pages", out[i-1].ID().Name, out[i].ID().Name)))
		}
	}
	if err := errs.err(); err != nil {
		return nil, err
	}
	return out, nil
}

func hugePages(p api.HugePages) (host.HugePages, error) {
	out := host.HugePages{NUMANode: -1, Count: p.Count}
	size, err := sizeInBytes(p.Size)
	switch {
	case err != nil:
		return out, err
	case size < smallestHugePage || size > largestHugePage || size&(size-1) != 0:
		return out, fmt.Errorf("no processor has pages of %s: want 2Mi or 1Gi, on arm64 also 64Ki and 32Mi", p.Size)
	case p.Count < 0 || p.Count > math.MaxInt64/size:
		return out, fmt.Errorf("%d is no number of pages", p.Count)
	}
	out.SizeKiB = size >> 10
	if p.NUMANode != nil {
		const most = 1024 // MAX_NUMNODES of the kernel at its largest, CONFIG_NODES_SHIFT=10
		if *p.NUMANode < 0 || *p.NUMANode >= most {
			return out, fmt.Errorf("%d is no NUMA node", *p.NUMANode)
		}
		out.NUMANode = int(*p.NUMANode)
	}
	return out, nil
}

// HugePagesReads returns the pools of huge pages, whose size kubelet reads when it
// starts (as the node's capacity). They are declared by the component tuning,
// which also says what is wrong with them; kubelet's lists them among what it
// reads.
func (in Input) HugePagesReads() []host.ID {
	pools, _ := in.HugePages()
	var ids []host.ID
	for _, p := range pools {
		ids = append(ids, p.ID())
	}
	if p, _ := in.EFAHugePages(); p != nil {
		ids = append(ids, p.ID())
	}
	return ids
}

// SwapFile returns the swap file of spec.swap, nil where none is wanted. Its size
// is rounded up to whole MiB, which every size of page divides.
func (in Input) SwapFile() (*host.SwapFile, error) {
	s := in.Config.Spec.Swap
	if s.Size == "" {
		return nil, nil
	}
	invalid := func(field string, err error) error {
		return fault.New(fault.ConfigInvalid, "Correct spec.swap."+field+".", fmt.Errorf("cannot use spec.swap.%s: %w", field, err))
	}
	size, err := sizeInBytes(s.Size)
	if err != nil {
		return nil, invalid("size", err)
	}
	const mebibyte = 1 << 20
	f := host.SwapFile{Path: s.Path, Bytes: (size + mebibyte - 1) / mebibyte * mebibyte, Active: true}
	if f.Path == "" {
		f.Path = api.DefaultSwapPath
	}
	if !plainPath(f.Path) {
		return nil, invalid("path", fmt.Errorf("%q is no absolute path without dots, doubled slashes and control characters", f.Path))
	}
	return &f, nil
}

// SwapReads returns the swap file, whose size kubelet reads when it starts (as the
// machine's swap capacity, of which it gives pods their share). It is for the
// component of kubelet, as HugePagesReads is.
func (in Input) SwapReads() []host.ID {
	if f, err := in.SwapFile(); err == nil && f != nil {
		return []host.ID{f.ID()}
	}
	return nil
}

// plainPath reports whether p is absolute, clean, no root and without control
// characters.
func plainPath(p string) bool {
	if !strings.HasPrefix(p, "/") || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return false
	}
	for _, element := range strings.Split(p[1:], "/") {
		if element == "" || element == "." || element == ".." {
			return false
		}
	}
	return true
}
