package ec2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/aws/nodename"
	"github.com/eksnode/eksnode/pkg/aws/partition"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

// Machine describes an instance that is not here, for deciding about it.
type Machine struct {
	// Type is the instance type. It need not be a known one.
	Type string
	// Zone is the Availability Zone, Local Zone or Wavelength Zone; empty is
	// us-west-2a. The region follows from it.
	Zone string
	// Kubernetes and Containerd are versions, in full or MAJOR.MINOR. Empty is the
	// newest that this agent knows, and the containerd that goes with it.
	Kubernetes, Containerd string
	// OS is the operating system as ID-VERSION of os-release: amzn-2023 (also
	// al2023), ubuntu-24.04. Empty is amzn-2023. On Amazon Linux the machine is taken
	// to be booted from an EKS image, elsewhere to bring kubelet and containerd alone.
	OS string
	// Facts replaces what is assumed of the machine, by name; see [SimulatedFacts].
	Facts map[string]string
}

// What is assumed of a machine of which nothing else is said. None of it can be an
// instance that exists.
const (
	simulatedZone       = "us-west-2a"
	simulatedID         = "i-00000000000000000"
	simulatedAccount    = "111122223333" // the account of the AWS documentation
	simulatedImage      = "ami-00000000000000000"
	simulatedMAC        = "02:00:00:00:00:01"
	simulatedIPv4       = "10.0.0.10"
	simulatedIPv6       = "2001:db8::10" // RFC 3849
	simulatedVPC        = "10.0.0.0/16"
	simulatedKubernetes = "1.37"
	simulatedMemory     = 8 << 30 // of a type that nobody knows
	simulatedCPUs       = 2
)

// regionOf finds the region in the name of a zone: Local Zones and Wavelength Zones
// have more behind it than a letter.
var regionOf = lazyregexp.New(`^[a-z]+(?:-[a-z]+)+-[0-9]+`)

// Simulated returns the platform of a described machine. It asks nobody, needs no
// Linux and no root, and holds nothing: every decision about it starts from an empty
// machine. assumed says in one phrase each what was taken for granted. The error
// lists all that is wrong with the description.
func Simulated(m Machine, log *slog.Logger) (_ platform.Platform, assumed []string, err error) {
	in, assumed, err := m.input()
	if err != nil {
		return platform.Platform{}, nil, err
	}
	d := described{input: in}
	p := &place{metadata: d, layout: in.Layout, log: log}
	p.ec2 = func(context.Context, api.NodeConfig, string) (EC2, error) {
		return nil, fault.New(fault.FactMissing, "Tell the fact with --fact.", errors.New("a simulation asks nobody"))
	}
	return platform.Platform{
		Name: "ec2", Layout: in.Layout, Components: components(),
		Source: func(uri string) (platform.Source, bool) {
			if !strings.HasPrefix(uri, "imds://") {
				return platform.Source{}, false
			}
			return platform.Source{Name: uri, Read: func(context.Context) ([]platform.Text, error) {
				return nil, fault.New(fault.ConfigUnreadable, "Give the user data as a file; that of a launch template may stay in base64.",
					errors.New("cannot read the user data of a machine that is not here"))
			}}, true
		},
		Gather: func(ctx context.Context, q platform.Question) (node.Input, error) {
			out := in
			out.Config = q.Config
			// Programs that the configuration names are taken to be there.
			out.Present.Programs = map[string]bool{}
			for _, name := range programs(q.Config, in.Layout) {
				out.Present.Programs[name] = true
			}
			// What it would log is about asking AWS; what could not be had is a Problem.
			instance, problems, err := p.identify(ctx, q.Config, slog.New(slog.DiscardHandler))
			out.Instance, out.Problems = instance, problems
			fixedName(&out)
			return out, err
		},
		Host: func(context.Context) (host.Host, func() error, error) {
			return host.Snapshot(host.State{}), func() error { return nil }, nil
		},
	}, assumed, nil
}

// described is instance metadata as a person tells it.
type described struct {
	input node.Input
}

