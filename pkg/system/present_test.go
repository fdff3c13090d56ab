package system

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

func TestPresentTellsWhatTheImageBringsAndNotWhatTheAgentMade(t *testing.T) {
	for _, row := range []struct {
		name string
		// things are "path" for a program, "path = content" for a file and
		// "path -> target" for a link.
		things []string
		owned  []host.ID
		want   node.Present
	}{
		{name: "bare machine"},
		{
			name: "AL2023 image with a GPU",
			things: []string{
				"etc/systemd/system/kubelet.service = [Service]\nExecStartPre=/usr/sbin/iptables -P FORWARD ACCEPT -w 5\n", "usr/lib/systemd/system/containerd.service = [Service]",
				"usr/lib/systemd/system/soci-snapshotter.service = [Unit]", "usr/bin/nvidia-container-runtime",
				"etc/eks/pause.tar = tar", "etc/eks/image-credential-provider/ecr-credential-provider", "usr/sbin/iptables",
			},
			want: node.Present{
				KubeletUnit: true, ContainerdUnit: true, SOCISnapshotter: true, NvidiaRuntime: true,
				SandboxArchive: true, ECRProvider: true, Iptables: "/usr/sbin/iptables",
			},
		},
		{
			name:   "units and provider that the agent wrote on an earlier run",
			things: []string{"etc/systemd/system/kubelet.service = [Service]", "etc/eks/image-credential-provider/ecr-credential-provider -> /usr/bin/x", "usr/bin/x"},
			owned: []host.ID{
				{Kind: host.KindFile, Name: "/etc/systemd/system/kubelet.service"},
				{Kind: host.KindLink, Name: "/etc/eks/image-credential-provider/ecr-credential-provider"},
			},
		},
		{
			name:   "the image's unit beside the agent's",
			things: []string{"etc/systemd/system/kubelet.service = ours", "usr/lib/systemd/system/kubelet.service = theirs"},
			owned:  []host.ID{{Kind: host.KindFile, Name: "/etc/systemd/system/kubelet.service"}},
			want:   node.Present{KubeletUnit: true, Network: node.Network{ForwardUnset: true}},
		},
		{
			name:   "merged /usr, where /lib and /sbin are links",
			things: []string{"lib -> usr/lib", "sbin -> usr/sbin", "usr/lib/systemd/system/containerd.service = x", "usr/sbin/iptables -> /etc/alternatives/iptables", "etc/alternatives/iptables -> /usr/sbin/iptables-nft", "usr/sbin/iptables-nft"},
			want:   node.Present{ContainerdUnit: true, Iptables: "/usr/sbin/iptables"},
		},
		{
			name: "EKS' image with its slice, and a kernel with br_netfilter",
			things: []string{"etc/systemd/system/runtime.slice = [Slice]", "etc/systemd/system/containerd.service.d/00-runtime-slice.conf = [Service]",
				"proc/sys/net/bridge/bridge-nf-call-iptables = 1"},
			want: node.Present{RuntimeSlice: true, BridgeNetfilter: true},
		},
		{
			name:   "an image whose program prepares local disks",
			things: []string{"usr/bin/setup-local-disks"},
			want:   node.Present{SetupLocalDisks: true},
		},
		{
			name:   "a slice that containerd is not in",
			things: []string{"etc/systemd/system/runtime.slice = [Slice]"},
		},
		{
			name: "Amazon Linux 2023, whose chrony takes files from /run alone",
			things: []string{"usr/lib/systemd/system/chronyd.service = [Service]",
				"etc/chrony.conf = # comment\n! another\nsourcedir /run/chrony.d\ndriftfile /var/lib/chrony/drift\n"},
			want: node.Present{Chrony: "chronyd.service", ChronySources: "/run/chrony.d/eksnode.sources"},
		},
		{
			name: "Debian, whose chrony has an alias and several directories",
			things: []string{"usr/lib/systemd/system/chrony.service = [Service]", "etc/systemd/system/chronyd.service -> /usr/lib/systemd/system/chrony.service",
				"etc/chrony/chrony.conf = confdir /etc/chrony/conf.d\npool 2.debian.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\nsourcedir /etc/chrony/sources.d\n"},
			want: node.Present{Chrony: "chrony.service", ChronySources: "/etc/chrony/sources.d/eksnode.sources"},
		},
		{
			name:   "chrony that takes no files",
			things: []string{"usr/lib/systemd/system/chronyd.service = [Service]", "etc/chrony.conf = server 10.0.0.1\n#sourcedir /etc/chrony.d\n"},
			want:   node.Present{Chrony: "chronyd.service"},
		},
		{
			name:   "chrony without a configuration",
			things: []string{"usr/lib/systemd/system/chronyd.service = [Service]"},
			want:   node.Present{Chrony: "chronyd.service"},
		},
		{
			name:   "Ubuntu, which has systemd-timesyncd",
			things: []string{"usr/lib/systemd/system/systemd-timesyncd.service = [Service]"},
			want:   node.Present{Timesyncd: true},
		},
		{
			name: "systemd-timesyncd masked in favour of a chrony that is masked, too",
			things: []string{"usr/lib/systemd/system/systemd-timesyncd.service -> /dev/null", "usr/lib/systemd/system/chronyd.service -> /dev/null",
				"etc/chrony.conf = sourcedir /etc/chrony.d\n"},
		},
		{
			name:   "masked units",
			things: []string{"etc/systemd/system/kubelet.service -> /dev/null", "etc/systemd/system/containerd.service = "},
		},
		{
			name: "an administrator who has masked the image's chrony in favour of timesyncd",
			things: []string{"etc/systemd/system/chronyd.service -> /dev/null", "usr/lib/systemd/system/chronyd.service = [Unit]",
				"etc/chrony.conf = sourcedir /etc/chrony.d\n", "usr/lib/systemd/system/systemd-timesyncd.service = [Unit]"},
			want: node.Present{Timesyncd: true},
		},
		{
			name:   "a drop-in folder above a unit is no unit",
			things: []string{"etc/systemd/system/kubelet.service.d/x.conf = [Service]", "usr/lib/systemd/system/kubelet.service = [Unit]"},
			want:   node.Present{KubeletUnit: true, Network: node.Network{ForwardUnset: true}},
		},
		{
			name:   "things that are not what their names say",
			things: []string{"usr/bin/nvidia-container-runtime = not executable", "usr/sbin/iptables -> /nowhere", "etc/eks/pause.tar/x = the archive is a directory"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, thing := range row.things {
				place(t, dir, thing)
			}
			var owned []host.Owned
			for _, id := range row.owned {
				owned = append(owned, host.Owned{ID: id, Owner: "kubelet"})
			}
			got, err := Present(rootfs.At(dir), node.AL2023(), owned)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("present differs (-want +got):\n%s", diff)
			}
		})
	}
}

