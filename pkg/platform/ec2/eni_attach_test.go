package ec2

import (
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/cni"
)

// place says where instance metadata has an item of an ENI.
func (b *bench) item(mac, name string) string {
	return "meta-data/network/interfaces/macs/" + mac + "/" + name
}

// instanceType makes the instance one of another type.
func (b *bench) instanceType(name string) {
	b.imds.Set("dynamic/instance-identity/document", strings.Replace(awstest.Document, "m5.large", name, 1))
}

const secondFile = "/run/systemd/network/70-eks-ens6.network"

// when answers with what metadata has at first, and makes it whole with the second
// question for the item.
func (b *bench) when(t *testing.T, item string, whole func()) {
	t.Helper()
	b.patience = 20 * time.Second
	done := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(done)
		for b.imds.Count("GET /latest/"+item) < 2 {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
		whole()
	}()
	t.Cleanup(func() { close(stop); <-done })
}

func TestMetadataThatIsLateAboutAnENIIsAwaited(t *testing.T) {
	needRoot(t)
	for name, tt := range map[string]struct {
		first func(*bench)
		whole func(*bench)
		want  []string
	}{
		"device number 0": {
			func(b *bench) {
				b.imds.Set(b.item(secondMAC, "device-number"), "0")
				b.imds.Remove(b.item(secondMAC, "network-card"))
			},
			func(b *bench) { b.imds.Set(b.item(secondMAC, "device-number"), "1") },
			[]string{"Table=10001\n", "RouteMetric=513\n"},
		},
		"no addresses": {
			func(b *bench) { b.imds.Remove(b.item(secondMAC, "local-ipv4s")) },
			func(b *bench) { b.imds.Set(b.item(secondMAC, "local-ipv4s"), "10.0.13.9") },
			[]string{"Table=10201\n", "From=10.0.13.9\n"},
		},
		"no card on an instance with several": {
			func(b *bench) {
				b.imds.Remove(b.item(secondMAC, "network-card"))
				b.instanceType("p5.48xlarge")
			},
			func(b *bench) { b.imds.Set(b.item(secondMAC, "network-card"), "4") },
			[]string{"Table=10401\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			tt.first(b)
			b.when(t, b.item(secondMAC, "device-number"), func() { tt.whole(b) })
			b.add(t, "ens6", cni.ManagerNetworkd)
			got := b.read(t, secondFile)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in %s", want, got)
				}
			}
		})
	}
}

func TestWhatMetadataNeverTellsOfAnENI(t *testing.T) {
	needRoot(t)
	for name, tt := range map[string]struct {
		change    func(*bench)
		want, err string
	}{
		"an ENI for EFA alone has no addresses": {
			func(b *bench) { b.imds.Remove(b.item(secondMAC, "local-ipv4s")) }, "[Link]\nUnmanaged=yes\n", ""},
		"another ENI that says it is the first": {
			func(b *bench) {
				b.imds.Set(b.item(secondMAC, "device-number"), "0")
				b.imds.Remove(b.item(secondMAC, "network-card"))
			}, "", "says that it is the first, which " + primaryMAC + " is"},
		"the first of another card is device 0, too": {
			func(b *bench) { b.imds.Set(b.item(secondMAC, "device-number"), "0") }, "Table=10200\n", ""},
		"no card, on an instance with several, is the first": {
			func(b *bench) {
				b.imds.Remove(b.item(secondMAC, "network-card"))
				b.instanceType("p5.48xlarge")
			}, "Table=10001\n", ""},
		"addresses of IPv6 alone": {
			func(b *bench) {
				b.imds.Remove(b.item(secondMAC, "local-ipv4s"))
				b.imds.Set(b.item(secondMAC, "ipv6s"), "fe80::6\n2001:db8::6\n2001:db8::7")
			}, "From=2001:db8::6\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.patience = 300 * time.Millisecond
			tt.change(b)
			_, err := b.Add(t.Context(), "ens6")
			switch {
			case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if got := b.read(t, secondFile); tt.err != "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("the file is %q, want %q in it", got, tt.want)
			}
		})
	}
}

func TestAnENIThatIsStillThereIsNotForgotten(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.started(t)
	b.add(t, "ens6", cni.ManagerCNI)
	record := cni.RecordFile(b.layout, instanceID, "ens6")
	if err := b.Gone(t.Context(), "ens6"); err != nil || b.read(t, record) != string(cni.ManagerCNI) {
		t.Errorf("the record is %q, %v", b.read(t, record), err)
	}
	b.links = fakeLinks{"ens5": primaryMAC}
	if err := b.Gone(t.Context(), "ens6"); err != nil || b.read(t, record) != "" {
		t.Errorf("the record is %q, %v", b.read(t, record), err)
	}
	if err := b.Gone(t.Context(), "../ens6"); err == nil {
		t.Error("a path is taken for a link")
	}
}
