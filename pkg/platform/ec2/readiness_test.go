package ec2

import (
	"fmt"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestAutoIsAsManyDevicesAsThereShouldBe(t *testing.T) {
	bus := func(devices ...string) []hardware.PCIDevice {
		var out []hardware.PCIDevice
		for i, d := range devices {
			out = append(out, hardware.PCIDevice{Address: fmt.Sprintf("0000:00:%02x.0", i), Vendor: d[:4], Device: d[5:9], Class: d[10:]})
		}
		return out
	}
	const (
		gpu, nvswitch, audio = "10de:2330:030200", "10de:22a3:068000", "10de:10f0:040300"
		amd, trainium, efa   = "1002:7362:038000", "1d0f:7164:088000", "1d0f:efa1:020000"
	)
	for name, row := range map[string]struct {
		pci  []hardware.PCIDevice
		of   string // the instance type
		want string
	}{
		"p5, with its switches":    {bus(gpu, gpu, nvswitch, audio, efa, efa, efa), "", "map[amd.com/gpu:0 aws.amazon.com/neuron:0 aws.amazon.com/neurondevice:0 nvidia.com/gpu:2 vpc.amazonaws.com/efa:3]"},
		"g4ad":                     {bus(amd), "", "map[amd.com/gpu:1 aws.amazon.com/neuron:0 aws.amazon.com/neurondevice:0 nvidia.com/gpu:0 vpc.amazonaws.com/efa:0]"},
		"trn1, the device and EFA": {bus(trainium, trainium, efa), "", "map[amd.com/gpu:0 aws.amazon.com/neuron:2 aws.amazon.com/neurondevice:2 nvidia.com/gpu:0 vpc.amazonaws.com/efa:1]"},
		"p5 that has lost six":     {bus(gpu, gpu, nvswitch), "p5.48xlarge", "map[amd.com/gpu:0 aws.amazon.com/neuron:0 aws.amazon.com/neurondevice:0 nvidia.com/gpu:8 vpc.amazonaws.com/efa:0]"},
		"g4ad without its GPU":     {nil, "g4ad.8xlarge", "map[amd.com/gpu:2 aws.amazon.com/neuron:0 aws.amazon.com/neurondevice:0 nvidia.com/gpu:0 vpc.amazonaws.com/efa:0]"},
		"trn1 that has lost 14":    {bus(trainium, trainium, efa), "trn1.32xlarge", "map[amd.com/gpu:0 aws.amazon.com/neuron:16 aws.amazon.com/neurondevice:16 nvidia.com/gpu:0 vpc.amazonaws.com/efa:1]"},
		"dl1, another plugin's":    {nil, "dl1.24xlarge", "map[amd.com/gpu:0 aws.amazon.com/neuron:0 aws.amazon.com/neurondevice:0 nvidia.com/gpu:0 vpc.amazonaws.com/efa:0]"},
		"m5, nothing of the kind":  {nil, "m5.large", "map[amd.com/gpu:0 aws.amazon.com/neuron:0 aws.amazon.com/neurondevice:0 nvidia.com/gpu:0 vpc.amazonaws.com/efa:0]"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := map[string]string{}
			for _, r := range api.AutoDevices() {
				asked[r] = api.DevicesAuto
			}
			in := node.Input{Hardware: hardware.Facts{PCI: row.pci}, Instance: node.Instance{Type: row.of}}
			in.Config.Spec.Readiness.Checks.Devices = asked
			got, err := deviceCounts(in)
			if err != nil || fmt.Sprint(got) != row.want {
				t.Errorf("got %v, %v\nwant %s", got, err, row.want)
			}
		})
	}
}

func TestANumberOfDevicesNeedsNoBus(t *testing.T) {
	in := node.Input{Problems: []node.Problem{{Fact: "hardware.pci", Code: fault.FactMissing, Message: "cannot read it"}}}
	in.Config.Spec.Readiness.Checks.Devices = map[string]string{"example.com/fpga": "3"}
	if got, err := deviceCounts(in); err != nil || got["example.com/fpga"] != 3 {
		t.Errorf("got %v, %v", got, err)
	}
	in.Config.Spec.Readiness.Checks.Devices["nvidia.com/gpu"] = api.DevicesAuto
	if _, err := deviceCounts(in); fault.CodeOf(err) != fault.FactMissing {
		t.Errorf("a bus that was not seen counts as an empty one: %v", err)
	}
}

func TestTheDNSServersAreThoseOfPods(t *testing.T) {
	for name, row := range map[string]struct {
		config, cidr, want string
	}{
		"the agent's":   {"", "172.20.0.0/16", "[172.20.0.10]"},
		"over IPv6":     {"", "fd30:1c53:5f8a::/108", "[fd30:1c53:5f8a::a]"},
		"the user's":    {`{"clusterDNS": ["169.254.20.10", "10.100.0.10"]}`, "172.20.0.0/16", "[169.254.20.10 10.100.0.10]"},
		"the user's no": {`{"clusterDNS": []}`, "172.20.0.0/16", "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := dnsServers(readyInput(t, row.cidr, row.config))
			if err != nil || fmt.Sprint(got) != row.want {
				t.Errorf("got %v, %v, want %s", got, err, row.want)
			}
		})
	}
	if _, err := dnsServers(readyInput(t, "172.20.0.0/16", `{"clusterDNS": ["dns"]}`)); err == nil {
		t.Error("a name is taken for an address")
	}
}

// readyInput is one that kubelet's component can decide on.
func readyInput(t *testing.T, cidr, config string) node.Input {
	t.Helper()
	text := "apiVersion: eksnode.dev/v1alpha1\nkind: NodeConfig\nspec:\n  cluster: {name: c, apiServerEndpoint: https://x.example.com, certificateAuthority: Y2E=, cidr: '" + cidr + "'}\n"
	if config != "" {
		text += "  kubelet: {config: " + config + "}\n"
	}
	docs, problems := api.Decode("test", []byte(text), api.Options{})
	if api.HasErrors(problems) {
		t.Fatal(problems)
	}
	in := node.Input{Config: api.Merge(docs).Config, Layout: node.AL2023()}
	in.Instance = node.Instance{ID: "i-0123456789abcdef0", Type: "m5.large", Region: "eu-west-1", Zone: "eu-west-1a", NodeName: "n", PrivateIPv4: []string{"10.0.0.1"}, IPv6: []string{"fd00::1"}, MAC: "02:00:00:00:00:01"}
	in.Hardware.CPU = hardware.CPU{Online: 2, Architecture: "amd64"}
	in.Hardware.Memory.OnlineBytes = 8 << 30
	for text, v := range map[string]*node.Version{"1.35.1": &in.Versions.Kubelet, "2.1.4": &in.Versions.Containerd} {
		var err error
		if *v, err = node.ParseVersion(text); err != nil {
			t.Fatal(err)
		}
	}
	return in
}
