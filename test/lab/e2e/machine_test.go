//go:build linux

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// TestANodeWithAKernelOfItsOwn has what no box has: firmware, a PCI bus, NVMe disks, modules, swap, and cgroup v2.
func TestANodeWithAKernelOfItsOwn(t *testing.T) {
	suites := suitesFor(t, "./pkg/system/drivertest", "./pkg/system/nvme")
	l := start(t, lab.Options{})
	i := launch(t, l, lab.InstanceSpec{
		Machine: &lab.Machine{InstanceStore: []int64{1 << 30}},
		UserData: superset(t, l, `
labels: {example.com/zone-type: '${instance.zoneType}'}
swap: {behavior: LimitedSwap, size: 64Mi}
hugePages: [{size: 2Mi, count: 8}]
kernelModules: [{name: dummy, parameters: {numdummies: 3}}]
sysctls: {vm.max_map_count: 300000}
timeSync: {servers: [169.254.169.123]}
ulimits: {nofile: {soft: 4096, hard: 8192}} # the program of the pod raises itself to what it may
`),
		Files: map[string][]byte{
			boxRule: rule(t, machineLinks),
			"/etc/systemd/system/eksnode.service.d/links.conf": []byte(daemonLinks),
		},
	})
	if err := l.WaitNodeReady(within(t, 8*time.Minute), i.NodeName()); err != nil {
		t.Fatal(err)
	}
	awaitStatus(t, i, 2*time.Minute, "the agent is done", done)

	t.Run("pods run, under cgroup v2 and within the limits that were asked for", func(t *testing.T) {
		runHello(t, l, i, "on-a-kernel-of-its-own", l.Image(lab.HelloImage))
		if out := shell(t, i, "stat -fc %T /sys/fs/cgroup"); out != "cgroup2fs" {
			t.Errorf("cgroups are %s", out)
		}
		if out := shell(t, i, "cat /proc/$(pgrep -x program | tail -1)/limits"); !strings.Contains(strings.Join(strings.Fields(out), " "), "8192 files") {
			t.Errorf("limits of the pod: %s", out)
		}
	})
	machine := func(t *testing.T) {
		t.Helper()
		if out := shell(t, i, "cat /proc/swaps"); !strings.Contains(out, "/var/lib/eksnode/swapfile") {
			t.Errorf("swap: %s", out)
		}
		if out := shell(t, i, "cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages; ls -d /sys/class/net/dummy2; sysctl -n vm.max_map_count"); out != "8\n/sys/class/net/dummy2\n300000" {
			t.Errorf("huge pages, module and parameter: %s", out)
		}
		if out := shell(t, i, "timedatectl show-timesync --property=SystemNTPServers"); out != "SystemNTPServers=169.254.169.123" {
			t.Errorf("time servers: %s", out)
		}
		n := must(l.Node(within(t, time.Minute), i.NodeName()))(t)
		if n.Metadata.Labels["example.com/zone-type"] != "availability-zone" || n.Status.Capacity["hugepages-2Mi"] != "16Mi" {
			t.Errorf("labels %v, capacity %v", n.Metadata.Labels, n.Status.Capacity)
		}
		nothingToDo(t, i)
	}
	t.Run("swap, huge pages, modules and parameters are the kernel's", machine)
	t.Run("the firmware tells EC2, and the status what the instance type should have", func(t *testing.T) {
		out := shell(t, i, "eksnode hardware")
		for _, want := range []string{"machine   Amazon EC2  m5.large  " + i.ID(), "platform  ec2-nitro", "confidence  certain", "us-west-2a  usw2-az1  availability-zone",
			"nvme1n1  1 GiB", "QEMU NVMe Ctrl", "virtio_net", "ENAMissing"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in %s", want, out)
			}
		}
		r := must(status(within(t, time.Minute), i))(t)
		for _, f := range r.Findings {
			if f.Check == "hardware" && (f.Status != "warning" || f.Code != "ENAMissing") {
				t.Errorf("finding %+v", f)
			}
		}
	})
	t.Run("the drivers keep their contract with this kernel, and NVMe controllers answer", func(t *testing.T) {
		shell(t, i, "disk=/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_AWS00000000000000001; mkfs.xfs -q $disk; mkdir /mnt/xfs; mount $disk /mnt/xfs")
		for name, run := range map[string]string{
			"drivertest": "for d in /root /mnt/xfs; do EKSNODE_KERNEL_TEST_DIR=$d ./drivertest -test.v -test.run RunningKernel; done",
			"nvme":       "EKSNODE_NVME_TESTS=1 ./nvme -test.v",
		} {
			if err := i.CopyIn(within(t, 2*time.Minute), suites[name], "/root/"+name); err != nil {
				t.Fatal(err)
			}
			out := must(i.Shell(within(t, 5*time.Minute), "cd /root && "+run))(t)
			if !strings.Contains(out, "\nPASS") || strings.Contains(out, "\n--- SKIP") || !strings.Contains(out, "--- PASS: Test") {
				t.Errorf("%s says:\n%s", name, out)
			}
		}
	})
	link := must(i.AttachENI(within(t, 2*time.Minute)))(t)
	alone := func(t *testing.T) { t.Helper(); linkIs(t, i, link, "unmanaged") }
	t.Run("an ENI that is plugged into the PCI bus is the network plugin's", func(t *testing.T) {
		says(t, i, "whose it is is written down", eniRecords, func(out string) bool {
			return strings.Contains(out, link+":cni") && strings.Contains(out, "ens5:io.systemd.Network")
		})
		alone(t)
	})
	t.Run("all of it is there after a reboot", func(t *testing.T) {
		if err := i.Reboot(within(t, 8*time.Minute)); err != nil {
			t.Fatal(err)
		}
		awaitStatus(t, i, 4*time.Minute, "the agent is done", done)
		ready(t, l, i)
		machine(t)
		alone(t)
		if err := i.DetachENI(within(t, 2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		says(t, i, "it is forgotten", eniRecords, func(out string) bool { return !strings.Contains(out, link) })
	})
}

// suitesFor compiles tests of packages of the product, to be run elsewhere, and returns them by the packages' names.
func suitesFor(t *testing.T, packages ...string) map[string]string {
	t.Helper()
	out, dir := map[string]string{}, t.TempDir()
	for _, p := range packages {
		name := filepath.Base(p)
		out[name] = filepath.Join(dir, name)
		build := exec.CommandContext(within(t, 10*time.Minute), "go", "test", "-c", "-o", out[name], p)
		build.Dir = filepath.Join("..", "..", "..")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	return out
}
