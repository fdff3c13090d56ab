//go:build linux

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// TestThePodNetworkThatTheClusterDoesNotBring has two nodes, each with a network of the agent's own, and pods of both
// families that reach each other, the VPC, and the host ports of nodes.
func TestThePodNetworkThatTheClusterDoesNotBring(t *testing.T) {
	l := start(t, lab.Options{NoPodNetwork: true, IPv6: true})
	node := func(profile string, files map[string][]byte) *lab.Instance {
		t.Helper()
		return launch(t, l, lab.InstanceSpec{Files: files, UserData: superset(t, l,
			fmt.Sprintf("cni: {profile: %s, podCIDRs: ['%s']}", profile, strings.Join(l.PodRanges(), "', '")))})
	}
	// The first has an image that says nothing about others' routes: what the package brings is masked there.
	bridge := node("bridge", map[string][]byte{"/etc/systemd/networkd.conf.d/80-eksnode.conf": nil})
	ptp := node("ptp", nil)
	settled(t, l, bridge)
	settled(t, l, ptp)
	nothingToDo(t, bridge)
	nothingToDo(t, ptp)

	// Two pods on the bridge, one on the other node, which is at the node's port 18080, too.
	a, beside := pod(t, l, bridge, "a", 0), pod(t, l, bridge, "beside", 0)
	far := pod(t, l, ptp, "far", 18080)

	t.Run("pods reach pods of both families, here and on the other node, and the other way", func(t *testing.T) {
		for _, way := range []struct {
			from *lab.Instance
			by   []string
			to   []string
		}{{bridge, a, beside}, {bridge, a, far}, {ptp, far, a}} {
			for _, to := range way.to {
				fetch(t, way.from, way.by[0], "http://"+net.JoinHostPort(to, "8080"))
			}
		}
	})
	t.Run("a pod reaches the VPC, and a host port from there and from its own node", func(t *testing.T) {
		fetch(t, bridge, a[0], "http://"+ptp.IP()+":18080")
		shell(t, bridge, "curl -sf -m 5 http://"+ptp.IP()+":18080 | grep hello")
		fetch(t, ptp, far[0], "http://"+ptp.IP()+":18080")
	})
	t.Run("pods have addresses of the node's ranges, and the MTU of its interface", func(t *testing.T) {
		for k, prefix := range []string{"10.0.65.", "2001:db8:1:10b:"} {
			if !strings.HasPrefix(a[k], prefix) {
				t.Errorf("a pod has %s, want one of %s", a[k], prefix)
			}
		}
		if out := shell(t, bridge, "cat /sys/class/net/eksnode0/mtu"); out != "9001" {
			t.Errorf("the bridge's MTU is %s", out)
		}
	})
	t.Run("routes and rules of others outlive systemd-networkd, and links of pods are not its own", func(t *testing.T) {
		shell(t, bridge, "ip rule add priority 1536 from 192.0.2.7 lookup 42 && ip route add 192.0.2.0/24 dev eksnode0 table 42")
		shell(t, bridge, "systemctl restart systemd-networkd && /lib/systemd/systemd-networkd-wait-online -i ens5 --timeout=60")
		if out := shell(t, bridge, "ip rule; ip route show table 42"); !strings.Contains(out, "1536:\tfrom 192.0.2.7 lookup 42") || !strings.Contains(out, "192.0.2.0/24 dev eksnode0") {
			t.Errorf("after the restart: %s", out)
		}
		for _, link := range strings.Fields(shell(t, bridge, "ls /sys/class/net | grep -e ^veth -e ^eksnode0")) {
			if out := shell(t, bridge, "networkctl list --no-legend "+link); !strings.Contains(out, "unmanaged") {
				t.Errorf("%s: %s", link, out)
			}
		}
		fetch(t, bridge, a[0], "http://"+net.JoinHostPort(far[1], "8080"))
	})
	t.Run("addresses of the last boot's pods are free again after a reboot", func(t *testing.T) {
		held := `ls /var/lib/cni/networks/eksnode | grep -c -e '^10\.' -e '^2001' || true`
		if out := shell(t, bridge, held); out != "4" {
			t.Fatalf("%s addresses are held, want those of two pods", out)
		}
		shell(t, bridge, "touch /var/lib/cni/networks/eksnode/10.0.65.77")
		if err := bridge.Reboot(within(t, 2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		settled(t, l, bridge)
		if out := shell(t, bridge, "ls /var/lib/cni/networks/eksnode || true"); strings.Contains(out, "10.0.65.77") {
			t.Errorf("an address that nobody has is held: %s", out)
		}
		// kubelet has ended the pods at the shutdown; others take their place.
		again := pod(t, l, bridge, "again", 0)
		fetch(t, bridge, again[0], "http://"+net.JoinHostPort(far[1], "8080"))
		// Never beside pods that run.
		before := shell(t, bridge, held)
		shell(t, bridge, "systemctl stop eksnode-cni-reset && systemctl start eksnode-cni-reset")
		if out := shell(t, bridge, held); out != before || out == "0" {
			t.Errorf("running pods have lost their addresses: %s are held of %s", out, before)
		}
		nothingToDo(t, bridge)
	})
	t.Run("another network's file makes the agent's go, and is not touched", func(t *testing.T) {
		shell(t, ptp, `echo '{"cniVersion": "1.0.0", "name": "theirs", "plugins": [{"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.0.66.0/24"}}]}' >/etc/cni/net.d/99-theirs.conflist`)
		if _, out := code(t, ptp, "eksnode", "plan", "--log-format", "none"); !strings.Contains(out, "99-theirs.conflist of somebody else's") || !strings.Contains(out, "/etc/cni/net.d/10-eksnode.conflist") {
			t.Errorf("plan: %s", out)
		}
		shell(t, ptp, "eksnode init --only network")
		if out := shell(t, ptp, "ls /etc/cni/net.d"); out != "99-theirs.conflist" {
			t.Errorf("networks: %s", out)
		}
		shell(t, ptp, "rm /etc/cni/net.d/99-theirs.conflist && eksnode init --only network")
		if out := shell(t, ptp, "ls /etc/cni/net.d"); out != "10-eksnode.conflist" {
			t.Errorf("networks: %s", out)
		}
	})
}

// TestACiliumNodeHasItsFileSystemOfBPF has a machine whose systemd has mounted none, as in a container.
func TestACiliumNodeHasItsFileSystemOfBPF(t *testing.T) {
	l := start(t, lab.Options{})
	i := launch(t, l, lab.InstanceSpec{UserData: superset(t, l, "cni: {profile: cilium-overlay}")})
	settled(t, l, i)
	mounted := func() {
		t.Helper()
		if out := shell(t, i, "stat -f -c %T /sys/fs/bpf"); out != "bpf_fs" {
			t.Errorf("/sys/fs/bpf is of %s", out)
		}
		nothingToDo(t, i)
	}
	mounted()
	if err := i.Reboot(within(t, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	settled(t, l, i)
	mounted()
}

// pod runs one on a node and returns its addresses, IPv4 first. hostPort is 0 for none.
func pod(t *testing.T, l *lab.Lab, i *lab.Instance, name string, hostPort int) []string {
	t.Helper()
	port := map[string]any{"containerPort": 8080}
	if hostPort > 0 {
		port["hostPort"] = hostPort
	}
	manifest := must(json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"nodeName": i.NodeName(), "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false,
			"containers": []any{map[string]any{"name": "main", "image": l.Image(lab.HelloImage), "ports": []any{port}}},
		},
	}))(t)
	err := lab.Wait(within(t, time.Minute), "pod "+name+" is accepted", func(ctx context.Context) error { return l.Apply(ctx, string(manifest)) })
	if err != nil {
		t.Fatal(err)
	}
	if err := l.WaitPod(within(t, time.Minute), "default", name, "Running"); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Status struct {
			PodIPs []struct {
				IP string `json:"ip"`
			} `json:"podIPs"`
		} `json:"status"`
	}
	var out []string
	err = lab.Wait(within(t, time.Minute), "pod "+name+" has addresses of both families", func(ctx context.Context) error {
		if err := l.API(ctx, http.MethodGet, "/api/v1/namespaces/default/pods/"+name, nil, &answer); err != nil {
			return err
		}
		out = nil
		for _, a := range answer.Status.PodIPs {
			out = append(out, a.IP)
		}
		if len(out) != 2 {
			return fmt.Errorf("it has %v", out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fetch has the pod at an address, which is on the instance, fetch a page of the lab's workload.
func fetch(t *testing.T, i *lab.Instance, podIP, page string) {
	t.Helper()
	ask := "http://" + net.JoinHostPort(podIP, "8080") + "/fetch?url=" + url.QueryEscape(page)
	err := lab.Wait(within(t, 20*time.Second), podIP+" fetches "+page, func(ctx context.Context) error {
		out, err := i.Run(ctx, "curl", "-sSf", "-m", "6", ask)
		if err == nil && !strings.HasPrefix(out, "hello from") {
			err = fmt.Errorf("it got %q", out)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
