package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

var dnsServer = netip.MustParseAddr("10.100.0.10")

// declare looks once at what is declared.
func declare(t *testing.T, target Target, d Declared) []health.Finding {
	t.Helper()
	target.Timeout = 5 * time.Second
	return health.Run(t.Context(), func() time.Time { return noon }, ReadinessChecks(target, d))
}

// drivers answers for the CSINode; nil for one that is not there.
func (w *world) drivers(t *testing.T, list []storagev1.CSINodeDriver) Target {
	target := w.start()
	mux := w.api.Config.Handler.(*http.ServeMux)
	mux.HandleFunc("GET /apis/storage.k8s.io/v1/csinodes/{name}", w.onlyWithToken(nil, func(rw http.ResponseWriter, r *http.Request) {
		if r.PathValue("name") != nodeName || list == nil {
			refuse(http.StatusNotFound, "not found")(rw, r)
			return
		}
		writeJSON(rw, http.StatusOK, storagev1.CSINode{Spec: storagev1.CSINodeSpec{Drivers: list}})
	}))
	return target
}

func TestReadinessSaysWhatHoldsAndWhatDoesNot(t *testing.T) {
	count := func(n int32) *storagev1.VolumeNodeResources { return &storagev1.VolumeNodeResources{Count: &n} }
	declared := Declared{
		CSIDrivers: []string{"efs.csi.aws.com", "ebs.csi.aws.com", "ebs.csi.aws.com"},
		Devices:    map[string]int64{"nvidia.com/gpu": 8, "vpc.amazonaws.com/efa": 0},
		Network:    func(context.Context) (string, error) { return "pod a/b has the address 10.0.0.9", nil },
	}
	for name, row := range map[string]struct {
		drivers []storagev1.CSINodeDriver
		gpus    string // allocatable; empty for a resource that is not known
		change  func(*world, *Declared)
	}{
		"all well":                 {drivers: []storagev1.CSINodeDriver{{Name: "ebs.csi.aws.com", NodeID: "i", Allocatable: count(25)}, {Name: "efs.csi.aws.com"}}, gpus: "8"},
		"nothing is there yet":     {},
		"one driver, seven of gpu": {drivers: []storagev1.CSINodeDriver{{Name: "efs.csi.aws.com"}}, gpus: "7"},
		"no volumes":               {drivers: []storagev1.CSINodeDriver{{Name: "ebs.csi.aws.com", Allocatable: count(0)}, {Name: "efs.csi.aws.com"}}, gpus: "9"},
		"from before the boot": {drivers: []storagev1.CSINodeDriver{{Name: "ebs.csi.aws.com", Allocatable: count(1)}, {Name: "efs.csi.aws.com"}}, gpus: "8",
			change: func(w *world, _ *Declared) { w.stored.Status.NodeInfo.BootID = "another" }},
		"the network fails": {drivers: []storagev1.CSINodeDriver{{Name: "ebs.csi.aws.com"}, {Name: "efs.csi.aws.com"}}, gpus: "8", change: func(_ *world, d *Declared) {
			d.Network = func(context.Context) (string, error) {
				return "", fault.New(fault.PodNetwork, "See the CNI.", errors.New("no address is left"))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t), declared
			w.stored.Status.Allocatable = corev1.ResourceList{"cpu": resource.MustParse("3920m")}
			if row.gpus != "" {
				w.stored.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse(row.gpus)
			}
			if row.change != nil {
				row.change(w, &d)
			}
			golden.Assert(t, "testdata/readiness/"+strings.ReplaceAll(name, " ", "-")+".txt", w.show(declare(t, w.drivers(t, row.drivers), d)))
		})
	}
}

func TestNothingDeclaredIsNothingToLookAt(t *testing.T) {
	if checks := ReadinessChecks(Target{}, Declared{}); len(checks) != 0 {
		t.Errorf("%d checks", len(checks))
	}
}

// zone answers DNS questions on a socket of its own: what to say to a question, or
// nothing for silence.
type zone func(q dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.ResourceBody, bool)

func (z zone) serve(t *testing.T, w *world) Target {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	go z.answer(socket)
	target := w.start()
	api := target.Dial
	target.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == dnsServer.String()+":53" && network == "udp" {
			return (&net.Dialer{}).DialContext(ctx, network, socket.LocalAddr().String())
		}
		if strings.HasSuffix(address, ":53") {
			return nil, refused()
		}
		return api(ctx, network, address)
	}
	return target
}

