package kubelet

import (
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestFlagsHaveAFixedOrderAndTheUsersComeLast(t *testing.T) {
	yes := true
	s := decide(t, func(in *node.Input) {
		in.Config.Spec.Cluster.EnableOutpost, in.Config.Spec.Cluster.ID = &yes, "id"
		in.Config.Spec.Kubelet.Config = api.Object{"maxPods": 29}
		in.Config.Spec.Kubelet.Flags = []string{" --v=4\n", "", "--node-ip=10.9.9.9", "--v=2"}
		in.Hardware.PCI = []hardware.PCIDevice{{Vendor: "10de"}}
	})
	want := []string{
		"--config=/etc/kubernetes/kubelet/config.json",
		"--config-dir=/etc/kubernetes/kubelet/config.json.d",
		"--kubeconfig=/var/lib/kubelet/kubeconfig",
		"--bootstrap-kubeconfig=/var/lib/kubelet/bootstrap-kubeconfig",
		"--hostname-override=ip-10-0-1-23.us-west-2.compute.internal",
		"--node-ip=10.0.1.23",
		"--cloud-provider=external",
		"--node-labels=nvidia.com/gpu.present=true",
		"--runtime-cgroups=/runtime.slice/containerd.service",
		"--image-credential-provider-bin-dir=/var/lib/eksnode/bin",
		"--image-credential-provider-config=/etc/eks/image-credential-provider/config.json",
		"--v=4", "--node-ip=10.9.9.9", "--v=2",
	}
	if !slices.Equal(s.Flags, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(s.Flags, "\n"), strings.Join(want, "\n"))
	}
}

func TestFlagsThatBreakTheEnvironmentFileAreRefused(t *testing.T) {
	for name, flag := range map[string]string{
		"line feed":       "--a=b\n--c=d",
		"carriage return": "--a=b\rc",
		"NUL":             "--a=b\x00c",
		"escape":          "--a=\x1b[31m",
		"not UTF-8":       "--a=\xff",
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, func(in *node.Input) { in.Config.Spec.Kubelet.Flags = []string{"--v=2", flag} }, fault.ConfigInvalid, "spec.kubelet.flags[1]")
		})
	}
}

func TestOwnFlagsThatAreNotOneWordAreRefused(t *testing.T) {
	for _, name := range []string{"a b", "a\"b", "a'b", `a\b`, "a\nb"} {
		_, err := Decide(input(func(in *node.Input) { in.Instance.NodeName = name }))
		if err == nil || !strings.Contains(err.Error(), "hostname-override") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

// readEnvironmentFile reads an environment file as systemd does (systemd 252,
// src/basic/env-file.c; checked against libsystemd's load_env_file): blanks at
// both ends of an unquoted value go, a backslash stands for the next character.
func readEnvironmentFile(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		name, raw, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		raw = strings.TrimLeft(raw, " \t")
		var value strings.Builder
		blanks, escaped := "", false
		for _, r := range raw {
			switch {
			case escaped:
				value.WriteString(blanks + string(r))
				blanks, escaped = "", false
			case r == '\\':
				escaped = true
			case r == ' ' || r == '\t':
				blanks += string(r)
			default:
				value.WriteString(blanks + string(r))
				blanks = ""
			}
		}
		out[name] = value.String()
	}
	return out
}

func TestTheEnvironmentFileHoldsTheFlagsExactly(t *testing.T) {
	s := Settings{DropInByEnvironment: true, Flags: []string{
		"--config=/x", `--allowed-unsafe-sysctls=net.core\.*`, `--node-labels="a=b,c=d"`, `--q='x  y'`, "--pct=50%i", "--d=$HOME", "#x", `C:\dir\`, "é",
	}}
	got := readEnvironmentFile(string(environment(s)))
	if want := strings.Join(s.Flags, " "); got[argsVariable] != want {
		t.Errorf("got  %s\nwant %s", got[argsVariable], want)
	}
	if got[dropInVariable] != "on" || len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

func FuzzTheEnvironmentFileHoldsTheFlagsExactly(f *testing.F) {
	f.Add("--a=b")
	f.Add(`--a="b c" --d='e' \ \\ \" $X %i # ;`)
	f.Add("--a=b\nEVIL=1")
	f.Add(" \t--x\t ")
	f.Fuzz(func(t *testing.T, flag string) {
		s, err := Decide(input(func(in *node.Input) { in.Config.Spec.Kubelet.Flags = []string{flag} }))
		if err != nil {
			return
		}
		got := readEnvironmentFile(string(environment(s)))
		if len(got) != 1 || got[argsVariable] != strings.Join(s.Flags, " ") {
			t.Errorf("%q reads back as %q", s.Flags, got)
		}
	})
}
