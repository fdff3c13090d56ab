//go:build linux

package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
	"github.com/eksnode/eksnode/test/lab/aws"
)

// Each test breaks one thing, sees that the agent says what and what to do,
// and, where it can be mended from outside, mends it and sees the node join.

func TestTheMetadataServiceIsAMinuteLate(t *testing.T) {
	l := start(t, lab.Options{})
	i := launch(t, l, lab.InstanceSpec{UserData: plain(t, l, lab.NodeConfigOptions{}), Prepare: func(m *aws.Machine) {
		m.Inject("*", aws.Fault{Effect: aws.Refuse, Until: time.Now().Add(60 * time.Second)})
	}})
	awaitStatus(t, i, time.Minute, "it waits for its configuration", func(r report) bool { return r.Result == "running" && r.Doing == "load" })
	if err := l.WaitNodeReady(within(t, 3*time.Minute), i.NodeName()); err != nil {
		t.Fatal(err)
	}
	journal := must(i.Journal(within(t, time.Minute), "eksnode-config.service"))(t)
	if !strings.Contains(journal, "169.254.169.254") {
		t.Errorf("the journal does not say what was waited for:\n%s", journal)
	}
}

func TestTheMetadataServiceThrottles(t *testing.T) {
	l := start(t, lab.Options{})
	i := launch(t, l, lab.InstanceSpec{UserData: plain(t, l, lab.NodeConfigOptions{}), Prepare: func(m *aws.Machine) {
		m.Inject("*", aws.Fault{Status: 503, Times: 3})
		m.Inject("*", aws.Fault{Status: 401, Times: 2})
	}})
	settled(t, l, i)
}

