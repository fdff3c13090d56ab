package ec2

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/eksnode/eksnode/pkg/cni"
)

const unmanagedFile = "/etc/NetworkManager/conf.d/90-eksnode-eni-ens6.conf"

// write makes a file of the machine.
func (b *bench) write(t *testing.T, path, text string) {
	t.Helper()
	at := filepath.Join(b.dir, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withNetworkManager installs it.
func (b *bench) withNetworkManager(t *testing.T) {
	t.Helper()
	b.write(t, "/usr/lib/systemd/system/NetworkManager.service", "[Service]\n")
}

func TestNetworkManagerLeavesThePluginsENIsAloneAfterARebootToo(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.withNetworkManager(t)
	b.add(t, "ens5", cni.ManagerNetworkd)
	if b.reloads != 0 {
		t.Errorf("NetworkManager was told of an ENI that was there at boot")
	}
	b.started(t)
	b.add(t, "ens6", cni.ManagerCNI)
	want := "# Written by eksnode.\n[keyfile]\nunmanaged-devices+=mac:" + secondMAC + "\n"
	if got := b.read(t, unmanagedFile); got != want || b.reloads != 1 {
		t.Errorf("the file is %q, told %d times", got, b.reloads)
	}
	if err := os.RemoveAll(filepath.Join(b.dir, "run")); err != nil {
		t.Fatal(err)
	}
	if got := b.read(t, unmanagedFile); got != want {
		t.Errorf("at the next boot NetworkManager reads %q", got)
	}
	b.add(t, "ens6", cni.ManagerCNI)
	if got := b.read(t, unmanagedFile); got != want {
		t.Errorf("after the next boot the file is %q", got)
	}
	told := b.reloads
	for range 2 {
		if err := b.Remove(t.Context(), "ens6"); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.read(t, unmanagedFile); got != "" || b.reloads != told+1 {
		t.Errorf("of an ENI that went the file is %q, told %d times", got, b.reloads-told)
	}
}

func TestWithoutNetworkManagerNothingIsSaidToIt(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.started(t)
	b.add(t, "ens6", cni.ManagerCNI)
	if err := b.Remove(t.Context(), "ens6"); err != nil || b.reloads != 0 || b.read(t, unmanagedFile) != "" {
		t.Errorf("%v, told %d times, the file is %q", err, b.reloads, b.read(t, unmanagedFile))
	}
}

func TestAnImageMadeOfANodeKeepsNoENIFromItsNextMachine(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.withNetworkManager(t)
	b.write(t, unmanagedFile, "of the machine of which the image was made")
	b.add(t, "ens6", cni.ManagerNetworkd)
	if got := b.read(t, unmanagedFile); got != "" {
		t.Errorf("the file is %q", got)
	}
}

func TestNetworkManagerThatCannotBeToldIsAnErrorAndTheFileIsThere(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.withNetworkManager(t)
	b.started(t)
	b.reloadErr = errors.New("access denied")
	if _, err := b.Add(t.Context(), "ens6"); !errors.Is(err, b.reloadErr) || b.read(t, unmanagedFile) == "" {
		t.Errorf("%v, the file is %q", err, b.read(t, unmanagedFile))
	}
	b.reloadErr = nil
	b.add(t, "ens6", cni.ManagerCNI) // by systemd's next try
	b.links = fakeLinks{}
	if _, err := b.Add(t.Context(), "ens6"); err == nil {
		t.Error("the address of a link that went was told")
	}
}