// Identity answers as instance metadata would. What is asked for and was not told
// is a Problem where somebody has named it: a tag.
func (d described) Identity(_ context.Context, need imds.Need) (imds.Identity, []imds.Problem, error) {
	in := d.input.Instance
	id := imds.Identity{
		InstanceID: in.ID, InstanceType: in.Type, Region: in.Region, Zone: in.Zone, ZoneID: in.ZoneID,
		AccountID: in.AccountID, ImageID: in.ImageID, Partition: in.Partition, DNSSuffix: in.DNSSuffix, MAC: in.MAC,
		OutpostARN: in.OutpostARN, LocalHostname: in.NodeName, Lifecycle: in.Lifecycle, PlacementGroup: in.PlacementGroup,
		PartitionNumber: in.PartitionNumber, Tags: map[string]string{},
	}
	var errs []error
	parse := func(text string) netip.Addr {
		a, err := netip.ParseAddr(text)
		errs = append(errs, err)
		return a
	}
	if len(in.PrivateIPv4) > 0 {
		id.PrivateIPv4 = parse(in.PrivateIPv4[0])
	}
	for _, a := range in.IPv6 {
		id.IPv6 = append(id.IPv6, parse(a))
	}
	for _, n := range in.VPCNetworks {
		p, err := netip.ParsePrefix(n)
		errs = append(errs, err)
		id.VPCNetworks = append(id.VPCNetworks, p)
	}
	var problems []imds.Problem
	for _, key := range need.Tags {
		value, ok := in.Tags[key]
		if !ok {
			problems = append(problems, imds.Problem{Fact: "instance.tags." + key, Err: fault.New(fault.FactMissing,
				"Tell it with --fact instance.tags."+key+"=VALUE.", errors.New("nobody has told the tag of the described machine"))})
			continue
		}
		id.Tags[key] = value
	}
	return id, problems, errors.Join(errs...)
}

// input makes the facts that do not depend on the configuration, and says what of
// them was assumed.
func (m Machine) input() (node.Input, []string, error) {
	s := &sketch{m: m, in: node.Input{Layout: node.AL2023()}}
	s.place()
	s.hardware()
	s.image()
	s.versions()
	s.facts()
	return s.in, s.assumed, errors.Join(s.errs...)
}

// sketch is a described machine in the making.
type sketch struct {
	m       Machine
	in      node.Input
	assumed []string
	errs    []error
}

func (s *sketch) assume(format string, args ...any) {
	s.assumed = append(s.assumed, fmt.Sprintf(format, args...))
}

