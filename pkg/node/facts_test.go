package node

import (
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
)

// full is an input in which no fact is missing.
func full() Input {
	in := Input{
		Layout: AL2023(),
		Instance: Instance{
			ID: "i-0123456789abcdef0", Type: "g5.2xlarge", Region: "us-west-2", Zone: "us-west-2a", ZoneID: "usw2-az1",
			AccountID: "111122223333", ImageID: "ami-0123456789abcdef0", Lifecycle: "spot", PlacementGroup: "rack",
			Partition: "aws", OutpostARN: "arn:aws:outposts:us-west-2:1:outpost/op-1", PartitionNumber: "3", Tags: map[string]string{"KEY": "value", "empty": ""},
		},
		Hardware: hardware.Facts{
			CPU:    hardware.CPU{Online: 8, Architecture: "amd64"},
			Memory: hardware.Memory{OnlineBytes: 32 << 30},
			PCI:    []hardware.PCIDevice{{Vendor: "10de", Device: "2237", Class: "030200"}},
			OS:     hardware.OS{ID: "amzn", VersionID: "2023", KernelRelease: "6.12.40-63.114.amzn2023.x86_64"},
		},
		Versions: Versions{
			Kubelet:    Version{Major: 1, Minor: 35, Patch: 4, Raw: "v1.35.4-eks-113cf36"},
			Containerd: Version{Major: 2, Minor: 1, Patch: 4, Raw: "2.1.4"},
		},
	}
	in.Config.Spec.Cluster.Name = "prod"
	return in
}

func TestEveryNamedFactHasItsValue(t *testing.T) {
	want := map[string]string{
		"cluster.name": "prod", "instance.id": "i-0123456789abcdef0", "instance.type": "g5.2xlarge", "instance.family": "g5",
		"instance.size": "2xlarge", "instance.region": "us-west-2", "instance.zone": "us-west-2a", "instance.zoneId": "usw2-az1",
		"instance.accountId": "111122223333", "instance.imageId": "ami-0123456789abcdef0", "instance.lifecycle": "spot",
		"instance.zoneType": "availability-zone", "instance.partition": "aws", "instance.outpostArn": "arn:aws:outposts:us-west-2:1:outpost/op-1",
		"instance.placementGroup": "rack", "instance.partitionNumber": "3", "instance.tags.KEY": "value",
		"gpu.model": "a10g", "gpu.count": "1", "gpu.vendor": "nvidia", "cpu.count": "8", "cpu.architecture": "amd64",
		"memory.mib": "32768", "os.id": "amzn", "os.version": "2023", "kernel.version": "6.12.40-63.114.amzn2023.x86_64",
		"kubelet.version": "1.35.4", "containerd.version": "2.1.4",
	}
	in := full()
	for _, f := range api.FactNames() {
		got, err := in.FactValue(f.Name)
		if err != nil || got != want[f.Name] || got == "" {
			t.Errorf("%s: got %q, %v, want %q", f.Name, got, err, want[f.Name])
		}
		if text, err := in.Expand("<${" + f.Name + "}>"); err != nil || text != "<"+got+">" {
			t.Errorf("%s expands to %q, %v", f.Name, text, err)
		}
		delete(want, f.Name)
	}
	for name := range want {
		t.Errorf("%s is not in the list for people", name)
	}
	if got, err := in.FactValue("instance.tags.empty"); got != "" || err != nil {
		t.Errorf("an empty tag: %q, %v", got, err)
	}
}

