package ec2

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

func simulated(t *testing.T, m Machine, c api.NodeConfig) node.Input {
	t.Helper()
	p, _, err := Simulated(m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	in, err := p.Gather(t.Context(), platform.Question{Config: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestADescribedMachineIsWhatItsDescriptionSays(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		m                     Machine
		region, node, kubelet string
	}{
		{"as little as can be", Machine{Type: "m5.large"}, "us-west-2", "ip-10-0-0-10.us-west-2.compute.internal", "1.37.0"},
		{"us-east-1", Machine{Type: "m5.large", Zone: "us-east-1f", Kubernetes: "1.29"}, "us-east-1", "ip-10-0-0-10.ec2.internal", "1.29.0"},
		{"a Local Zone", Machine{Type: "m5.large", Zone: "us-west-2-lax-1a", Kubernetes: "v1.33.5-eks-113cf36"}, "us-west-2", "ip-10-0-0-10.us-west-2.compute.internal", "1.33.5"},
		{"a Wavelength Zone", Machine{Type: "m5.large", Zone: "us-east-1-wl1-bos-wlz-1"}, "us-east-1", "ip-10-0-0-10.ec2.internal", "1.37.0"},
		{"GovCloud", Machine{Type: "m5.large", Zone: "us-gov-west-1a"}, "us-gov-west-1", "ip-10-0-0-10.us-gov-west-1.compute.internal", "1.37.0"},
		{"another address", Machine{Type: "m5.large", Facts: map[string]string{"instance.ipv4": "10.9.8.7,10.9.8.8"}}, "us-west-2", "ip-10-9-8-7.us-west-2.compute.internal", "1.37.0"},
	} {
		in := simulated(t, tt.m, api.NodeConfig{})
		if in.Instance.Region != tt.region || in.Instance.NodeName != tt.node || !strings.HasPrefix(strings.TrimPrefix(in.Versions.Kubelet.Raw, "v"), tt.kubelet) {
			t.Errorf("%s: %+v, kubelet %s", tt.name, in.Instance, in.Versions.Kubelet)
		}
		if len(in.Problems) > 0 {
			t.Errorf("%s: %+v", tt.name, in.Problems)
		}
	}
}

func TestWhatWasTakenForGrantedIsSaid(t *testing.T) {
	_, assumed, err := Simulated(Machine{Type: "zz9.plural"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(assumed, "\n")
	for _, want := range []string{"zone us-west-2a", "EKS image of Amazon Linux 2023", "Kubernetes 1.37", "containerd 2.1", "an instance of type zz9.plural has"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not said in %s", want, all)
		}
	}
	_, assumed, err = Simulated(Machine{Type: "m5.large", Zone: "eu-west-1a", Kubernetes: "1.36", Containerd: "2.2.1", OS: "al2023"}, slog.New(slog.DiscardHandler))
	if err != nil || len(assumed) != 0 {
		t.Errorf("all was told, yet %v, %v", assumed, err)
	}
}

func TestEverythingWrongWithADescriptionIsSaidAtOnce(t *testing.T) {
	_, _, err := Simulated(Machine{
		Zone: "moon", Kubernetes: "new", Containerd: "two", OS: "linux",
		Facts: map[string]string{"cpu.count": "0", "instance.ipv4": "here", "color": "red", "instance.tags.": "x"},
	}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`zone "moon"`, "without its instance type", "version of Kubernetes", "version of containerd", `operating system "linux"`,
		"fact cpu.count", "fact instance.ipv4", `fact "color"`, `fact "instance.tags."`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestFactsAreTold(t *testing.T) {
	facts := map[string]string{
		"cpu.architecture": "arm64", "cpu.count": "7", "memory.mib": "1234", "kernel.version": "6.1", "instance.accountId": "444455556666",
		"instance.id": "i-0aaaaaaaaaaaaaaaa", "instance.imageId": "ami-1", "instance.ipv4": "10.1.1.1", "instance.ipv6": "2001:db8::1",
		"instance.lifecycle": "spot", "instance.localHostname": "ip-10-1-1-1.us-west-2.compute.internal", "instance.partitionNumber": "3",
		"instance.placementGroup": "pg", "instance.outpostArn": "arn:aws:outposts:us-west-2:111122223333:outpost/op-0", "instance.zoneId": "usw2-az1", "instance.tags.team": "ml",
	}
	for _, name := range SimulatedFacts() {
		if _, ok := facts[name]; !ok {
			t.Errorf("%s is not tested", name)
		}
	}
	in, _, err := Machine{Type: "m5.large", Facts: facts}.input()
	if err != nil {
		t.Fatal(err)
	}
	i := in.Instance
	if in.Hardware.CPU.Online != 7 || in.Hardware.CPU.Architecture != "arm64" || in.Hardware.Memory.OnlineBytes != 1234<<20 || in.Hardware.OS.KernelRelease != "6.1" ||
		i.AccountID != "444455556666" || i.ID != "i-0aaaaaaaaaaaaaaaa" || i.ImageID != "ami-1" || i.PrivateIPv4[0] != "10.1.1.1" || i.IPv6[0] != "2001:db8::1" ||
		i.Lifecycle != "spot" || i.PartitionNumber != "3" || i.PlacementGroup != "pg" || i.ZoneID != "usw2-az1" || i.Tags["team"] != "ml" {
		t.Errorf("got %+v", in)
	}
}

func TestAcceleratedTypesHaveTheirDevices(t *testing.T) {
	for instanceType, vendor := range map[string]string{
		"p5.48xlarge": "10de", "g4dn.xlarge": "10de", "gr6.4xlarge": "10de", "p6-b200.48xlarge": "10de", "g5g.xlarge": "10de",
		"inf2.xlarge": "1d0f", "trn1n.32xlarge": "1d0f", "g4ad.xlarge": "1002", "m5.large": "", "c7gn.16xlarge": "", "u-24tb1.112xlarge": "",
	} {
		in := simulated(t, Machine{Type: instanceType}, api.NodeConfig{})
		got := ""
		for _, d := range in.Hardware.PCI[1:] {
			got = d.Vendor
		}
		if got != vendor {
			t.Errorf("%s: %q, want %q", instanceType, got, vendor)
		}
	}
}

func TestASimulationAsksNobody(t *testing.T) {
	p, _, err := Simulated(Machine{Type: "m5.large"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, err := platform.Open(p, "imds://user-data", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "not here") {
		t.Errorf("got %v", err)
	}
}

func TestATypeThatNobodyKnowsIsComparedWithTheKnown(t *testing.T) {
	for name, want := range map[string]string{
		"m5.larg": "m5.large", "M5.Large": "m5.large", "m5large": "m5.large", "m7g.4xlagre": "m7g.4xlarge", "m5.lrage": "m5.large",
		"c5d.9xlarg": "c5d.9xlarge", "zz9.plural": "", "": "",
	} {
		if got := nearestType(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	_, assumed, err := Simulated(Machine{Type: "m5.larg"}, slog.New(slog.DiscardHandler))
	if err != nil || !strings.Contains(strings.Join(assumed, "\n"), "m5.larg has (did you mean m5.large?)") {
		t.Errorf("got %q, %v", assumed, err)
	}
}

func TestMachinesThatTheAgentNeverRunsOnAreRefused(t *testing.T) {
	for _, tt := range []struct {
		m    Machine
		want string
	}{
		{Machine{Type: "m5.large", OS: "windows-2022"}, "runs on Linux"},
		{Machine{Type: "m5.large", OS: "bottlerocket-1.40"}, "--to bottlerocket"},
		{Machine{Type: "m5.large", Facts: map[string]string{"cpu.architecture": "sparc"}}, "write amd64 or arm64"},
	} {
		if _, _, err := Simulated(tt.m, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.m, err, tt.want)
		}
	}
	for name, want := range map[string]string{"x86_64": "amd64", "aarch64": "arm64", "amd64": "amd64"} {
		in := simulated(t, Machine{Type: "m5.large", Facts: map[string]string{"cpu.architecture": name}}, api.NodeConfig{})
		if in.Hardware.CPU.Architecture != want {
			t.Errorf("%s: %s", name, in.Hardware.CPU.Architecture)
		}
	}
}

func TestASimulationLogsNothingAboutAWS(t *testing.T) {
	var log strings.Builder
	p, _, err := Simulated(Machine{Type: "zz9.plural"}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	in, err := p.Gather(t.Context(), platform.Question{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil || log.Len() > 0 {
		t.Errorf("%v, log %s", err, &log)
	}
	if len(in.Problems) != 1 || in.Problems[0].Fact != "instance.limits" {
		t.Errorf("problems %+v", in.Problems)
	}
}
