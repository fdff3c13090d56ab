package system

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// unitDirs are where unit files are, by falling precedence (systemd.unit(5)).
// Those of generators are left out: they come after the agent has looked.
func unitDirs() []string {
	return []string{
		"/etc/systemd/system",
		"/run/systemd/system",
		"/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system",
		"/lib/systemd/system",
	}
}

// iptablesDirs are where distributions put iptables.
func iptablesDirs() []string {
	return []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"}
}

// bridgeNetfilter exists once the module br_netfilter is loaded.
const bridgeNetfilter = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// Present tells what the machine under root brings of itself. What the agent
// owns does not count: a unit file that it wrote on an earlier run is not the
// image's. The error joins everything that could not be looked at; what it
// concerns counts as not present.
func Present(root rootfs.Root, l node.Layout, owned []host.Owned) (node.Present, error) {
	p := presence{root: root, owned: map[string]bool{}}
	for _, o := range owned {
		p.ownsBridge = p.ownsBridge || o.ID == host.Module{Name: "br_netfilter"}.ID()
		if o.ID.Kind == host.KindFile || o.ID.Kind == host.KindLink {
			p.owned[o.ID.Name] = true
		}
	}
	present := node.Present{
		KubeletUnit:     p.unit(l.KubeletUnit),
		ContainerdUnit:  p.unit(l.ContainerdUnit),
		RuntimeSlice:    p.unit(l.RuntimeSlice) && p.file(l.ContainerdSliceDropIn) != nil,
		BridgeNetfilter: p.file(bridgeNetfilter) != nil,
		SOCISnapshotter: p.unit(l.SOCIUnit),
		NvidiaRuntime:   p.program(l.NvidiaRuntime),
		ECRProvider:     p.program(l.ImageCredentialProvider),
		SandboxArchive:  p.file(l.SandboxArchive) != nil,
		SetupLocalDisks: p.program(l.SetupLocalDisks),
	}
	present.Timesyncd = p.unit(l.TimesyncdUnit)
	present.Chrony, present.ChronySources = p.chrony()
	for _, dir := range iptablesDirs() {
		if name := path.Join(dir, "iptables"); present.Iptables == "" && p.program(name) {
			present.Iptables = name
		}
	}
	present.Network = p.network(l)
	return present, errors.Join(p.errs...)
}

// presence looks at paths and collects what it could not look at.
type presence struct {
	root  rootfs.Root
	owned map[string]bool
	// ownsBridge: the agent has loaded br_netfilter.
	ownsBridge bool
	errs       []error
}

// file returns what name leads to when that is a regular file of someone
// else's, otherwise nil.
func (p *presence) file(name string) fs.FileInfo {
	if name == "" || p.owned[name] {
		return nil
	}
	fi, err := p.root.Stat(name)
	switch {
	case rootfs.Absent(err):
		return nil
	case err != nil:
		p.errs = append(p.errs, fmt.Errorf("cannot tell whether the machine has %s: %w", name, err))
		return nil
	case !fi.Mode().IsRegular():
		return nil
	}
	return fi
}

func (p *presence) program(name string) bool {
	fi := p.file(name)
	return fi != nil && fi.Mode().Perm()&0o111 != 0
}

// unit reports whether there is a unit file. The first in the order of precedence
// decides: an empty one, or a link to /dev/null, masks those of later folders and
// brings nothing (systemd.unit(5)).
func (p *presence) unit(name string) bool {
	if name == "" {
		return false
	}
	for _, dir := range unitDirs() {
		at := path.Join(dir, name)
		if p.owned[at] {
			continue
		}
		fi, err := p.root.Stat(at)
		switch {
		case rootfs.Absent(err):
			if p.masked(at) { // and the tree has no /dev
				return false
			}
		case err != nil:
			p.errs = append(p.errs, fmt.Errorf("cannot tell whether the machine has %s: %w", at, err))
			return false
		default:
			return fi.Mode().IsRegular() && fi.Size() > 0
		}
	}
	return false
}

// masked reports whether name is a link to /dev/null.
func (p *presence) masked(name string) bool {
	at, err := p.root.Path(name)
	if err != nil {
		return false
	}
	target, err := os.Readlink(at)
	return err == nil && target == "/dev/null"
}
