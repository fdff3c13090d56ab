//go:build linux

package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/eksnode/eksnode/test/lab/aws"
	"github.com/eksnode/eksnode/test/lab/internal/box"
	"github.com/eksnode/eksnode/test/lab/internal/cgroup"
	"github.com/eksnode/eksnode/test/lab/internal/machine"
	"github.com/eksnode/eksnode/test/lab/internal/netns"
	"github.com/eksnode/eksnode/test/lab/internal/rootfs"
	"github.com/eksnode/eksnode/test/lab/internal/vm"
)

// body is what an instance runs as: a [box.Box], or a [vm.VM] with a kernel of its own.
type body interface {
	Start(ctx context.Context) error
	Reboot(ctx context.Context) error
	PowerOff(ctx context.Context) error
	Kill(ctx context.Context) error
	Boots() int
	Run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, name string, args ...string) (code int, err error)
	Journal(ctx context.Context, w io.Writer, args ...string) error
	ConsoleLog() string
	Upper() string
	Leader() int
}

// InstanceSpec says what to launch. The zero value is an m5.large without user data.
type InstanceSpec struct {
	// Name is the instance's in the lab: its folder, [Lab.Instance]. node1, node2, … when empty.
	Name string
	// Type is m5.large when empty.
	Type string
	// UserData is what IMDS serves as user-data; nil: there is none.
	UserData []byte
	// Kubernetes is one of [Kubernetes], Containerd one of [Containerd]; the newest when empty.
	Kubernetes, Containerd string
	// Role is the instance profile's role: [NodeRole] when empty, "-" for an instance without a profile. The cluster
	// lets in NodeRole alone.
	Role string
	// ResourceName gives the instance a resource-based host name (i-….us-west-2.compute.internal).
	ResourceName bool
	// ENIs is the number of network interfaces at launch, 1 when zero.
	ENIs int
	// Tags are the instance's; they are in IMDS too.
	Tags map[string]string
	// VersionFiles puts the versions of kubelet and containerd into /etc/eks, as EKS' images have them.
	VersionFiles bool
	// PauseArchive puts the sandbox image into /etc/eks/pause.tar, as EKS' images have it.
	PauseArchive bool
	// NetworkManager looks after the instance's interfaces, and not systemd-networkd, which is there and switched off.
	NetworkManager bool
	// Files are on the instance's disk before it boots, by absolute path, mode 0644, or 0755 for scripts (#!).
	Files map[string][]byte
	// Off leaves the instance switched off; see [Instance.Start].
	Off bool
	// Machine gives the instance a kernel, firmware and a PCI bus of its own; nil makes it a box.
	Machine *Machine

	// EC2 changes the description that EC2 and IMDS give, before it holds.
	EC2 func(*aws.Instance) `json:"-"`
	// Prepare is called before the instance is switched on, for faults that shall be there from the first request on.
	Prepare func(*aws.Machine) `json:"-"`
}

func (s InstanceSpec) kubernetes() string {
	if s.Kubernetes == "" {
		return DefaultKubernetes
	}
	return s.Kubernetes
}

func (s InstanceSpec) containerd() string {
	if s.Containerd == "" {
		return DefaultContainerd
	}
	return s.Containerd
}

// Instance is a launched instance.
type Instance struct {
	Name string
	Spec InstanceSpec
	// EC2 is the instance as AWS sees it: faults and log of its metadata service, updates of its description.
	EC2 *aws.Machine

	lab    *Lab
	number int
	nics   []nic
	netns  string
	group  *cgroup.Tree
	box    body
	on     context.Context // ends when the instance is terminated
	stop   context.CancelFunc
}

// Launch starts an instance and returns when its PID 1 runs; see [Instance.WaitBooted] for more. What the image needs and
// is not in the cache is built first.
func (l *Lab) Launch(ctx context.Context, spec InstanceSpec) (*Instance, error) {
	image, err := l.nodeImage(ctx, spec)
	if err != nil {
		return nil, err
	}
	i, err := l.register(&spec)
	if err != nil {
		return nil, err
	}
	if err := i.launch(ctx, image); err != nil {
		// Half an instance is of no use to anybody.
		return nil, fmt.Errorf("cannot launch %s: %w", i.Name, errors.Join(err, i.Terminate(context.WithoutCancel(ctx))))
	}
	if !spec.Off {
		l.progress("instance %s (%s, %s, Kubernetes %s, containerd %s) is switched on", i.Name, i.ID(), i.EC2.Instance().Type, spec.kubernetes(), spec.containerd())
	}
	return i, nil
}

func (i *Instance) launch(ctx context.Context, image rootfs.Image) error {
	if err := i.provision(ctx, image); err != nil {
		return err
	}
	if i.Spec.Prepare != nil {
		i.Spec.Prepare(i.EC2)
	}
	if err := i.lab.serveIMDS(i.on, i); err != nil {
		return err
	}
	if i.Spec.Off {
		return nil
	}
	return i.Start(ctx)
}

