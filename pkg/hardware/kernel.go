package hardware

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	probeKernel  = "kernel"
	probeModules = "modules"
	probeClock   = "clock"

	cmdline     = "proc/cmdline"
	modulesFile = "proc/modules"
	moduleDir   = "sys/module"
	clockDir    = "sys/devices/system/clocksource/clocksource0"
	ptpDir      = "sys/class/ptp"
)

// Kernel is how the kernel was started and what it loaded; its release is in OS.
type Kernel struct {
	// Parameters are those of the command line that matter to a node, in its order
	// and repeated as there: isolcpus=2-3.
	Parameters []string `json:"parameters,omitempty"`
	// CgroupControllers are those of a version 2 hierarchy, in the kernel's order.
	CgroupControllers []string `json:"cgroupControllers,omitempty"`
	// Modules are those that matter to a node, by name.
	Modules []Module `json:"modules,omitempty"`
}

// Module is a part of the kernel that was loaded.
type Module struct {
	Name string `json:"name"`
	// Version is the module's own, where it has one: 580.95.05.
	Version string `json:"version,omitempty"`
	// Taint is how it taints the kernel: P proprietary, O out of tree, E unsigned.
	Taint string `json:"taint,omitempty"`
}

// lookAtKernel reads the command line and the controllers of cgroups.
func lookAtKernel(root fs.FS, f *Facts) []Problem {
	var problems []Problem
	text, err := read(root, cmdline)
	if err != nil {
		problems = append(problems, failed(probeKernel, err))
	}
	f.Kernel.Parameters = essential(parseCmdline(text))
	if f.OS.CgroupVersion == 2 {
		if text, err = read(root, cgroupControllers); err != nil {
			problems = append(problems, failed(probeKernel, err))
		}
		f.Kernel.CgroupControllers = strings.Fields(printable(text))
	}
	return problems
}

// parseCmdline splits a command line into parameters as the kernel does
// (lib/cmdline.c, next_arg): at white space outside of double quotes, which are
// taken off around a whole parameter or its value. What follows -- is for init.
func parseCmdline(text string) []string {
	var out []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		quoted, end := false, len(text)
		for i := 0; i < len(text); i++ {
			if text[i] == '"' {
				quoted = !quoted
			}
			if !quoted && isBlank(text[i]) {
				end = i
				break
			}
		}
		word := text[:end]
		text = text[end:]
		if word == "--" {
			break
		}
		out = append(out, unquoteParameter(word))
	}
	return out
}

func isBlank(b byte) bool {
	return b == ' ' || b == '\t' || b == '\n' || b == '\v' || b == '\f' || b == '\r'
}

func unquoteParameter(word string) string {
	if strings.HasPrefix(word, `"`) {
		return strings.TrimSuffix(word[1:], `"`)
	}
	name, value, ok := strings.Cut(word, "=")
	if ok && strings.HasPrefix(value, `"`) {
		return name + "=" + strings.TrimSuffix(value[1:], `"`)
	}
	return word
}

// essential picks the parameters that decide about CPUs, memory, cgroups, security,
// devices and clocks (Documentation/admin-guide/kernel-parameters.txt, and
// kernel-command-line(7) of systemd). The rest is not kept: people put tokens there.
func essential(parameters []string) []string {
	known := []string{
		"isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity", "maxcpus", "nr_cpus", "nosmt", "mitigations", "numa", "numa_balancing", "mem", "preempt",
		"hugepages", "hugepagesz", "default_hugepagesz", "hugetlb_cma", "transparent_hugepage", "memhp_default_state", "zswap.enabled", "init_on_alloc",
		"systemd.unified_cgroup_hierarchy", "systemd.legacy_systemd_cgroup_controller", "cgroup_no_v1", "cgroup_enable", "cgroup_disable", "swapaccount", "psi",
		"selinux", "enforcing", "security", "lsm", "apparmor", "audit", "fips", "lockdown", "module.sig_enforce",
		"clocksource", "tsc", "intel_idle.max_cstate", "processor.max_cstate", "idle", "cpuidle.off", "intel_pstate", "amd_pstate",
		"iommu", "intel_iommu", "amd_iommu", "iommu.passthrough", "iommu.strict", "pci", "nvme_core.io_timeout", "nvme_core.max_retries", "xen_blkfront.max",
		"net.ifnames", "biosdevname", "ipv6.disable", "modprobe.blacklist", "systemd.swap",
	}
	var out []string
	for _, p := range parameters {
		// The kernel takes dashes for underscores in a name.
		name, _, _ := strings.Cut(p, "=")
		if slices.Contains(known, strings.ReplaceAll(name, "-", "_")) {
			out = append(out, printable(p))
		}
	}
	return out
}

