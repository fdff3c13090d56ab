package containerd

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestNvidiaIsASecondHandlerAndTheDefaultOnlyWithADevice(t *testing.T) {
	device := []hardware.PCIDevice{{Vendor: "10de"}}
	for _, row := range []struct {
		name     string
		runtime  bool
		pci      []hardware.PCIDevice
		handlers string
		byName   string
	}{
		{"ordinary machine", false, nil, "runc", "runc"},
		{"GPU without the runtime", false, device, "runc", "runc"},
		{"GPU image without a GPU", true, nil, "runc nvidia", "runc"},
		{"GPU image with a GPU", true, device, "runc nvidia", "nvidia"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, containerd := range []string{"1.7.28", "2.2.9"} {
				s := decide(t, func(in *node.Input) {
					in.Versions.Containerd = version(containerd)
					in.Present.NvidiaRuntime, in.Hardware.PCI = row.runtime, row.pci
				})
				var names []string
				plugin := map[bool]string{true: pluginRuntime, false: pluginCRI}[s.Schema == 3]
				for _, h := range s.Handlers {
					names = append(names, h.Name)
					entry := tableAt(s.Config, "plugins", plugin, "containerd", "runtimes", h.Name)
					if entry["base_runtime_spec"] != "/etc/containerd/base-runtime-spec.json" || at(entry, "options", "SystemdCgroup") != true || at(entry, "options", "BinaryName") != h.Binary {
						t.Errorf("handler %s is %v", h.Name, entry)
					}
				}
				if got := strings.Join(names, " "); got != row.handlers || s.DefaultHandler != row.byName {
					t.Errorf("handlers %s, default %s", got, s.DefaultHandler)
				}
				if got := at(s.Config, "plugins", plugin, "containerd", "default_runtime_name"); got != row.byName {
					t.Errorf("default in the file: %v", got)
				}
			}
		})
	}
	unknown := func(in *node.Input) {
		in.Problems = []node.Problem{{Fact: "hardware.pci", Code: fault.FactMissing, Message: "no /sys", Remedy: "Mount it."}}
	}
	decide(t, unknown)
	refused(t, func(in *node.Input) { unknown(in); in.Present.NvidiaRuntime = true }, fault.FactMissing, "hardware.pci")
}

func TestSchemaAndCDIFollowTheVersions(t *testing.T) {
	for _, row := range []struct {
		containerd, kubelet string
		schema              int
		plugin              string
		cdi                 any
		notes               int
	}{
		{"1.6.20", "1.29.0", 2, pluginCRI, false, 0},
		{"1.7.28", "1.31.0", 2, pluginCRI, false, 0},
		{"1.7.28", "1.32.0", 2, pluginCRI, true, 0},
		{"2.0.1", "1.31.0", 3, pluginRuntime, false, 0},
		{"2.3.3", "1.35.0", 3, pluginRuntime, true, 0},
		{"2.4.0", "1.35.0", 3, pluginRuntime, nil, 0},
		{"3.0.0", "1.37.0", 3, pluginRuntime, nil, 1},
	} {
		s := decide(t, func(in *node.Input) {
			in.Versions.Containerd, in.Versions.Kubelet = version(row.containerd), version(row.kubelet)
		})
		if s.Schema != row.schema || at(s.Config, "plugins", row.plugin, "enable_cdi") != row.cdi || len(s.Notes) != row.notes {
			t.Errorf("%s with %s: schema %d, %v, notes %q", row.containerd, row.kubelet, s.Schema, s.Config, s.Notes)
		}
	}
	refused(t, func(in *node.Input) { in.Versions.Containerd = node.Version{} }, fault.VersionUnknown, "versions.containerd")
	refused(t, func(in *node.Input) { in.Versions.Kubelet = node.Version{} }, fault.VersionUnknown, "versions.kubelet")
}

