//go:build linux

// Package vm runs "EC2 instances" that have a kernel of their own: QEMU machines with the firmware tables of EC2, NVMe
// disks and a PCI bus, into which interfaces can be plugged while they run. The processor is emulated, so it needs nothing
// of this machine's; it is several times slower than a box.
package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/eksnode/eksnode/test/lab/internal/cgroup"
	"github.com/eksnode/eksnode/test/lab/internal/netns"
	"github.com/eksnode/eksnode/test/lab/internal/vm/wire"
)

// Spec says what a machine is.
type Spec struct {
	Name string
	// Dir is the machine's own folder, on a real disk.
	Dir string
	// Kernel is the file that QEMU boots, Image the raw disk that MakeDisk made.
	Kernel, Image string
	// Files are put onto the disk before the first boot.
	Files map[string][]byte
	// Netns is where the taps of NICs are.
	Netns string
	NICs  []NIC
	// Disks are there besides the root disk, as empty NVMe disks.
	Disks []Disk
	CPUs  int
	// MemoryMiB is the machine's memory.
	MemoryMiB int
	// Firmware is what SMBIOS says.
	Firmware Firmware
	// Arguments are added to the kernel's command line.
	Arguments string
	Cgroup    *cgroup.Tree
}

// NIC is a network interface in a slot of the PCI bus; ens5 is in slot 5.
type NIC struct {
	Slot     int
	MAC, Tap string
}

// Disk is an NVMe disk in a slot of the PCI bus.
type Disk struct {
	Slot   int
	Serial string
	Bytes  int64
}

// Firmware are the fields by which EC2 can be told (EC2 user guide, "Identify EC2 instances").
type Firmware struct {
	Vendor, Product, UUID, BoardAsset string
}

// VM is a machine that can be switched on and off. Its methods may be called from several goroutines.
type VM struct {
	spec Spec

	mu      sync.Mutex
	running *run
	boots   int
}

// run is the machine from power on to power off; resets are within it.
type run struct {
	process *os.Process
	guest   *guest
	monitor *monitor
	done    chan struct{}
	resets  chan struct{}
}

// ErrOff is returned by methods that need a running machine.
var ErrOff = errors.New("the machine is switched off")

// New makes the machine's disks. It does not start it.
func New(ctx context.Context, spec Spec) (*VM, error) {
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make machine %s: %w", spec.Name, err)
	}
	v := &VM{spec: spec}
	if err := copyDisk(ctx, spec.Image, v.path("root.img"), spec.Files); err != nil {
		return nil, err
	}
	for _, d := range spec.Disks {
		if err := os.WriteFile(v.diskPath(d), nil, 0o644); err != nil {
			return nil, fmt.Errorf("cannot make machine %s: %w", spec.Name, err)
		}
		if err := os.Truncate(v.diskPath(d), d.Bytes); err != nil {
			return nil, fmt.Errorf("cannot make machine %s: %w", spec.Name, err)
		}
	}
	return v, nil
}

func (v *VM) path(name string) string { return filepath.Join(v.spec.Dir, name) }
func (v *VM) diskPath(d Disk) string  { return v.path("disk" + strconv.Itoa(d.Slot) + ".img") }
func (v *VM) ConsoleLog() string      { return v.path("console.log") }
func (v *VM) Upper() string           { return "" }
func (v *VM) fail(verb string, err error) error {
	return fmt.Errorf("cannot %s machine %s: %w", verb, v.spec.Name, err)
}

