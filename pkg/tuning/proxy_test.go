package tuning

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// behind is a node behind a proxy with a password in which systemd would read
// something else if it was not escaped.
func behind(change func(*node.Input)) func(*node.Input) {
	return func(in *node.Input) {
		in.Instance = node.Instance{Region: "eu-west-1", VPCNetworks: []string{"10.0.0.0/16"}}
		in.Config.Spec.Cluster = api.Cluster{APIServerEndpoint: "https://abc.eks.amazonaws.com", CIDR: "172.20.0.0/16"}
		in.Config.Spec.Proxy = api.Proxy{HTTP: "http://proxy.example:3128", HTTPS: "http://joe:hunter2%21@proxy.example:3128", NoProxy: []string{".corp.example"}}
		if change != nil {
			change(in)
		}
	}
}

func TestServicesGetTheProxyInTheirOwnFiles(t *testing.T) {
	for name, change := range map[string]func(*node.Input){
		"spec.proxy alone": behind(nil),
		"beside environments of the user": behind(func(in *node.Input) {
			in.Config.Spec.Instance.Environment = map[string]map[string]api.Secret{
				"default": {"LANG": "C"}, "kubelet": {"https_proxy": "http://other.example:1", "GODEBUG": "x=1"}, "sshd": {"A": "b"},
			}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, e := range desired(t, change).Entries() {
				f, ok := e.Resource.(host.File)
				if !ok || !strings.HasSuffix(f.Path, "environment.conf") {
					continue
				}
				fmt.Fprintf(&b, "== %s mode %o secret %t\n%s", f.Path, f.Mode, f.Secret, f.Content)
			}
			golden.Assert(t, filepath.Join("testdata", "proxy", strings.ReplaceAll(name, " ", "-")+".txt"), b.String())
		})
	}
}

func TestTheWholeMachinesEnvironmentIsLeftAlone(t *testing.T) {
	s := desired(t, behind(nil))
	if _, ok := s.Lookup(host.File{Path: "/etc/systemd/system.conf.d/environment.conf"}.ID()); ok {
		t.Error("the manager's environment is written")
	}
}

// What a service reads at its start is what is declared, or it would run on
// without its proxy.
func TestEveryServiceBehindTheProxyReadsItsFile(t *testing.T) {
	in := input(behind(nil))
	s, err := Decide(in)
	if err != nil {
		t.Fatal(err)
	}
	var units []string
	for _, e := range s.Environments {
		units = append(units, e.Unit)
		if ids := in.EnvironmentReads(e.Unit); !slices.Equal(ids, []host.ID{e.file().ID()}) {
			t.Errorf("%s reads %v", e.Unit, ids)
		}
	}
	if !slices.Equal(units, []string{"containerd.service", "kubelet.service"}) {
		t.Errorf("units %v", units)
	}
}

func TestTheUsersVariablesAreNotChanged(t *testing.T) {
	users := map[string]map[string]api.Secret{"kubelet": {"A": "b"}}
	before := maps.Clone(users["kubelet"])
	desired(t, behind(func(in *node.Input) { in.Config.Spec.Instance.Environment = users }))
	if !maps.Equal(users["kubelet"], before) {
		t.Errorf("kubelet's are now %v", slices.Collect(maps.Keys(users["kubelet"])))
	}
}

func TestABadProxyIsRefusedWithoutShowingIt(t *testing.T) {
	for name, change := range map[string]func(*api.Proxy){
		"no URL":                 func(p *api.Proxy) { p.HTTPS = "hunter2.example:3128" },
		"another scheme":         func(p *api.Proxy) { p.HTTP = "ftp://hunter2" },
		"a line":                 func(p *api.Proxy) { p.HTTP = "http://hunter2\nExecStart=/bin/sh" },
		"not UTF-8":              func(p *api.Proxy) { p.HTTP = "http://joe:hunter2\xff@p" },
		"a control character":    func(p *api.Proxy) { p.NoProxy = []string{"a\x01hunter2"} },
		"an exception not UTF-8": func(p *api.Proxy) { p.NoProxy = []string{"hunter2\xff"} },
	} {
		_, err := Decide(input(behind(func(in *node.Input) { change(&in.Config.Spec.Proxy) })))
		if f, ok := fault.Find(err); !ok || f.Code != fault.ConfigInvalid || !strings.Contains(err.Error(), "spec.proxy") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