func (s *sketch) fail(format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

// place says where the instance is, and who.
func (s *sketch) place() {
	zone := s.m.Zone
	if zone == "" {
		zone = simulatedZone
		s.assume("zone %s", zone)
	}
	region := regionOf.FindString(zone)
	if region == "" || region == zone {
		s.fail("cannot find the region of zone %q: a zone is written as us-west-2a or us-west-2-lax-1a", zone)
	}
	if s.m.Type == "" {
		s.fail("cannot describe a machine without its instance type")
	}
	p := partition.Of(region)
	s.in.Instance = node.Instance{
		ID: simulatedID, Type: s.m.Type, Region: region, Zone: zone, AccountID: simulatedAccount, ImageID: simulatedImage,
		Partition: p.ID, DNSSuffix: p.DNSSuffix, MAC: simulatedMAC, Lifecycle: "on-demand",
		PrivateIPv4: []string{simulatedIPv4}, IPv6: []string{simulatedIPv6}, VPCNetworks: []string{simulatedVPC},
	}
}

// hardware is what the type has.
func (s *sketch) hardware() {
	t := s.m.Type
	shape, known := instancetype.ShapeOf(t)
	if !known {
		shape, _ = instancetype.GuessShape(t)
	}
	if shape.VCPUs == 0 || shape.MemoryMiB == 0 {
		shape.VCPUs, shape.MemoryMiB, shape.Architecture, shape.Estimated = simulatedCPUs, simulatedMemory>>20, "amd64", true
	}
	if !known || shape.Estimated {
		meant := ""
		if near := nearestType(t); near != "" && !known {
			meant = " (did you mean " + near + "?)"
		}
		s.assume("%d CPUs and %d MiB of memory, because nobody has told what an instance of type %s has%s; --fact cpu.count=N and --fact memory.mib=N say otherwise",
			shape.VCPUs, shape.MemoryMiB, t, meant)
	}
	s.in.Hardware = hardware.Facts{
		CPU:    hardware.CPU{Online: shape.VCPUs, Architecture: shape.Architecture},
		Memory: hardware.Memory{OnlineBytes: int64(shape.MemoryMiB) << 20},
		PCI:    devices(t, shape.Accelerator),
	}
}

// devices are the PCI functions that decisions look at: as many accelerators as the
// type has. An EFA is the choice of whoever launches the instance; there is none.
func devices(instanceType, accelerator string) []hardware.PCIDevice {
	out := []hardware.PCIDevice{{Address: "0000:00:05.0", Vendor: "1d0f", Device: "ec20", Class: "020000", Driver: "ena"}}
	family, _, _ := strings.Cut(instanceType, ".")
	one, known := hardware.GPUOf(family)
	if !known {
		one, known = hardware.NeuronOf(family)
	}
	switch {
	case known:
	case accelerator == "nvidia":
		one = hardware.PCIDevice{Vendor: "10de", Class: "030200"}
	case accelerator == "neuron":
		one = hardware.PCIDevice{Vendor: "1d0f", Class: "088000"}
	default:
		return out
	}
	n := 1
	if d, ok := instancetype.DevicesOf(instanceType); ok && d.Accelerators > 0 {
		n = d.Accelerators
	}
	for i := range n {
		one.Address = fmt.Sprintf("0000:00:%02x.0", 0x10+i)
		out = append(out, one)
	}
	return out
}

// image is what the machine image brings.
func (s *sketch) image() {
	text := s.m.OS
	switch text {
	case "":
		text = "amzn-2023"
		s.assume("an EKS image of Amazon Linux 2023")
	case "al2023":
		text = "amzn-2023"
	}
	id, version, ok := strings.Cut(text, "-")
	if !ok || id == "" || version == "" {
		s.fail("cannot read the operating system %q: write it as amzn-2023 or ubuntu-24.04", s.m.OS)
	}
	if why := notConfigured(id); why != "" {
		s.fail("cannot decide for the operating system %q: %s", s.m.OS, why)
	}
	s.in.Hardware.OS = hardware.OS{ID: id, VersionID: version, CgroupVersion: 2}
	s.in.Present = node.Present{Iptables: "/usr/sbin/iptables", BridgeNetfilter: true, Timesyncd: true}
	if id != "amzn" {
		return
	}
	nvidia := s.in.Hardware.HasNVIDIA() // EKS has images of their own for GPUs
	s.in.Present = node.Present{
		KubeletUnit: true, ContainerdUnit: true, RuntimeSlice: true, SandboxArchive: true, ECRProvider: true,
		SOCISnapshotter: true, BridgeNetfilter: true, NvidiaRuntime: nvidia, Iptables: "/usr/sbin/iptables",
		SetupLocalDisks: true, Chrony: "chronyd.service", ChronySources: "/run/chrony.d/eksnode.sources",
		Accelerators: node.Accelerators{NvidiaCTK: nvidia},
	}
}

// minor takes a version of two numbers.
var minor = lazyregexp.New(`^v?[0-9]+\.[0-9]+$`)

// versions are those of kubelet and containerd.
func (s *sketch) versions() {
	kubernetes := s.m.Kubernetes
	if kubernetes == "" {
		kubernetes = simulatedKubernetes
		s.assume("Kubernetes %s", kubernetes)
	}
	s.in.Versions.Kubelet = s.version("Kubernetes", kubernetes)
	runtime := s.m.Containerd
	if runtime == "" {
		runtime = "2.1"
		if v := s.in.Versions.Kubelet; v.Known() && !v.AtLeast(1, 30) {
			runtime = "1.7"
		}
		s.assume("containerd %s", runtime)
	}
	s.in.Versions.Containerd = s.version("containerd", runtime)
}

func (s *sketch) version(program, text string) node.Version {
	full := text
	if minor.MatchString(text) {
		full += ".0"
	}
	v, err := node.ParseVersion(full)
	if err != nil {
		s.fail("cannot read the version of %s: %w", program, err)
	}
	v.Source = "described"
	return v
}

// SimulatedFacts are the names that Machine.Facts may use, beside instance.tags.KEY.
func SimulatedFacts() []string {
	var out []string
	for _, f := range simulatedFacts() {
		out = append(out, f.name)
	}
	return out
}

type simulatedFact struct {
	name string
	set  func(in *node.Input, value string) error
}

func simulatedFacts() []simulatedFact {
	text := func(field func(*node.Input) *string) func(*node.Input, string) error {
		return func(in *node.Input, v string) error { *field(in) = v; return nil }
	}
	whole := func(set func(*node.Input, int64)) func(*node.Input, string) error {
		return func(in *node.Input, v string) error {
			n, err := strconv.ParseInt(v, 10, 32)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is not a whole number of at least 1", v)
			}
			set(in, n)
			return nil
		}
	}
	return []simulatedFact{
		{"cpu.architecture", architecture},
		{"cpu.count", whole(func(in *node.Input, n int64) { in.Hardware.CPU.Online = int(n) })},
		{"instance.accountId", text(func(in *node.Input) *string { return &in.Instance.AccountID })},
		{"instance.id", text(func(in *node.Input) *string { return &in.Instance.ID })},
		{"instance.imageId", text(func(in *node.Input) *string { return &in.Instance.ImageID })},
		{"instance.ipv4", addresses(func(in *node.Input) *[]string { return &in.Instance.PrivateIPv4 })},
		{"instance.ipv6", addresses(func(in *node.Input) *[]string { return &in.Instance.IPv6 })},
		{"instance.lifecycle", text(func(in *node.Input) *string { return &in.Instance.Lifecycle })},
		{"instance.localHostname", text(func(in *node.Input) *string { return &in.Instance.NodeName })},
		{"instance.outpostArn", text(func(in *node.Input) *string { return &in.Instance.OutpostARN })},
		{"instance.partitionNumber", text(func(in *node.Input) *string { return &in.Instance.PartitionNumber })},
		{"instance.placementGroup", text(func(in *node.Input) *string { return &in.Instance.PlacementGroup })},
		{"instance.zoneId", text(func(in *node.Input) *string { return &in.Instance.ZoneID })},
		{"kernel.version", text(func(in *node.Input) *string { return &in.Hardware.OS.KernelRelease })},
		{"memory.mib", whole(func(in *node.Input, n int64) { in.Hardware.Memory.OnlineBytes = n << 20 })},
	}
}

// facts replaces what was assumed by what a person says, then names the machine as
// its address has it, unless he has named it.
func (s *sketch) facts() {
	known := simulatedFacts()
	for _, name := range slices.Sorted(maps.Keys(s.m.Facts)) {
		value := s.m.Facts[name]
		if tag, ok := strings.CutPrefix(name, "instance.tags."); ok && tag != "" {
			if s.in.Instance.Tags == nil {
				s.in.Instance.Tags = map[string]string{}
			}
			s.in.Instance.Tags[tag] = value
			continue
		}
		i := slices.IndexFunc(known, func(f simulatedFact) bool { return f.name == name })
		if i < 0 {
			s.fail("cannot set fact %q: known are %s and instance.tags.KEY", name, strings.Join(SimulatedFacts(), ", "))
			continue
		}
		if err := known[i].set(&s.in, value); err != nil {
			s.fail("cannot set fact %s: %w", name, err)
		}
	}
	in := &s.in.Instance
	if in.NodeName == "" && len(in.PrivateIPv4) > 0 {
		if addr, err := netip.ParseAddr(in.PrivateIPv4[0]); err == nil {
			domain, _ := nodename.Domain(in.Region)
			in.NodeName = nodename.IPLabel(addr) + "." + domain
		}
	}
}
