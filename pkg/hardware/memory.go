package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

const (
	memoryDir = "sys/devices/system/memory"
	meminfo   = "proc/meminfo"
)

func lookAtMemory(root fs.FS, f *Facts) (problems []Problem) {
	f.Memory, problems = memory(root)
	return problems
}

// memory adds up the memory blocks that are online, as nodeadm does. Where the
// kernel has none (no memory hotplug: some virtual machine monitors) it takes
// MemTotal of /proc/meminfo, and says so.
func memory(root fs.FS) (Memory, []Problem) {
	n, err := onlineBlocks(root)
	if err == nil {
		return Memory{OnlineBytes: n}, nil
	}
	total, errTotal := memTotal(root)
	if errTotal != nil {
		return Memory{}, []Problem{failed(probeMemory, err), failed(probeMemory, errTotal)}
	}
	return Memory{OnlineBytes: total}, []Problem{{
		Probe:   probeMemory,
		Message: err.Error() + "; MemTotal of /" + meminfo + " stands in, which lacks what the kernel keeps for itself",
		Remark:  true,
	}}
}

// onlineBlocks returns the bytes in online memory blocks; the kernel's
// Documentation/admin-guide/mm/memory-hotplug.rst has the format.
func onlineBlocks(root fs.FS) (int64, error) {
	text, err := read(root, path.Join(memoryDir, "block_size_bytes"))
	if err != nil {
		return 0, err
	}
	size, err := strconv.ParseInt(text, 16, 64)
	if err != nil || size <= 0 {
		return 0, fmt.Errorf("cannot parse block size of memory %s: not a hexadecimal number above zero", quote(text))
	}
	names, err := list(root, memoryDir)
	if err != nil {
		return 0, err
	}
	var online int64
	for _, block := range numbered(names, "memory") {
		state, err := read(root, path.Join(memoryDir, block.name, "online"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // unplugged since it was listed
		}
		if err != nil {
			return 0, err
		}
		switch state {
		case "1":
			online++
		case "0":
		default:
			return 0, fmt.Errorf("cannot parse state of memory block %d: %s is neither 0 nor 1", block.number, quote(state))
		}
	}
	if online == 0 {
		return 0, fmt.Errorf("cannot add up memory: no block below /%s is online", memoryDir)
	}
	if size > math.MaxInt64/online {
		return 0, fmt.Errorf("cannot add up memory: %d blocks of %d bytes are more than can be", online, size)
	}
	return size * online, nil
}

// memTotal returns MemTotal, which the kernel gives in units of 1024 bytes and
// calls kB (proc_meminfo(5)).
func memTotal(root fs.FS) (int64, error) {
	text, err := read(root, meminfo)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, "MemTotal:")
		if !ok {
			continue
		}
		number, unit, _ := strings.Cut(strings.TrimSpace(value), " ")
		kib, err := strconv.ParseInt(number, 10, 64)
		if err != nil || kib <= 0 || kib > math.MaxInt64/1024 || unit != "kB" {
			return 0, fmt.Errorf("cannot parse MemTotal of /%s: %s", meminfo, quote(strings.TrimSpace(value)))
		}
		return kib * 1024, nil
	}
	return 0, fmt.Errorf("cannot find MemTotal in /%s", meminfo)
}
