//go:build linux

// Package box runs "EC2 instances": systemd-nspawn containers whose PID 1 is real systemd, on
// an overlay over read-only layers, in a network namespace and cgroups of their own.
package box

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/eksnode/eksnode/test/lab/internal/cgroup"
	"github.com/eksnode/eksnode/test/lab/internal/netns"
)

// Spec says what a box is.
type Spec struct {
	// Name is the machine's name, unique on this machine.
	Name string
	// Dir is the box's own folder, on a real disk: its overlay, its console log, its containers.
	Dir string
	// Layers are the read-only layers of its root, topmost first.
	Layers []string
	// Netns names its network namespace, which exists and outlives the box.
	Netns string
	// Cgroup is the group everything in the box lives in.
	Cgroup *cgroup.Tree
	// Hostname is what its kernel says until something in the box says otherwise.
	Hostname string
	// Files are put into its root before its first boot, by path: the instance's own disk. Scripts (#!) are executable.
	Files map[string][]byte
}

// Box is a machine that can be switched on and off. Its methods may be called from several goroutines.
type Box struct {
	spec Spec

	mu      sync.Mutex
	running *boot
	boots   int
}

// boot is one run of the box from power on to power off.
type boot struct {
	leader int
	done   chan struct{} // closed when the machine is off
	reboot bool          // it asked to be switched on again; valid after done
}

// ErrOff is returned by methods that need a running box.
var ErrOff = errors.New("the box is switched off")

// New lays out the box's disk. It does not start it. When it fails it leaves
// nothing that a box of the same name would stumble over.
func New(spec Spec) (*Box, error) {
	if err := layOut(spec); err != nil {
		for _, d := range folders {
			err = errors.Join(err, os.RemoveAll(filepath.Join(spec.Dir, d)))
		}
		return nil, fmt.Errorf("cannot make box %s: %w", spec.Name, err)
	}
	return &Box{spec: spec}, nil
}

// folders are what a box's disk is made of.
var folders = []string{"upper", "work", "root", "containerd", "kubelet"}

// layOut makes the folders and writes the files, in the order of their paths so
// that two that do not go together fail alike every time.
func layOut(spec Spec) error {
	for _, d := range folders {
		if err := os.MkdirAll(filepath.Join(spec.Dir, d), 0o755); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(spec.Files)) {
		target := filepath.Join(spec.Dir, "upper", path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if bytes.HasPrefix(spec.Files[path], []byte("#!")) {
			mode = 0o755
		}
		if err := os.WriteFile(target, spec.Files[path], mode); err != nil {
			return err
		}
	}
	return nil
}

// ConsoleLog is the file that everything written to the box's /dev/console goes to, of all its boots.
func (b *Box) ConsoleLog() string { return filepath.Join(b.spec.Dir, "console.log") }

// Upper is the folder that holds what the box wrote over its layers. Look, but write only while it is off.
func (b *Box) Upper() string { return filepath.Join(b.spec.Dir, "upper") }

// Boots is how often the box has been started.
func (b *Box) Boots() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.boots
}

// startScript becomes systemd-nspawn. The overlay lives in a mount namespace of its own, which goes with the box.
//
//   - nsenter and not nspawn's --network-namespace-path: with that, the box's /sys shows the outer devices and
//     networkd waits for ever.
//   - API_VFS_WRITABLE: udevd runs only where /sys is writable.
//   - UNIFIED_CGROUP_HIERARCHY=0: cgroup v1 inside, where controllers, and so limits, work.
const startScript = `set -eu
%s
mount -t overlay overlay -o "lowerdir=$LAYERS,upperdir=$DIR/upper,workdir=$DIR/work" "$DIR/root"
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 UNIFIED_CGROUP_HIERARCHY=0 SYSTEMD_LOG_LEVEL=notice
exec nsenter --net="$NETNS" systemd-nspawn --quiet --directory="$DIR/root" --machine="$NAME" --hostname="$BOX_HOSTNAME" \
 --register=no --keep-unit --capability=all --system-call-filter="@keyring bpf" \
 --resolv-conf=off --timezone=off --link-journal=no --console=read-only --kill-signal=SIGRTMIN+3 \
 --bind="$DIR/containerd:/var/lib/containerd" --bind="$DIR/kubelet:/var/lib/kubelet" --bind-ro=/dev/kmsg \
 /bin/sh -c "$INIT"
`