// arguments are QEMU's.
func (v *VM) arguments() []string {
	s := v.spec
	args := []string{
		"-machine", "pc,accel=tcg", "-cpu", "max", "-smp", strconv.Itoa(s.CPUs), "-m", strconv.Itoa(s.MemoryMiB),
		"-nodefaults", "-no-user-config", "-display", "none",
		"-kernel", s.Kernel, "-append", rootArgument + " rw console=ttyS0 panic=-1 quiet systemd.show_status=error " + s.Arguments,
		"-chardev", "file,id=console,append=on,path=" + v.ConsoleLog(), "-serial", "chardev:console",
		"-chardev", "socket,id=qmp,path=" + v.path("qmp.sock") + ",server=on,wait=off", "-mon", "chardev=qmp,mode=control",
		// It waits for the lab, so that the agent's first word is heard.
		"-chardev", "socket,id=agent,path=" + v.path("agent.sock") + ",server=on,wait=on",
		"-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=" + wire.Port,
		"-device", "virtio-rng-pci",
		"-smbios", "type=0,vendor=" + s.Firmware.Vendor + ",version=1.0,date=10/16/2017",
		"-smbios", "type=1,manufacturer=" + s.Firmware.Vendor + ",product=" + s.Firmware.Product + ",uuid=" + s.Firmware.UUID,
		"-smbios", "type=2,manufacturer=" + s.Firmware.Vendor + ",asset=" + s.Firmware.BoardAsset,
		"-smbios", "type=3,manufacturer=" + s.Firmware.Vendor + ",asset=" + s.Firmware.Vendor,
		// The disk is the lab's own, and gone with it: nothing need reach this machine's disk.
		"-drive", "if=none,id=root,format=raw,cache=unsafe,discard=unmap,file=" + v.path("root.img"),
		"-device", "nvme,addr=0x4,drive=root,serial=" + v.rootSerial(),
	}
	for _, d := range s.Disks {
		id := "disk" + strconv.Itoa(d.Slot)
		args = append(args, "-drive", "if=none,id="+id+",format=raw,cache=unsafe,discard=unmap,file="+v.diskPath(d),
			"-device", fmt.Sprintf("nvme,addr=%#x,drive=%s,serial=%s", d.Slot, id, d.Serial))
	}
	for _, n := range s.NICs {
		args = append(args, "-netdev", n.backend(), "-device", fmt.Sprintf("virtio-net-pci,id=nic%d,netdev=net%d,mac=%s,addr=%#x,host_mtu=9001,romfile=", n.Slot, n.Slot, n.MAC, n.Slot))
	}
	return args
}

// rootSerial is a volume's ID, as EBS has it, of which NVMe allows 20 characters.
func (v *VM) rootSerial() string {
	return "vol" + strings.ReplaceAll(v.spec.Firmware.UUID, "-", "")[:17]
}

func (n NIC) backend() string {
	return fmt.Sprintf("tap,id=net%d,ifname=%s,script=no,downscript=no", n.Slot, n.Tap)
}

// Start switches the machine on, and returns when QEMU runs it.
func (v *VM) Start(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running != nil {
		return v.fail("start", errors.New("it is running"))
	}
	for _, s := range []string{"qmp.sock", "agent.sock"} {
		if err := os.RemoveAll(v.path(s)); err != nil {
			return v.fail("start", err)
		}
	}
	log, err := os.OpenFile(v.path("qemu.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return v.fail("start", err)
	}
	defer log.Close()
	script := v.spec.Cgroup.Enter() + "\nexec nsenter --net=\"$0\" qemu-system-x86_64 \"$@\""
	// Not CommandContext: the machine outlives the call that starts it.
	cmd := exec.Command("sh", append([]string{"-euc", script, netns.Path(v.spec.Netns)}, v.arguments()...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return v.fail("start", err)
	}
	r := &run{process: cmd.Process, done: make(chan struct{}), resets: make(chan struct{}, 16)}
	go func() {
		_ = cmd.Wait() // however it ended, the machine is off
		v.mu.Lock()
		v.running = nil
		v.mu.Unlock()
		close(r.done)
	}()
	if err := v.connect(ctx, r); err != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		text, _ := os.ReadFile(v.path("qemu.log"))
		return v.fail("start", fmt.Errorf("%w: %s", err, text))
	}
	v.running = r
	v.boots++
	return nil
}

func (v *VM) connect(ctx context.Context, r *run) error {
	agent, err := dial(ctx, r, v.path("agent.sock"))
	if err != nil {
		return err
	}
	r.guest = newGuest(agent)
	control, err := dial(ctx, r, v.path("qmp.sock"))
	if err != nil {
		return err
	}
	r.monitor, err = openMonitor(control, func(event string) {
		if event == "RESET" {
			r.guest.reset()
			v.mu.Lock()
			v.boots++
			v.mu.Unlock()
			select {
			case r.resets <- struct{}{}:
			default:
			}
		}
	})
	return err
}

// dial connects to a socket that QEMU is about to make.
func dial(ctx context.Context, r *run, path string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			return conn, nil
		}
		select {
		case <-r.done:
			return nil, errors.New("QEMU has ended")
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

// on returns the present run.
func (v *VM) on() (*run, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running == nil {
		return nil, ErrOff
	}
	return v.running, nil
}

// Boots is how often the machine was switched on, resets included.
func (v *VM) Boots() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.boots
}

// Leader is nobody's: the machine's processes are not this one's.
func (v *VM) Leader() int { return 0 }

// Run runs a command in the machine, once its agent is there. The code is -1 when the command did not run to its end.
func (v *VM) Run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, name string, args ...string) (int, error) {
	r, err := v.on()
	if err != nil {
		return -1, v.fail("run "+name+" in", err)
	}
	var in []byte
	if stdin != nil {
		if in, err = io.ReadAll(stdin); err != nil {
			return -1, v.fail("run "+name+" in", err)
		}
	}
	return r.guest.run(ctx, in, stdout, stderr, append([]string{name}, args...))
}