func (z zone) answer(socket net.PacketConn) {
	buf := make([]byte, 512)
	for {
		n, from, err := socket.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		code, bodies, truncated := z(m.Questions[0])
		if code == 0xff {
			continue
		}
		// Something that answers another question comes first.
		_, _ = socket.WriteTo([]byte("noise"), from)
		m.Response, m.RCode, m.Truncated = true, code, truncated
		for _, b := range bodies {
			kind := dnsmessage.TypeA
			switch b.(type) {
			case *dnsmessage.AAAAResource:
				kind = dnsmessage.TypeAAAA
			case *dnsmessage.CNAMEResource:
				kind = dnsmessage.TypeCNAME
			}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: kind, Class: dnsmessage.ClassINET}, Body: b})
		}
		answer, err := m.Pack()
		if err != nil {
			continue
		}
		_, _ = socket.WriteTo(answer, from)
	}
}

func TestTheClustersDNSIsAskedAsAPodWould(t *testing.T) {
	v4 := []dnsmessage.ResourceBody{&dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("b.")}, &dnsmessage.AResource{A: [4]byte{10, 100, 0, 1}}}
	v6 := []dnsmessage.ResourceBody{&dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("fd00::1").As16()}}
	const well = dnsmessage.RCodeSuccess
	both := []netip.Addr{netip.MustParseAddr("10.100.0.11"), dnsServer}
	for name, row := range map[string]struct {
		servers []netip.Addr
		zone    zone
		name    string
		ok      bool
		seen    string
	}{
		"it resolves": {[]netip.Addr{dnsServer}, func(dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.ResourceBody, bool) { return well, v4, false }, "a.b.", true, "a.b. resolves to 10.100.0.1"},
		"only over IPv6": {[]netip.Addr{dnsServer}, func(q dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.ResourceBody, bool) {
			if q.Type == dnsmessage.TypeAAAA {
				return well, v6, false
			}
			return well, nil, false
		}, "a.b", true, "resolves to fd00::1"},
		"too long":        {[]netip.Addr{dnsServer}, func(dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.ResourceBody, bool) { return well, nil, true }, "a.b", true, "more addresses"},
		"the second does": {both, func(dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.ResourceBody, bool) { return well, v4, false }, "a.b", true, "10.100.0.1"},
		"no such name": {[]netip.Addr{dnsServer}, func(dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.ResourceBody, bool) {
			return dnsmessage.RCodeNameError, nil, false
		}, "a.b", false, "10.100.0.10 does not resolve a.b: there is no such name (NXDOMAIN)"},
		"no address": {[]netip.Addr{dnsServer}, func(dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.ResourceBody, bool) { return well, nil, false }, "a.b", false, "the name has no address"},
		"it fails": {[]netip.Addr{dnsServer}, func(dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.ResourceBody, bool) {
			return dnsmessage.RCodeServerFailure, nil, false
		}, "a.b", false, "the server answers ServerFailure"},
		"silence":          {[]netip.Addr{dnsServer}, func(dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.ResourceBody, bool) { return 0xff, nil, false }, "a.b", false, "no answer within 2s"},
		"nobody is there":  {both[:1], nil, "a.b", false, "10.100.0.11 does not resolve a.b: connection refused"},
		"no server at all": {nil, nil, "a.b", false, "not known which DNS server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := declare(t, row.zone.serve(t, newWorld(t)), Declared{Names: []string{row.name}, Nameservers: row.servers})[0]
			if got.Check != "cluster-dns/"+row.name || (got.Status == health.OK) != row.ok || !strings.Contains(got.Seen, row.seen) {
				t.Errorf("got %+v", got)
			}
			if !row.ok && (got.Code != fault.ClusterDNS || got.Remedy == "") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func FuzzDNSAnswer(f *testing.F) {
	query, id, err := dnsQuery("a.b", dnsmessage.TypeA)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(query, id)
	answer := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, Response: true}, Answers: []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("a.b."), Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: [4]byte{1, 2, 3, 4}}}}}
	b, err := answer.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, uint16(7))
	f.Add(b[:len(b)-3], uint16(7))
	f.Fuzz(func(t *testing.T, b []byte, id uint16) {
		addr, ours, err := dnsAnswer(b, id)
		if !ours && (addr != "" || err != nil) || ours && (addr == "") == (err == nil) {
			t.Error(fmt.Sprint(addr, ours, err))
		}
	})
}
