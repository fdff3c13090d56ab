package kubelet

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
)

// input is an ordinary m5.large; change makes it the odd machine of a test.
func input(change func(*node.Input)) node.Input {
	in := node.Input{
		Config: api.NodeConfig{Spec: api.Spec{Cluster: api.Cluster{
			Name:                 "prod",
			APIServerEndpoint:    "https://api.example",
			CertificateAuthority: []byte("PEM"),
			CIDR:                 "10.100.0.0/16",
		}}},
		Instance: node.Instance{
			ID: "i-0123456789abcdef0", Type: "m5.large", Region: "us-west-2", Zone: "us-west-2a",
			NodeName: "ip-10-0-1-23.us-west-2.compute.internal", NodeNameSource: "test",
			PrivateIPv4: []string{"10.0.1.23"}, IPv6: []string{"2600:1f14::17"},
		},
		Hardware: hardware.Facts{CPU: hardware.CPU{Online: 2}, Memory: hardware.Memory{OnlineBytes: 8 << 30}},
		Present:  node.Present{KubeletUnit: true, ContainerdUnit: true, RuntimeSlice: true},
		Layout:   node.AL2023(),
	}
	in.Versions.Kubelet = version("1.35.4")
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

func decide(t *testing.T, change func(*node.Input)) Settings {
	t.Helper()
	s, err := Decide(input(change))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refused asserts that there is no decision, with a code, and with all of the
// phrases in the message.
func refused(t *testing.T, change func(*node.Input), code fault.Code, phrases ...string) {
	t.Helper()
	s, err := Decide(input(change))
	if err == nil {
		t.Fatalf("it was decided: %+v", s)
	}
	if got := fault.CodeOf(err); got != code {
		t.Errorf("code %s, want %s: %v", got, code, err)
	}
	for _, p := range phrases {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q is not in %q", p, err)
		}
	}
	if f, ok := fault.Find(err); ok && f.Remedy == "" && code == fault.ConfigInvalid {
		t.Errorf("no remedy for %v", err)
	}
}

func reason(s Settings, setting string) string {
	for _, r := range s.Why {
		if r.Setting == setting {
			return r.From
		}
	}
	return ""
}
