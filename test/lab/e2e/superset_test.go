//go:build linux

package e2e_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// hookScript says when it ran, in what state the machine was, and who it thinks the node is.
const hookScript = `#!/bin/sh
echo "$1 config=$(test -e /etc/kubernetes/kubelet/config.json && echo yes || echo no) containerd=$(systemctl is-active containerd) kubelet=$(systemctl is-active kubelet) stage=$EKSNODE_STAGE node=$EKSNODE_NODE_NAME cluster=$EKSNODE_CLUSTER token=$TOKEN" >>/var/log/hooks
echo "output of $1"
`

func TestTheNodeIsWhatItsFactsSayAndHooksRunOnTheWay(t *testing.T) {
	l := start(t, lab.Options{})
	const secret = "h00k-secret"
	i := launch(t, l, lab.InstanceSpec{
		Tags: map[string]string{"team": "ml", "cost-center": "42"},
		UserData: superset(t, l, `
labels:
  example.com/team: ${instance.tags.team}
  example.com/zone-id: ${instance.zoneId}
  example.com/machine: ${instance.type}-${cpu.architecture}
annotations:
  example.com/cost-center: "${instance.tags.cost-center}"
  example.com/image: ${instance.imageId}
taints:
- {key: example.com/dedicated, value: "${instance.tags.team}", effect: PreferNoSchedule}
sysctls:
  net.ipv4.tcp_keepalive_time: 601
staticPods:
  web:
    apiVersion: v1
    kind: Pod
    metadata: {name: web, namespace: kube-system}
    spec:
      hostNetwork: true
      tolerations: [{operator: Exists}]
      containers: [{name: main, image: `+l.Image(lab.HelloImage)+`, args: [static]}]
hooks:
- {name: early, stage: pre-config, command: [/usr/local/bin/hook, early], env: {TOKEN: `+secret+`}}
- {name: middle, stage: pre-kubelet, command: [/usr/local/bin/hook, middle], timeout: 20s}
- {name: fails, stage: pre-kubelet, command: [/bin/false], onFailure: warn}
- {name: first-boot, stage: pre-kubelet, command: [/usr/local/bin/hook, first-boot], run: once}
- {name: late, stage: post-ready, command: [/usr/local/bin/hook, late]}
`),
		Files: map[string][]byte{"/usr/local/bin/hook": []byte(hookScript)},
	})
	settled(t, l, i)
	name := i.NodeName()

	t.Run("labels, annotations and taints come from the facts", func(t *testing.T) {
		n := must(l.Node(within(t, time.Minute), name))(t)
		for k, want := range map[string]string{"example.com/team": "ml", "example.com/zone-id": "usw2-az1", "example.com/machine": "m5.large-amd64"} {
			if n.Metadata.Labels[k] != want {
				t.Errorf("label %s is %q, want %q", k, n.Metadata.Labels[k], want)
			}
		}
		for k, want := range map[string]string{"example.com/cost-center": "42", "example.com/image": i.EC2.Instance().ImageID} {
			if n.Metadata.Annotations[k] != want {
				t.Errorf("annotation %s is %q, want %q", k, n.Metadata.Annotations[k], want)
			}
		}
		if !slices.Contains(n.Spec.Taints, lab.Taint{Key: "example.com/dedicated", Value: "ml", Effect: "PreferNoSchedule"}) {
			t.Errorf("taints %+v", n.Spec.Taints)
		}
	})
	t.Run("the static pod runs, without the API server having asked for it", func(t *testing.T) {
		if err := l.WaitPod(within(t, time.Minute), "kube-system", "web-"+name, "Running"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("the kernel has the parameter", func(t *testing.T) {
		if got := shell(t, i, "sysctl -n net.ipv4.tcp_keepalive_time"); got != "601" {
			t.Errorf("it is %s", got)
		}
	})
	t.Run("hooks run at their stages, in order, and know the node", func(t *testing.T) {
		who := " node=" + name + " cluster=" + l.Cluster.Name + " token="
		want := strings.Join([]string{
			"early config=no containerd=inactive kubelet=inactive stage=pre-config" + who + secret,
			"middle config=yes containerd=active kubelet=inactive stage=pre-kubelet" + who,
			"first-boot config=yes containerd=active kubelet=inactive stage=pre-kubelet" + who,
			"late config=yes containerd=active kubelet=active stage=post-ready" + who,
		}, "\n")
		awaitHooks(t, i, want)
	})
	t.Run("a failure that may be is told and stops nothing", func(t *testing.T) {
		_, out := code(t, i, "eksnode", "status")
		for _, want := range []string{"fails", "middle", "late"} {
			if !strings.Contains(out, want) {
				t.Errorf("status lacks %q: %s", want, out)
			}
		}
		journal := must(i.Journal(within(t, time.Minute)))(t)
		if !strings.Contains(journal, "output of middle") || strings.Contains(journal, secret) {
			t.Error("the journal lacks a hook's output, or has its secret")
		}
	})
	t.Run("a second run does nothing, a reboot runs what is for every boot", func(t *testing.T) {
		nothingToDo(t, i)
		before := shell(t, i, "cat /var/log/hooks")
		shell(t, i, "eksnode init")
		if after := shell(t, i, "cat /var/log/hooks"); after != before {
			t.Errorf("hooks ran again: %s", after)
		}
		shell(t, i, ": >/var/log/hooks")
		if err := i.Reboot(within(t, 2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		settled(t, l, i)
		err := lab.Wait(within(t, time.Minute), "the hooks of the second boot ran", func(ctx context.Context) error {
			out, err := i.Shell(ctx, "cut -d' ' -f1 /var/log/hooks | tr '\\n' ' '")
			if err == nil && out != "early middle late " {
				err = errors.New("ran: " + out)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("a hook that hangs is killed in its time, and the node does not join", func(t *testing.T) {
		if err := i.WriteFile(within(t, time.Minute), "/etc/eksnode/config.d/60-hang.yaml", "0600", []byte(
			"apiVersion: eksnode.dev/v1alpha1\nkind: NodeConfig\nspec:\n  hooks:\n  - {name: hangs, stage: pre-config, command: [/bin/sh, -c, 'sleep 1000 & wait'], timeout: 2s}\n")); err != nil {
			t.Fatal(err)
		}
		status, out := code(t, i, "eksnode", "init")
		if status != 1 || !strings.Contains(out, "hangs") || !strings.Contains(out, "2s") {
			t.Errorf("init exits %d: %s", status, out)
		}
		if left, _ := i.Shell(within(t, time.Minute), "pgrep -f '[s]leep 1000' || true"); strings.TrimSpace(left) != "" {
			t.Errorf("its child lives on: %s", left)
		}
		shell(t, i, "rm /etc/eksnode/config.d/60-hang.yaml; eksnode init")
	})
}

func awaitHooks(t *testing.T, i *lab.Instance, want string) {
	t.Helper()
	err := lab.Wait(within(t, time.Minute), "all hooks ran", func(ctx context.Context) error {
		out, err := i.Shell(ctx, "cat /var/log/hooks")
		if got := strings.TrimSpace(out); err == nil && got != want {
			err = errors.New("they said\n" + got + "\nwant\n" + want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
