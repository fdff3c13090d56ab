package main

import (
	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/platform/ec2"
)

// eniCommand is what eksnode-eni@.service runs for each network interface of the
// instance, on images that have not nodeadm's own unit for that.
func (a *app) eniCommand() *cobra.Command {
	c := &cobra.Command{Use: "eni", Short: "Look after a network interface of the instance", Hidden: true}
	verb := func(use, short string, do func(*cobra.Command, *ec2.ENIs, string) error) {
		c.AddCommand(&cobra.Command{
			Use: use + " LINK", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				if err := cni.CheckLink(args[0]); err != nil {
					return err
				}
				enis, err := a.enis(cmd)
				if err != nil {
					return err
				}
				return do(cmd, enis, args[0])
			},
		})
	}
	verb("add", "Decide who looks after an interface that is there, and configure it", func(cmd *cobra.Command, enis *ec2.ENIs, link string) error {
		manager, err := enis.Add(cmd.Context(), link)
		if err != nil || manager != cni.ManagerNetworkd {
			return err
		}
		return enis.Reload(cmd.Context())
	})
	verb("remove", "Forget an interface that is not there any more", func(cmd *cobra.Command, enis *ec2.ENIs, link string) error {
		return enis.Gone(cmd.Context(), link)
	})
	return c
}