// interesting reports whether a module matters to a node: networks and filesystems
// of containers, devices of EC2, accelerators and virtual machines.
func interesting(name string) bool {
	return slices.Contains([]string{
		"overlay", "br_netfilter", "bridge", "veth", "vxlan", "geneve", "wireguard", "ipip", "nf_conntrack", "nf_tables", "ip_tables", "ip6_tables", "iptable_nat",
		"ip_vs", "ip_set", "sch_ingress", "cls_bpf", "tun", "vfio_pci", "nbd", "rbd", "zram", "fuse", "xfs", "erofs", "nfsv4", "lustre", "lnet", "dm_multipath", "iscsi_tcp",
		"ena", "efa", "ib_uverbs", "ib_core", "ib_umad", "ixgbevf", "mlx5_core", "mlx5_ib", "nvme", "nvme_tcp", "nitro_enclaves",
		"nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm", "nvidia_peermem", "nvidia_fs", "gdrdrv", "neuron", "amdgpu", "nouveau",
		"xen_netfront", "xen_blkfront", "virtio_net", "virtio_blk", "virtio_scsi", "vmxnet3", "vmw_pvscsi", "vmw_balloon", "hv_netvsc", "hv_storvsc", "hv_vmbus",
		"tpm_crb", "tpm_tis", "kvm", "kvm_intel", "kvm_amd",
	}, name)
}

// lookAtModules reads what is loaded (proc_modules(5)). Parts that are built into
// the kernel are no modules, and a kernel without modules has no such file.
func lookAtModules(root fs.FS, f *Facts) []Problem {
	text, err := readOf(root, meminfo, modulesFile)
	if err != nil {
		return []Problem{failed(probeModules, err)}
	}
	var problems []Problem
	for _, m := range parseModules(text) {
		if !interesting(m.Name) {
			continue
		}
		m.Version, err = readText(root, path.Join(moduleDir, m.Name, "version"))
		if notMissing(err) != nil {
			problems = append(problems, failed(probeModules, err))
		}
		f.Kernel.Modules = append(f.Kernel.Modules, m)
	}
	slices.SortFunc(f.Kernel.Modules, func(a, b Module) int { return cmp.Compare(a.Name, b.Name) })
	return problems
}

// parseModules reads lines of a name, five more fields, and (TAINT) where there is
// one. A line that is none is passed over.
func parseModules(text string) []Module {
	var out []Module
	for line := range strings.Lines(text) {
		fields := strings.Fields(printable(line))
		if len(fields) < 6 {
			continue
		}
		m := Module{Name: fields[0]}
		if last := fields[len(fields)-1]; len(fields) > 6 && strings.HasPrefix(last, "(") && strings.HasSuffix(last, ")") {
			m.Taint = strings.Trim(last, "()")
		}
		out = append(out, m)
	}
	return out
}

// Clock is what the kernel tells time by.
type Clock struct {
	// Source is the one in use: tsc, kvm-clock, xen, arch_sys_counter; Available
	// are all, the best first.
	Source    string   `json:"source,omitempty"`
	Available []string `json:"available,omitempty"`
	// PTP are the names of the hardware clocks, in the order of their devices:
	// "KVM virtual PTP", ena-ptp-05.
	PTP []string `json:"ptp,omitempty"`
}

// lookAtClock reads the clock source and the PTP clocks; machines without one of
// those have an empty folder or none.
func lookAtClock(root fs.FS, f *Facts) []Problem {
	var problems []Problem
	note := func(err error) {
		if err != nil {
			problems = append(problems, failed(probeClock, err))
		}
	}
	var err error
	f.Clock.Source, err = readText(root, clockDir+"/current_clocksource")
	note(err)
	available, err := readText(root, clockDir+"/available_clocksource")
	note(err)
	f.Clock.Available = strings.Fields(available)
	names, err := list(root, ptpDir)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = there(root, "sys/class", ptpDir)
	}
	note(err)
	clocks := numbered(names, "ptp")
	slices.SortFunc(clocks, func(a, b numberedName) int { return a.number - b.number })
	for _, c := range clocks {
		name, err := readText(root, path.Join(ptpDir, c.name, "clock_name"))
		if err != nil {
			note(fmt.Errorf("cannot name clock %s: %w", c.name, err))
			continue
		}
		f.Clock.PTP = append(f.Clock.PTP, name)
	}
	return problems
}
