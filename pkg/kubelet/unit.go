package kubelet

import (
	"path"
	"strings"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// unit renders kubelet.service for images that bring none: that of EKS images,
// with what can be hardened.
//
// Not much can: any sandboxing by systemd that needs a mount namespace of its
// own would hide kubelet's volume mounts from containerd, RestrictSUIDSGID would
// break fsGroup, and the mount helpers that kubelet runs need its privileges.
func unit(in node.Input) []byte {
	l := in.Layout
	lines := []string{
		"# Written by eksnode. For changes use a drop-in.",
		"[Unit]",
		"Description=Kubernetes node agent",
		"Documentation=https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/",
		"Wants=" + l.ContainerdUnit,
		"After=" + l.ContainerdUnit,
		"",
		"[Service]",
		"Slice=" + l.RuntimeSlice,
		"EnvironmentFile=" + l.KubeletEnvironment,
	}
	if in.Present.Iptables != "" {
		lines = append(lines, forward(in))
	}
	lines = append(lines,
		"ExecStart="+l.Kubelet+" $"+argsVariable,
		"Restart=on-failure",
		"RestartForceExitStatus=SIGPIPE",
		"RestartSec=5",
		"# Only kubelet itself: what it has started may belong to pods.",
		"KillMode=process",
		"CPUAccounting=true",
		"MemoryAccounting=true",
		"LockPersonality=true",
		"RestrictRealtime=true",
		"SystemCallArchitectures=native",
		"",
		"[Install]",
		"WantedBy=multi-user.target",
	)
	return []byte(strings.Join(lines, "\n") + "\n")
}

// forward lets packets of pods through: Docker and some firewalls leave FORWARD at DROP,
// which cuts pods off. A failure is no reason to keep kubelet from starting.
func forward(in node.Input) string {
	return "ExecStartPre=-" + in.Present.Iptables + " -P FORWARD ACCEPT -w 5"
}

// forwardDropIn is for a kubelet unit of the image's that does not do it, as EKS' own
// does; nothing where there is no need, or no iptables.
func forwardDropIn(in node.Input) []host.Resource {
	if !in.Present.KubeletUnit || !in.Present.Network.ForwardUnset || in.Present.Iptables == "" {
		return nil
	}
	return []host.Resource{host.File{
		Path:    path.Join(in.Layout.UnitDir, in.Layout.KubeletUnit+".d", "10-eksnode-forward.conf"),
		Content: []byte("# Written by eksnode.\n[Service]\n" + forward(in) + "\n"), Mode: 0o644,
	}}
}
