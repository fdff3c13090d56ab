package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/hardware"
)

func (a *app) hardwareCommand() *cobra.Command {
	var output, root string
	cmd := &cobra.Command{
		Use:   "hardware",
		Short: "Show what this machine is made of; needs neither root nor a network",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			facts := hardware.Detect(os.DirFS(root), runtime.GOARCH)
			switch output {
			case "text":
				return a.printHardware(facts)
			case "json":
				return writeJSON(a.stdout, facts)
			}
			return fmt.Errorf("cannot print hardware as %q: known are text and json", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().StringVar(&root, "root", "/", "folder that holds the /sys, /proc and /etc to read")
	return cmd
}

func (a *app) printHardware(f hardware.Facts) error {
	p := &printer{w: a.stdout}
	p.table(
		row("machine", f.DMI.SysVendor, f.DMI.ProductName, f.DMI.BoardAssetTag),
		row("system", f.OS.PrettyName, f.OS.KernelRelease),
		row("cgroup", versionOrNothing(f.OS.CgroupVersion)),
		row("cpus", strconv.Itoa(f.CPU.Online), f.CPU.Architecture),
		row("memory", fmt.Sprintf("%d MiB", f.Memory.OnlineBytes>>20)),
	)
	if len(f.PCI) > 0 {
		p.line("\nPCI")
		var rows [][]string
		for _, d := range f.PCI {
			rows = append(rows, []string{"  " + d.Address, d.Vendor + ":" + d.Device, "class " + d.Class, d.Driver})
		}
		p.table(rows...)
	}
	if len(f.Problems) > 0 {
		p.line("\nNot seen")
		for _, x := range f.Problems {
			p.line("  %s: %s", x.Probe, x.Message)
		}
	}
	return p.err
}

func versionOrNothing(v int) string {
	if v == 0 {
		return ""
	}
	return "v" + strconv.Itoa(v)
}