func TestTheAPIServerIsDownAtBootThenUp(t *testing.T) {
	l := start(t, lab.Options{})
	if err := l.APIServer.Stop(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	i := launch(t, l, lab.InstanceSpec{UserData: plain(t, l, lab.NodeConfigOptions{})})
	r := awaitStatus(t, i, 2*time.Minute, "it says that the API server is away", func(r report) bool {
		code, _, _ := finding(r)
		return code == "EndpointTCP"
	})
	if _, seen, remedy := finding(r); !strings.Contains(seen, "refused") || remedy == "" {
		t.Errorf("seen %q, remedy %q", seen, remedy)
	}
	if err := l.APIServer.Start(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	// A managed control plane restarts what lost its API server; left alone,
	// controllers which lost it while starting wait for minutes.
	for _, c := range []*lab.Component{l.ControllerManager, l.Scheduler} {
		if err := c.Restart(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, l, i)
}

func TestTheCAIsOfAnotherCluster(t *testing.T) {
	l, other := start(t, lab.Options{}), start(t, lab.Options{})
	i := launch(t, l, lab.InstanceSpec{UserData: plain(t, l, lab.NodeConfigOptions{CA: other.Cluster.CA})})
	r := awaitStatus(t, i, 2*time.Minute, "it says that the CA is wrong", func(r report) bool {
		code, _, _ := finding(r)
		return code == "EndpointCA"
	})
	if _, seen, remedy := finding(r); !strings.Contains(remedy, "describe-cluster") {
		t.Errorf("seen %q, remedy %q", seen, remedy)
	}
}

func TestTheRoleHasNoAccessEntry(t *testing.T) {
	l := start(t, lab.Options{})
	if err := l.Cloud.PutRole(aws.Role{Name: "someone-else"}); err != nil {
		t.Fatal(err)
	}
	i := launch(t, l, lab.InstanceSpec{Role: "someone-else", UserData: plain(t, l, lab.NodeConfigOptions{})})
	r := awaitStatus(t, i, 2*time.Minute, "it says that the API server does not know it", func(r report) bool {
		code, _, _ := finding(r)
		return code == "APIServerUnauthorized"
	})
	_, seen, remedy := finding(r)
	for _, want := range []string{"assumed-role/someone-else/" + i.ID()} {
		if !strings.Contains(seen+remedy, want) {
			t.Errorf("seen %q, remedy %q: no %q", seen, remedy, want)
		}
	}
	if !strings.Contains(remedy, "create-access-entry") || !strings.Contains(remedy, "role/someone-else") {
		t.Errorf("remedy %q", remedy)
	}
	// Given up by hand with a short bound, the verdict is on the console.
	if status, out := code(t, i, "systemctl", "stop", "eksnode-run"); status != 0 {
		t.Fatalf("%s", out)
	}
	if status, out := code(t, i, "eksnode", "init", "--settle", "3s", "--log-format", "none"); status != 1 || !strings.Contains(out, "APIServerUnauthorized") {
		t.Errorf("init exits %d: %s", status, out)
	}
	if err := i.WaitConsole(within(t, 10*time.Second), "APIServerUnauthorized"); err != nil {
		t.Error(err)
	}
}

func TestKubeletDoesNotStart(t *testing.T) {
	l := start(t, lab.Options{})
	i := launch(t, l, lab.InstanceSpec{UserData: plain(t, l, lab.NodeConfigOptions{KubeletFlags: []string{"--no-such-flag"}})})
	r := awaitStatus(t, i, 2*time.Minute, "it says that kubelet failed", func(r report) bool { return r.Error != nil && r.Error.Code == "UnitFailed" })
	if !strings.Contains(r.Error.Message, "no-such-flag") {
		t.Errorf("the message lacks kubelet's own words: %s", r.Error.Message)
	}
	if err := i.WaitConsole(within(t, 10*time.Second), "UnitFailed"); err != nil {
		t.Error(err)
	}
}

func TestUserDataIsBroken(t *testing.T) {
	l := start(t, lab.Options{NoControlPlane: true})
	i := launch(t, l, lab.InstanceSpec{UserData: []byte("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  clutser:\n    name: x\n")})
	r := awaitStatus(t, i, 2*time.Minute, "it refuses the configuration", func(r report) bool { return r.Error != nil && r.Error.Code == "ConfigInvalid" })
	for _, want := range []string{"user-data:4:3", "cluster"} {
		if !strings.Contains(r.Error.Message, want) {
			t.Errorf("no %q in: %s", want, r.Error.Message)
		}
	}
	if out := shell(t, i, "ls /etc/kubernetes /etc/eks/kubelet 2>/dev/null || true"); out != "" {
		t.Errorf("something was written all the same: %s", out)
	}
}

func TestTheNameMustBeAskedOfEC2(t *testing.T) {
	l := start(t, lab.Options{})
	odd := func(i *aws.Instance) { i.LocalHostname = "node-7.corp.example" }
	t.Run("EC2 answers", func(t *testing.T) {
		i := launch(t, l, lab.InstanceSpec{UserData: plain(t, l, lab.NodeConfigOptions{}), EC2: odd})
		r := settled(t, l, i)
		if !strings.Contains(r.Node.NameSource, "EC2") {
			t.Errorf("the name is from %q", r.Node.NameSource)
		}
	})
	t.Run("EC2 denies, which is not asked twice", func(t *testing.T) {
		if err := l.Cloud.PutRole(aws.Role{Name: "no-ec2", Deny: []string{"ec2:DescribeInstances"}}); err != nil {
			t.Fatal(err)
		}
		i := launch(t, l, lab.InstanceSpec{Role: "no-ec2", UserData: plain(t, l, lab.NodeConfigOptions{}), EC2: odd})
		r := awaitStatus(t, i, time.Minute, "it says that EC2 denies", func(r report) bool { return r.Error != nil && r.Error.Code == "EC2Denied" })
		if !strings.Contains(r.Error.Remedy, "ec2:DescribeInstances") {
			t.Errorf("remedy %q", r.Error.Remedy)
		}
		if code, out := code(t, i, "systemctl", "stop", "eksnode-run", "eksnode-config"); code != 0 {
			t.Fatal(out)
		}
		l.Cloud.ResetCalls()
		if code, _ := code(t, i, "eksnode", "init", "--phase", "config"); code != 1 {
			t.Errorf("init exits %d", code)
		}
		if n := l.Cloud.Count("ec2", "DescribeInstances"); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestNodeadmsUnitsKeepWorking(t *testing.T) {
	l := start(t, lab.Options{})
	i := launch(t, l, lab.InstanceSpec{UserData: plain(t, l, lab.NodeConfigOptions{}), Files: map[string][]byte{
		"/etc/systemd/system/eksnode-config.service": nil, "/etc/systemd/system/eksnode-run.service": nil, // masked
	}})
	if err := i.WaitBooted(within(t, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	shell(t, i, "ln -s eksnode /usr/bin/nodeadm")
	const cache = "/run/eks/nodeadm/config.json"
	shell(t, i, "nodeadm init --skip run --config-source imds://user-data --config-cache "+cache)
	if out := shell(t, i, "systemctl is-active kubelet || true; head -c 40 "+cache); !strings.HasPrefix(out, "inactive") || !strings.Contains(out, "{") {
		t.Errorf("after the config phase: %s", out)
	}
	shell(t, i, "nodeadm init --skip config --config-source imds://user-data --config-source file:///etc/eks/nodeadm.d/ --config-cache "+cache)
	ready(t, l, i)
	if out := shell(t, i, "ls /run/nodeadm/init; nodeadm config check; nodeadm config dump"); !strings.Contains(out, "Configuration is valid") || !strings.Contains(out, l.Cluster.Name) {
		t.Errorf("got %s", out)
	}
	for _, usage := range [][]string{{"nodeadm"}, {"nodeadm", "frobnicate"}, {"nodeadm", "init", "--no-such-flag"}} {
		if status, out := code(t, i, usage...); status != 2 {
			t.Errorf("%v exits %d: %s", usage, status, out)
		}
	}
}
