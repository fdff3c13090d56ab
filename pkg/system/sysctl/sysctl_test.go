package sysctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

func TestKeysBecomePathsAsSysctlReadsThem(t *testing.T) {
	for _, row := range []struct{ name, key, want string }{
		{"dotted", "net.ipv4.ip_forward", "net/ipv4/ip_forward"},
		{"vlan interface in a dotted key", "net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"},
		{"path", "net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding"},
		{"dashes and colons", "net.ipv4.conf.br-0:1.rp_filter", "net/ipv4/conf/br-0:1/rp_filter"},
		{"no separator", "kernel", "kernel"},
		{"nothing", "", ""},
		{"parents in a path", "net/../../etc/passwd", ""},
		{"parents spelled in slashes", "a.//.b", ""},
		{"leading separator", ".net", ""},
		{"absolute", "/etc/passwd", ""},
		{"doubled separator", "net..ipv4", ""},
		{"trailing separator", "net.", ""},
		{"this directory", "net/./ipv4", ""},
		{"line break", "net.a\nb", ""},
		{"NUL", "net.a\x00b", ""},
		{"blank", "net.ip forward", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := File(row.key)
			if row.want == "" {
				if err == nil {
					t.Errorf("File(%q) = %q, want an error", row.key, got)
				}
				return
			}
			if err != nil || got != "/proc/sys/"+row.want {
				t.Errorf("File(%q) = %q (%v), want %q", row.key, got, err, "/proc/sys/"+row.want)
			}
		})
	}
}

func FuzzNoKeyLeavesItsDirectory(f *testing.F) {
	for _, s := range []string{"net.ipv4.ip_forward", "a.//.b", "net/../../etc/passwd", "/", ".", "a./.b", "..", "a.b/./c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		p, err := File(key)
		if err == nil && (filepath.Clean(p) != p || !strings.HasPrefix(p, "/proc/sys/")) {
			t.Errorf("File(%q) = %q", key, p)
		}
	})
}

// kernel makes a root with one parameter.
func kernel(t *testing.T, path, value string) rootfs.Root {
	t.Helper()
	dir := t.TempDir()
	p := filepath.Join(dir, "proc/sys", path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(value), 0o644); err != nil {
		t.Fatal(err)
	}
	return rootfs.At(dir)
}

func TestWhiteSpaceDoesNotMatter(t *testing.T) {
	d := New(kernel(t, "net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"))
	want := host.Sysctl{Key: "net.ipv4.tcp_rmem", Value: "4096 131072  6291456"}
	seen, err := d.Observe(t.Context(), want)
	if err != nil || !host.Satisfies(seen, want) {
		t.Errorf("seen %+v (%v)", seen, err)
	}
	if got := seen.(host.Sysctl).Value; got != "4096 131072 6291456" {
		t.Errorf("value is %q", got)
	}
}

func TestALimitThatIsHigherAlreadyIsLeftAlone(t *testing.T) {
	root := kernel(t, "fs/inotify/max_user_instances", "65536\n")
	want := host.Sysctl{Key: "fs.inotify.max_user_instances", Value: "8192", AtLeast: true}
	if err := New(root).Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if b, err := root.ReadFile("/proc/sys/fs/inotify/max_user_instances", 100); err != nil || string(b) != "65536\n" {
		t.Errorf("value is now %q (%v)", b, err)
	}
}

func TestAParameterThatTheKernelLacksSaysWhatToDo(t *testing.T) {
	d := New(rootfs.At(t.TempDir()))
	err := d.Apply(t.Context(), host.Sysctl{Key: "net.bridge.bridge-nf-call-iptables", Value: "1"})
	f, ok := fault.Find(err)
	if !ok || f.Code != fault.WriteFailed || !strings.Contains(f.Remedy, "br_netfilter") {
		t.Errorf("got %+v (%v)", f, err)
	}
	if want := `cannot set kernel parameter net.bridge.bridge-nf-call-iptables to "1": file does not exist`; err.Error() != want {
		t.Errorf("message is %q, want %q", err, want)
	}
}
