package ec2

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/file"
	"github.com/eksnode/eksnode/pkg/system/networkd"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// fakeLinks are links with their permanent addresses.
type fakeLinks map[string]string

func (l fakeLinks) MAC(name string) (string, bool, error) {
	mac, ok := l[name]
	if !ok {
		return "", false, errors.New("Link not found")
	}
	return mac, true, nil
}

const (
	primaryMAC = "02:ab:cd:00:00:01" // of awstest's instance
	secondMAC  = "02:ab:cd:00:00:02"
	instanceID = "i-0123456789abcdef0"
)

// bench is an instance with two ENIs, and its keeper.
type bench struct {
	*ENIs
	dir  string
	imds *awstest.IMDS
	// reloads counts how often NetworkManager was told to read its files, reloadErr is
	// what it answers.
	reloads   int
	reloadErr error
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s := awstest.NewIMDS()
	of := "meta-data/network/interfaces/macs/"
	s.Set(of+primaryMAC+"/device-number", "0")
	s.Set(of+primaryMAC+"/local-ipv4s", "10.0.12.34\n10.0.12.35")
	s.Set(of+secondMAC+"/device-number", "1")
	s.Set(of+secondMAC+"/network-card", "2")
	s.Set(of+secondMAC+"/local-ipv4s", "10.0.13.1")
	client, err := imds.New(imds.Options{Dial: awstest.Serve(t, s).Dial, NotFoundFor: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root := rootfs.At(dir)
	b := &bench{dir: dir, imds: s, ENIs: &ENIs{
		imds: client, layout: node.AL2023(), root: root, files: file.New(root),
		links: fakeLinks{"ens5": primaryMAC, "ens6": secondMAC}, log: slog.New(slog.DiscardHandler),
	}}
	b.reloadNetworkManager = func(context.Context) error { b.reloads++; return b.reloadErr }
	return b
}

func (b *bench) read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, path))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (b *bench) add(t *testing.T, link string, want cni.Manager) {
	t.Helper()
	if got, err := b.Add(t.Context(), link); err != nil || got != want {
		t.Fatalf("%s: %q, %v; want %q", link, got, err, want)
	}
}

// started leaves the mark of the machine's daemons having been started.
func (b *bench) started(t *testing.T) {
	t.Helper()
	path := filepath.Join(b.dir, b.layout.RunMarker)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("files are given to root, which only root can")
	}
}

func TestENIsAtBootAreSystemdNetworkdsAndLaterOnesTheCNIs(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.add(t, "ens5", cni.ManagerNetworkd)
	primary := b.read(t, "/run/systemd/network/70-eks-ens5.network")
	if !strings.Contains(primary, "MACAddress="+primaryMAC) || strings.Contains(primary, "RoutingPolicyRule") {
		t.Errorf("the primary's file: %s", primary)
	}
	if b.read(t, "/run/systemd/network/80-ec2.network.d/10-eks-disable.conf") == "" {
		t.Error("the image's file still matches all ENIs")
	}
	b.started(t)
	b.add(t, "ens6", cni.ManagerCNI)
	if got := b.read(t, "/run/systemd/network/70-eks-ens6.network"); got != "" {
		t.Errorf("an ENI of the plugin's has a file: %s", got)
	}
	// At the next boot both are there before anything is started.
	if err := os.RemoveAll(filepath.Join(b.dir, "run")); err != nil {
		t.Fatal(err)
	}
	b.add(t, "ens6", cni.ManagerCNI)
	b.add(t, "ens5", cni.ManagerNetworkd)
}

