package host

import (
	"fmt"
	"strconv"
	"strings"
)

// Module is a kernel module that is loaded, or built into the kernel. That it is
// loaded again after a reboot is the work of a File under /etc/modules-load.d.
type Module struct {
	// Name is as lsmod prints it, with underscores: br_netfilter.
	Name string `json:"name"`
}

// ID implements Resource.
func (m Module) ID() ID { return ID{KindModule, m.Name} }

// HugePages is a pool of huge pages of the running kernel.
type HugePages struct {
	// SizeKiB is the size of one page: 2048, 1048576.
	SizeKiB int64 `json:"sizeKiB"`
	// NUMANode is where the pages are, or -1 for the pool that spans all nodes.
	NUMANode int `json:"numaNode"`
	// Count of pages in the pool.
	Count int64 `json:"count"`
}

// ID implements Resource.
func (p HugePages) ID() ID {
	if p.NUMANode < 0 {
		return ID{KindHugePages, strconv.FormatInt(p.SizeKiB, 10) + "kB"}
	}
	return ID{KindHugePages, fmt.Sprintf("%dkB@node%d", p.SizeKiB, p.NUMANode)}
}

// blankHugePages undoes ID.
func blankHugePages(name string) (HugePages, error) {
	p := HugePages{NUMANode: -1}
	size, node, ok := strings.Cut(name, "@node")
	size, okSize := strings.CutSuffix(size, "kB")
	var err error
	if p.SizeKiB, err = strconv.ParseInt(size, 10, 64); err == nil && ok {
		p.NUMANode, err = strconv.Atoi(node)
	}
	if err != nil || !okSize || p.ID().Name != name {
		return HugePages{}, fmt.Errorf("cannot read %q as a pool of huge pages", name)
	}
	return p, nil
}

// SwapFile is a file in use as swap.
type SwapFile struct {
	// Path is absolute and clean.
	Path string `json:"path"`
	// Bytes is the size of the file.
	Bytes int64 `json:"bytes"`
	// Active says that the kernel swaps to it.
	Active bool `json:"active"`
}

// ID implements Resource.
func (s SwapFile) ID() ID { return ID{KindSwapFile, s.Path} }
