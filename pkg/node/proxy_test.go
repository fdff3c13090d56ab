package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

const secretProxy = "http://joe:hunter2@proxy.example:3128"

// behind is an ordinary node behind a proxy; change makes it the odd one.
func behind(change func(*Input)) Input {
	in := Input{Layout: AL2023(), Instance: Instance{Region: "us-west-2", VPCNetworks: []string{"10.0.0.0/16", "100.64.0.0/16"}}}
	in.Config.Spec.Cluster = api.Cluster{APIServerEndpoint: "https://ABC.gr7.us-west-2.eks.amazonaws.com", CIDR: "172.20.0.0/16"}
	in.Config.Spec.Proxy = api.Proxy{HTTP: secretProxy, HTTPS: secretProxy}
	if change != nil {
		change(&in)
	}
	return in
}

// always is what no node asks a proxy for.
const always = ".svc,.svc.cluster.local,127.0.0.0/8,127.0.0.1,169.254.0.0/16,169.254.169.254,::1,fd00:ec2::254,localhost"

func yes() *bool { b := true; return &b }

func TestNoProxyHoldsWhatIsReachedDirectly(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Input)
		want   string
	}{
		{"an ordinary node", nil, always + ",.us-west-2.compute.internal,10.0.0.0/16,100.64.0.0/16,172.20.0.0/16,ABC.gr7.us-west-2.eks.amazonaws.com"},
		{"the first region, whose names have another domain", func(in *Input) { in.Instance.Region = "us-east-1" },
			always + ",.ec2.internal,10.0.0.0/16,100.64.0.0/16,172.20.0.0/16,ABC.gr7.us-west-2.eks.amazonaws.com"},
		{"the API server through the proxy", func(in *Input) { in.Config.Spec.Proxy.ProxyAPIServer = yes() },
			always + ",.us-west-2.compute.internal,10.0.0.0/16,100.64.0.0/16,172.20.0.0/16"},
		{"the VPC's networks could not be had", func(in *Input) { in.Instance.VPCNetworks = nil },
			always + ",.us-west-2.compute.internal,172.20.0.0/16,ABC.gr7.us-west-2.eks.amazonaws.com"},
		{"nothing is known", func(in *Input) {
			*in = Input{Config: api.NodeConfig{Spec: api.Spec{Superset: api.Superset{Proxy: api.Proxy{HTTP: secretProxy}}}}}
		}, always},
		{"IPv6", func(in *Input) {
			in.Instance.VPCNetworks, in.Config.Spec.Cluster.CIDR = []string{"10.0.0.0/16", "2600:1f14::/56"}, "fd30:1c53:5f8a::/108"
			in.Config.Spec.Cluster.APIServerEndpoint = "https://[2600:1f14::1]:6443"
		}, always + ",.us-west-2.compute.internal,10.0.0.0/16,2600:1f14::/56,2600:1f14::1,fd30:1c53:5f8a::/108"},
		{"the user's own, some of them twice", func(in *Input) {
			in.Config.Spec.Proxy.NoProxy = []string{".example.com", "10.0.0.0/16", " registry.local:5000 , .s3.amazonaws.com", "", ".example.com"}
		}, always + ",.us-west-2.compute.internal,10.0.0.0/16,100.64.0.0/16,172.20.0.0/16,ABC.gr7.us-west-2.eks.amazonaws.com,.example.com,registry.local:5000,.s3.amazonaws.com"},
		{"another domain of the cluster", func(in *Input) {
			in.Config.Spec.Kubelet.Config = api.Object{"clusterDomain": "k8s.corp."}
		}, strings.Replace(always, "cluster.local", "k8s.corp", 1) + ",.us-west-2.compute.internal,10.0.0.0/16,100.64.0.0/16,172.20.0.0/16,ABC.gr7.us-west-2.eks.amazonaws.com"},
		{"an endpoint that is no URL", func(in *Input) { in.Config.Spec.Cluster.APIServerEndpoint = "::" },
			always + ",.us-west-2.compute.internal,10.0.0.0/16,100.64.0.0/16,172.20.0.0/16"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, ok := behind(row.change).Proxy()
			want := strings.Split(row.want, ",")
			slices.Sort(want)
			if d := cmp.Diff(want, p.NoProxy); d != "" || !ok {
				t.Errorf("%t (-want +got):\n%s", ok, d)
			}
		})
	}
	if _, ok := behind(func(in *Input) { in.Config.Spec.Proxy = api.Proxy{NoProxy: []string{"x"}} }).Proxy(); ok {
		t.Error("exceptions alone make a proxy")
	}
}