// initScript is the first thing in the box. nspawn hands out the v1 controllers read-only, so systemd in the box could
// set no limit; and it makes no node for devices a real host has. systemd listens to udev only if its control socket is
// there when it starts, or /dev is a devtmpfs, as on a machine; with the name in its place, devices are units in the box
// too, and udev's rules may want units.
const initScript = `mkdir -p /run/udev; : >/run/udev/control
for d in /sys/fs/cgroup/*; do mount -o remount,bind,rw "$d" 2>/dev/null || true; done
mknod -m 600 /dev/loop-control c 10 237 2>/dev/null; mknod -m 666 /dev/fuse c 10 229 2>/dev/null
exec /lib/systemd/systemd`

// Start switches the box on, and returns when its PID 1 is systemd. A box that then reboots itself is
// started again, as a real machine would be.
func (b *Box) Start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running != nil {
		return fmt.Errorf("cannot start box %s: it is running", b.spec.Name)
	}
	return b.start(ctx)
}

// start is Start with b.mu held.
func (b *Box) start(ctx context.Context) error {
	console, err := os.OpenFile(b.ConsoleLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("cannot start box %s: %w", b.spec.Name, err)
	}
	defer console.Close()
	// Not CommandContext: the box outlives the call that starts it.
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", fmt.Sprintf(startScript, b.spec.Cgroup.Enter()))
	cmd.Env = []string{"PATH=" + Path, "LAYERS=" + strings.Join(b.spec.Layers, ":"), "DIR=" + b.spec.Dir, "NAME=" + b.spec.Name,
		"NETNS=" + netns.Path(b.spec.Netns), "BOX_HOSTNAME=" + b.spec.Hostname, "INIT=" + initScript}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start box %s: %w", b.spec.Name, err)
	}
	run := &boot{done: make(chan struct{})}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	run.leader, err = waitLeader(ctx, cmd.Process.Pid, exited)
	if err != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return fmt.Errorf("cannot start box %s: %w; its console is %s", b.spec.Name, err, b.ConsoleLog())
	}
	b.running = run
	b.boots++
	go b.supervise(run, exited)
	return nil
}

// rebootStatus is systemd-nspawn's exit status when the container asked for a reboot and --keep-unit is
// given: its service manager (here: us) shall start it anew (systemd-nspawn(1), "Exit Status").
const rebootStatus = 133

func (b *Box) supervise(run *boot, exited <-chan error) {
	err := <-exited
	var status *exec.ExitError
	run.reboot = errors.As(err, &status) && status.ExitCode() == rebootStatus
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = nil
	if run.reboot {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := b.start(ctx); err != nil {
			b.note("reboot failed: " + err.Error())
		}
	}
	close(run.done)
}

// note writes a line of the lab's own to the console log.
func (b *Box) note(line string) {
	f, err := os.OpenFile(b.ConsoleLog(), os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return // the console log is the only place to say it
	}
	fmt.Fprintln(f, "lab:", line)
	_ = f.Close()
}

// waitLeader waits until nspawn's child has become systemd, the box's PID 1.
func waitLeader(ctx context.Context, nspawn int, exited <-chan error) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, pid := range children(nspawn) {
			if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(comm)) == "systemd" {
				return pid, nil
			}
		}
		select {
		case err := <-exited:
			return 0, fmt.Errorf("systemd-nspawn ended: %w", err)
		case <-ctx.Done():
			return 0, fmt.Errorf("no systemd came up: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func children(pid int) []int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for f := range strings.FieldsSeq(string(data)) {
		if p, err := strconv.Atoi(f); err == nil {
			pids = append(pids, p)
		}
	}
	return pids
}

