package kubelet

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func desired(t *testing.T, change func(*node.Input)) []host.Resource {
	t.Helper()
	rs, err := Desired(input(change))
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func file(t *testing.T, rs []host.Resource, path string) host.File {
	t.Helper()
	for _, r := range rs {
		if f, ok := r.(host.File); ok && f.Path == path {
			return f
		}
	}
	t.Fatalf("there is no %s", path)
	return host.File{}
}

func TestKubeletReadsAllThatIsDeclaredBeforeIt(t *testing.T) {
	rs := desired(t, func(in *node.Input) {
		in.Present.KubeletUnit = false
		in.Config.Spec.Kubelet.Config = api.Object{"maxPods": 20}
		in.Config.Spec.Instance.Environment = map[string]map[string]api.Secret{"default": {"A": "b"}, "kubelet": {"C": "d"}, "other": {"E": "f"}}
	})
	service, ok := rs[len(rs)-1].(host.Service)
	if !ok || !service.Running || !service.Current || service.Enabled {
		t.Fatalf("the last resource is %+v", rs[len(rs)-1])
	}
	for _, r := range rs[:len(rs)-1] {
		if !slices.Contains(service.Reads, r.ID()) {
			t.Errorf("kubelet does not read %s", r.ID())
		}
	}
	for _, path := range []string{
		"/etc/eks/image-credential-provider/config.json",
		"/etc/systemd/system.conf.d/environment.conf",
		"/etc/systemd/system/kubelet.service.d/environment.conf",
	} {
		if !slices.Contains(service.Reads, host.File{Path: path}.ID()) {
			t.Errorf("kubelet does not read %s of another component", path)
		}
	}
	if slices.ContainsFunc(service.Reads, func(id host.ID) bool { return strings.Contains(id.Name, "other") }) {
		t.Errorf("kubelet reads another service's environment: %v", service.Reads)
	}
}

func TestTheUsersPartIsADropInOfItsOwn(t *testing.T) {
	var user api.Object
	if err := json.Unmarshal([]byte(`{"kind": "Other", "imageMinimumGCAge": "1m", "big": 12345678901234567, "html": "<&>"}`), &user); err != nil {
		t.Fatal(err)
	}
	rs := desired(t, func(in *node.Input) { in.Config.Spec.Kubelet.Config = user })
	got := string(file(t, rs, "/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf").Content)
	want := `{
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "big": 12345678901234567,
    "html": "<&>",
    "imageMinimumGCAge": "1m",
    "kind": "Other"
}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if with, without := file(t, rs, "/etc/kubernetes/kubelet/config.json"), file(t, desired(t, nil), "/etc/kubernetes/kubelet/config.json"); !host.Equal(with, without) {
		t.Error("config.json changes with the user's part")
	}
}

func TestHeadersForStaticPodsAreSecret(t *testing.T) {
	rs := desired(t, func(in *node.Input) {
		in.Config.Spec.Kubelet.Config = api.Object{"staticPodURLHeader": map[string]any{"Authorization": []any{"Bearer x"}}}
	})
	if f := file(t, rs, "/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf"); !f.Secret || f.Mode != 0o600 {
		t.Errorf("got secret %t, mode %o", f.Secret, f.Mode)
	}
}

func TestNamesInTheKubeconfigCannotBreakOutOfIt(t *testing.T) {
	rs := desired(t, func(in *node.Input) {
		in.Config.Spec.Cluster.Name = "a\nusers: []"
		in.Config.Spec.Cluster.APIServerEndpoint = "https://x # y: 'z'"
	})
	text := string(file(t, rs, "/var/lib/kubelet/kubeconfig").Content)
	if strings.Count(text, "\nusers:") != 1 || !strings.Contains(text, `'https://x # y: ''z'''`) {
		t.Errorf("got\n%s", text)
	}
}

func TestIptablesIsAskedOnlyWhereItIs(t *testing.T) {
	for path, want := range map[string]bool{"": false, "/usr/sbin/iptables": true} {
		rs := desired(t, func(in *node.Input) { in.Present = node.Present{Iptables: path} })
		got := string(file(t, rs, "/etc/systemd/system/kubelet.service").Content)
		if strings.Contains(got, "ExecStartPre=-/usr/sbin/iptables -P FORWARD ACCEPT -w 5\n") != want {
			t.Errorf("with iptables at %q:\n%s", path, got)
		}
	}
}

func TestAKubeletUnitThatLeavesTheFirewallGetsADropInForIt(t *testing.T) {
	drop := host.File{Path: "/etc/systemd/system/kubelet.service.d/10-eksnode-forward.conf"}.ID()
	for name, tt := range map[string]struct {
		present node.Present
		want    bool
	}{
		"EKS' own":            {node.Present{KubeletUnit: true, Iptables: "/usr/sbin/iptables"}, false},
		"somebody else's":     {node.Present{KubeletUnit: true, Iptables: "/usr/sbin/iptables", Network: node.Network{ForwardUnset: true}}, true},
		"without iptables":    {node.Present{KubeletUnit: true, Network: node.Network{ForwardUnset: true}}, false},
		"the agent's own one": {node.Present{Iptables: "/usr/sbin/iptables"}, false},
	} {
		rs := desired(t, func(in *node.Input) { in.Present = tt.present })
		got, reads := "", false
		for _, r := range rs {
			switch r := r.(type) {
			case host.File:
				if r.ID() == drop {
					got = string(r.Content)
				}
			case host.Service:
				reads = slices.Contains(r.Reads, drop)
			}
		}
		want := ""
		if tt.want {
			want = "# Written by eksnode.\n[Service]\nExecStartPre=-/usr/sbin/iptables -P FORWARD ACCEPT -w 5\n"
		}
		if got != want || reads != tt.want {
			t.Errorf("%s: the drop-in is %q, kubelet reads it: %t", name, got, reads)
		}
	}
}
