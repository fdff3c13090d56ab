//go:build linux

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
	"github.com/eksnode/eksnode/test/lab/aws"
)

// startup is the taint that a node begins with if the configuration names none.
var startup = lab.Taint{Key: "eksnode.dev/initializing", Effect: "NoSchedule"}

const (
	driver   = "ebs.csi.aws.com"
	resource = "example.com/fpga"
	service  = "service.cluster.test"
)

func TestTheStartupTaintGoesExactlyWhenAllChecksHold(t *testing.T) {
	l := start(t, lab.Options{})
	role := "arn:aws:iam::" + l.Cloud.Config().AccountID + ":role/" + lab.ReadinessRole
	if err := l.Cloud.PutRole(aws.Role{Name: lab.ReadinessRole}); err != nil {
		t.Fatal(err)
	}
	i := launch(t, l, lab.InstanceSpec{UserData: superset(t, l, `
kubelet:
  config: {clusterDNS: [`+l.VPCResolver()+`]}
taints:
- {key: example.com/dedicated, value: ml, effect: PreferNoSchedule}
hooks:
- {name: no-addresses, stage: pre-config, command: [/bin/mv, /opt/cni/bin/host-local, /opt/cni/bin/host-local.away], run: once}
readiness:
  checks:
    cni: true
    csiDrivers: [`+driver+`]
    devices: {`+resource+`: 2, nvidia.com/gpu: auto}
    dns: [`+service+`]
  roleArn: `+role+`
`)})
	name := i.NodeName()
	ready(t, l, i)

	t.Run("it stays while one check does not hold, and the status says which", func(t *testing.T) {
		stays(t, l, i, "PodNetworkNotReady", "host-local")
		shell(t, i, "mv /opt/cni/bin/host-local.away /opt/cni/bin/host-local")
		stays(t, l, i, "CSIDriverNotRegistered", driver)
		register(t, l, name)
		stays(t, l, i, "DevicesMissing", "knows no "+resource)
		advertise(t, l, name, "1")
		stays(t, l, i, "DevicesMissing", "kubelet has 1 of 2 "+resource)
		advertise(t, l, name, "2")
		stays(t, l, i, "ClusterDNSFailed", service)
		if err := l.PublishName(within(t, time.Minute), service, "10.100.0.77"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("nobody but the role may take it away, and what is missing is said", func(t *testing.T) {
		remedy := stays(t, l, i, "RoleNotAssumable", "sts:AssumeRole")
		if !strings.Contains(remedy, "trust policy of "+role) {
			t.Errorf("remedy %q", remedy)
		}
		if err := l.Cloud.PutRole(aws.Role{Name: lab.ReadinessRole, AssumedBy: []string{lab.NodeRole}}); err != nil {
			t.Fatal(err)
		}
		remedy = stays(t, l, i, "StartupTaintRefused", `assumed-role/`+lab.ReadinessRole+`/`+i.ID()+`" cannot patch resource "nodes"`)
		for _, want := range []string{"kubectl create clusterrole eksnode-readiness --verb=patch --resource=nodes", "kubectl create clusterrolebinding eksnode-readiness --clusterrole=eksnode-readiness --group=eksnode-readiness"} {
			if !strings.Contains(remedy, want) {
				t.Errorf("remedy %q lacks %q", remedy, want)
			}
		}
	})
	t.Run("with the remedy it goes, and what others do to the taints at the same time stays done", func(t *testing.T) {
		stop := make(chan struct{})
		wanted := make(chan []lab.Taint)
		go func() { wanted <- busy(t, l, name, stop) }()
		narrow(t, l, name)
		grant(t, l)
		err := l.WaitNode(within(t, time.Minute), name, "is without the startup taint", func(n lab.Node) error {
			if slices.Contains(n.Spec.Taints, startup) {
				return errors.New("it is there")
			}
			return nil
		})
		close(stop)
		want := append(<-wanted, lab.Taint{Key: "example.com/dedicated", Value: "ml", Effect: "PreferNoSchedule"})
		if err != nil {
			t.Fatal(err)
		}
		got := must(l.Node(within(t, time.Minute), name))(t).Spec.Taints
		if !sameTaints(got, want) {
			t.Errorf("taints %+v, want %+v", got, want)
		}
	})
	t.Run("the status tells what held and when", func(t *testing.T) {
		r := awaitStatus(t, i, time.Minute, "the agent is done", done)
		for _, check := range []string{"pod-network", "csi-driver/" + driver, "devices/" + resource, "devices/nvidia.com/gpu", "cluster-dns/" + service, "startup-taint"} {
			if n := slices.IndexFunc(r.Findings, func(f struct{ Check, Status, Code, Seen, Remedy string }) bool { return f.Check == check }); n < 0 || r.Findings[n].Status != "ok" {
				t.Errorf("finding %s: %+v", check, r.Findings)
			} else if check == "pod-network" && !strings.Contains(r.Findings[n].Seen, "a sandbox for trial") {
				t.Errorf("pod-network saw %q", r.Findings[n].Seen)
			}
		}
		if left := shell(t, i, "ls /var/lib/cni/networks/* 2>/dev/null | grep -c '^10' || true"); left != "0" {
			t.Errorf("addresses of the trial are not given back: %s", shell(t, i, "ls -R /var/lib/cni"))
		}
		if left := shell(t, i, "ctr -n k8s.io containers ls | grep -c readiness || true"); left != "0" {
			t.Errorf("sandboxes of the trial are left: %s", shell(t, i, "ctr -n k8s.io containers ls"))
		}
	})
	t.Run("narrowed by the policy, the role may do nothing else", func(t *testing.T) {
		kubectl(t, l, // which looks before it patches
			[]string{"create", "clusterrole", "look-at-nodes", "--verb=get", "--resource=nodes"},
			[]string{"create", "clusterrolebinding", "look-at-nodes", "--clusterrole=look-at-nodes", "--group=eksnode-readiness"})
		as := []string{"--as=arn:aws:sts::1:assumed-role/eksnode-readiness/" + i.ID(), "--as-group=eksnode-readiness", "--as-group=system:authenticated"}
		// The API server goes by a new binding once it has heard of it.
		err := lab.Wait(within(t, time.Minute), "the role may look", func(ctx context.Context) error {
			_, err := l.Kubectl(ctx, append([]string{"get", "node", name}, as...)...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		other := []string{"--as=arn:aws:sts::1:assumed-role/eksnode-readiness/i-0000000000000000f", as[1], as[2]}
		taints := func(text string) string { return `{"spec":{"taints":` + text + `}}` }
		for what, args := range map[string][]string{
			"another instance's role":   append([]string{taints("[]")}, other...),
			"all taints":                append([]string{taints("[]")}, as...),
			"a taint of its own making": append([]string{taints(`[{"key":"a","effect":"NoSchedule"}]`)}, as...),
			"a label":                   append([]string{`{"metadata":{"labels":{"a":"b"}}}`}, as...),
			"unschedulable":             append([]string{`{"spec":{"unschedulable":true}}`}, as...),
		} {
			out, err := l.Kubectl(within(t, time.Minute), append([]string{"patch", "node", name, "--type=merge", "-p"}, args...)...)
			if err == nil || !strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
				t.Errorf("%s: %s, %v", what, out, err)
			}
		}
	})
	t.Run("a second run has nothing to do, and does not put it back", func(t *testing.T) {
		nothingToDo(t, i)
		l.Cloud.ResetCalls()
		shell(t, i, "eksnode init")
		r := must(status(within(t, time.Minute), i))(t)
		if n := slices.IndexFunc(r.Findings, func(f struct{ Check, Status, Code, Seen, Remedy string }) bool { return f.Check == "startup-taint" }); r.Result != "ok" || n >= 0 {
			t.Errorf("the report: %+v", r)
		}
		for _, c := range l.Cloud.Calls() {
			if c.Action == "AssumeRole" {
				t.Error("the role was assumed for nothing")
			}
		}
		if n := must(l.Node(within(t, time.Minute), name))(t); slices.Contains(n.Spec.Taints, startup) {
			t.Errorf("taints %+v", n.Spec.Taints)
		}
	})
}

func TestWithoutARoleTheStatusSaysWhatToDoAboutTheTaint(t *testing.T) {
	l := start(t, lab.Options{})
	// With the older containerd, which has the same interface for sandboxes.
	i := launch(t, l, lab.InstanceSpec{Containerd: "1.7", UserData: lab.MIME(
		lab.NodeConfigPart(string(plain(t, l, lab.NodeConfigOptions{Containerd: "1.7"}))),
		lab.NodeConfigPart(`apiVersion: eksnode.dev/v1alpha1
kind: NodeConfig
spec:
  readiness:
    taint: {key: example.com/starting, value: "1", effect: NoExecute}
    checks: {cni: true}
    timeout: 10s
`))})
	taint := lab.Taint{Key: "example.com/starting", Value: "1", Effect: "NoExecute"}
	r := awaitStatus(t, i, 3*time.Minute, "it has given up for now", func(r report) bool { return r.Error != nil })
	if r.Error.Code != "StartupTaintRefused" || !strings.Contains(r.Error.Message, "is not allowed to modify taints") {
		t.Errorf("error %+v", r.Error)
	}
	for _, want := range []string{"spec.readiness.roleArn", "aws eks create-access-entry --cluster-name " + l.Cluster.Name, "--type STANDARD --kubernetes-groups eksnode-readiness", "kubectl create clusterrole "} {
		if !strings.Contains(r.Error.Remedy, want) {
			t.Errorf("remedy %q lacks %q", r.Error.Remedy, want)
		}
	}
	if n := slices.IndexFunc(r.Findings, func(f struct{ Check, Status, Code, Seen, Remedy string }) bool { return f.Check == "pod-network" }); n < 0 || r.Findings[n].Status != "ok" {
		t.Errorf("findings %+v", r.Findings)
	}
	if n := ready(t, l, i); !slices.Contains(n.Spec.Taints, taint) {
		t.Errorf("taints %+v", n.Spec.Taints)
	}
	if err := i.WaitConsole(within(t, 10*time.Second), "StartupTaintRefused"); err != nil {
		t.Error(err)
	}
	// Somebody else may take it away; the next run, which systemd makes by itself, is content.
	if _, err := l.Kubectl(within(t, time.Minute), "taint", "node", i.NodeName(), "example.com/starting-"); err != nil {
		t.Fatal(err)
	}
	awaitStatus(t, i, 2*time.Minute, "the next run is content", done)
}

// stays waits until the agent says that a check fails, with code and words, and sees that the taint is there. It returns
// the remedy.
func stays(t *testing.T, l *lab.Lab, i *lab.Instance, code, words string) string {
	t.Helper()
	var remedy string
	awaitStatus(t, i, 2*time.Minute, "it says "+code, func(r report) bool {
		got, seen, what := finding(r)
		remedy = what
		return got == code && strings.Contains(seen, words)
	})
	if n := must(l.Node(within(t, time.Minute), i.NodeName()))(t); !slices.Contains(n.Spec.Taints, startup) {
		t.Fatalf("the startup taint is gone: %+v", n.Spec.Taints)
	}
	return remedy
}

// register makes the CSI driver known, as its registrar and kubelet would.
func register(t *testing.T, l *lab.Lab, node string) {
	t.Helper()
	spec := map[string]any{"drivers": []any{map[string]any{"name": driver, "nodeID": "i-1", "allocatable": map[string]any{"count": 25}}}}
	err := lab.Wait(within(t, time.Minute), "the CSI driver is registered", func(ctx context.Context) error {
		err := l.API(ctx, http.MethodPatch, "/apis/storage.k8s.io/v1/csinodes/"+node, map[string]any{"spec": spec}, nil)
		if status, ok := errors.AsType[*lab.StatusError](err); ok && status.Code == http.StatusNotFound {
			err = l.API(ctx, http.MethodPost, "/apis/storage.k8s.io/v1/csinodes", map[string]any{
				"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": map[string]any{"name": node}, "spec": spec,
			}, nil)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// advertise gives the node an extended resource, as the API lets an administrator do.
func advertise(t *testing.T, l *lab.Lab, node, count string) {
	t.Helper()
	amount := map[string]any{resource: count}
	err := l.API(within(t, time.Minute), http.MethodPatch, "/api/v1/nodes/"+node+"/status",
		map[string]any{"status": map[string]any{"capacity": amount, "allocatable": amount}}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// grant does what the remedy says.
func grant(t *testing.T, l *lab.Lab) {
	t.Helper()
	kubectl(t, l,
		[]string{"create", "clusterrole", "eksnode-readiness", "--verb=patch", "--resource=nodes"},
		[]string{"create", "clusterrolebinding", "eksnode-readiness", "--clusterrole=eksnode-readiness", "--group=eksnode-readiness"})
}

func kubectl(t *testing.T, l *lab.Lab, commands ...[]string) {
	t.Helper()
	for _, args := range commands {
		if _, err := l.Kubectl(within(t, time.Minute), args...); err != nil {
			t.Fatal(err)
		}
	}
}

// narrowing is the policy of the documentation: the role takes the startup taint off the node of its own instance, whose
// ID is the name of its session, and changes nothing else.
const narrowing = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: eksnode-readiness}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: [nodes]}
  matchConditions:
  - {name: role, expression: "'eksnode-readiness' in request.userInfo.groups"}
  variables:
  - {name: before, expression: "oldObject.spec.?taints.orValue([]).filter(t, t.key != 'eksnode.dev/initializing')"}
  - {name: after, expression: "object.spec.?taints.orValue([]).filter(t, t.key != 'eksnode.dev/initializing')"}
  validations:
  - expression: "object.spec.providerID.endsWith('/' + request.userInfo.username.split('/')[2])"
    message: an instance may change its own node alone
  - expression: "variables.before == variables.after && object.spec.?taints.orValue([]).size() <= oldObject.spec.?taints.orValue([]).size()"
    message: only the startup taint may be taken away
  - expression: "object.metadata.?labels == oldObject.metadata.?labels && object.metadata.?annotations == oldObject.metadata.?annotations && object.spec.?unschedulable == oldObject.spec.?unschedulable"
    message: nothing but taints may be changed
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: eksnode-readiness}
spec: {policyName: eksnode-readiness, validationActions: [Deny]}
`

// narrow applies the policy and waits until the API server goes by it: it reads policies in the background, and its
// caches know of one some time after the policy's status does.
func narrow(t *testing.T, l *lab.Lab, node string) {
	t.Helper()
	if err := l.Apply(within(t, time.Minute), narrowing); err != nil {
		t.Fatal(err)
	}
	err := lab.Wait(within(t, time.Minute), "the policy is in force", func(ctx context.Context) error {
		out, err := l.Kubectl(ctx, "get", "validatingadmissionpolicy", "eksnode-readiness", "-o", "jsonpath={.status}")
		if err != nil {
			return err
		}
		if !strings.Contains(out, "observedGeneration") || strings.Contains(out, "expressionWarnings") {
			return errors.New(out)
		}
		// Who is the administrator as well is refused by the policy alone.
		_, err = l.Kubectl(ctx, "label", "node", node, "a=b", "--dry-run=server", "--as=arn:aws:sts::1:assumed-role/eksnode-readiness/i-0",
			"--as-group=eksnode-readiness", "--as-group=system:masters")
		if err == nil || !strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
			return fmt.Errorf("a change that it forbids is not refused by it: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// busy sets and takes taints of its own without pause until stop is closed, and once more then, each change on the state
// that it has just seen and refused by the API server where that has passed. It returns the taints that it has left there.
func busy(t *testing.T, l *lab.Lab, node string, stop <-chan struct{}) []lab.Taint {
	var mine []lab.Taint
	for n := 0; ; n++ {
		last := false
		select {
		case <-stop:
			last = true
		default:
		}
		next := append(slices.Clone(mine), lab.Taint{Key: fmt.Sprintf("other.example.com/t%d", n), Effect: "PreferNoSchedule"})
		if len(next) > 3 {
			next = next[1:]
		}
		if err := replaceTaints(t.Context(), l, node, mine, next); err != nil {
			t.Errorf("the other writer: %v", err)
			return mine
		}
		if mine = next; last {
			return mine
		}
	}
}

// replaceTaints puts other taints in the place of some, until the API server has taken it.
func replaceTaints(ctx context.Context, l *lab.Lab, node string, old, next []lab.Taint) error {
	for {
		var n struct {
			Metadata struct{ ResourceVersion string }
			Spec     struct{ Taints []lab.Taint }
		}
		if err := l.API(ctx, http.MethodGet, "/api/v1/nodes/"+node, nil, &n); err != nil {
			return err
		}
		for _, o := range old {
			if !slices.Contains(n.Spec.Taints, o) {
				return fmt.Errorf("its taint %+v is lost: %+v", o, n.Spec.Taints)
			}
		}
		kept := slices.DeleteFunc(n.Spec.Taints, func(o lab.Taint) bool { return slices.Contains(old, o) })
		// The new ones come first, so that the place of the startup taint changes.
		err := l.API(ctx, http.MethodPatch, "/api/v1/nodes/"+node, map[string]any{
			"metadata": map[string]any{"resourceVersion": n.Metadata.ResourceVersion},
			"spec":     map[string]any{"taints": append(slices.Clone(next), kept...)},
		}, nil)
		if status, ok := errors.AsType[*lab.StatusError](err); ok && status.Code == http.StatusConflict {
			continue
		}
		return err
	}
}

func sameTaints(a, b []lab.Taint) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x lab.Taint) bool { return !slices.Contains(b, x) })
}
