//go:build linux

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
	"github.com/eksnode/eksnode/test/lab/aws"
)

// The lab's own tests: they need nothing of the product.

// timeout bounds a whole test, the first run's builds included.
func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// soon bounds one wait.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func launch(ctx context.Context, t *testing.T, l *lab.Lab, spec lab.InstanceSpec) *lab.Instance {
	t.Helper()
	i, err := l.Launch(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func boot(ctx context.Context, t *testing.T, l *lab.Lab, spec lab.InstanceSpec) *lab.Instance {
	t.Helper()
	i := launch(ctx, t, l, spec)
	if err := i.WaitOnline(soon(t)); err != nil {
		t.Fatal(err)
	}
	return i
}

func shell(t *testing.T, i *lab.Instance, script string) string {
	t.Helper()
	out, err := i.Shell(soon(t), script)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func TestLabGivesABoxEverythingANodeNeeds(t *testing.T) {
	ctx := timeout(t)
	l := lab.ForTest(ctx, t, lab.Options{IPv6: true})
	i := boot(ctx, t, l, lab.InstanceSpec{UserData: []byte("the user's data"), PauseArchive: true, VersionFiles: true, ResourceName: true, ENIs: 2})
	if failed := shell(t, i, "systemctl --failed --no-legend --plain"); failed != "" {
		t.Errorf("units failed:\n%s", failed)
	}
	const imds = `token=$(curl -sS -g -m 5 -f -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://@/latest/api/token); curl -sS -g -m 5 -f -H "X-aws-ec2-metadata-token: $token" http://@/latest/`
	if got := shell(t, i, strings.ReplaceAll(imds, "@", "169.254.169.254")+"user-data"); got != "the user's data" {
		t.Errorf("user data over IPv4 is %q", got)
	}
	// The router's advertisement and the address may come a few seconds after the boot.
	shell(t, i, "for n in $(seq 300); do curl -s -g -m 2 -o /dev/null http://[fd00:ec2::254]/ && exit; sleep 0.1; done; exit 1")
	if got := shell(t, i, strings.ReplaceAll(imds, "@", "[fd00:ec2::254]")+"meta-data/instance-id"); got != i.ID() {
		t.Errorf("the instance id over IPv6 is %q, want %q", got, i.ID())
	}
	for _, name := range l.Cloud.Names() {
		name = strings.Replace(name, "*", "123456789012", 1)
		if got := shell(t, i, "getent ahostsv4 "+name+" | head -1 | cut -d' ' -f1"); got != "10.0.0.10" {
			t.Errorf("%s is at %q", name, got)
		}
	}
	if got := shell(t, i, "getent ahostsv4 "+i.EC2.Instance().PrivateDNSName+" | head -1 | cut -d' ' -f1"); got != i.IP() {
		t.Errorf("the instance's own name is at %q, want %s", got, i.IP())
	}
	// The system's trust store is enough for AWS, and not for the cluster.
	if got := shell(t, i, "curl -sS -m 5 -o /dev/null -w '%{http_code}' https://sts.us-west-2.amazonaws.com/"); got != "403" {
		t.Errorf("STS answers %s to an unsigned request", got)
	}
	if err := i.WriteFile(ctx, "/root/ca.crt", "0600", l.Cluster.CA); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, i, "curl -sS -m 5 -f --cacert /root/ca.crt "+l.Cluster.Endpoint+"/readyz"); got != "ok" {
		t.Errorf("the API server is %q", got)
	}
	if _, err := i.Shell(ctx, "curl -sS -m 5 "+l.Cluster.Endpoint+"/readyz"); err == nil {
		t.Error("the API server is trusted without the cluster's CA")
	}
	for _, path := range []string{"/usr/bin/kubelet", "/usr/bin/containerd", "/usr/bin/containerd-shim-runc-v2", "/usr/sbin/runc", "/opt/cni/bin/bridge",
		"/etc/eks/pause.tar", "/etc/eks/kubelet-version.txt", "/sys/class/net/ens6"} {
		shell(t, i, "test -e "+path)
	}
	if got := shell(t, i, "kubelet --version; uname -n; cat /etc/eks/kubelet-version.txt"); got != "Kubernetes v1.37.2-eks-1ab0000\n"+i.EC2.Instance().LocalHostname+"\nv1.37.2" {
		t.Errorf("kubelet and host name are %q", got)
	}
	// Limits of the box's systemd have an effect.
	if got := shell(t, i, "systemd-run --quiet --wait --pipe -p MemoryMax=64M sh -c 'cat /sys/fs/cgroup/memory$(sed -n s/.*:memory://p /proc/self/cgroup)/memory.limit_in_bytes'"); got != "67108864" {
		t.Errorf("a unit with a limit of 64M has %s", got)
	}
	shell(t, i, "echo the serial console >/dev/console")
	if err := i.WaitConsole(soon(t), "the serial console"); err != nil {
		t.Error(err)
	}
}

func TestLabInstancesAreMachines(t *testing.T) {
	ctx := timeout(t)
	l := lab.ForTest(ctx, t, lab.Options{NoControlPlane: true})
	i := boot(ctx, t, l, lab.InstanceSpec{Files: map[string][]byte{"/etc/first": []byte("1")}})
	first := shell(t, i, "cat /etc/first /etc/machine-id; echo kept >/root/kept; sync; cat /proc/sys/kernel/random/boot_id; systemctl show -P UserspaceTimestampMonotonic")

	if err := i.Reboot(soon(t)); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, i, "cat /root/kept; journalctl --list-boots --no-pager -q | wc -l"); got != "kept\n2" {
		t.Errorf("after a reboot: %q, before: %q", got, first)
	}
	if err := i.PowerOff(soon(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Run(ctx, "true"); err == nil {
		t.Error("a command runs in an instance that is off")
	}
	if data, err := os.ReadFile(filepath.Join(i.Upper(), "root/kept")); err != nil || string(data) != "kept\n" {
		t.Errorf("the disk of the instance that is off: %q, %v", data, err)
	}
	if journal, err := i.Journal(ctx); err != nil || !strings.Contains(journal, "Shutting down") {
		t.Errorf("the journal of the instance that is off (%v) ends in %q", err, journal[max(0, len(journal)-200):])
	}
	if err := i.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := i.WaitOnline(soon(t)); err != nil {
		t.Fatal(err)
	}
	if err := i.Kill(soon(t)); err != nil {
		t.Fatal(err)
	}
	if err := i.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := i.WaitOnline(soon(t)); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, i, "cat /root/kept"); got != "kept" || i.Boots() != 4 {
		t.Errorf("after a power cut in boot %d: %q", i.Boots(), got)
	}

	device, err := i.AttachENI(ctx)
	if err != nil {
		t.Fatal(err)
	}
	shell(t, i, "for n in $(seq 100); do ip -4 -o addr show dev "+device+" | grep -q ' 10.0.2.11/20' && exit; sleep 0.1; done; exit 1")
	if err := i.DetachENI(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Shell(ctx, "ip link show dev "+device); err == nil {
		t.Errorf("%s is still there", device)
	}
	if err := i.Terminate(ctx); err != nil {
		t.Fatal(err)
	}
	if l.Cloud.Machine(i.ID()) != nil || l.Instance(i.Name) != nil {
		t.Error("the terminated instance is still known")
	}
}

func TestLabMetadataServiceCanBeLate(t *testing.T) {
	ctx := timeout(t)
	l := lab.ForTest(ctx, t, lab.Options{NoControlPlane: true})
	var available func()
	i := boot(ctx, t, l, lab.InstanceSpec{Prepare: func(m *aws.Machine) { available = m.Inject("*", aws.Fault{Effect: aws.Refuse}) }})
	other := boot(ctx, t, l, lab.InstanceSpec{})
	const ask = "curl -s -m 5 -o /dev/null -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token"
	const couldNotConnect = 7 // curl(1), "Exit codes"
	var failed *lab.CommandError
	if _, err := i.Shell(ctx, ask); !errors.As(err, &failed) || failed.Code != couldNotConnect {
		t.Errorf("while the service refuses: %v", err)
	}
	shell(t, other, ask)
	available()
	err := lab.Wait(soon(t), "the service answers", func(ctx context.Context) error {
		_, err := i.Shell(ctx, ask)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLabHandmadeNodesRunPods(t *testing.T) {
	ctx := timeout(t)
	l := lab.ForTest(ctx, t, lab.Options{})
	specs := []lab.InstanceSpec{{PauseArchive: true}, {PauseArchive: true, Kubernetes: "1.35", Containerd: "1.7"}}
	var nodes []*lab.Instance
	for _, s := range specs {
		nodes = append(nodes, launch(ctx, t, l, s))
	}
	for _, i := range nodes {
		joinByHand(ctx, t, l, i)
	}
	for n, i := range nodes {
		if err := l.WaitNodeReady(soon(t), i.NodeName()); err != nil {
			t.Fatal(err)
		}
		if err := l.RunPod(soon(t), lab.PodSpec{Name: fmt.Sprint("hello-", n), Node: i.NodeName(), Args: []string{"world"}}); err != nil {
			t.Fatal(err)
		}
		out, err := l.PodLog(soon(t), "default", fmt.Sprint("hello-", n))
		if want := fmt.Sprintf("hello from hello-%d world\n", n); err != nil || out != want {
			t.Errorf("the pod says %q (%v), want %q", out, err, want)
		}
	}
	// From a pod on one node to a pod on the other, by the VPC.
	ips, err := l.Kubectl(ctx, "get", "pods", "-o", "jsonpath={.items[*].status.podIP}")
	if err != nil {
		t.Fatal(err)
	}
	ip := strings.Fields(ips)
	if got := shell(t, nodes[0], fmt.Sprintf("curl -sS -m 5 -f 'http://%s:8080/fetch?url=http://%s:8080/'", ip[0], ip[1])); got != "hello from hello-1" {
		t.Errorf("the pods of two nodes: %q", got)
	}
	node, err := l.Node(ctx, nodes[1].NodeName())
	if err != nil {
		t.Fatal(err)
	}
	if got := node.Metadata.Labels["node.kubernetes.io/instance-type"]; got != "m5.large" || node.Status.NodeInfo.KubeletVersion != "v1.35.4-eks-1ab0000" {
		t.Errorf("instance type %q, kubelet %s", got, node.Status.NodeInfo.KubeletVersion)
	}
	// The API server goes and comes back; the node is Ready again and the pods ran on.
	if err := l.APIServer.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Node(ctx, nodes[0].NodeName()); err == nil {
		t.Error("the API server answers while it is stopped")
	}
	if err := l.APIServer.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitNodeReady(soon(t), nodes[0].NodeName()); err != nil {
		t.Error(err)
	}
}

func TestLabClusterKnowsWhoAsks(t *testing.T) {
	ctx := timeout(t)
	l := lab.ForTest(ctx, t, lab.Options{NodeNaming: lab.InstanceID})
	node := launch(ctx, t, l, lab.InstanceSpec{})
	stranger := launch(ctx, t, l, lab.InstanceSpec{Role: "somebody-else"})
	for _, i := range []*lab.Instance{node, stranger} {
		if err := i.WaitOnline(soon(t)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(i.WriteFile(ctx, "/root/ca.crt", "0600", l.Cluster.CA),
			i.CopyIn(ctx, l.Program("aws-iam-authenticator"), "/root/aws-iam-authenticator")); err != nil {
			t.Fatal(err)
		}
	}
	const who = `export AWS_STS_REGIONAL_ENDPOINTS=regional
token=$(/root/aws-iam-authenticator token --token-only -i lab --region us-west-2)
curl -sS -m 10 --cacert /root/ca.crt -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}' `
	url := l.Cluster.Endpoint + "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	if got := shell(t, node, who+url); !strings.Contains(got, `"username": "system:node:`+node.ID()+`"`) {
		t.Errorf("the node is %s", got)
	}
	if got := shell(t, stranger, who+url); !strings.Contains(got, `"code": 401`) {
		t.Errorf("the stranger is answered %s", got)
	}
}

func TestLabLaunchSaysWhyItCannot(t *testing.T) {
	ctx := timeout(t)
	l := lab.ForTest(ctx, t, lab.Options{NoControlPlane: true})
	launch(ctx, t, l, lab.InstanceSpec{Name: "taken", Off: true})
	for name, row := range map[string]struct {
		spec lab.InstanceSpec
		want string
	}{
		"a Kubernetes that is not here": {lab.InstanceSpec{Kubernetes: "1.2"}, `no Kubernetes "1.2" here, only [1.35 1.37]`},
		"a containerd that is not here": {lab.InstanceSpec{Containerd: "3"}, `no containerd "3" here, only [1.7 2]`},
		"a name that is taken":          {lab.InstanceSpec{Name: "taken"}, "the name is taken"},
		"the VPC's name":                {lab.InstanceSpec{Name: "vpc"}, "the name is taken"},
		"a name that is a path":         {lab.InstanceSpec{Name: "../x"}, "does not match"},
		"a file where there is none":    {lab.InstanceSpec{Name: "broken", Files: map[string][]byte{"/etc": nil}}, "cannot launch broken"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := l.Launch(ctx, row.spec); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("the error is %v, want one with %q", err, row.want)
			}
		})
	}
	if l.Instance("broken") != nil {
		t.Error("half an instance is left")
	}
	if _, err := l.Launch(ctx, lab.InstanceSpec{Name: "broken", Off: true}); err != nil {
		t.Errorf("its name cannot be used again: %v", err)
	}
	if _, err := l.Kubectl(ctx, "get", "nodes"); err == nil || !strings.Contains(err.Error(), "no control plane") {
		t.Errorf("kubectl without a control plane: %v", err)
	}
}