func TestTheServicesThatReachOutGetTheProxyAndNoOthers(t *testing.T) {
	in := behind(nil)
	got := in.ProxyEnvironment("kubelet.service")
	if want := []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}; !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
		t.Errorf("got %v", slices.Sorted(maps.Keys(got)))
	}
	if got["https_proxy"] != secretProxy || got["no_proxy"] != got["NO_PROXY"] || !strings.HasPrefix(got["NO_PROXY"].Reveal(), ".svc,") {
		t.Errorf("https_proxy %s, no_proxy %s", got["https_proxy"].Reveal(), got["no_proxy"].Reveal())
	}
	for _, unit := range []string{"sshd.service", "soci-snapshotter.service", ""} {
		if got := in.ProxyEnvironment(unit); got != nil {
			t.Errorf("%s gets %v", unit, got)
		}
	}
	soci := behind(func(in *Input) {
		in.Config.Spec.FeatureGates = api.FeatureGates{api.FastImagePull: true}
		in.Present.SOCISnapshotter = true
		in.Hardware.CPU.Online, in.Hardware.Memory.OnlineBytes = 8, 32<<30
	})
	if soci.ProxyEnvironment("soci-snapshotter.service")["HTTPS_PROXY"] != secretProxy {
		t.Error("the snapshotter that pulls images has no proxy")
	}
	if got := behind(func(in *Input) { in.Config.Spec.Proxy.HTTP = "" }).ProxyEnvironment("kubelet.service"); len(got) != 4 || got["http_proxy"] != "" {
		t.Errorf("with one proxy: %v", slices.Sorted(maps.Keys(got)))
	}
}

func TestTheUsersOwnVariableWinsInBothSpellings(t *testing.T) {
	in := behind(func(in *Input) {
		in.Config.Spec.Instance.Environment = map[string]map[string]api.Secret{
			"kubelet": {"https_proxy": "http://other:1", "X": "y"}, "containerd.service": {"NO_PROXY": ""},
		}
	})
	if got := slices.Sorted(maps.Keys(in.ProxyEnvironment("kubelet.service"))); !slices.Equal(got, []string{"HTTP_PROXY", "NO_PROXY", "http_proxy", "no_proxy"}) {
		t.Errorf("kubelet: %v", got)
	}
	if got := slices.Sorted(maps.Keys(in.ProxyEnvironment("containerd.service"))); !slices.Equal(got, []string{"HTTPS_PROXY", "HTTP_PROXY", "http_proxy", "https_proxy"}) {
		t.Errorf("containerd: %v", got)
	}
}

func TestWhatRunsBehindAProxyReadsItsDropInOnce(t *testing.T) {
	dropIn := func(unit string) host.ID {
		return host.ID{Kind: host.KindFile, Name: "/etc/systemd/system/" + unit + ".d/environment.conf"}
	}
	for unit, want := range map[string][]host.ID{"kubelet.service": {dropIn("kubelet.service")}, "sshd.service": nil} {
		if got := behind(nil).EnvironmentReads(unit); !slices.Equal(got, want) {
			t.Errorf("%s reads %v", unit, got)
		}
	}
	both := behind(func(in *Input) {
		in.Config.Spec.Instance.Environment = map[string]map[string]api.Secret{"kubelet": {"X": "y"}}
	})
	if got := both.EnvironmentReads("kubelet.service"); !slices.Equal(got, []host.ID{dropIn("kubelet.service")}) {
		t.Errorf("with an environment of its own it reads %v", got)
	}
}

