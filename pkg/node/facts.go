package node

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
)

// tagFact begins the names of facts that are tags of the instance.
const tagFact = "instance.tags."

// FactValue returns the value of a fact by the name under which a configuration
// refers to it (api.FactNames), or a fault that says why it could not be had and
// what helps.
//
// Empty without an error is what the machine does not have: a placement group, a
// partition in it, the vendor and model of a GPU. Everything else has a value or
// is an error.
func (in Input) FactValue(name string) (string, error) {
	if key, ok := strings.CutPrefix(name, tagFact); ok {
		return in.tag(key)
	}
	group, _, _ := strings.Cut(name, ".")
	switch group {
	case "cluster":
		if name == "cluster.name" {
			return in.Fact(name, in.Config.Spec.Cluster.Name)
		}
	case "instance":
		return in.instanceFact(name)
	case "gpu":
		return in.gpuFact(name)
	}
	return in.machineFact(name)
}

// instanceFact is what the platform says of the instance.
func (in Input) instanceFact(name string) (string, error) {
	i := in.Instance
	family, size, _ := strings.Cut(i.Type, ".")
	switch name {
	case "instance.id":
		return in.Fact(name, i.ID)
	case "instance.type":
		return in.Fact(name, i.Type)
	case "instance.family":
		return in.fact("instance.type", name, family)
	case "instance.size":
		return in.fact("instance.type", name, size)
	case "instance.region":
		return in.Fact(name, i.Region)
	case "instance.zone":
		return in.Fact(name, i.Zone)
	case "instance.zoneType":
		return in.fact("instance.zone", name, ZoneType(i.Zone, i.Region))
	case "instance.partition":
		return in.fact("instance.region", name, i.Partition)
	case "instance.outpostArn":
		return i.OutpostARN, in.Require(name)
	case "instance.zoneId":
		return in.Fact(name, i.ZoneID)
	case "instance.accountId":
		return in.Fact(name, i.AccountID)
	case "instance.imageId":
		return in.Fact(name, i.ImageID)
	case "instance.lifecycle":
		return in.Fact(name, i.Lifecycle)
	case "instance.placementGroup":
		return i.PlacementGroup, in.Require(name)
	case "instance.partitionNumber":
		return i.PartitionNumber, in.Require(name)
	}
	return "", unknownFact(name)
}

// tag returns a tag of the instance. One with an empty value is there.
func (in Input) tag(key string) (string, error) {
	if err := in.Require(tagFact + key); err != nil {
		return "", err
	}
	if v, ok := in.Instance.Tags[key]; ok {
		return v, nil
	}
	return in.Fact(tagFact+key, "")
}

// gpuFact is what is on the PCI bus.
func (in Input) gpuFact(name string) (string, error) {
	if err := in.Require("hardware.pci"); err != nil {
		return "", err
	}
	g := in.Hardware.GPUs()
	switch name {
	case "gpu.count":
		return strconv.Itoa(g.Count), nil
	case "gpu.vendor":
		return g.Vendor, nil
	case "gpu.model":
		if g.Count > 0 && g.Model == "" {
			return "", fault.New(fault.FactMissing, "Use ${gpu.vendor} or ${instance.family}, or write the value itself.",
				fmt.Errorf("cannot tell %s: this version does not know the name of PCI device %s", name, g.Device))
		}
		return g.Model, nil
	}
	return "", unknownFact(name)
}

// machineFact is what the machine itself shows.
func (in Input) machineFact(name string) (string, error) {
	switch name {
	case "cpu.count":
		return in.fact("hardware.cpu", name, positive(int64(in.Hardware.CPU.Online)))
	case "cpu.architecture":
		return in.fact("hardware.cpu", name, in.Hardware.CPU.Architecture)
	case "memory.mib":
		return in.fact("hardware.memory", name, positive(in.Hardware.Memory.OnlineBytes>>20))
	case "os.id":
		return in.fact("hardware.os", name, in.Hardware.OS.ID)
	case "os.version":
		return in.fact("hardware.os", name, in.Hardware.OS.VersionID)
	case "kernel.version":
		return in.fact("hardware.os", name, in.Hardware.OS.KernelRelease)
	case "kubelet.version":
		v, err := in.VersionFact("kubelet", in.Versions.Kubelet)
		return v.text(), err
	case "containerd.version":
		v, err := in.VersionFact("containerd", in.Versions.Containerd)
		return v.text(), err
	}
	return "", unknownFact(name)
}

// fact is Fact for one that is part of another: the Problem that explains its
// absence has the name of the whole. What is there counts, whatever else of the
// whole could not be had.
func (in Input) fact(whole, name, value string) (string, error) {
	if value != "" {
		return value, nil
	}
	if err := in.Require(whole); err != nil {
		return "", err
	}
	return in.Fact(name, "")
}

func positive(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// text is String, but empty for an unknown version.
func (v Version) text() string {
	if !v.Known() {
		return ""
	}
	return v.String()
}

func unknownFact(name string) error {
	return fault.New(fault.ConfigInvalid, "Use one of the facts that the NodeConfig reference lists.", fmt.Errorf("there is no fact %q", name))
}

// Expand returns text with its references to facts replaced by their values. The
// error is about the syntax, or is the fault of a fact that could not be had.
func (in Input) Expand(text string) (string, error) {
	return api.Expand(text, in.FactValue)
}

// ReferredFacts returns the names of the facts that a configuration refers to, in
// order and each once. A text whose references cannot be read has none here: it
// is refused where it is used.
func ReferredFacts(c api.NodeConfig) []string {
	var names []string
	for _, text := range factTexts(c) {
		refs, err := api.References(text)
		if err != nil {
			continue
		}
		for _, r := range refs {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ReferredTags returns the keys of the instance's tags among names.
func ReferredTags(names []string) []string {
	var keys []string
	for _, n := range names {
		if key, ok := strings.CutPrefix(n, tagFact); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// factTexts are the values that may refer to facts.
func factTexts(c api.NodeConfig) []string {
	var texts []string
	for _, v := range c.Spec.Labels {
		texts = append(texts, v)
	}
	for _, v := range c.Spec.Annotations {
		texts = append(texts, v)
	}
	for _, t := range c.Spec.Taints {
		texts = append(texts, t.Value)
	}
	if c.Spec.NodeName.Source == api.NodeNameFixed {
		texts = append(texts, c.Spec.NodeName.Name)
	}
	return texts
}
