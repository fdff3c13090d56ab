package ec2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/internal/retry"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/file"
	"github.com/eksnode/eksnode/pkg/system/lock"
	"github.com/eksnode/eksnode/pkg/system/networkd"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// ENIs decides who looks after each network interface of the instance, and tells
// systemd-networkd what is its own: udev calls it for every ENI that comes or goes.
type ENIs struct {
	imds   *imds.Client
	layout node.Layout
	root   rootfs.Root
	files  *file.Driver
	links  links
	log    *slog.Logger
	// getenv reads the agent's environment.
	getenv func(string) string
	// reloadNetworkManager makes NetworkManager read its files again, where it runs.
	reloadNetworkManager func(context.Context) error
	// patience is how long metadata may take to tell of an interface that has just
	// been attached; attachBound when zero.
	patience time.Duration

	idMu sync.Mutex
	id   imds.Identity // once it has been asked for
}

// attachBound is how long instance metadata may be late about an interface that has
// just been attached, asked for every attachPause (amazon-ec2-net-utils waits as long).
const (
	attachBound = 6 * time.Second
	attachPause = 100 * time.Millisecond
)

// links is what is asked of the kernel about network interfaces.
type links interface {
	// MAC returns the address of a link, and whether it is the permanent one of a
	// device and not one that anybody gave it.
	MAC(name string) (mac string, permanent bool, err error)
}

// networkManager is systemd-networkd; see [networkd.Conn].
type networkManager interface {
	Links(context.Context) ([]networkd.Link, error)
}

// Add is for an ENI that has come, or that was there at boot. The first time it is
// seen on this instance it is decided who manages it, and written down: ENIs that
// are there before the machine's daemons start are systemd-networkd's, later ones
// were attached by the network plugin and are left alone for ever, also by NetworkManager
// where it is installed, which is told. For the former the files are written;
// systemd-networkd must be told to read them. The primary one is always
// systemd-networkd's: a driver that is loaded anew must not cost the machine its network.
func (e *ENIs) Add(ctx context.Context, link string) (cni.Manager, error) {
	if err := cni.CheckLink(link); err != nil {
		return "", err
	}
	id, _, err := e.imds.Identity(ctx, imds.Need{MAC: true})
	if err != nil {
		return "", fmt.Errorf("cannot tell whose interface %s is: %w", link, err)
	}
	manager, err := e.manager(ctx, id, link)
	if err != nil {
		return "", err
	}
	e.log.Info("network interface", "link", link, "manager", manager)
	if manager != cni.ManagerNetworkd {
		return manager, e.unmanage(ctx, link)
	}
	// One of the plugin's under this name may have left its file in an image.
	if err := e.files.Remove(ctx, host.File{Path: cni.UnmanagedFile(e.layout, link)}.ID()); err != nil {
		return "", err
	}
	eni, err := e.describe(ctx, link, id)
	if err != nil {
		return "", err
	}
	wanted, err := cni.Desired(e.layout, eni)
	if err != nil {
		return "", err
	}
	for _, r := range wanted {
		if err := e.files.Apply(ctx, r); err != nil {
			return "", err
		}
	}
	return manager, nil
}

// manager returns who looks after a link, and writes it down when it is new. The primary
// one was there before everything else, whenever the agent comes to see it. udev's unit
// and the daemon may ask at the same time; the one that comes first decides.
func (e *ENIs) manager(ctx context.Context, id imds.Identity, link string) (cni.Manager, error) {
	held, err := e.lock(ctx)
	if err != nil {
		return "", err
	}
	defer held.Release()
	primary := e.primary(id, link)
	record := cni.RecordFile(e.layout, id.InstanceID, link)
	b, err := e.root.ReadFile(record, 64)
	switch {
	case err == nil:
		m := cni.Manager(strings.TrimSpace(string(b)))
		if m == cni.ManagerNetworkd || m == cni.ManagerCNI && !primary {
			return m, nil
		}
		e.log.Warn("the record of a network interface cannot be right and is made anew", "record", record, "content", string(b))
	case !rootfs.Absent(err):
		return "", fmt.Errorf("cannot read who looks after %s: %w", link, err)
	}
	m := cni.ManagerNetworkd
	started, err := e.started()
	if err != nil {
		return "", err
	}
	if started && !primary {
		m = cni.ManagerCNI
	}
	return m, e.write(record, m)
}