func TestTheAgentGoesByWhatIsConfiguredAndThenByTheEnvironmentOfAll(t *testing.T) {
	environment := map[string]map[string]api.Secret{
		api.EnvironmentDefault: {"http_proxy": "http://all:1", "HTTPS_PROXY": "http://all:2", "NO_PROXY": "b.example, a.example"},
	}
	for _, row := range []struct {
		name        string
		change      func(*Input)
		http, https api.Secret
		direct      string // the first that is reached directly
	}{
		{"spec.proxy", nil, secretProxy, secretProxy, ".svc"},
		{"spec.proxy before the environment", func(in *Input) { in.Config.Spec.Instance.Environment = environment }, secretProxy, secretProxy, ".svc"},
		{"each for what the other lacks", func(in *Input) {
			in.Config.Spec.Instance.Environment, in.Config.Spec.Proxy.HTTP = environment, ""
		}, "http://all:1", secretProxy, ".svc"},
		{"the environment alone", func(in *Input) {
			in.Config.Spec.Instance.Environment, in.Config.Spec.Proxy = environment, api.Proxy{}
		}, "http://all:1", "http://all:2", "a.example"},
		{"that of another service is none of the agent's", func(in *Input) {
			in.Config.Spec.Instance.Environment = map[string]map[string]api.Secret{"kubelet": environment[api.EnvironmentDefault]}
			in.Config.Spec.Proxy = api.Proxy{}
		}, "", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, ok := behind(row.change).AgentProxy()
			direct := ""
			if len(p.NoProxy) > 0 {
				direct = p.NoProxy[0]
			}
			if p.HTTP != row.http || p.HTTPS != row.https || direct != row.direct || ok != (row.https != "") {
				t.Errorf("%t, http %s, https %s, directly %v", ok, p.HTTP.Reveal(), p.HTTPS.Reveal(), p.NoProxy)
			}
		})
	}
}

func TestAURLThatNoProgramTakesIsRefusedWithoutShowingIt(t *testing.T) {
	for _, bad := range []api.Secret{"proxy:3128", "hunter2", "ftp://hunter2:1", "http://", "http:///hunter2", "http://hunter2\n", "http://[hunter2", "://", "http://u:hunter2@"} {
		err := Proxy{HTTPS: bad}.Check()
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "https requests") {
			t.Errorf("%s: got %v", bad.Reveal(), err)
		}
	}
	if err := (Proxy{NoProxy: []string{"a\x01"}}).Check(); err == nil {
		t.Error("a control character is taken")
	}
	for _, good := range []api.Secret{"", secretProxy, "https://p", "socks5://p:1080", "http://[::1]:3128", "[redacted]"} {
		if err := (Proxy{HTTP: good, HTTPS: good}).Check(); err != nil {
			t.Errorf("%s: %v", good.Reveal(), err)
		}
	}
}

func TestNotesTellWhatASurpriseWouldCostAndNoSecrets(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Input)
		want   []string // a part of each note
	}{
		{"nothing odd", nil, nil},
		{"no proxy", func(in *Input) { in.Config.Spec.Proxy, in.Instance = api.Proxy{}, Instance{} }, nil},
		{"only http", func(in *Input) { in.Config.Spec.Proxy.HTTPS = "" }, []string{"spec.proxy.https is not set"}},
		{"the VPC's networks could not be had", func(in *Input) {
			in.Instance.VPCNetworks = nil
			in.Problems = []Problem{{Fact: "instance.vpcNetworks", Code: fault.IMDSUnreachable, Message: "it does not answer"}}
		}, []string{"without the VPC's networks (cannot tell instance.vpcNetworks: it does not answer)"}},
		{"nobody has asked for the VPC's networks", func(in *Input) { in.Instance.VPCNetworks = nil }, []string{"nobody has told them"}},
		{"the API server's address is in the VPC", func(in *Input) {
			in.Config.Spec.Proxy.ProxyAPIServer, in.Config.Spec.Cluster.APIServerEndpoint = yes(), "https://10.0.3.4"
		}, []string{"proxyAPIServer has no effect: 10.0.3.4"}},
		{"the API server goes through the proxy", func(in *Input) { in.Config.Spec.Proxy.ProxyAPIServer = yes() }, nil},
		{"all services have a proxy, too", func(in *Input) {
			in.Config.Spec.Instance.Environment = map[string]map[string]api.Secret{api.EnvironmentDefault: {"https_proxy": secretProxy}}
		}, []string{"for all services but containerd.service, kubelet.service"}},
		{"kubelet has its own", func(in *Input) {
			in.Config.Spec.Instance.Environment = map[string]map[string]api.Secret{"kubelet": {"https_proxy": secretProxy, "A": "b"}}
		}, []string{"https_proxy of spec.instance.environment is kept for kubelet.service"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := behind(row.change).ProxyNotes()
			if len(got) != len(row.want) || strings.Contains(fmt.Sprint(got), "hunter2") {
				t.Fatalf("got %q", got)
			}
			for i := range got {
				if !strings.Contains(got[i], row.want[i]) {
					t.Errorf("got %q, want %q in it", got[i], row.want[i])
				}
			}
		})
	}
}