func TestFastImagePullNeedsItsGateALargeMachineAndTheSnapshotter(t *testing.T) {
	on := func(in *node.Input) {
		in.Config.Spec.FeatureGates = api.FeatureGates{api.FastImagePull: true}
		in.Present.SOCISnapshotter = true
	}
	for _, row := range []struct {
		name   string
		change func(*node.Input)
		want   bool
		note   string
	}{
		{"all there", on, true, ""},
		{"gate off", func(in *node.Input) { in.Present.SOCISnapshotter = true }, false, ""},
		{"no snapshotter", func(in *node.Input) { on(in); in.Present.SOCISnapshotter = false }, false, "no soci-snapshotter.service"},
		{"three CPUs", func(in *node.Input) { on(in); in.Hardware.CPU.Online = 3 }, false, "3 CPUs"},
		{"just under 7 GiB", func(in *node.Input) { on(in); in.Hardware.Memory.OnlineBytes = 7<<30 - 1 }, false, "7167 MiB"},
		{"7 GiB", func(in *node.Input) { on(in); in.Hardware.Memory.OnlineBytes = 7 << 30 }, true, ""},
		{"memory not known", func(in *node.Input) {
			on(in)
			in.Problems = []node.Problem{{Fact: "hardware.memory", Code: fault.FactMissing, Message: "no /sys"}}
		}, false, "hardware.memory"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, row.change)
			if s.SOCI != row.want || (at(s.Config, "plugins", pluginImages, "snapshotter") == "soci") != row.want {
				t.Errorf("SOCI %t, %v", s.SOCI, s.Config)
			}
			if got := strings.Join(s.Notes, ";"); row.note == "" && got != "" || !strings.Contains(got, row.note) {
				t.Errorf("notes %q, want %q", got, row.note)
			}
		})
	}
}

func TestTheSandboxImageIsTheOneThatContainerdWillAskFor(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*node.Input)
		want   host.Image
	}{
		"pulled":       {nil, host.Image{Ref: "localhost/kubernetes/pause:latest", Pinned: true, Source: "registry.example/eks/pause:3.10"}},
		"archive":      {func(in *node.Input) { in.Present.SandboxArchive = true }, host.Image{Ref: "localhost/kubernetes/pause:latest", Pinned: true, Archive: "/etc/eks/pause.tar", Source: "registry.example/eks/pause:3.10"}},
		"user's on 2":  {with("2.2.9", images+"pinned_images.sandbox = 'x/pause:1'"), host.Image{Ref: "x/pause:1", Pinned: true, Source: "x/pause:1"}},
		"user's on 1":  {with("1.7.28", cri+"sandbox_image = 'x/pause:1'"), host.Image{Ref: "x/pause:1", Pinned: true, Source: "x/pause:1"}},
		"user's, ours": {with("1.7.28", cri+"sandbox_image = 'localhost/kubernetes/pause:latest'"), host.Image{Ref: "localhost/kubernetes/pause:latest", Pinned: true, Source: "registry.example/eks/pause:3.10"}},
	} {
		if got := decide(t, row.change).Sandbox; got != row.want {
			t.Errorf("%s: got %+v, want %+v", name, got, row.want)
		}
	}
}

