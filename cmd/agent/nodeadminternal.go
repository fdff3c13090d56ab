package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/platform/ec2"
)

// addInternal adds what nodeadm-internal can do beside nodeadm: the two commands that
// the units of an Amazon Linux 2023 image call for the network interfaces.
func (a *app) addInternal(root *cobra.Command) {
	var link, action string
	// nodeadm-internal has them on its root, too.
	root.PersistentFlags().StringVarP(&link, "interface", "i", "", "network interface")
	root.PersistentFlags().StringVarP(&action, "action", "a", "", "what has happened to it: add or remove")
	root.AddCommand(&cobra.Command{
		Use: "udev-net-manager", Short: "Decide who looks after a network interface that has come or gone", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cni.CheckLink(link); err != nil {
				return err
			}
			if action != "add" && action != "remove" {
				return fmt.Errorf("cannot do %q with %s: known are add and remove", action, link)
			}
			enis, err := a.enis(cmd)
			if err != nil {
				return err
			}
			if action == "remove" {
				return enis.Remove(cmd.Context(), link)
			}
			_, err = enis.Add(cmd.Context(), link)
			return err
		},
	}, &cobra.Command{
		Use: "boot-hook", Short: "Wait until the network interfaces that were there at boot are configured", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			enis, err := a.enis(cmd)
			if err != nil {
				return err
			}
			return enis.Await(cmd.Context())
		},
	})
}

func (a *app) enis(cmd *cobra.Command) (*ec2.ENIs, error) {
	if err := a.needRoot(cmd.Name()); err != nil {
		return nil, err
	}
	return ec2.NewENIs(ec2.Options{Getenv: a.getenv, Log: a.log})
}
