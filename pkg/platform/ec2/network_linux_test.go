package ec2

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/host/hosttest"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system"
	"github.com/eksnode/eksnode/pkg/system/file"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// tree is every file and link below a directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if d.Type() == fs.ModeSymlink {
			target, err := os.Readlink(path)
			out[strings.TrimPrefix(path, dir)] = "-> " + target
			return err
		}
		b, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What the machine is found to bring depends on what the agent has put there, and what
// the agent puts there on what is found: it must come to rest, and must find its way
// back. The machines are trees of files, and what is not a file is in memory.
func TestTheNetworkComesToRestAndIsGivenBack(t *testing.T) {
	needRoot(t)
	const (
		networkd = "/usr/lib/systemd/system/systemd-networkd.service"
		links    = "/usr/lib/systemd/network/99-default.link"
		state    = "/run/systemd/netif/state"
		policy   = "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"
	)
	machines := map[string]map[string]string{
		"nothing known": {},
		"Amazon Linux with net-utils": {networkd: "x", state: "x", links: "[Link]\nMACAddressPolicy=persistent\n",
			"/usr/lib/udev/rules.d/99-vpc-policy-routes.rules": "x", "/usr/lib/systemd/system/policy-routes@.service": "x", "/usr/lib/systemd/system/refresh-policy-routes@.timer": "x"},
		"net-utils changed by an administrator": {"/etc/udev/rules.d/99-vpc-policy-routes.rules": "theirs", "/etc/systemd/system/refresh-policy-routes@.timer": "theirs"},
		"the package's policy":                  {networkd: "x", state: "x", "/usr/lib/systemd/networkd.conf.d/80-eksnode.conf": policy, "/usr/lib/systemd/network/60-eksnode-pods.network": "x"},
		"the package's policy masked by an empty file": {networkd: "x", state: "x", "/usr/lib/systemd/networkd.conf.d/80-eksnode.conf": policy,
			"/etc/systemd/networkd.conf.d/80-eksnode.conf": ""},
		"NetworkManager with nm-cloud-setup": {"/usr/lib/systemd/system/NetworkManager.service": "x", "/run/NetworkManager/devices/2": "x",
			"/usr/lib/systemd/system/nm-cloud-setup.service": "x", "/usr/lib/systemd/system/nm-cloud-setup.timer": "x"},
		"a kernel with nothing at /sys/fs/bpf": {"/sys/fs/bpf/x": "x", "/proc/self/mountinfo": ""},
		"somebody else's network of pods":      {"/etc/cni/net.d/87-podman.conflist": "x"},
	}
	for name, files := range machines {
		for _, c := range []api.CNI{{}, {Profile: api.CNICiliumENI}, {Profile: api.CNIBridge, PodCIDRs: []string{"10.0.64.0/24"}}} {
			t.Run(name+", "+string(c.Profile), func(t *testing.T) {
				dir := t.TempDir()
				for _, path := range slices.Sorted(maps.Keys(files)) {
					at := filepath.Join(dir, path)
					if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(at, []byte(files[path]), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				before := tree(t, dir)
				root, h := rootfs.At(dir), hosttest.New().Host()
				driver := file.New(root)
				h[host.KindFile], h[host.KindLink], h[host.KindDir] = driver, driver, driver
				var owned []host.Owned
				run := func(decide bool) []string {
					t.Helper()
					var want host.State
					if decide {
						in := node.Input{Layout: node.AL2023()}
						in.Config.Spec.CNI = c
						var err error
						if in.Present, err = system.Present(root, in.Layout, owned); err != nil {
							t.Fatal(err)
						}
						if want, err = node.Desired(in, []node.Component{cni.Component()}); err != nil {
							t.Fatal(err)
						}
					}
					have, err := h.Observe(t.Context(), want, owned)
					if err != nil {
						t.Fatal(err)
					}
					plan := host.Diff(want, have, owned)
					owned = host.Own(want, have, owned, nil)
					var steps []string
					for _, s := range plan.Steps {
						steps = append(steps, string(s.Verb)+" "+s.ID.String())
						if err := h.Do(t.Context(), s); err != nil {
							t.Fatal(err)
						}
					}
					owned = host.Keep(want, owned)
					return steps
				}
				if first := run(true); len(first) == 0 {
					t.Fatal("nothing was done: the test is empty")
				}
				for again := 2; again <= 3; again++ {
					if steps := run(true); len(steps) > 0 {
						t.Errorf("run %d: %v", again, steps)
					}
				}
				run(false)
				if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
					t.Errorf("what is left differs (-before +after):\n%s", diff)
				}
			})
		}
	}
}