// Path is the PATH of root on the machine and in a box.
const Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Command prepares a command inside the running box: all its namespaces and its cgroups, root's plain environment,
// no terminal. When ctx ends the command and its children are killed.
func (b *Box) Command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	b.mu.Lock()
	run := b.running
	b.mu.Unlock()
	if run == nil {
		return nil, fmt.Errorf("cannot run %s in box %s: %w", name, b.spec.Name, ErrOff)
	}
	return Enter(ctx, run.leader, name, args...)
}

// Run runs a command like [Box.Command], and returns its exit status; -1 when it did not start or was killed.
func (b *Box) Run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, name string, args ...string) (int, error) {
	cmd, err := b.Command(ctx, name, args...)
	if err != nil {
		return -1, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	err = cmd.Run()
	return cmd.ProcessState.ExitCode(), err
}

// Enter is [Box.Command] for the box whose PID 1 has the process id, which may be one of another process.
func Enter(ctx context.Context, leader int, name string, args ...string) (*exec.Cmd, error) {
	group, err := cgroup.OfInit(leader)
	if err != nil {
		return nil, err
	}
	script := "set -eu\n" + group.Enter() + `exec nsenter --target="$0" --mount --uts --ipc --net --pid --cgroup --root --wd "$@"`
	full := append([]string{"-c", script, strconv.Itoa(leader),
		"/usr/bin/env", "-i", "PATH=" + Path, "HOME=/root", "LANG=C.UTF-8", "TERM=dumb", name}, args...)
	cmd := exec.CommandContext(ctx, "sh", full...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	return cmd, nil
}

// Leader is the process id of the box's PID 1 on this machine; 0 while it is off.
func (b *Box) Leader() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == nil {
		return 0
	}
	return b.running.leader
}

// Reboot asks the box's systemd for a reboot, and returns when the machine is on again (not booted yet).
func (b *Box) Reboot(ctx context.Context) error { return b.ask(ctx, "reboot", true) }

// PowerOff asks the box's systemd to shut down, and returns when it is off.
func (b *Box) PowerOff(ctx context.Context) error { return b.ask(ctx, "poweroff", false) }

func (b *Box) ask(ctx context.Context, verb string, on bool) error {
	b.mu.Lock()
	run := b.running
	b.mu.Unlock()
	if run == nil {
		return fmt.Errorf("cannot %s box %s: %w", verb, b.spec.Name, ErrOff)
	}
	cmd, err := Enter(ctx, run.leader, "systemctl", "--no-block", verb)
	if err != nil {
		return fmt.Errorf("cannot %s box %s: %w", verb, b.spec.Name, err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot %s box %s: %w: %s", verb, b.spec.Name, err, out)
	}
	select {
	case <-run.done:
	case <-ctx.Done():
		return fmt.Errorf("cannot %s box %s: it did not go down: %w", verb, b.spec.Name, ctx.Err())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if on != (b.running != nil) {
		return fmt.Errorf("cannot %s box %s: afterwards it was on: %t; its console is %s", verb, b.spec.Name, b.running != nil, b.ConsoleLog())
	}
	return nil
}

// Kill cuts the power: every process in the box is gone at once, nothing is flushed by it. Off already is success.
func (b *Box) Kill(ctx context.Context) error {
	b.mu.Lock()
	run := b.running
	b.mu.Unlock()
	if run == nil {
		return nil
	}
	if err := syscall.Kill(run.leader, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot kill box %s: %w", b.spec.Name, err)
	}
	select {
	case <-run.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot kill box %s: %w", b.spec.Name, ctx.Err())
	}
}

// Journal writes the journal of all boots, from inside when the box runs, else from its disk.
func (b *Box) Journal(ctx context.Context, w io.Writer, args ...string) error {
	args = append([]string{"--no-pager", "--quiet", "-o", "short-precise"}, args...)
	cmd, err := b.Command(ctx, "journalctl", args...)
	if err != nil {
		cmd = exec.CommandContext(ctx, "journalctl", append(args, "--directory="+filepath.Join(b.Upper(), "var/log/journal"))...)
	}
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = w, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot read the journal of box %s: %w: %s", b.spec.Name, err, stderr.String())
	}
	return nil
}
