package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/system/nvme"
)

// inspected is what `eksnode hardware` shows: the facts, and what they lack of what
// the instance type has.
type inspected struct {
	hardware.Facts
	Findings []instancetype.Finding `json:"findings,omitempty"`
}

// withFindings compares facts with an instance type, by default the one that the
// firmware names. Without one, there is nothing to compare with.
func withFindings(f hardware.Facts, instanceType string) inspected {
	if instanceType == "" {
		instanceType = f.Platform.InstanceType
	}
	m := inspected{Facts: f}
	if instanceType != "" {
		m.Findings = instancetype.Compare(f, instanceType)
	}
	return m
}

// identifyDisks asks the NVMe controllers themselves, which only root may, and which
// know under what name EC2 attached them.
func (a *app) identifyDisks(ctx context.Context, f *hardware.Facts) {
	said, err := nvme.Identify(ctx, "/dev", f.NVMe)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		a.log.Warn("not every NVMe controller says who it is", "error", err)
	}
	f.NVMe = hardware.Identified(f.NVMe, said)
}

func (a *app) hardwareCommand() *cobra.Command {
	var output, root, instanceType string
	cmd := &cobra.Command{
		Use:   "hardware",
		Short: "Show what this machine is made of; needs neither root nor a network",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("cannot print hardware as %q: known are text and json", output)
			}
			facts := inspect(root)
			if root == "/" && a.euid == 0 {
				a.identifyDisks(cmd.Context(), &facts)
			}
			m := withFindings(facts, instanceType)
			if output == "json" {
				return writeJSON(a.stdout, m)
			}
			return a.printHardware(m)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().StringVar(&root, "root", "/", "folder that holds the /sys, /proc and /etc to read")
	cmd.Flags().StringVar(&instanceType, "instance-type", "", "instance type to compare with; by default the one that the firmware names")
	return cmd
}
