//go:build linux

package e2e_test

import (
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
	"github.com/eksnode/eksnode/test/lab/aws"
)

// superset is user data of two parts: the lab's NodeConfig, and a document of the superset with what stands under spec.
func superset(t *testing.T, l *lab.Lab, spec string) []byte {
	t.Helper()
	document := "apiVersion: eksnode.dev/v1alpha1\nkind: NodeConfig\nspec:\n" + indent(2, spec)
	return lab.MIME(lab.NodeConfigPart(string(plain(t, l, lab.NodeConfigOptions{}))), lab.NodeConfigPart(document))
}

func indent(n int, text string) string {
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+pad) + "\n"
}

// runHello runs the lab's image under another name, and wants its word.
func runHello(t *testing.T, l *lab.Lab, i *lab.Instance, pod, image string) {
	t.Helper()
	if err := l.RunPod(within(t, time.Minute), lab.PodSpec{Name: pod, Node: i.NodeName(), Image: image, Args: []string{pod}}); err != nil {
		t.Fatal(err)
	}
	if out := must(l.PodLog(within(t, time.Minute), "default", pod))(t); !strings.Contains(out, pod) {
		t.Errorf("the pod says %q", out)
	}
}

func TestMirrorsWithALoginServeRealPulls(t *testing.T) {
	l := start(t, lab.Options{})
	const password = "m1rror-passw0rd"
	m := must(l.StartMirror(within(t, time.Minute), "mirror.example", "puller", password))(t)
	for _, repository := range []string{"library/hello:1", "library/hello:2"} {
		if err := l.PushHello(within(t, time.Minute), m, repository); err != nil {
			t.Fatal(err)
		}
	}
	cache := "quay-cache/team/hello:1"
	if err := l.PushHelloTo(within(t, time.Minute), l.Image(cache)); err != nil {
		t.Fatal(err)
	}
	i := launch(t, l, lab.InstanceSpec{UserData: superset(t, l, fmt.Sprintf(`
registries:
- registry: docker.io
  mirrors:
  - url: https://mirror.example
    ca: |
%s
    credentials: {source: basic, username: puller, password: %s}
- registry: quay.example
  mirrors:
  - url: https://%s/v2/quay-cache
    overridePath: true
    credentials: {source: ecr}
`, indent(6, string(m.CA)), password, l.RegistryHost()))})
	settled(t, l, i)

	t.Run("a mirror with a password and an authority of its own", func(t *testing.T) {
		runHello(t, l, i, "from-mirror", "docker.io/library/hello:1")
		served := false
		for _, r := range m.Requests() {
			served = served || !r.Denied && strings.Contains(r.Path, "/blobs/")
		}
		if !served {
			t.Errorf("the mirror saw %+v", m.Requests())
		}
	})
	t.Run("a pull-through cache in ECR by the instance's role", func(t *testing.T) {
		l.Cloud.ResetCalls()
		runHello(t, l, i, "from-cache", "quay.example/team/hello:1")
		pulls := l.Cloud.CallsWhere(func(c aws.Call) bool {
			return c.Service == aws.Registry && strings.Contains(c.Path, "quay-cache") && c.Caller.Session == i.ID()
		})
		if len(pulls) == 0 {
			t.Errorf("ECR saw %+v", l.Cloud.Calls())
		}
	})
	t.Run("the password is where it must be and nowhere else", func(t *testing.T) {
		// In hosts.toml it is as HTTP sends it.
		sent := base64.StdEncoding.EncodeToString([]byte("puller:" + password))
		found := shell(t, i, "grep -rlE '"+password+"|"+sent+"' /etc /run/eksnode /var/lib/eksnode | xargs stat -c '%a %n'")
		for _, line := range strings.Split(found, "\n") {
			if !strings.HasPrefix(line, "600 ") {
				t.Errorf("others may read it in %s", line)
			}
		}
		if !strings.Contains(found, "hosts.toml") {
			t.Errorf("containerd cannot find it: %s", found)
		}
		for name, text := range map[string]string{"journal": must(i.Journal(within(t, time.Minute)))(t), "console": i.Console(),
			"status": shell(t, i, "eksnode status -o json || true"), "plan": shell(t, i, "eksnode plan -o diff || true")} {
			if strings.Contains(text, password) || strings.Contains(text, sent) {
				t.Errorf("the password is in the %s", name)
			}
		}
	})
	t.Run("another mirror needs no restart", func(t *testing.T) {
		c, k := pids(t, i)
		if err := i.WriteFile(within(t, time.Minute), "/etc/eksnode/config.d/50-mirror.yaml", "0600", []byte(fmt.Sprintf(
			"apiVersion: eksnode.dev/v1alpha1\nkind: NodeConfig\nspec:\n  registries:\n  - registry: ghcr.example\n    mirrors:\n    - url: https://mirror.example\n      ca: |\n%s      credentials: {source: basic, username: puller, password: %s}\n", indent(8, string(m.CA)), password))); err != nil {
			t.Fatal(err)
		}
		shell(t, i, "eksnode init")
		if c2, k2 := pids(t, i); c2 != c || k2 != k {
			t.Errorf("restarted: containerd %s, was %s; kubelet %s, was %s", c2, c, k2, k)
		}
		runHello(t, l, i, "from-second", "ghcr.example/library/hello:2")
	})
	nothingToDo(t, i)
}

