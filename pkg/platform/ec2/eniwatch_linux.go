package ec2

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/eksnode/eksnode/internal/retry"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// eniDrivers are the drivers of EC2's network interfaces, as in the udev rules of
// amazon-ec2-net-utils: Nitro, enhanced networking of older instances, Xen.
var eniDrivers = []string{"ena", "ixgbevf", "vif"}

// linksVariable names, as a pattern for the names of links, those that are ENIs although
// their drivers are none of EC2's, as on virtual machines for trial.
const linksVariable = "EKSNODE_ENI_LINKS"

// nodeadmUnits are where images made for EKS have nodeadm's unit for ENIs; the agent then
// leaves them to it.
var nodeadmUnits = []string{"/etc/systemd/system/udev-net-manager@.service", "/usr/lib/systemd/system/udev-net-manager@.service"}

// Watch looks after ENIs as they come and go, until ctx ends: the kernel tells of them
// over netlink. It calls ready when those that are there have been looked after. On images
// with nodeadm's units it does nothing. The error is about netlink.
func (e *ENIs) Watch(ctx context.Context, ready func()) error {
	for _, unit := range nodeadmUnits {
		if _, err := e.root.Stat(unit); err == nil {
			e.log.Info("network interfaces are looked after by the image", "unit", unit)
			ready()
			<-ctx.Done()
			return nil
		}
	}
	pattern := e.getenv(linksVariable)
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("cannot use %s=%q as a pattern: %w", linksVariable, pattern, err)
	}
	w := &eniWatch{
		named: e.named, kept: e.Kept, add: e.Add, gone: e.Gone, reload: e.Reload, log: e.log,
		isENI: func(name string) bool { return matches(pattern, name) || slices.Contains(eniDrivers, driverOf(name)) },
	}
	// The subscription comes first, so that nothing falls between it and the list.
	updates, done := make(chan netlink.LinkUpdate, 64), make(chan struct{})
	defer close(done)
	var broken error
	err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{
		ErrorCallback: func(err error) { broken = err }, // before updates is closed
	})
	if err != nil {
		return fmt.Errorf("cannot hear of network interfaces: %w", err)
	}
	there, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("cannot list the network interfaces: %w", err)
	}
	// Links of pods come and go by the hundred; ENIs are devices.
	relevant := func(l netlink.Link) bool { return l.Type() == "device" || matches(pattern, l.Attrs().Name) }
	for _, l := range there {
		if relevant(l) {
			w.see(ctx, link{index: l.Attrs().Index, name: l.Attrs().Name})
		}
	}
	settled := w.settled()
	go func() {
		settled(ctx)
		ready()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case u, ok := <-updates:
			if !ok {
				return fmt.Errorf("cannot hear of network interfaces any more: %w", broken)
			}
			if relevant(u.Link) {
				w.see(ctx, link{index: u.Attrs().Index, name: u.Attrs().Name, gone: u.Header.Type == unix.RTM_DELLINK})
			}
		}
	}
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// driverOf returns the driver of a link's device; empty for a link without one.
func driverOf(name string) string {
	target, err := os.Readlink("/sys/class/net/" + name + "/device/driver")
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// udevBound is how long udev may take with a link; a link whose name it never settles
// keeps the one that it has.
const udevBound = 10 * time.Second

// named returns when udev has given a link the name that it keeps, where udev runs: it
// writes down what it knows of a device when it is done with it.
func (e *ENIs) named(ctx context.Context, index int) error {
	if _, err := e.root.Stat("/run/udev/control"); rootfs.Absent(err) {
		return nil
	}
	err := retry.Do(ctx, retry.Policy{Within: udevBound, Base: 20 * time.Millisecond, Max: 200 * time.Millisecond}, func(context.Context) error {
		_, err := e.root.Stat("/run/udev/data/n" + strconv.Itoa(index))
		return err
	})
	if err != nil && ctx.Err() == nil {
		e.log.Warn("udev is not done with a network interface", "index", index, "error", err)
		return nil
	}
	return ctx.Err()
}
