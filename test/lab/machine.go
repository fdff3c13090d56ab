//go:build linux

package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/eksnode/eksnode/test/lab/internal/rootfs"
	"github.com/eksnode/eksnode/test/lab/internal/vm"
	"github.com/eksnode/eksnode/test/lab/internal/vm/wire"
)

// Machine is an instance with a kernel of its own: what a container cannot show, such as firmware tables, NVMe disks, a PCI
// bus, modules, huge pages and cgroup v2. Its processor is emulated, and several times slower than a box.
type Machine struct {
	// CPUs is 2 when zero, MemoryMiB 2048.
	CPUs, MemoryMiB int
	// InstanceStore are the sizes, in bytes, of empty NVMe disks besides the root's.
	InstanceStore []int64
	// Arguments are added to the kernel's command line.
	Arguments string
}

// rootDisk is the size of a machine's root disk; the file is sparse.
const rootDisk = 8 << 30

// The slots of a machine's PCI bus: ENIs from 5 on, as ens5 and so on, and disks after them.
const (
	firstNICSlot  = 5
	firstDiskSlot = 20
)

// machineFiles make the lab's way into a machine: its agent starts when its port is there.
func machineFiles() map[string][]byte {
	return map[string][]byte{
		"etc/udev/rules.d/60-lab-agent.rules": []byte(`SUBSYSTEM=="virtio-ports", ATTR{name}=="` + wire.Port + `", TAG+="systemd", ENV{SYSTEMD_WANTS}="lab-agent.service"` + "\n"),
		"etc/systemd/system/lab-agent.service": []byte("[Unit]\nDescription=the lab's way in\nDefaultDependencies=no\n\n" +
			"[Service]\nExecStart=/usr/local/sbin/vmagent\nRestart=always\nRestartSec=1\nOOMScoreAdjust=-1000\n"),
	}
}

// newMachine makes the machine of an instance. The disk of its image is in the cache.
func (i *Instance) newMachine(ctx context.Context, image rootfs.Image, files map[string][]byte) (*vm.VM, error) {
	l, desc, m := i.lab, i.EC2.Instance(), i.Spec.Machine
	kernel, disk, err := l.machineImage(ctx, image, i.Spec.NetworkManager)
	if err != nil {
		return nil, err
	}
	// The first digits of an EC2 instance's UUID are its mark.
	id := make([]byte, 16)
	rand.Read(id)
	digits := "ec2" + hex.EncodeToString(id)[3:]
	spec := vm.Spec{
		Name: i.Name, Dir: i.Dir(), Kernel: kernel.Image, Image: disk, Files: files, Netns: l.vpc.netns, Cgroup: i.group,
		CPUs: m.CPUs, MemoryMiB: m.MemoryMiB, Arguments: m.Arguments,
		Firmware: vm.Firmware{Vendor: "Amazon EC2", Product: desc.Type, BoardAsset: desc.ID,
			UUID: strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")},
	}
	if spec.CPUs == 0 {
		spec.CPUs = 2
	}
	if spec.MemoryMiB == 0 {
		spec.MemoryMiB = 2048
	}
	for k := range i.nics {
		spec.NICs = append(spec.NICs, i.nicInMachine(k))
	}
	for k, size := range m.InstanceStore {
		spec.Disks = append(spec.Disks, vm.Disk{Slot: firstDiskSlot + k, Serial: fmt.Sprintf("AWS%017d", k+1), Bytes: size})
	}
	return vm.New(ctx, spec)
}

// nicInMachine is ENI k of the instance on the machine's PCI bus.
func (i *Instance) nicInMachine(k int) vm.NIC {
	return vm.NIC{Slot: firstNICSlot + k, MAC: i.nics[k].mac, Tap: i.nics[k].port}
}

// unplugFromMachine takes ENI k out of the machine, and returns when its kernel has let go of it.
func (i *Instance) unplugFromMachine(ctx context.Context, m *vm.VM, k int) error {
	if err := m.Unplug(ctx, firstNICSlot+k); err != nil {
		return err
	}
	return Wait(ctx, i.nics[k].device+" has gone", func(ctx context.Context) error {
		_, err := i.Run(ctx, "test", "!", "-e", "/sys/class/net/"+i.nics[k].device)
		return err
	})
}

// machineImage makes the disk that machines of an image begin with, in the cache folder, or finds it there. The oldest
// disks are taken away: each is a gigabyte.
func (l *Lab) machineImage(ctx context.Context, image rootfs.Image, networkManager bool) (rootfs.Kernel, string, error) {
	l.imageMu.Lock()
	defer l.imageMu.Unlock()
	log := io.Discard
	if l.Dir != "" {
		file, err := l.openLog("kernel.log")
		if err != nil {
			return rootfs.Kernel{}, "", err
		}
		defer file.Close()
		log = file
	}
	kernel, err := rootfs.BuildKernel(ctx, filepath.Join(l.options.Cache, "layers"), log)
	if err != nil {
		return rootfs.Kernel{}, "", err
	}
	agent, err := l.imageProgram(ctx, "vmagent")
	if err != nil {
		return rootfs.Kernel{}, "", err
	}
	base, err := l.base(ctx, networkManager, log)
	if err != nil {
		return rootfs.Kernel{}, "", err
	}
	extra, err := rootfs.BuildImage(ctx, filepath.Join(l.options.Cache, "layers"), base,
		rootfs.ImageSpec{Programs: map[string]string{"usr/local/sbin/vmagent": agent}, Files: machineFiles()}, log)
	if err != nil {
		return rootfs.Kernel{}, "", err
	}
	cache := filepath.Join(l.options.Cache, "disks")
	dir, err := rootfs.Cached(ctx, cache, image.Key+"-"+extra.Key, func(dir string) error {
		l.progress("making the disk of machines")
		return vm.MakeDisk(ctx, filepath.Join(dir, "root.img"), rootDisk, append([]string{extra.Layers[0], kernel.Layer}, image.Layers...))
	})
	if err != nil {
		return rootfs.Kernel{}, "", err
	}
	return kernel, filepath.Join(dir, "root.img"), pruneDisks(cache)
}

// keptDisks is how many disks of images stay in the cache.
const keptDisks = 4

// pruneDisks takes the oldest disks away.
func pruneDisks(cache string) error {
	disks, err := filepath.Glob(filepath.Join(cache, "*", "root.img"))
	if err != nil {
		return err
	}
	age := map[string]time.Time{}
	for _, d := range disks {
		if info, err := os.Stat(d); err == nil { // else another has just taken it away
			age[d] = info.ModTime()
		}
	}
	slices.SortFunc(disks, func(a, b string) int { return age[b].Compare(age[a]) })
	for _, d := range disks[min(keptDisks, len(disks)):] {
		if err := os.RemoveAll(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}