func TestAFactThatCouldNotBeHadSaysWhatHelps(t *testing.T) {
	problem := func(fact string) func(*Input) {
		return func(in *Input) {
			*in = Input{Layout: in.Layout, Problems: []Problem{{Fact: fact, Code: fault.IMDSDenied, Message: "HTTP 403", Remedy: "Enable it."}}}
		}
	}
	gone := func(change func(*Input)) func(*Input) { return change }
	for name, row := range map[string]struct {
		fact   string
		change func(*Input)
		code   fault.Code
		says   string
		remedy string
	}{
		"tags that metadata does not show": {"instance.tags.team", problem("instance.tags.team"), fault.IMDSDenied, "HTTP 403", "Enable it."},
		"a tag that nobody has read":       {"instance.tags.team", gone(func(*Input) {}), fault.FactMissing, "instance.tags.team", "NodeConfig"},
		"metadata without a lifecycle":     {"instance.lifecycle", gone(func(in *Input) { in.Instance.Lifecycle = "" }), fault.FactMissing, "instance.lifecycle", "NodeConfig"},
		"a placement group that failed":    {"instance.placementGroup", problem("instance.placementGroup"), fault.IMDSDenied, "instance.placementGroup", "Enable it."},
		"a zone without an id":             {"instance.zoneId", gone(func(in *Input) { in.Instance.ZoneID = "" }), fault.FactMissing, "instance.zoneId", "NodeConfig"},
		"no instance type":                 {"instance.family", problem("instance.type"), fault.IMDSDenied, "instance.type", "Enable it."},
		"a type without a size":            {"instance.size", gone(func(in *Input) { in.Instance.Type = "odd" }), fault.FactMissing, "instance.size", "NodeConfig"},
		"a PCI bus that cannot be read":    {"gpu.count", problem("hardware.pci"), fault.IMDSDenied, "hardware.pci", "Enable it."},
		"a GPU that is too new":            {"gpu.model", gone(func(in *Input) { in.Hardware.PCI[0].Device = "ffff" }), fault.FactMissing, "10de:ffff", "${gpu.vendor}"},
		"no CPUs":                          {"cpu.count", problem("hardware.cpu"), fault.IMDSDenied, "hardware.cpu", "Enable it."},
		"memory that cannot be read":       {"memory.mib", problem("hardware.memory"), fault.IMDSDenied, "hardware.memory", "Enable it."},
		"a system without os-release":      {"os.id", problem("hardware.os"), fault.IMDSDenied, "hardware.os", "Enable it."},
		"a system without a version":       {"os.version", gone(func(in *Input) { in.Hardware.OS.VersionID = "" }), fault.FactMissing, "os.version", "NodeConfig"},
		"no kubelet":                       {"kubelet.version", gone(func(in *Input) { in.Versions.Kubelet = Version{} }), fault.VersionUnknown, "versions.kubelet", "/etc/eks/kubelet-version.txt"},
		"no containerd":                    {"containerd.version", gone(func(in *Input) { in.Versions.Containerd = Version{} }), fault.VersionUnknown, "versions.containerd", "/etc/eks/containerd-version.txt"},
		"no cluster":                       {"cluster.name", gone(func(in *Input) { in.Config.Spec.Cluster.Name = "" }), fault.FactMissing, "cluster.name", "NodeConfig"},
	} {
		t.Run(name, func(t *testing.T) {
			in := full()
			row.change(&in)
			v, err := in.FactValue(row.fact)
			f, ok := fault.Find(err)
			if !ok || v != "" || f.Code != row.code || !strings.Contains(err.Error(), row.says) || !strings.Contains(f.Remedy, row.remedy) {
				t.Errorf("got %q, %v, remedy %q", v, err, f.Remedy)
			}
			if _, err := in.Expand("${" + row.fact + "}"); fault.CodeOf(err) != row.code {
				t.Errorf("expanded: %v", err)
			}
		})
	}
}

// One part of a probe may fail and leave the others.
func TestAFactThatIsThereCountsWhateverElseFailed(t *testing.T) {
	in := full()
	in.Problems = []Problem{{Fact: "hardware.os", Message: "cannot read cgroups"}, {Fact: "hardware.cpu", Message: "x"}}
	for name, want := range map[string]string{"os.id": "amzn", "kernel.version": "6.12.40-63.114.amzn2023.x86_64", "cpu.architecture": "amd64"} {
		if got, err := in.FactValue(name); got != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestWhatAMachineDoesNotHaveIsEmpty(t *testing.T) {
	in := full()
	in.Hardware.PCI, in.Instance.PlacementGroup, in.Instance.PartitionNumber = nil, "", ""
	text, err := in.Expand("${gpu.count}/${gpu.vendor}/${gpu.model}/${instance.placementGroup}/${instance.partitionNumber}")
	if err != nil || text != "0////" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestAFactOfNoKnownNameIsRefused(t *testing.T) {
	in := full()
	for _, name := range []string{"", "instance", "instance.nothing", "gpu.price", "cluster.id", "cpu", "hostname", "instance.tags"} {
		if v, err := in.FactValue(name); v != "" || fault.CodeOf(err) != fault.ConfigInvalid {
			t.Errorf("%q: %q, %v", name, v, err)
		}
	}
}

func TestReferredFactsAreThoseOfAllValues(t *testing.T) {
	var c api.NodeConfig
	if got := ReferredFacts(c); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	c.Spec.Labels = map[string]string{"a": "${instance.tags.team}-${instance.lifecycle}", "b": "plain", "c": "$${cpu.count}", "d": "${broken"}
	c.Spec.Annotations = map[string]string{"a": "${instance.placementGroup} ${instance.lifecycle}"}
	c.Spec.Taints = []api.Taint{{Key: "a", Value: "${gpu.model}"}}
	c.Spec.NodeName = api.NodeName{Name: "${instance.tags.Name}"}
	want := []string{"gpu.model", "instance.lifecycle", "instance.placementGroup", "instance.tags.team"}
	if got := ReferredFacts(c); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	c.Spec.NodeName.Source = api.NodeNameFixed
	if got := ReferredTags(ReferredFacts(c)); !slices.Equal(got, []string{"Name", "team"}) {
		t.Errorf("tags %v", got)
	}
}