// write makes a record durable: unlike what the agent compares at every boot, nobody
// could make it again after a power cut, and the next boot would decide otherwise.
func (e *ENIs) write(record string, m cni.Manager) error {
	p, err := e.root.Target(record)
	if err == nil {
		err = atomicfile.Write(p, []byte(m), atomicfile.Attr{Mode: 0o644})
	}
	return rootfs.WriteFault(record, err)
}

// primary reports whether a link is the instance's first interface.
func (e *ENIs) primary(id imds.Identity, link string) bool {
	mac, _, err := e.links.MAC(link)
	return err == nil && mac == id.MAC
}

// started reports whether the machine's daemons have been started since boot.
func (e *ENIs) started() (bool, error) {
	_, err := e.root.Stat(e.layout.RunMarker)
	if err != nil && !rootfs.Absent(err) {
		return false, fmt.Errorf("cannot tell whether the machine's daemons have been started: %w", err)
	}
	return err == nil, nil
}

// lockBound is how long another may take to decide about an ENI, which is a matter of
// milliseconds.
const lockBound = 10 * time.Second

// lock keeps other processes from deciding at the same time.
func (e *ENIs) lock(ctx context.Context) (*lock.Lock, error) {
	dir, err := e.root.Path(path.Join(e.layout.RunDir, "eni"))
	if err != nil {
		return nil, err
	}
	return retry.Value(ctx, retry.Policy{Within: lockBound, Base: 5 * time.Millisecond, Max: 50 * time.Millisecond},
		func(context.Context) (*lock.Lock, error) {
			l, err := lock.Acquire(dir)
			if fault.CodeOf(err) != fault.AlreadyRunning {
				err = retry.Stop(err)
			}
			return l, err
		})
}

// describe asks the kernel and instance metadata about an ENI. Of one that has just been
// attached metadata says at first that its device number is 0, which is the primary
// one's, and has no addresses of it, and on an instance with several cards none; so that
// is believed only when it stays.
func (e *ENIs) describe(ctx context.Context, link string, id imds.Identity) (cni.ENI, error) {
	within := e.patience
	if within == 0 {
		within = attachBound
	}
	var eni cni.ENI
	var fatal error
	shape, _ := instancetype.ShapeOf(id.InstanceType)
	late := errors.New("instance metadata does not know it whole")
	err := retry.Do(ctx, retry.Policy{
		Within: within, Base: attachPause, Max: attachPause, LogEvery: 2 * time.Second,
		Log: func(n retry.Note) {
			e.log.Info("waiting for the description of a network interface", "link", link, "why", n.Err)
		},
	}, func(context.Context) error { // each look has its own bound, and is not cut off by this one
		var card bool
		if eni, card, fatal = e.look(ctx, link, id.MAC); fatal != nil || eni.Primary {
			return nil
		}
		if eni.WithoutAddresses || eni.NetworkCard == 0 && eni.DeviceIndex == 0 || !card && shape.NetworkCards > 1 {
			return late
		}
		return nil
	})
	switch {
	case fatal != nil:
		return cni.ENI{}, fatal
	case err == nil:
		return eni, nil
	case ctx.Err() != nil, eni.Link == "": // stopped, or stopped before the first look
		return cni.ENI{}, fmt.Errorf("cannot describe network interface %s: %w", link, err)
	case eni.NetworkCard == 0 && eni.DeviceIndex == 0:
		return cni.ENI{}, fmt.Errorf("cannot tell the place of network interface %s: instance metadata says that it is the first, which %s is", link, id.MAC)
	}
	if eni.WithoutAddresses {
		e.log.Info("a network interface has no addresses and is left alone, as those for EFA alone are", "link", link, "mac", eni.MAC)
	}
	return eni, nil
}

// look asks once. card says whether metadata has a network card for it.
func (e *ENIs) look(ctx context.Context, link, primary string) (eni cni.ENI, card bool, err error) {
	refuse := func(what string, err error) (cni.ENI, bool, error) {
		return cni.ENI{}, false, fmt.Errorf("cannot tell the %s of network interface %s: %w", what, link, err)
	}
	mac, permanent, err := e.links.MAC(link)
	if err != nil {
		return refuse("address", err)
	}
	eni = cni.ENI{Link: link, MAC: mac, MACIsCurrent: !permanent, Primary: mac == primary}
	of := "network/interfaces/macs/" + mac + "/"
	text, err := e.imds.Get(ctx, of+"device-number")
	if err == nil {
		eni.DeviceIndex, err = strconv.Atoi(strings.TrimSpace(text))
	}
	if err != nil {
		return refuse("device number", err)
	}
	// Instances with one card have no such item.
	text, card, err = e.imds.Optional(ctx, of+"network-card")
	if err == nil && card {
		eni.NetworkCard, err = strconv.Atoi(strings.TrimSpace(text))
	}
	if err != nil {
		return refuse("network card", err)
	}
	if text, _, err = e.imds.Optional(ctx, of+"local-ipv4s"); err != nil {
		return refuse("addresses", err)
	}
	eni.IPv4 = strings.Fields(text)
	if text, _, err = e.imds.Optional(ctx, of+"ipv6s"); err != nil {
		return refuse("IPv6 addresses", err)
	}
	for _, a := range strings.Fields(text) {
		if addr, err := netip.ParseAddr(a); err == nil && addr.IsGlobalUnicast() { // link-local ones go nowhere
			eni.IPv6 = append(eni.IPv6, a)
		}
	}
	eni.WithoutAddresses = len(eni.IPv4)+len(eni.IPv6) == 0
	return eni, card, nil
}

