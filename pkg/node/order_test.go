package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

func component(name string, rs ...host.Resource) Component {
	return Component{Name: name, Desired: func(Input) ([]host.Resource, error) { return rs, nil }}
}

func order(s host.State) []string {
	var out []string
	for _, e := range s.Entries() {
		out = append(out, e.Owner+" "+e.Resource.ID().String())
	}
	return out
}

func running(unit string) host.Service {
	return host.Service{Name: unit, Running: true, Current: true}
}

func TestProgramsStandWhereTheirStageSays(t *testing.T) {
	in := Input{Layout: AL2023()}
	tuning := component("tuning", host.File{Path: "/etc/sysctl"}, host.Command{Name: "local-disks"})
	hooks := component("hooks",
		host.Command{Name: "hook/last", Stage: host.StagePostReady}, host.Command{Name: "hook/late", Stage: host.StagePreKubelet},
		host.Command{Name: "hook/first", Stage: host.StagePreConfig}, host.Command{Name: "hook/later", Stage: host.StagePreKubelet})
	runtime := component("containerd", host.File{Path: "/etc/containerd"}, running("containerd.service"), host.Image{Ref: "pause"})
	kubelet := component("kubelet", host.File{Path: "/etc/kubelet"}, running("kubelet.service"))
	want := []string{
		"hooks command:hook/first",
		"tuning file:/etc/sysctl", "tuning command:local-disks",
		"containerd file:/etc/containerd", "containerd service:containerd.service", "containerd image:pause",
		"kubelet file:/etc/kubelet", "hooks command:hook/late", "hooks command:hook/later", "kubelet service:kubelet.service",
		"hooks command:hook/last",
	}
	for name, components := range map[string][]Component{
		"hooks first": {hooks, tuning, runtime, kubelet}, "hooks last": {tuning, runtime, kubelet, hooks},
	} {
		s, err := Desired(in, components)
		if err != nil {
			t.Fatal(err)
		}
		if got := order(s); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
	s, err := Desired(in, []Component{hooks, runtime})
	if err != nil {
		t.Fatal(err)
	}
	if got := order(s); !slices.Equal(got[4:], []string{"hooks command:hook/late", "hooks command:hook/later", "hooks command:hook/last"}) {
		t.Errorf("without kubelet: %v", got)
	}
}

// On a fresh machine a swap file would be made first, and then be written over, or
// read as the manifest of a pod.
func TestASwapFileIsInNobodysWay(t *testing.T) {
	others := component("kubelet", host.Dir{Path: "/etc/kubernetes/manifests"}, host.File{Path: "/etc/containerd/config.toml"},
		host.Link{Path: "/var/lib/eksnode/bin/provider"}, running("kubelet.service"))
	for path, says := range map[string]string{
		"/etc/containerd/config.toml":        "file:/etc/containerd/config.toml of the component kubelet",
		"/etc/containerd":                    "file:/etc/containerd/config.toml",
		"/etc/kubernetes/manifests":          "dir:/etc/kubernetes/manifests",
		"/etc/kubernetes/manifests/a/swap":   "dir:/etc/kubernetes/manifests",
		"/var/lib/eksnode/bin/provider":      "link:/var/lib/eksnode/bin/provider",
		"/var/lib/eksnode/swapfile":          "",
		"/etc/kubernetes/manifests-swapfile": "",
		"/etc/containerd/config":             "",
	} {
		swap := component("tuning", host.SwapFile{Path: path, Bytes: 1, Active: true})
		_, err := Desired(Input{Layout: AL2023()}, []Component{swap, others})
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says) || fault.CodeOf(err) != fault.ConfigInvalid) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	refuses := Component{Name: "picky", Desired: func(Input) ([]host.Resource, error) { return nil, fmt.Errorf("no") }}
	_, err := Desired(Input{}, []Component{
		component("a", host.File{Path: "/x"}), refuses, component("b", host.File{Path: "/x"}), component("c", host.File{Path: "relative"}),
	})
	for _, want := range []string{"cannot decide picky: no", "cannot decide b: cannot add file:/x for b: a already owns it", "cannot decide c:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestReasonsSayWhoHasDecided(t *testing.T) {
	got := Reasons(Input{}, []Component{
		{Name: "quiet"},
		{Name: "kubelet", Reasons: func(Input) []Reason { return []Reason{{Setting: "maxPods", Value: "29", From: "ENI table"}} }},
	})
	if want := []Reason{{Component: "kubelet", Setting: "maxPods", Value: "29", From: "ENI table"}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
