//go:build linux

package e2e_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
	"github.com/eksnode/eksnode/test/lab/aws"
)

func TestUserDataBecomesAReadyNodeThatRunsAPod(t *testing.T) {
	l := start(t, lab.Options{})
	i := launch(t, l, lab.InstanceSpec{UserData: plain(t, l, lab.NodeConfigOptions{})})
	r := settled(t, l, i)

	if err := l.RunPod(within(t, time.Minute), lab.PodSpec{Name: "hello", Node: i.NodeName(), Args: []string{"world"}}); err != nil {
		t.Fatal(err)
	}
	if out := must(l.PodLog(within(t, time.Minute), "default", "hello"))(t); out != "hello from hello world\n" {
		t.Errorf("the pod says %q", out)
	}
	t.Run("the report says who, how and how long", func(t *testing.T) {
		if r.Node.Name != i.NodeName() || !strings.Contains(r.Node.NameSource, "metadata") {
			t.Errorf("node %+v, want %s", r.Node, i.NodeName())
		}
		code, out := code(t, i, "eksnode", "status")
		for _, want := range []string{i.NodeName(), "Ready in cluster", "load", "gather", "plan", "apply", "settle", "node-ready"} {
			if !strings.Contains(out, want) {
				t.Errorf("status (exit %d) lacks %q:\n%s", code, want, out)
			}
		}
		if console := i.Console(); !strings.Contains(console, "eksnode: "+i.NodeName()+": Ready in cluster "+l.Cluster.Name) {
			t.Errorf("the console does not say so: %s", console[max(0, len(console)-500):])
		}
	})
	t.Run("no AWS control-plane call, one metadata token", func(t *testing.T) {
		calls := l.Cloud.CallsWhere(func(c aws.Call) bool {
			return c.Caller.Session == i.ID() && !c.Presigned && c.Service != "ecr" && c.Service != "registry"
		})
		if len(calls) != 0 { // pulling images needs ECR, joining needs nothing
			t.Errorf("%d calls: %+v", len(calls), calls)
		}
		// The config phase is the agent's first run of this boot; each run has
		// a token of its own, and kubelet's credential plugins have theirs.
		i.EC2.ResetRequests()
		if code, out := code(t, i, "eksnode", "init", "--phase", "config"); code != 0 {
			t.Fatalf("init exits %d: %s", code, out)
		}
		if n, tokens := len(i.EC2.Requests()), i.EC2.CountRequests(aws.IsToken); n > 8 || tokens != 1 {
			t.Errorf("%d metadata requests, %d of them for tokens: %+v", n, tokens, i.EC2.Requests())
		}
	})
	t.Run("the node is what the cluster expects", func(t *testing.T) {
		n := must(l.Node(within(t, time.Minute), i.NodeName()))(t)
		if want := "aws:///us-west-2a/" + i.ID(); n.Spec.ProviderID != want {
			t.Errorf("provider id %q, want %q", n.Spec.ProviderID, want)
		}
		if n.Status.Allocatable["pods"] != "29" {
			t.Errorf("%s pods, want 29 as the ENIs of an m5.large allow", n.Status.Allocatable["pods"])
		}
	})
	t.Run("a second run changes nothing", func(t *testing.T) {
		nothingToDo(t, i)
		before := shell(t, i, fingerprint)
		if !strings.Contains(before, "/etc/kubernetes/kubelet/config.json ") {
			t.Fatalf("the fingerprint sees no files: %s", before)
		}
		c, k := pids(t, i)
		if code, out := code(t, i, "eksnode", "init"); code != 0 {
			t.Fatalf("init exits %d: %s", code, out)
		}
		if after := shell(t, i, fingerprint); after != before {
			t.Errorf("something was rewritten:\n%s\nwas:\n%s", after, before)
		}
		if c2, k2 := pids(t, i); c2 != c || k2 != k {
			t.Errorf("restarted: containerd %s → %s, kubelet %s → %s", c, c2, k, k2)
		}
		if r := must(status(within(t, time.Minute), i))(t); len(r.Steps) != 0 {
			t.Errorf("it took steps: %+v", r.Steps)
		}
	})
	t.Run("a changed setting restarts exactly what reads it", func(t *testing.T) { changeOneSetting(t, l, i) })
	t.Run("a reboot rewrites nothing", func(t *testing.T) {
		before := shell(t, i, fingerprint)
		if err := i.Reboot(within(t, 2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		settled(t, l, i)
		if after := shell(t, i, fingerprint); after != before {
			t.Errorf("something was rewritten:\n%s\nwas:\n%s", after, before)
		}
	})
	t.Run("a token for the cluster by hand", func(t *testing.T) {
		out := shell(t, i, "eksnode token --cluster-name "+l.Cluster.Name+" --region us-west-2")
		if !strings.Contains(out, `"token":"k8s-aws-v1.`) {
			t.Errorf("got %s", out)
		}
	})
	t.Run("killed at random points it converges", func(t *testing.T) { killAtRandom(t, l, i) })
	t.Run("a reset gives the machine back", func(t *testing.T) { reset(t, i) })
}

func changeOneSetting(t *testing.T, l *lab.Lab, i *lab.Instance) {
	write := func(content string) {
		t.Helper()
		if err := i.WriteFile(within(t, time.Minute), "/etc/eksnode/config.d/50-pods.yaml", "0600", []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	c, k := pids(t, i)
	write("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {kubelet: {config: {maxPods: 17}}}\n")
	if status, out := code(t, i, "eksnode", "plan"); status != 2 || !strings.Contains(out, "restart") {
		t.Errorf("plan exits %d:\n%s", status, out)
	}
	if status, out := code(t, i, "eksnode", "plan", "-o", "diff", "--log-format", "none"); status != 2 || !strings.Contains(out, `+    "maxPods": 17`) {
		t.Errorf("plan -o diff exits %d:\n%s", status, out)
	}
	if status, out := code(t, i, "eksnode", "init"); status != 0 {
		t.Fatalf("init exits %d: %s", status, out)
	}
	c2, k2 := pids(t, i)
	if c2 != c || k2 == k {
		t.Errorf("containerd %s → %s, kubelet %s → %s: want kubelet alone restarted", c, c2, k, k2)
	}
	if err := l.WaitNode(within(t, time.Minute), i.NodeName(), "offers 17 pods", func(n lab.Node) error {
		if got := n.Status.Allocatable["pods"]; got != "17" {
			return fmt.Errorf("it offers %s", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	// The environment of a service reaches its process.
	write("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {instance: {environment: {kubelet: {FLAVOUR: \"100% \\\"lab\\\"\"}}}}\n")
	if status, out := code(t, i, "eksnode", "init"); status != 0 {
		t.Fatalf("init exits %d: %s", status, out)
	}
	if out := shell(t, i, "tr '\\0' '\\n' </proc/$(systemctl show -P MainPID kubelet.service)/environ | grep FLAVOUR; stat -c %a /etc/systemd/system/kubelet.service.d/environment.conf"); out != "FLAVOUR=100% \"lab\"\n600" {
		t.Errorf("kubelet's environment: %s", out)
	}
	// Taking the setting away takes away what it made.
	shell(t, i, "rm /etc/eksnode/config.d/50-pods.yaml")
	if status, out := code(t, i, "eksnode", "init"); status != 0 {
		t.Fatalf("init exits %d: %s", status, out)
	}
	if out := shell(t, i, "cat /etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf"); strings.Contains(out, "maxPods") {
		t.Errorf("the drop-in still says %s", out)
	}
	if status, _ := code(t, i, "test", "-e", "/etc/systemd/system/kubelet.service.d/environment.conf"); status == 0 {
		t.Error("the environment's drop-in is left")
	}
	nothingToDo(t, i)
}

// killAtRandom kills an agent with much to do after delays that sweep over its
// run, and lets it finish once.
func killAtRandom(t *testing.T, l *lab.Lab, i *lab.Instance) {
	for n := range 12 {
		shell(t, i, fmt.Sprintf(`
			printf 'apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {kubelet: {config: {maxPods: %d}}, containerd: {config: "[debug]\\nlevel = \\"%s\\"\\n"}}\n' >/etc/eksnode/config.d/50-chaos.yaml
			eksnode init --log-format none & p=$!
			sleep %s; kill -9 $p 2>/dev/null; wait $p 2>/dev/null || true`, 20+n, []string{"info", "warn"}[n%2], fmt.Sprintf("0.%03d", 5+n*12)))
	}
	if status, out := code(t, i, "eksnode", "init"); status != 0 {
		t.Fatalf("init exits %d: %s", status, out)
	}
	nothingToDo(t, i)
	if err := l.WaitNode(within(t, time.Minute), i.NodeName(), "offers 31 pods", func(n lab.Node) error {
		if got := n.Status.Allocatable["pods"]; got != "31" {
			return fmt.Errorf("it offers %s", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	// containerd runs with the last configuration, too.
	if out := shell(t, i, "containerd config dump 2>/dev/null | grep -c 'level = .warn.' && stat -c %Y /etc/containerd/config.toml && date -d \"$(systemctl show -P ActiveEnterTimestamp containerd.service)\" +%s"); out != "" {
		f := strings.Fields(out)
		if len(f) != 3 || f[1] > f[2] {
			t.Errorf("containerd started at %v, its configuration was written later", f)
		}
	}
	if left := shell(t, i, `find /etc /run/eksnode /var/lib/eksnode -name '.*eksnode*tmp*' -o -name '.atomic*' | head`); left != "" {
		t.Errorf("temporary files are left: %s", left)
	}
}

func reset(t *testing.T, i *lab.Instance) {
	if status, out := code(t, i, "eksnode", "reset"); status != 1 || !strings.Contains(out, "--yes") {
		t.Errorf("a reset without --yes exits %d: %s", status, out)
	}
	owned := shell(t, i, `grep -o '"id": "file:[^"]*"' /var/lib/eksnode/owned.json | cut -d'"' -f4 | cut -d: -f2-`)
	if !strings.Contains(owned, "/etc/kubernetes/kubelet/config.json\n") {
		t.Fatalf("the record of owned files cannot be read here: %s", owned)
	}
	if status, out := code(t, i, "eksnode", "reset", "--yes"); status != 0 {
		t.Fatalf("reset exits %d: %s", status, out)
	}
	for _, f := range strings.Fields(owned) {
		if status, _ := code(t, i, "test", "-e", f); status == 0 {
			t.Errorf("%s is left", f)
		}
	}
	for _, unit := range []string{"kubelet.service", "containerd.service"} {
		if status, out := code(t, i, "systemctl", "is-active", unit); status == 0 {
			t.Errorf("%s is %s", unit, strings.TrimSpace(out))
		}
	}
	if status, out := code(t, i, "eksnode", "reset", "--yes"); status != 0 {
		t.Errorf("a second reset exits %d: %s", status, out)
	}
}

func TestShapesOfUserDataAndImages(t *testing.T) {
	l := start(t, lab.Options{NodeNaming: lab.InstanceID})
	for _, tt := range []struct {
		name string
		spec func(t *testing.T) lab.InstanceSpec
		then func(t *testing.T, i *lab.Instance)
	}{
		{"MIME with a shell part, kubelet 1.35 on containerd 1.7, versions from the image's files, pause image from its archive", func(t *testing.T) lab.InstanceSpec {
			return lab.InstanceSpec{Kubernetes: "1.35", Containerd: "1.7", VersionFiles: true, PauseArchive: true,
				UserData: lab.MIME(lab.ShellPart("#!/bin/sh\necho not for eksnode\n"), lab.NodeConfigPart(string(plain(t, l, lab.NodeConfigOptions{Containerd: "1.7"}))))}
		}, func(t *testing.T, i *lab.Instance) {
			if v := must(l.Node(within(t, time.Minute), i.NodeName()))(t).Status.NodeInfo; !strings.HasPrefix(v.KubeletVersion, "v1.35.") || !strings.HasPrefix(v.ContainerRuntimeVersion, "containerd://1.7.") {
				t.Errorf("runs %+v", v)
			}
		}},
		{"a drop-in folder overrides user data", func(t *testing.T) lab.InstanceSpec {
			return lab.InstanceSpec{UserData: plain(t, l, lab.NodeConfigOptions{KubeletConfig: map[string]any{"maxPods": 11}}),
				Files: map[string][]byte{
					"/etc/eks/nodeadm.d/10-pods.yaml":    []byte("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {kubelet: {config: {maxPods: 12}}}\n"),
					"/etc/eksnode/config.d/10-pods.yaml": []byte("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {kubelet: {config: {maxPods: 13}, flags: [--node-labels=from=drop-in]}}\n"),
				}}
		}, func(t *testing.T, i *lab.Instance) {
			n := must(l.Node(within(t, time.Minute), i.NodeName()))(t)
			if n.Status.Allocatable["pods"] != "13" || n.Metadata.Labels["from"] != "drop-in" {
				t.Errorf("pods %s, labels %v", n.Status.Allocatable["pods"], n.Metadata.Labels)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := launch(t, l, tt.spec(t))
			settled(t, l, i)
			tt.then(t, i)
			if err := i.Terminate(within(t, time.Minute)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFiveInstancesAtOnce(t *testing.T) {
	l := start(t, lab.Options{})
	var wg sync.WaitGroup
	for n := range 5 {
		wg.Go(func() {
			i, err := l.Launch(within(t, 10*time.Minute), lab.InstanceSpec{Name: fmt.Sprint("n", n), UserData: plain(t, l, lab.NodeConfigOptions{})})
			if err != nil {
				t.Error(err)
				return
			}
			if err := l.WaitNodeReady(within(t, 4*time.Minute), i.NodeName()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestThePackageInstallsUpgradesAndLeaves(t *testing.T) {
	l := start(t, lab.Options{NoControlPlane: true})
	i := launch(t, l, lab.InstanceSpec{UserData: []byte("#!/bin/sh\n# nothing for us\n")})
	if err := i.WaitBooted(within(t, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := i.CopyIn(within(t, time.Minute), os.Getenv("EKSNODE_DEB"), "/root/eksnode.deb"); err != nil {
		t.Fatal(err)
	}
	if out := shell(t, i, "systemctl is-enabled eksnode eksnode-config eksnode-run; systemd-analyze verify /usr/lib/systemd/system/eksnode*.service 2>&1; stat -c '%a %n' /etc/eksnode/config.d /var/lib/eksnode"); !regexp.MustCompile(`(?m)\Aenabled\nenabled\nenabled\n700 /etc/eksnode/config.d\n700 /var/lib/eksnode\z`).MatchString(out) {
		t.Errorf("installed:\n%s", out)
	}
	if out := shell(t, i, "journalctl -b --no-pager | grep -i 'ordering cycle' || true"); out != "" {
		t.Errorf("systemd broke a cycle: %s", out)
	}
	// What the administrator chose survives an upgrade, after which the new daemon runs.
	const daemon = "systemctl show --property=ActiveState,MainPID eksnode"
	before := shell(t, i, daemon)
	shell(t, i, "systemctl disable eksnode-run; touch /etc/eksnode/config.d/mine.yaml; dpkg -i /root/eksnode.deb")
	if out := shell(t, i, "systemctl is-enabled eksnode-config eksnode-run || true"); out != "enabled\ndisabled" {
		t.Errorf("after an upgrade: %s", out)
	}
	if after := shell(t, i, daemon); after == before || !strings.Contains(after, "ActiveState=active") || !strings.Contains(before, "ActiveState=active") {
		t.Errorf("the daemon before the upgrade: %s, and after it: %s", before, after)
	}
	shell(t, i, "dpkg -r eksnode")
	if out := shell(t, i, "pgrep -x eksnode || true"); out != "" {
		t.Errorf("the daemon outlives its package: %s", out)
	}
	if out := shell(t, i, "ls /usr/bin/eksnode /usr/lib/systemd/system/eksnode*.service /etc/systemd/system/multi-user.target.wants/eksnode* 2>/dev/null || true; ls /etc/eksnode/config.d"); out != "mine.yaml" {
		t.Errorf("after removal: %s", out)
	}
	shell(t, i, "dpkg -i /root/eksnode.deb && dpkg -P eksnode")
	if out := shell(t, i, "ls -d /var/lib/eksnode /run/eksnode 2>/dev/null || true; ls /etc/eksnode/config.d"); out != "mine.yaml" {
		t.Errorf("after a purge: %s", out)
	}
}

func TestTheRPMInstallsUpgradesAndLeaves(t *testing.T) {
	rpm := os.Getenv("EKSNODE_RPM")
	if rpm == "" {
		t.Fatal("EKSNODE_RPM does not name the package to test: run `make test-lab`")
	}
	l := lab.ForTest(within(t, 30*time.Minute), t, lab.Options{NoControlPlane: true})
	i := launch(t, l, lab.InstanceSpec{})
	if err := i.WaitBooted(within(t, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := i.CopyIn(within(t, time.Minute), rpm, "/root/eksnode.rpm"); err != nil {
		t.Fatal(err)
	}
	// --nodeps: the machine's own packages are not in rpm's database.
	shell(t, i, "rpm -i --nodeps /root/eksnode.rpm")
	if out := shell(t, i, "systemctl is-enabled eksnode eksnode-config eksnode-run; eksnode version; stat -c '%a %n' /etc/eksnode/config.d /var/lib/eksnode"); !regexp.MustCompile(`\Aenabled\nenabled\nenabled\neksnode .*\n700 /etc/eksnode/config.d\n700 /var/lib/eksnode\z`).MatchString(out) {
		t.Errorf("installed:\n%s", out)
	}
	shell(t, i, "systemctl disable eksnode-run; touch /etc/eksnode/config.d/mine.yaml; rpm -U --force --nodeps /root/eksnode.rpm")
	if out := shell(t, i, "systemctl is-enabled eksnode-config eksnode-run || true"); out != "enabled\ndisabled" {
		t.Errorf("after an upgrade: %s", out)
	}
	shell(t, i, "rpm -e eksnode")
	if out := shell(t, i, "ls /usr/bin/eksnode /usr/lib/systemd/system/eksnode*.service /etc/systemd/system/multi-user.target.wants/eksnode* 2>/dev/null || true; ls /etc/eksnode/config.d"); out != "mine.yaml" {
		t.Errorf("after removal: %s", out)
	}
}