// Gone is Remove for a link that is not there any more, and does nothing for one that
// is: what says that an ENI goes says the same when the machine is shut down, and then
// it must be remembered whose the ENI is.
func (e *ENIs) Gone(ctx context.Context, link string) error {
	if err := cni.CheckLink(link); err != nil {
		return err
	}
	if _, _, err := e.links.MAC(link); err == nil {
		return nil
	}
	return e.Remove(ctx, link)
}

// Remove is for an ENI that has gone: its files go, and the record too, so that
// another ENI under the same name is decided about anew.
func (e *ENIs) Remove(ctx context.Context, link string) error {
	if err := cni.CheckLink(link); err != nil {
		return err
	}
	id, _, err := e.imds.Identity(ctx, imds.Need{})
	if err != nil {
		return fmt.Errorf("cannot tell whose interface %s was: %w", link, err)
	}
	unmanaged := cni.UnmanagedFile(e.layout, link)
	_, told := e.root.Stat(unmanaged)
	for _, path := range []string{cni.NetworkFile(e.layout, link), cni.RecordFile(e.layout, id.InstanceID, link), unmanaged} {
		if err := e.files.Remove(ctx, host.File{Path: path}.ID()); err != nil {
			return err
		}
	}
	if told != nil { // NetworkManager knew nothing of it
		return nil
	}
	return e.reloadNetworkManager(ctx)
}

// bootBound is how long the ENIs may take to be configured at boot, as in nodeadm.
const bootBound = time.Minute

// AwaitBoot waits until systemd-networkd has configured all ENIs that are its own, so
// that what starts next has a network on all of them. Links that are not ENIs do not
// matter. It waits a minute at most.
func (e *ENIs) AwaitBoot(ctx context.Context, manager networkManager) error {
	id, _, err := e.imds.Identity(ctx, imds.Need{MAC: true})
	if err != nil {
		return fmt.Errorf("cannot tell the primary network interface: %w", err)
	}
	err = retry.Do(ctx, retry.Policy{
		Within: bootBound, Base: 50 * time.Millisecond, Max: 250 * time.Millisecond, LogEvery: 10 * time.Second,
		Log: func(n retry.Note) { e.log.Info("waiting for systemd-networkd", "why", n.Err) },
	}, func(ctx context.Context) error {
		all, err := manager.Links(ctx)
		if err != nil {
			return err
		}
		return e.configured(id, all)
	})
	if err != nil {
		return fmt.Errorf("cannot bring up the network: %w", err)
	}
	return nil
}

// configured returns an error as long as an ENI of systemd-networkd's is not ready, or
// the primary one is not there.
func (e *ENIs) configured(id imds.Identity, all []networkd.Link) error {
	var waiting []string
	primary := false
	for _, l := range all {
		if cni.CheckLink(l.Name) != nil {
			continue
		}
		mac, _, err := e.links.MAC(l.Name)
		isPrimary := err == nil && mac == id.MAC
		primary = primary || isPrimary && l.Admin == "configured"
		b, err := e.root.ReadFile(cni.RecordFile(e.layout, id.InstanceID, l.Name), 64)
		if err != nil && !rootfs.Absent(err) {
			return err
		}
		ours := isPrimary || cni.Manager(strings.TrimSpace(string(b))) == cni.ManagerNetworkd
		if ours && l.Admin != "configured" {
			waiting = append(waiting, l.Name+" is "+l.Admin)
		}
	}
	slices.Sort(waiting)
	switch {
	case len(waiting) > 0:
		return fmt.Errorf("%s", strings.Join(waiting, ", "))
	case !primary:
		return fmt.Errorf("the primary network interface %s is not there", id.MAC)
	}
	return nil
}