func place(t *testing.T, dir, thing string) {
	t.Helper()
	name, content, isFile := strings.Cut(thing, " = ")
	name, target, isLink := strings.Cut(name, " -> ")
	p := filepath.Join(dir, name)
	err := os.MkdirAll(filepath.Dir(p), 0o755)
	switch {
	case err != nil:
	case isLink:
		err = os.Symlink(target, p)
	case isFile:
		err = os.WriteFile(p, []byte(content), 0o644)
	default:
		err = os.WriteFile(p, []byte("\x7fELF"), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatCannotBeLookedAtIsSaidAndNotTakenForAbsent(t *testing.T) {
	dir := t.TempDir()
	place(t, dir, "etc -> etc")
	_, err := Present(rootfs.At(dir), node.AL2023(), nil)
	if err == nil || !strings.Contains(err.Error(), "cannot tell whether the machine has /etc/systemd/system/kubelet.service") {
		t.Errorf("got %v", err)
	}
}

func TestTheDirectoryForTimeSourcesIsTheOneThatLasts(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"SourceDir /etc/chrony.d/":            "/etc/chrony.d/eksnode.sources",
		"  sourcedir\t/run/a /etc/b /etc/c\n": "/etc/b/eksnode.sources",
		"confdir /etc/chrony/conf.d":          "/etc/chrony/conf.d/eksnode.conf",
		"confdir /etc/chrony/conf.d\nsourcedir /run/chrony-dhcp": "/run/chrony-dhcp/eksnode.sources",
		"include /etc/chrony.d/*.conf":                           "/etc/chrony.d/eksnode.conf",
		"include /etc/chrony.conf.local":                         "",
		"include /etc/*/*.conf":                                  "",
		"sourcedir":                                              "",
		"sourcedir relative":                                     "",
		"confdir /var/run/x\nconfdir /etc/y":                     "/etc/y/eksnode.conf",
	} {
		if got := chronySources(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