func TestEverythingButMetadataGoesThroughTheProxy(t *testing.T) {
	l := start(t, lab.Options{})
	const password = "pr0xy-passw0rd"
	p := must(l.StartProxy(within(t, time.Minute), "node", password))(t)
	spec := fmt.Sprintf("proxy:\n  http: %s\n  https: %s\n  noProxy: [.corp.example]\n", p.URL, p.URL)
	i := launch(t, l, lab.InstanceSpec{UserData: superset(t, l, spec), EC2: func(d *aws.Instance) {
		// Only EC2 can tell the name, so that it is asked, too.
		d.PrivateDNSName, d.LocalHostname = d.LocalHostname, "web-7.corp.example"
	}})
	settled(t, l, i)
	runHello(t, l, i, "through-proxy", "")

	t.Run("no call to AWS bypasses it", func(t *testing.T) {
		calls := l.Cloud.CallsWhere(func(c aws.Call) bool { return strings.HasPrefix(c.Source, i.IP()+":") })
		for _, c := range calls {
			t.Errorf("directly: %s %s %s", c.Service, c.Action, c.Host)
		}
		through := map[string]bool{}
		for _, c := range l.Cloud.CallsWhere(func(c aws.Call) bool { return strings.HasPrefix(c.Source, p.IP+":") }) {
			through[c.Service] = true
		}
		// EC2 for the name that metadata could not tell, ECR for the login, the registry for layers.
		for _, service := range []string{aws.EC2, aws.ECR, aws.Registry} {
			if !through[service] {
				t.Errorf("%s was not asked through the proxy: %v", service, through)
			}
		}
	})
	t.Run("neither metadata nor the API server goes through it", func(t *testing.T) {
		requests := p.Requests()
		if len(requests) == 0 {
			t.Fatal("it saw nothing")
		}
		for _, r := range requests {
			host, _, err := net.SplitHostPort(r.Target)
			if err != nil {
				host = r.Target
			}
			if strings.HasPrefix(host, "169.254.") || host == "fd00:ec2::254" || host == l.Cluster.Host() || net.ParseIP(host) != nil || r.Denied {
				t.Errorf("it saw %+v", r)
			}
		}
	})
	t.Run("containerd and kubelet know it, others do not, and nobody tells the password", func(t *testing.T) {
		for _, unit := range []string{"containerd", "kubelet"} {
			env := shell(t, i, "tr '\\0' '\\n' </proc/$(systemctl show -P MainPID "+unit+".service)/environ")
			for _, want := range []string{"HTTPS_PROXY=" + p.URL, "NO_PROXY=", "169.254.169.254", "10.0.0.0/16", l.Cluster.CIDR, l.Cluster.Host(), ".corp.example"} {
				if !strings.Contains(env, want) {
					t.Errorf("%s lacks %s: %s", unit, want, env)
				}
			}
		}
		if env := shell(t, i, "systemctl show-environment"); strings.Contains(env, "PROXY") {
			t.Errorf("the whole machine has it: %s", env)
		}
		for _, line := range strings.Fields(shell(t, i, "grep -rl "+password+" /etc /run/eksnode /var/lib/eksnode | xargs stat -c '%a:%n'")) {
			if !strings.HasPrefix(line, "600:") {
				t.Errorf("others may read the password in %s", line)
			}
		}
		for name, text := range map[string]string{"journal": must(i.Journal(within(t, time.Minute)))(t), "console": i.Console(),
			"status": shell(t, i, "cat /run/eksnode/status.json"), "plan": shell(t, i, "eksnode plan -o diff || true"), "input": shell(t, i, "cat /run/eksnode/input.json")} {
			if strings.Contains(text, password) {
				t.Errorf("the password is in the %s", name)
			}
		}
	})
	nothingToDo(t, i)
}
