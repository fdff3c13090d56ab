package ec2

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/node"
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

// virtual are links without permanent addresses.
type virtual struct{ fakeLinks }

func (l virtual) MAC(name string) (string, bool, error) {
	mac, _, err := l.fakeLinks.MAC(name)
	return mac, false, err
}

func TestThePrimaryENIIsNeverThePlugins(t *testing.T) {
	needRoot(t)
	for name, record := range map[string]string{"seen first when the daemons run": "", "taken for the plugin's": "cni"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.withNetworkManager(t)
			b.started(t)
			at := cni.RecordFile(b.layout, instanceID, "ens5")
			if record != "" {
				b.write(t, at, record)
			}
			b.add(t, "ens5", cni.ManagerNetworkd)
			if got := b.read(t, at); got != string(cni.ManagerNetworkd) || b.reloads != 0 {
				t.Errorf("the record says %q, NetworkManager was told %d times", got, b.reloads)
			}
		})
	}
}

func TestAnENIWithoutAPermanentAddressIsNamedToNetworkManager(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.links = virtual{fakeLinks{"ens5": primaryMAC, "ens6": secondMAC}}
	b.withNetworkManager(t)
	b.started(t)
	b.add(t, "ens6", cni.ManagerCNI)
	if got, want := b.read(t, unmanagedFile), "# Written by eksnode.\n[keyfile]\nunmanaged-devices+=interface-name:=ens6\n"; got != want {
		t.Errorf("the file is %q", got)
	}
}

func TestAMachineThatIsNoNodeAnyMoreDoesNotKeepNetworkManagerOff(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.withNetworkManager(t)
	b.write(t, cni.RecordFile(b.layout, instanceID, "ens6"), "cni") // outlives a reset
	b.add(t, "ens6", cni.ManagerCNI)
	if got := b.read(t, unmanagedFile); got != "" || b.reloads != 0 {
		t.Errorf("the file is %q, told %d times", got, b.reloads)
	}
}

func TestTheENIsOfThePluginAreThoseThatAreThereByTheirRecords(t *testing.T) {
	b := newBench(t)
	all := fakeLinks{"ens5": primaryMAC, "ens6": secondMAC, "ens7": "02:ab:cd:00:00:03"}
	if got, err := pluginENIs(b.root, b.layout, all, instanceID); err != nil || got != nil {
		t.Errorf("without a record: %v, %v", got, err)
	}
	for at, text := range map[string]string{
		"ens5": "io.systemd.Network", "ens6": "cni\n", "ens7": "damaged", "ens8": "cni", "a b": "cni",
	} {
		b.write(t, cni.RecordFile(b.layout, instanceID, at), text)
	}
	b.write(t, cni.RecordFile(b.layout, "i-of-the-image", "ens7"), "cni")
	got, err := pluginENIs(b.root, b.layout, all, instanceID)
	if want := []node.PluginENI{{Link: "ens6", MAC: secondMAC}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if got, err = pluginENIs(b.root, b.layout, virtual{all}, instanceID); err != nil || len(got) != 1 || !got[0].MACIsCurrent {
		t.Errorf("without permanent addresses: %v, %v", got, err)
	}
}

func TestAResetKnowsWhatNetworkManagerWasToldBesideTheRuns(t *testing.T) {
	b := newBench(t)
	if got, err := madeSince(b.root, b.layout); err != nil || got != nil {
		t.Errorf("without NetworkManager: %v, %v", got, err)
	}
	for _, name := range []string{"90-eksnode.conf", "10-theirs.conf", "90-eksnode-eni-.conf"} {
		b.write(t, "/etc/NetworkManager/conf.d/"+name, "")
	}
	b.write(t, unmanagedFile, "")
	got, err := madeSince(b.root, b.layout)
	if err != nil || len(got) != 1 || got[0].ID.String() != "file:"+unmanagedFile || got[0].Original.Resource != nil ||
		len(got[0].Readers) != 1 || got[0].Readers[0].String() != "service:NetworkManager.service" {
		t.Errorf("got %+v, %v", got, err)
	}
}