// plainName is what an instance may be called: a part of a host name, of a path and of a network namespace's name.
var plainName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// register gives the instance its name, number and description.
func (l *Lab) register(spec *InstanceSpec) (*Instance, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.New("cannot launch an instance: the lab is closed")
	}
	if l.launched >= maxInstances {
		return nil, fmt.Errorf("cannot launch an instance: a lab has at most %d in its life", maxInstances)
	}
	n := l.launched + 1
	if spec.Name == "" {
		spec.Name = fmt.Sprintf("node%d", n)
	}
	if _, taken := l.instances[spec.Name]; taken || spec.Name == "vpc" || spec.Name == "services" { // the lab's own two
		return nil, fmt.Errorf("cannot launch instance %q: the name is taken", spec.Name)
	}
	if !plainName.MatchString(spec.Name) {
		return nil, fmt.Errorf("cannot launch instance %q: the name does not match %s", spec.Name, plainName)
	}
	i := &Instance{Name: spec.Name, Spec: *spec, lab: l, number: n, netns: machine.Prefix + l.ID + "-" + spec.Name}
	desc := l.describe(n, *spec)
	if spec.EC2 != nil {
		spec.EC2(&desc)
	}
	m, err := l.Cloud.Launch(desc)
	if err != nil {
		return nil, err
	}
	i.EC2 = m
	i.on, i.stop = context.WithCancel(l.background)
	l.launched = n
	l.instances[spec.Name] = i
	return i, nil
}

// describe makes the description AWS has of instance n.
func (l *Lab) describe(n int, spec InstanceSpec) aws.Instance {
	id := make([]byte, 8)
	rand.Read(id)
	desc := aws.Instance{ID: "i-0" + hex.EncodeToString(id), Type: spec.Type, UserData: spec.UserData, Role: spec.Role,
		Tags: spec.Tags, TagsInMetadata: len(spec.Tags) > 0}
	switch spec.Role {
	case "":
		desc.Role = NodeRole
	case "-":
		desc.Role = ""
	}
	if spec.ResourceName {
		desc.HostnameType = "resource-name"
	}
	for k := range max(1, spec.ENIs) {
		desc.Interfaces = append(desc.Interfaces, l.describeENI(desc.ID, n, k))
	}
	return desc
}

func (l *Lab) describeENI(id string, n, k int) aws.Interface {
	e := aws.Interface{DeviceNumber: k, IPv4s: []string{instanceIP(n, k)}, SubnetCIDR: subnetCIDR, VPCCIDRs: []string{vpcCIDR}}
	// 02: locally administered, so never a real one.
	e.MAC = fmt.Sprintf("02:%s:%s:%s:%02x:%02x", l.ID[0:2], l.ID[2:4], l.ID[4:6], n, k)
	if l.options.IPv6 {
		e.IPv6s, e.SubnetIPv6CIDRs, e.VPCIPv6CIDRs = []string{instanceIPv6(n, k)}, []string{subnetIPv6}, []string{subnetIPv6}
	}
	return e
}

// provision makes everything of the instance but the switch: its network, its leases, its disk.
func (i *Instance) provision(ctx context.Context, image rootfs.Image) error {
	l, desc := i.lab, i.EC2.Instance()
	if err := netns.Add(ctx, i.netns); err != nil {
		return err
	}
	for k, e := range desc.Interfaces {
		i.nics = append(i.nics, i.nicOf(k, e))
	}
	if err := i.admit(); err != nil {
		return err
	}
	for _, n := range i.nics {
		if err := i.plug(ctx, n); err != nil {
			return err
		}
	}
	if err := l.vpc.routePods(ctx, podCIDR(10+i.number), instanceIP(i.number, 0)); err != nil {
		return err
	}
	if l.options.IPv6 {
		if err := l.vpc.routePods(ctx, podCIDRv6(10+i.number), instanceIPv6(i.number, 0)); err != nil {
			return err
		}
	}
	group, err := cgroup.Create(machine.Prefix + l.ID + "/" + i.Name)
	if err != nil {
		return err
	}
	i.group = group
	files, err := i.files(image.Layers)
	if err != nil {
		return err
	}
	// What could not be made is no body: a nil of its type would pass for one.
	if i.Spec.Machine != nil {
		m, err := i.newMachine(ctx, image, files)
		if err == nil {
			i.box = m
		}
		return err
	}
	b, err := box.New(box.Spec{Name: machine.Prefix + l.ID + "-" + i.Name, Dir: i.Dir(), Layers: image.Layers, Netns: i.netns, Cgroup: group,
		Hostname: strings.Fields(desc.LocalHostname)[0], Files: files})
	if err == nil {
		i.box = b
	}
	return err
}

// PodRanges are the ranges of pod addresses that the VPC routes to the next instance to be launched: IPv4, and IPv6 in
// a lab that has it.
func (l *Lab) PodRanges() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ranges := []string{podCIDR(10 + l.launched + 1)}
	if l.options.IPv6 {
		ranges = append(ranges, podCIDRv6(10+l.launched+1))
	}
	return ranges
}

