package containerd

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
)

// input is an ordinary machine with containerd 2.2; change makes it the odd
// machine of a test.
func input(change func(*node.Input)) node.Input {
	in := node.Input{
		Instance: node.Instance{SandboxSource: "registry.example/eks/pause:3.10"},
		Hardware: hardware.Facts{CPU: hardware.CPU{Online: 4}, Memory: hardware.Memory{OnlineBytes: 16 << 30}},
		Present:  node.Present{KubeletUnit: true, ContainerdUnit: true, RuntimeSlice: true},
		Layout:   node.AL2023(),
	}
	in.Versions.Kubelet, in.Versions.Containerd = version("1.35.4"), version("2.2.9")
	if change != nil {
		change(&in)
	}
	return in
}

func version(s string) node.Version {
	v, err := node.ParseVersion(s)
	if err != nil {
		panic(err)
	}
	return v
}

// with is the user's TOML on a version of containerd.
func with(containerd, text string) func(*node.Input) {
	return func(in *node.Input) {
		in.Versions.Containerd = version(containerd)
		in.Config.Spec.Containerd.Config = text
	}
}

func decide(t *testing.T, change func(*node.Input)) Settings {
	t.Helper()
	s, err := Decide(input(change))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refused asserts that there is no decision, with a code, a remedy and all of
// the phrases in the message.
func refused(t *testing.T, change func(*node.Input), code fault.Code, phrases ...string) {
	t.Helper()
	s, err := Decide(input(change))
	if err == nil {
		t.Fatalf("it was decided: %+v", s)
	}
	f, ok := fault.Find(err)
	if !ok || f.Code != code || f.Remedy == "" {
		t.Errorf("fault %+v, want code %s and a remedy: %v", f, code, err)
	}
	for _, p := range phrases {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q is not in %q", p, err)
		}
	}
}

func lookup(t *testing.T, s Settings, path ...string) any {
	t.Helper()
	return at(s.Config, path...)
}