// Reboot asks the machine's systemd for a reboot, and returns when the machine has been reset.
func (v *VM) Reboot(ctx context.Context) error {
	r, err := v.on()
	if err != nil {
		return v.fail("reboot", err)
	}
	for len(r.resets) > 0 {
		<-r.resets
	}
	if _, err := v.Run(ctx, nil, io.Discard, io.Discard, "systemctl", "--no-block", "reboot"); err != nil && !errors.Is(err, ErrReset) {
		return v.fail("reboot", err)
	}
	select {
	case <-r.resets:
		return nil
	case <-r.done:
		return v.fail("reboot", ErrOff)
	case <-ctx.Done():
		return v.fail("reboot", fmt.Errorf("it did not go down: %w", ctx.Err()))
	}
}

// PowerOff asks the machine's systemd to shut down, and returns when it is off.
func (v *VM) PowerOff(ctx context.Context) error {
	r, err := v.on()
	if err != nil {
		return v.fail("power off", err)
	}
	if _, err := v.Run(ctx, nil, io.Discard, io.Discard, "systemctl", "--no-block", "poweroff"); err != nil && !errors.Is(err, ErrReset) {
		return v.fail("power off", err)
	}
	return v.await(ctx, r, "power off")
}

// Kill cuts the power. Off already is success.
func (v *VM) Kill(ctx context.Context) error {
	r, err := v.on()
	if err != nil {
		return nil
	}
	if err := r.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return v.fail("kill", err)
	}
	return v.await(ctx, r, "kill")
}

func (v *VM) await(ctx context.Context, r *run, verb string) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return v.fail(verb, ctx.Err())
	}
}

// Plug puts a network interface into the running machine, as an ENI is attached.
func (v *VM) Plug(ctx context.Context, n NIC) error {
	r, err := v.on()
	if err != nil {
		return v.fail("plug an interface into", err)
	}
	id := "net" + strconv.Itoa(n.Slot)
	err = r.monitor.do(ctx, "netdev_add", map[string]any{"type": "tap", "id": id, "ifname": n.Tap, "script": "no", "downscript": "no"})
	if err == nil {
		err = r.monitor.do(ctx, "device_add", map[string]any{"driver": "virtio-net-pci", "id": "nic" + strconv.Itoa(n.Slot), "netdev": id,
			"mac": n.MAC, "addr": fmt.Sprintf("%#x", n.Slot), "host_mtu": 9001, "romfile": ""})
	}
	if err != nil {
		return v.fail("plug an interface into", err)
	}
	return nil
}

// Unplug takes a network interface out of the running machine, which lets go of it when it wants to.
func (v *VM) Unplug(ctx context.Context, slot int) error {
	r, err := v.on()
	if err == nil {
		err = r.monitor.do(ctx, "device_del", map[string]any{"id": "nic" + strconv.Itoa(slot)})
	}
	if err != nil {
		return v.fail("unplug an interface from", err)
	}
	return nil
}

// Journal writes the journal of a machine that runs; of one that is off nobody can read it.
func (v *VM) Journal(ctx context.Context, w io.Writer, args ...string) error {
	var stderr bytes.Buffer
	if _, err := v.Run(ctx, nil, w, &stderr, "journalctl", append([]string{"--no-pager", "--quiet", "-o", "short-precise"}, args...)...); err != nil {
		return v.fail("read the journal of", fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes())))
	}
	return nil
}
