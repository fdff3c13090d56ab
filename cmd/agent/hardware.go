package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/platform/ec2"
	"github.com/eksnode/eksnode/pkg/system/nvme"
)

// inspected is what `eksnode hardware` shows: the facts, where the machine is, and what
// it lacks of what the instance type has.
type inspected struct {
	hardware.Facts
	Whereabouts *ec2.Whereabouts       `json:"whereabouts,omitempty"`
	Findings    []instancetype.Finding `json:"findings,omitempty"`
}

// withFindings compares facts with an instance type, by default the one that the
// firmware or else instance metadata names. Without one, there is nothing to compare with.
func withFindings(m inspected, instanceType string) inspected {
	if instanceType == "" {
		instanceType = m.Platform.InstanceType
	}
	if instanceType == "" && m.Whereabouts != nil {
		instanceType = m.Whereabouts.InstanceType
	}
	if instanceType != "" {
		m.Findings = instancetype.Compare(m.Facts, instanceType)
	}
	return m
}

// Words for whether instance metadata is asked.
const (
	metadataAuto = "auto" // where the firmware is EC2's
	metadataYes  = "yes"
	metadataNo   = "no"
)

// metadataBound is how long `eksnode hardware` waits for instance metadata: a person
// waits with it.
const metadataBound = 3 * time.Second

// locate adds where the instance is; what cannot be had is among what was not seen.
func (a *app) locate(ctx context.Context, m *inspected, metadata string) {
	if metadata == metadataNo || metadata == metadataAuto && !m.Platform.OnEC2() {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, metadataBound, fmt.Errorf("not done within %s", metadataBound))
	defer cancel()
	where, missing, err := ec2.Locate(ctx, ec2.Options{Getenv: a.getenv, Log: a.log})
	if err != nil {
		m.Problems = append(m.Problems, hardware.Problem{Probe: "metadata", Message: err.Error()})
		return
	}
	for _, p := range missing {
		m.Problems = append(m.Problems, hardware.Problem{Probe: "metadata", Message: p.Message})
	}
	m.Whereabouts, m.Platform.Open = &where, ""
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
	var output, root, instanceType, metadata string
	cmd := &cobra.Command{
		Use:   "hardware",
		Short: "Show what this machine is made of, and on EC2 where it is; needs no root",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("cannot print hardware as %q: known are text and json", output)
			}
			if metadata != metadataAuto && metadata != metadataYes && metadata != metadataNo {
				return fmt.Errorf("cannot ask instance metadata %q: known are auto, yes and no", metadata)
			}
			m := inspected{Facts: inspect(root)}
			if root == "/" {
				if a.euid == 0 {
					a.identifyDisks(cmd.Context(), &m.Facts)
				}
				a.locate(cmd.Context(), &m, metadata)
			}
			m = withFindings(m, instanceType)
			if output == "json" {
				return writeJSON(a.stdout, m)
			}
			return a.printHardware(m)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().StringVar(&root, "root", "/", "folder that holds the /sys, /proc and /etc to read")
	cmd.Flags().StringVar(&instanceType, "instance-type", "", "instance type to compare with; by default the one that the firmware or instance metadata names")
	cmd.Flags().StringVar(&metadata, "metadata", metadataAuto, "whether to ask instance metadata where this machine is, for 3 seconds at most: auto (where the firmware is EC2's), yes or no; never with --root")
	return cmd
}
