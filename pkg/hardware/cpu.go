package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
)

const (
	cpuDir  = "sys/devices/system/cpu"
	nodeDir = "sys/devices/system/node"
)

// lookAtCPU counts the CPUs that are online, as nodeadm does: those listed below
// the NUMA nodes, or all that the kernel lists where there are no nodes with CPUs.
// Offline CPUs, such as those given to a Nitro enclave, never count; nodeadm
// counts them on a machine without NUMA nodes.
func lookAtCPU(root fs.FS, f *Facts) []Problem {
	n, err := onlineCPUs(root)
	if err != nil {
		return []Problem{failed(probeCPU, err)}
	}
	f.CPU.Online = n
	return nil
}

func onlineCPUs(root fs.FS) (int, error) {
	isOnline, err := onlineTest(root)
	if err != nil {
		return 0, err
	}
	dirs, err := nodeDirs(root)
	if err != nil {
		return 0, err
	}
	seen := 0 // CPUs listed, online or not
	online := 0
	count := func(dir string) error {
		names, err := list(root, dir)
		if err != nil {
			return err
		}
		for _, c := range numbered(names, "cpu") {
			seen++
			if isOnline(c.number) {
				online++
			}
		}
		return nil
	}
	for _, dir := range dirs {
		if err := count(dir); err != nil {
			return 0, err
		}
	}
	if seen == 0 {
		if err := count(cpuDir); err != nil {
			return 0, err
		}
	}
	if online == 0 {
		return 0, fmt.Errorf("cannot count CPUs: none of the %d below /%s is online", seen, cpuDir)
	}
	return online, nil
}

// onlineTest returns whether a CPU is online. A kernel without CPU hotplug has
// no such file; then all are.
func onlineTest(root fs.FS) (func(int) bool, error) {
	text, err := read(root, path.Join(cpuDir, "online"))
	if errors.Is(err, fs.ErrNotExist) {
		return func(int) bool { return true }, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := parseCPUList(text)
	if err != nil {
		return nil, err
	}
	return l.has, nil
}

// nodeDirs returns the directories of the NUMA nodes; none where the kernel
// has none.
func nodeDirs(root fs.FS) ([]string, error) {
	names, err := list(root, nodeDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, n := range numbered(names, "node") {
		dirs = append(dirs, path.Join(nodeDir, n.name))
	}
	return dirs, nil
}
