package drivertest_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/host/hosttest"
	"github.com/eksnode/eksnode/pkg/system/drivertest"
	"github.com/eksnode/eksnode/pkg/system/file"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
	"github.com/eksnode/eksnode/pkg/system/sysctl"
)

// onTree is a case of the file driver on a temporary root.
func onTree(wants ...host.Resource) func(*testing.T) drivertest.Case {
	return func(t *testing.T) drivertest.Case {
		dir := t.TempDir()
		return drivertest.Case{
			Driver: file.New(rootfs.At(dir)),
			Wants:  wants,
			Print:  func() (string, error) { return printTree(dir) },
		}
	}
}

func TestFileDriverKeepsTheLaws(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	other := uid
	if uid == 0 {
		other = 65534 // may give files away
	}
	drivertest.Run(t, onTree(
		host.File{Path: "/etc/kubernetes/kubelet/config.json", Content: []byte("{}\n"), Mode: 0o644, UID: uid, GID: gid},
		host.File{Path: "/etc/kubernetes/kubelet/config.json", Content: []byte("{\"x\": 1}\n"), Mode: 0o644, UID: uid, GID: gid},
		host.File{Path: "/etc/kubernetes/kubelet/config.json", Content: []byte("{\"x\": 1}\n"), Mode: 0o600, UID: other, GID: gid, Secret: true},
		host.File{Path: "/etc/kubernetes/kubelet/config.json", Content: nil, Mode: 0o755 | fs.ModeSetuid, UID: uid, GID: gid},
	))
}

func TestDirDriverKeepsTheLaws(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	drivertest.Run(t, onTree(
		host.Dir{Path: "/etc/kubernetes/manifests", Mode: 0o755, UID: uid, GID: gid},
		host.Dir{Path: "/etc/kubernetes/manifests", Mode: 0o700 | fs.ModeSticky, UID: uid, GID: gid},
	))
}

func TestLinkDriverKeepsTheLaws(t *testing.T) {
	drivertest.Run(t, onTree(
		host.Link{Path: "/usr/bin/nodeadm", Target: "eksnode"},
		host.Link{Path: "/usr/bin/nodeadm", Target: "/opt/eksnode/bin/eksnode"},
	))
}

func TestSysctlDriverKeepsTheLaws(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Case {
		dir := t.TempDir()
		p := filepath.Join(dir, "proc/sys/net/ipv4/ip_forward")
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("0\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return drivertest.Case{
			Driver:  sysctl.New(rootfs.At(dir)),
			Wants:   []host.Resource{host.Sysctl{Key: "net.ipv4.ip_forward", Value: "1"}, host.Sysctl{Key: "net.ipv4.ip_forward", Value: "2"}},
			Exists:  true,
			Removed: func(seen host.Resource) bool { return seen != nil },
			Print:   func() (string, error) { return printTree(dir) },
		}
	})
}

// The machine in memory that tests plan against must behave as real ones do.
func TestMachineInMemoryKeepsTheLaws(t *testing.T) {
	for _, wants := range [][]host.Resource{
		{host.File{Path: "/etc/x", Content: []byte("a"), Mode: 0o600}, host.File{Path: "/etc/x", Content: []byte("b"), Mode: 0o644, Secret: true}},
		{host.Dir{Path: "/etc/d", Mode: 0o755}, host.Dir{Path: "/etc/d", Mode: 0o700}},
		{host.Link{Path: "/etc/l", Target: "a"}, host.Link{Path: "/etc/l", Target: "b"}},
		{host.Sysctl{Key: "vm.a", Value: "1"}, host.Sysctl{Key: "vm.a", Value: "2", AtLeast: true}},
		{
			host.Service{Name: "kubelet.service", Running: true, Current: true},
			host.Service{Name: "kubelet.service", Current: true},
			host.Service{Name: "kubelet.service", Running: true, Current: true, Enabled: true},
		},
		{host.Module{Name: "br_netfilter"}},
		{host.HugePages{SizeKiB: 2048, NUMANode: -1, Count: 1}, host.HugePages{SizeKiB: 2048, NUMANode: -1, Count: 2}},
		{host.SwapFile{Path: "/swap", Bytes: 1 << 20, Active: true}, host.SwapFile{Path: "/swap", Bytes: 2 << 20, Active: true}},
		{host.Image{Ref: "localhost/kubernetes/pause:latest"}, host.Image{Ref: "localhost/kubernetes/pause:latest", Pinned: true}},
	} {
		kind := wants[0].ID().Kind
		t.Run(string(kind), func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) drivertest.Case {
				m := hosttest.New()
				return drivertest.Case{Driver: m.Host()[kind], Wants: wants, Print: func() (string, error) { return printMemory(m) }}
			})
		})
	}
}

// printMemory prints what is on the machine, and its starts: a write that
// changes nothing is no write there.
func printMemory(m *hosttest.Memory) (string, error) {
	var b strings.Builder
	for _, r := range m.Things() {
		j, err := json.Marshal(host.Stored{Resource: r})
		if err != nil {
			return "", err
		}
		b.Write(append(j, '\n'))
	}
	for _, w := range m.Writes() {
		if strings.HasPrefix(w, "start ") || strings.HasPrefix(w, "settle ") {
			b.WriteString(w + "\n")
		}
	}
	return b.String(), nil
}

func TestAKilledFileDriverLeavesTheOldOrTheNew(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	big := strings.Repeat("content ", 20_000)
	for name, wants := range map[string][]host.Resource{
		"file": {
			host.File{Path: "/etc/x", Content: []byte(big), Mode: 0o644, UID: uid, GID: gid},
			host.File{Path: "/etc/x", Content: []byte("small"), Mode: 0o600, UID: uid, GID: gid},
		},
		"link": {host.Link{Path: "/usr/x", Target: "a"}, host.Link{Path: "/usr/x", Target: "b"}},
		"file and link": {
			host.File{Path: "/x", Content: []byte(big), Mode: 0o644, UID: uid, GID: gid},
			host.Link{Path: "/x", Target: "b"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			drivertest.Killed(t, 8, func(dir string) error {
				for _, w := range wants {
					if err := file.New(rootfs.At(dir)).Apply(t.Context(), w); err != nil {
						return err
					}
				}
				return nil
			}, func(dir string) error { return oneOf(t, file.New(rootfs.At(dir)), wants) })
		})
	}
}

// A directory is made and removed; it must never be seen with another mode.
func TestAKilledDirDriverLeavesItWholeOrAbsent(t *testing.T) {
	want := host.Dir{Path: "/var/lib/x", Mode: 0o711, UID: os.Getuid(), GID: os.Getgid()}
	drivertest.Killed(t, 8, func(dir string) error {
		d := file.New(rootfs.At(dir))
		return errors.Join(d.Apply(t.Context(), want), d.Remove(t.Context(), want.ID()))
	}, func(dir string) error { return oneOf(t, file.New(rootfs.At(dir)), []host.Resource{want}) })
}

// oneOf returns an error unless there is nothing or exactly one of the wishes.
func oneOf(t *testing.T, d host.Driver, wants []host.Resource) error {
	for _, w := range wants {
		seen, err := d.Observe(t.Context(), w)
		if err != nil {
			return err
		}
		if seen == nil || host.Equal(seen, w) {
			return nil
		}
	}
	return errors.New("there is something that nobody wanted")
}
