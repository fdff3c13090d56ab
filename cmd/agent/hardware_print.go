package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// printHardware shows a machine by sections. A section, like a row, without
// anything in it is left out; what is missing because it was not seen is at the end.
func (a *app) printHardware(m inspected) error {
	p := &printer{w: a.stdout}
	f := m.Facts
	p.table(
		row("machine", f.DMI.SysVendor, f.DMI.ProductName, f.DMI.BoardAssetTag),
		row("platform", f.Platform.Name, said("in a container of ", f.Container)),
		row("system", f.OS.PrettyName, f.OS.KernelRelease),
		row("cgroup", versionOrNothing(f.OS.CgroupVersion)),
		row("cpus", strconv.Itoa(f.CPU.Online), f.CPU.Architecture),
		row("memory", fmt.Sprintf("%d MiB", f.Memory.OnlineBytes>>20)),
	)
	if f.Platform.Name != "" {
		p.section("Platform", row("  confidence", string(f.Platform.Confidence), "("+strings.Join(f.Platform.Why, "; ")+")"),
			row("  open", f.Platform.Open), row("  firmware", f.DMI.BIOSVendor, f.DMI.BIOSVersion, f.DMI.BIOSDate), row("  boot", f.Security.Boot, said("secure boot ", f.Security.SecureBoot)),
			row("  hypervisor", f.Hypervisor.Kind, f.Hypervisor.Version))
	}
	if w := m.Whereabouts; w != nil {
		p.section("Whereabouts", row("  instance", w.InstanceID, w.InstanceType, w.Lifecycle), row("  image", w.ImageID),
			row("  region", w.Region, said("partition ", w.Partition)), row("  zone", w.Zone, w.ZoneID, w.ZoneType), row("  outpost", w.OutpostARN),
			row("  placement group", w.PlacementGroup, said("partition ", w.PartitionNumber)))
	}
	p.section("Processors", processorRows(f.CPU)...)
	p.section("Memory", memoryRows(f.Memory)...)
	p.section("NUMA nodes", nodeRows(f.NUMA)...)
	p.section("Kernel", kernelRows(f)...)
	p.section("Devices", deviceRows(f)...)
	p.section("NVMe", diskRows(f.NVMe)...)
	p.section("Network", linkRows(f.Links)...)
	p.section("PCI", pciRows(f.PCI)...)
	if len(m.Findings) > 0 {
		p.line("\nFindings")
		for _, x := range m.Findings {
			p.line("  %s: %s", x.Code, x.Message)
			p.line("    remedy: %s", x.Remedy)
		}
	}
	if len(f.Problems) > 0 {
		p.line("\nNot seen")
		for _, x := range f.Problems {
			p.line("  %s: %s", x.Probe, x.Message)
		}
	}
	return p.err
}

// section prints rows below a heading; nothing without rows.
func (p *printer) section(heading string, rows ...[]string) {
	for _, r := range rows {
		if r != nil {
			p.line("\n%s", heading)
			p.table(rows...)
			return
		}
	}
}

// said puts a name before a value that is there.
func said(name, value string) string {
	if value == "" {
		return ""
	}
	return name + value
}