// nicOf is how ENI k of the instance is plugged. EC2's first interface is ens5 on Nitro.
func (i *Instance) nicOf(k int, e aws.Interface) nic {
	n := nic{device: fmt.Sprintf("ens%d", 5+k), mac: e.MAC, port: fmt.Sprintf("p%d-%d", i.number, k)}
	if len(e.IPv4s) > 0 {
		n.ipv4 = e.IPv4s[0]
	}
	if len(e.IPv6s) > 0 {
		n.ipv6 = e.IPv6s[0]
	}
	return n
}

// admit tells the VPC's DHCP and DNS what the instance's interfaces are now.
func (i *Instance) admit() error {
	desc := i.EC2.Instance()
	var names []string
	if desc.HostnameType == "resource-name" { // ip-names need no record
		names = []string{desc.PrivateDNSName}
	}
	return i.lab.vpc.admit(i.Name, i.nics, names)
}

// files are what the instance's disk has before its first boot besides the image.
func (i *Instance) files(layers []string) (map[string][]byte, error) {
	id := make([]byte, 16)
	rand.Read(id)
	var bundle []byte
	for _, layer := range layers {
		data, err := os.ReadFile(filepath.Join(layer, "etc/ssl/certs/ca-certificates.crt"))
		if err == nil {
			bundle = data
			break
		}
	}
	if bundle == nil {
		return nil, errors.New("the image has no trust store")
	}
	files := map[string][]byte{
		"/etc/machine-id": []byte(hex.EncodeToString(id) + "\n"),
		"/etc/hostname":   []byte(strings.Fields(i.EC2.Instance().LocalHostname)[0] + "\n"),
		// In the bundle that programs read, and where update-ca-certificates finds it when a package runs that.
		"/etc/ssl/certs/ca-certificates.crt":               append(append(bundle, '\n'), i.lab.EndpointsCA()...),
		"/usr/local/share/ca-certificates/eksnode-lab.crt": i.lab.EndpointsCA(),
	}
	for path, content := range i.Spec.Files {
		files[path] = content
	}
	return files, nil
}

// AttachENI hot-plugs another network interface and returns its device name.
func (i *Instance) AttachENI(ctx context.Context) (string, error) {
	l, k := i.lab, len(i.nics)
	err := i.EC2.Update(func(desc *aws.Instance) {
		desc.Interfaces = append(desc.Interfaces, l.describeENI(desc.ID, i.number, k))
	})
	if err != nil {
		return "", err
	}
	n := i.nicOf(k, i.EC2.Instance().Interfaces[k])
	i.nics = append(i.nics, n)
	if err := i.admit(); err != nil {
		return "", err
	}
	if err := l.leadToIMDS(ctx, i, n); err != nil {
		return "", err
	}
	if err := i.plug(ctx, n); err != nil {
		return "", err
	}
	if m, ok := i.box.(*vm.VM); ok {
		err = m.Plug(ctx, i.nicInMachine(k))
	}
	return n.device, err
}

// plug connects an ENI's port of the VPC with the instance's namespace, or with a tap for its machine.
func (i *Instance) plug(ctx context.Context, n nic) error {
	if i.Spec.Machine != nil {
		return i.lab.vpc.plugTap(ctx, n)
	}
	return i.lab.vpc.plug(ctx, i.netns, n)
}

// DetachENI unplugs the network interface that was attached last. The primary one cannot be detached.
func (i *Instance) DetachENI(ctx context.Context) error {
	k := len(i.nics) - 1
	if k < 1 {
		return fmt.Errorf("cannot detach an ENI of %s: only the primary one is left", i.Name)
	}
	if m, ok := i.box.(*vm.VM); ok {
		if err := i.unplugFromMachine(ctx, m, k); err != nil {
			return err
		}
	}
	if err := i.lab.vpc.unplug(ctx, i.nics[k]); err != nil {
		return err
	}
	i.nics = i.nics[:k]
	err := i.EC2.Update(func(desc *aws.Instance) { desc.Interfaces = desc.Interfaces[:k] })
	return errors.Join(err, i.admit())
}

// Terminate cuts the power and takes the instance away: EC2 does not know it any more. Its Node object stays until
// somebody deletes it. Console and journal stay in the run folder.
func (i *Instance) Terminate(ctx context.Context) error {
	var errs []error
	if i.box != nil {
		errs = append(errs, i.saveJournal(ctx), i.box.Kill(ctx))
	}
	i.stop()
	i.lab.Cloud.Terminate(i.ID())
	if i.group != nil {
		errs = append(errs, i.group.Remove(ctx))
	}
	errs = append(errs, netns.Delete(ctx, i.netns))
	i.lab.mu.Lock()
	delete(i.lab.instances, i.Name)
	i.lab.mu.Unlock()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot terminate %s: %w", i.Name, err)
	}
	return nil
}