func TestTheBaseRuntimeSpecMergesKeyByKey(t *testing.T) {
	var user api.Object
	if err := json.Unmarshal([]byte(`{"process": {"rlimits": [], "noNewPrivileges": false}, "hostname": "x", "linux": {"resources": null}}`), &user); err != nil {
		t.Fatal(err)
	}
	plain := decide(t, nil).BaseRuntimeSpec
	got := decide(t, func(in *node.Input) { in.Config.Spec.Containerd.BaseRuntimeSpec = user }).BaseRuntimeSpec
	for path, want := range map[string]any{"process.rlimits": []any{}, "process.noNewPrivileges": false, "hostname": "x", "linux.resources": nil, "process.cwd": "/"} {
		if v, ok := got.Lookup(strings.Split(path, ".")...); !ok || !reflect.DeepEqual(v, want) {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
	limit, _ := plain.Lookup("process", "rlimits")
	if !reflect.DeepEqual(limit, []any{map[string]any{"type": "RLIMIT_NOFILE", "soft": json.Number("65536"), "hard": json.Number("1048576")}}) {
		t.Errorf("open files are %v", limit)
	}
	if again := decide(t, nil).BaseRuntimeSpec; !reflect.DeepEqual(plain, again) {
		t.Error("a merge has changed the default")
	}
}

func TestRegistryCredentialsMakeTheFileSecret(t *testing.T) {
	for name, text := range map[string]string{
		"auth":           cri + "registry.configs.'x'.auth.password = 'hunter2'",
		"auths":          cri + "registry.auths.'https://x'.password = 'hunter2'",
		"headers":        cri + "registry.headers.Authorization = ['hunter2']",
		"in v3's plugin": images + "registry.configs.'x'.auth.password = 'hunter2'",
	} {
		rs, err := Desired(input(with("2.2.9", text)))
		if err != nil {
			t.Fatal(err)
		}
		f := file(t, rs, "/etc/containerd/config.toml")
		if !f.Secret || f.Mode != 0o600 || !strings.Contains(string(f.Content), "hunter2") {
			t.Errorf("%s: secret %t, mode %o", name, f.Secret, f.Mode)
		}
		text, err := json.Marshal(decide(t, with("2.2.9", text)))
		if err != nil || strings.Contains(string(text), "hunter2") {
			t.Errorf("%s: the settings as JSON show it: %s, %v", name, text, err)
		}
	}
	rs, err := Desired(input(with("2.2.9", cri+"registry.configs.'x'.tls.ca_file = '/x'")))
	if err != nil {
		t.Fatal(err)
	}
	if f := file(t, rs, "/etc/containerd/config.toml"); f.Secret || f.Mode != 0o644 {
		t.Errorf("without credentials: secret %t, mode %o", f.Secret, f.Mode)
	}
}

func file(t *testing.T, rs []host.Resource, path string) host.File {
	t.Helper()
	for _, r := range rs {
		if f, ok := r.(host.File); ok && f.Path == path {
			return f
		}
	}
	t.Fatalf("there is no %s", path)
	return host.File{}
}

func TestAnotherSocketIsNoted(t *testing.T) {
	s := decide(t, with("2.2.9", "grpc.address = '/run/other.sock'"))
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "/run/other.sock") {
		t.Errorf("notes %q", s.Notes)
	}
}

func TestUnitsAreGivenWhereTheImageBringsNone(t *testing.T) {
	const slice, unit, dropIn = "/etc/systemd/system/runtime.slice", "/etc/systemd/system/containerd.service", "/etc/systemd/system/containerd.service.d/00-runtime-slice.conf"
	for _, row := range []struct {
		name    string
		present node.Present
		want    []string
	}{
		{"EKS image", node.Present{ContainerdUnit: true, RuntimeSlice: true}, nil},
		{"distribution's containerd", node.Present{ContainerdUnit: true}, []string{slice, dropIn}},
		{"nothing", node.Present{}, []string{slice, unit}},
		{"slice alone", node.Present{RuntimeSlice: true}, []string{unit}},
	} {
		rs, err := Desired(input(func(in *node.Input) { in.Present = row.present }))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rs {
			f, ok := r.(host.File)
			if ok && strings.HasPrefix(f.Path, "/etc/systemd/") {
				got = append(got, f.Path)
				if f.Path != slice && !strings.Contains(string(f.Content), "\nSlice=runtime.slice\n") {
					t.Errorf("%s: %s is outside of the slice", row.name, f.Path)
				}
			}
			if s, ok := r.(host.Service); ok {
				for _, path := range got {
					if path != slice && !slices.Contains(s.Reads, host.File{Path: path}.ID()) {
						t.Errorf("%s: containerd does not read %s", row.name, path)
					}
				}
			}
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
	}
}

func FuzzUserTOML(f *testing.F) {
	for _, text := range []string{
		"", "version = 2", "[debug]\nlevel = 'info'", cri + "sandbox_image = 'x'", cri + "containerd.runtimes.x.snapshotter = 'y'", "plugins = 3",
		"plugins.x = 3", images + "registry = 1", runtime + "cni = 3", cri + "cni = 3", "a = 1979-05-27T07:32:00Z", "[[a.b]]\nc = nan", "[plugins.cri]",
	} {
		f.Add("2.2.9", text)
		f.Add("2.4.2", text)
		f.Add("1.7.28", text)
	}
	f.Fuzz(func(t *testing.T, containerd, text string) {
		v, err := node.ParseVersion(containerd)
		if err != nil {
			return
		}
		in := input(with("2.2.9", text))
		in.Versions.Containerd = v
		s, err := Decide(in)
		if err != nil {
			return
		}
		rendered, err := render(s.Config)
		if err != nil {
			return
		}
		var back table
		if err := toml.Unmarshal(rendered, &back); err != nil {
			t.Fatalf("what is written cannot be read: %v\n%s", err, rendered)
		}
		if at(back, "version") != int64(s.Schema) {
			t.Fatalf("version %v for schema %d", at(back, "version"), s.Schema)
		}
	})
}