func TestASecondENIAtBootHasARouteOfItsOwn(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.add(t, "ens6", cni.ManagerNetworkd)
	got := b.read(t, "/run/systemd/network/70-eks-ens6.network")
	for _, want := range []string{"RouteMetric=713", "Table=10201", "From=10.0.13.1", "Priority=32765"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

func TestAnENIThatWentIsForgotten(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.started(t)
	b.add(t, "ens6", cni.ManagerCNI)
	if err := b.Remove(t.Context(), "ens6"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(b.dir, "run")); err != nil {
		t.Fatal(err)
	}
	b.add(t, "ens6", cni.ManagerNetworkd)
	if err := b.Remove(t.Context(), "ens6"); err != nil {
		t.Fatal(err)
	}
	if got := b.read(t, "/run/systemd/network/70-eks-ens6.network"); got != "" {
		t.Errorf("its file is still there: %s", got)
	}
	if err := b.Remove(t.Context(), "ens6"); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestARecordThatIsDamagedIsMadeAnew(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	record := filepath.Join(b.dir, cni.RecordFile(b.layout, instanceID, "ens5"))
	if err := os.MkdirAll(filepath.Dir(record), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, []byte("io.sys"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.add(t, "ens5", cni.ManagerNetworkd)
	if got := b.read(t, cni.RecordFile(b.layout, instanceID, "ens5")); got != string(cni.ManagerNetworkd) {
		t.Errorf("the record says %q", got)
	}
}

func TestAnENIOfWhichNotEnoughIsKnownGetsNoFile(t *testing.T) {
	needRoot(t)
	for name, tt := range map[string]struct {
		link   string
		change func(*bench)
		want   string
	}{
		"a path":                   {"../ens5", func(*bench) {}, "as the name of a network interface"},
		"a link that went":         {"ens9", func(*bench) {}, "cannot tell the address of network interface ens9"},
		"no device number":         {"ens6", func(b *bench) { b.imds.Remove("meta-data/network/interfaces/macs/" + secondMAC + "/device-number") }, "device number"},
		"a device number of words": {"ens6", func(b *bench) { b.imds.Set("meta-data/network/interfaces/macs/"+secondMAC+"/device-number", "one") }, "device number"},
		"a card of words":          {"ens6", func(b *bench) { b.imds.Set("meta-data/network/interfaces/macs/"+secondMAC+"/network-card", "two") }, "network card"},
	} {
		b := newBench(t)
		tt.change(b)
		if _, err := b.Add(t.Context(), tt.link); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
		if got := b.read(t, "/run/systemd/network/70-eks-ens6.network"); got != "" {
			t.Errorf("%s: a file was written: %s", name, got)
		}
	}
}

// networkdStates answers with one state after the other, the last for ever.
type networkdStates struct {
	states [][]networkd.Link
	asked  int
}

func (n *networkdStates) Links(context.Context) ([]networkd.Link, error) {
	i := min(n.asked, len(n.states)-1)
	n.asked++
	return n.states[i], nil
}

func TestBootWaitsForOurENIsAndForNoOthers(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.add(t, "ens5", cni.ManagerNetworkd)
	b.add(t, "ens6", cni.ManagerNetworkd)
	lo, foreign := networkd.Link{Name: "lo", Admin: "unmanaged"}, networkd.Link{Name: "bond0", Admin: "configuring"}
	n := &networkdStates{states: [][]networkd.Link{
		{lo},
		{lo, foreign, {Name: "ens5", Admin: "configuring"}},
		{lo, foreign, {Name: "ens5", Admin: "configured"}, {Name: "ens6", Admin: "pending"}},
		{lo, foreign, {Name: "ens5", Admin: "configured"}, {Name: "ens6", Admin: "configured"}},
	}}
	if err := b.AwaitBoot(t.Context(), n); err != nil || n.asked != len(n.states) {
		t.Errorf("asked %d times: %v", n.asked, err)
	}
}

func TestABootWithoutAPrimaryENIIsSaid(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	n := &networkdStates{states: [][]networkd.Link{{{Name: "lo", Admin: "unmanaged"}}}}
	b.log = slog.New(slog.DiscardHandler)
	cancel(errors.New("told to stop"))
	if err := b.AwaitBoot(ctx, n); err == nil {
		t.Error("it came up")
	}
	if err := b.configured(imds.Identity{InstanceID: instanceID, MAC: primaryMAC}, n.states[0]); err == nil || !strings.Contains(err.Error(), "primary network interface "+primaryMAC+" is not there") {
		t.Errorf("got %v", err)
	}
}