// counted puts a number that is not zero before a name of one or of many.
func counted(n int, one, many string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func versionOrNothing(v int) string {
	return said("v", strings.TrimPrefix(strconv.Itoa(v), "0"))
}

func processorRows(c hardware.CPU) [][]string {
	rows := [][]string{
		row("  model", c.Vendor, c.Model, c.Level),
		row("  layout", counted(c.Sockets, "socket", "sockets"), counted(c.Cores, "core", "cores"), counted(c.ThreadsPerCore, "thread per core", "threads per core")),
		row("  features", strings.Join(c.Features, " ")),
		row("  offline", string(c.Offline)),
		row("  isolated", string(c.Isolated)),
		row("  without tick", string(c.NoHzFull)),
	}
	if a := c.Allowed; a != nil {
		rows = append(rows, row("  usable here", fmt.Sprintf("%g", float64(a.Milli)/1000), "of CPUs "+string(a.CPUs), quotaText(a.QuotaMilli)))
	}
	return rows
}

func quotaText(milli int64) string {
	if milli == 0 {
		return ""
	}
	return fmt.Sprintf("quota %g", float64(milli)/1000)
}

func memoryRows(m hardware.Memory) [][]string {
	var rows [][]string
	if m.TotalBytes > 0 {
		rows = append(rows, row("  left by the kernel", size(m.TotalBytes)))
	}
	for _, p := range m.HugePages {
		rows = append(rows, row("  huge pages", fmt.Sprintf("%d of %s, %d free", p.Pages, size(p.PageBytes), p.Free)))
	}
	rows = append(rows, row("  transparent", m.TransparentHugePages))
	for _, s := range m.Swap {
		rows = append(rows, row("  swap", s.Name, s.Kind, size(s.Bytes)))
	}
	return rows
}

// size writes bytes in the largest unit of which they are a whole number.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<30 && bytes%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}

func nodeRows(nodes []hardware.NUMANode) [][]string {
	var rows [][]string
	for _, n := range nodes {
		pools := ""
		for _, h := range n.HugePages {
			if h.Pages > 0 {
				pools += fmt.Sprintf("  %d of %s", h.Pages, size(h.PageBytes))
			}
		}
		memory := size(n.MemoryBytes)
		if n.MemoryBytes == 0 && len(n.Distances) == 0 {
			memory = "" // it was not seen
		}
		rows = append(rows, []string{"  " + strconv.Itoa(n.Number), "CPUs " + string(n.CPUs), memory, said("distances ", strings.Trim(fmt.Sprint(n.Distances), "[]")), strings.TrimSpace(pools)})
	}
	return rows
}

func kernelRows(f hardware.Facts) [][]string {
	s := f.Security
	rows := [][]string{
		row("  parameters", f.Kernel.Parameters...),
		row("  controllers", strings.Join(f.Kernel.CgroupControllers, " ")),
		row("  clock", f.Clock.Source, said("of ", strings.Join(f.Clock.Available, " "))),
		row("  PTP", strings.Join(f.Clock.PTP, ", ")),
		row("  SELinux", s.SELinux), row("  AppArmor", s.AppArmor), row("  lockdown", s.Lockdown), row("  FIPS", s.FIPS),
	}
	var modules []string
	for _, m := range f.Kernel.Modules {
		text := m.Name + said(" ", m.Version)
		if m.Taint != "" {
			text += " (taints " + m.Taint + ")"
		}
		modules = append(modules, text)
	}
	return append(rows, row("  modules", strings.Join(modules, ", ")))
}

func deviceRows(f hardware.Facts) [][]string {
	g, n := f.GPUs(), f.Neuron()
	rows := [][]string{
		row("  EFA", counted(len(f.EFAs()), "function", "functions")),
		row("  ENA", counted(len(f.ENAs()), "function", "functions")),
	}
	if g.Count > 0 {
		rows = append(rows, row("  GPUs", strconv.Itoa(g.Count), g.Vendor, g.Model, g.Device, fmt.Sprintf("%d with a driver", g.Bound), counted(g.NVSwitches, "NVSwitch", "NVSwitches")))
	}
	if n.Count > 0 {
		rows = append(rows, row("  Neuron", strconv.Itoa(n.Count), n.Model))
	}
	for _, t := range f.TPM {
		rows = append(rows, row("  TPM", t.Name, said("version ", t.Version)))
	}
	if f.Enclaves.Device {
		rows = append(rows, row("  Nitro Enclaves", "ready", said("with CPUs ", string(f.Enclaves.CPUs))))
	}
	return rows
}

func diskRows(controllers []hardware.NVMe) [][]string {
	var rows [][]string
	for _, c := range controllers {
		rows = append(rows, []string{"  " + c.Name, string(c.Kind), c.Model, c.Serial, c.VolumeID})
		for _, d := range c.Disks {
			use := "free"
			if d.InUse() {
				use = "in use"
			}
			rows = append(rows, []string{"    " + d.Name, size(d.Bytes), use, strings.Join(d.Mounts, " ")})
		}
	}
	return rows
}

func linkRows(links []hardware.Link) [][]string {
	var rows [][]string
	for _, l := range links {
		rows = append(rows, []string{"  " + l.Name, l.MAC, l.Driver, l.Address, said("MTU ", strings.TrimPrefix(strconv.Itoa(l.MTU), "0"))})
	}
	return rows
}

func pciRows(devices []hardware.PCIDevice) [][]string {
	var rows [][]string
	for _, d := range devices {
		rows = append(rows, []string{"  " + d.Address, d.Vendor + ":" + d.Device, "class " + d.Class, d.Driver})
	}
	return rows
}
