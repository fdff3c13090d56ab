package ec2

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// NetworkManager learns of an ENI of the network plugin's twice: when it is attached,
// since nobody can wait then, and by every plan (pkg/cni), which heals what is missing.

// unmanage keeps NetworkManager, where it is installed, from an ENI of the plugin's that
// has come beside the node's daemons: now, also when udev sees a change of it, and at
// later boots. On a machine that boots, and may not become a node any more, that is left
// to the plan.
func (e *ENIs) unmanage(ctx context.Context, link string) error {
	has, err := system.HasNetworkManager(e.root, e.layout)
	if err != nil || !has {
		return err
	}
	if started, err := e.started(); err != nil || !started {
		return err
	}
	eni, err := pluginENI(e.links, link)
	if err != nil {
		return err
	}
	file, err := cni.Unmanaged(e.layout, eni)
	if err != nil {
		return err
	}
	if err := e.files.Apply(ctx, file); err != nil {
		return err
	}
	return e.reloadNetworkManager(ctx)
}

func pluginENI(l links, link string) (node.PluginENI, error) {
	mac, permanent, err := l.MAC(link)
	if err != nil {
		return node.PluginENI{}, fmt.Errorf("cannot tell the address of network interface %s: %w", link, err)
	}
	return node.PluginENI{Link: link, MAC: mac, MACIsCurrent: !permanent}, nil
}

// pluginENIs returns the interfaces that are there and that are the network plugin's by
// what is written down of them.
func pluginENIs(root rootfs.Root, l node.Layout, of links, instanceID string) ([]node.PluginENI, error) {
	dir := path.Dir(cni.RecordFile(l, instanceID, "any"))
	var out []node.PluginENI
	names, err := list(root, dir)
	errs := []error{err}
	for _, link := range names {
		b, err := root.ReadFile(path.Join(dir, link), 64)
		if err != nil && !rootfs.Absent(err) {
			errs = append(errs, fmt.Errorf("cannot read who looks after %s: %w", link, err))
		}
		if cni.Manager(strings.TrimSpace(string(b))) != cni.ManagerCNI || cni.CheckLink(link) != nil {
			continue
		}
		if eni, err := pluginENI(of, link); err == nil { // else it went with the machine switched off
			out = append(out, eni)
		}
	}
	return out, errors.Join(errs...)
}

// madeSince returns the files by which NetworkManager leaves ENIs alone, whoever has
// called for them: none of them was there before the agent.
func madeSince(root rootfs.Root, l node.Layout) ([]host.Owned, error) {
	dir := path.Dir(l.NetworkManagerDropIn)
	names, err := list(root, dir)
	var out []host.Owned
	for _, name := range names {
		file := host.File{Path: path.Join(dir, name)}
		if _, ok := cni.UnmanagedLink(l, file.Path); ok {
			out = append(out, host.Owned{ID: file.ID(), Owner: cni.Name, Readers: []host.ID{host.Service{Name: l.NetworkManagerUnit}.ID()}})
		}
	}
	return out, err
}

// list returns the names in a directory, sorted; none where there is no such.
func list(root rootfs.Root, dir string) ([]string, error) {
	at, err := root.Target(dir)
	if rootfs.Absent(err) {
		return nil, nil
	}
	var entries []os.DirEntry
	if err == nil {
		entries, err = os.ReadDir(at)
	}
	if err != nil && !rootfs.Absent(err) {
		return nil, fmt.Errorf("cannot list %s: %w", dir, err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}
