package ec2

import (
	"context"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/system/file"
	"github.com/eksnode/eksnode/pkg/system/networkd"
	"github.com/eksnode/eksnode/pkg/system/networkmanager"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// NewENIs returns the keeper of this machine's ENIs. It sends nothing.
func NewENIs(o Options) (*ENIs, error) {
	settings := imds.OptionsFromEnv(o.Getenv)
	settings.Log = o.Log
	client, err := imds.New(settings)
	if err != nil {
		return nil, err
	}
	root := rootfs.At("/")
	return &ENIs{
		imds: client, layout: layout(o.Getenv), root: root, files: file.New(root), links: kernelLinks{}, log: o.Log, getenv: o.Getenv,
		reloadNetworkManager: networkmanager.Reload,
	}, nil
}

// Await is AwaitBoot with this machine's systemd-networkd.
func (e *ENIs) Await(ctx context.Context) error {
	conn, err := networkd.Open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return e.AwaitBoot(ctx, conn)
}

// Reload makes this machine's systemd-networkd read its files again; where it does not
// run there is nothing to do.
func (e *ENIs) Reload(ctx context.Context) error {
	conn, err := networkd.Open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	runs, err := conn.Running(ctx)
	if err != nil || !runs {
		return err
	}
	return conn.Reload(ctx)
}

// kernelLinks asks the kernel over netlink.
type kernelLinks struct{}

// MAC implements links.
func (kernelLinks) MAC(name string) (string, bool, error) {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return "", false, err
	}
	a := l.Attrs()
	if permanent := a.PermHWAddr.String(); permanent != "" && strings.Trim(permanent, "0:") != "" {
		return permanent, true, nil
	}
	return a.HardwareAddr.String(), false, nil
}
