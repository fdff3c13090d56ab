package containerd

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
)

const (
	cri     = `[plugins."io.containerd.grpc.v1.cri"]` + "\n"
	images  = `[plugins."io.containerd.cri.v1.images"]` + "\n"
	runtime = `[plugins."io.containerd.cri.v1.runtime"]` + "\n"
)

func TestKeysOfContainerd1GoWhereContainerd2HasThem(t *testing.T) {
	for _, row := range []struct {
		name string
		text string
		path []string
		want any
	}{
		{"sandbox image", cri + `sandbox_image = "x/pause:1"`, []string{pluginImages, "pinned_images", "sandbox"}, "x/pause:1"},
		{"image key", cri + `max_concurrent_downloads = 7`, []string{pluginImages, "max_concurrent_downloads"}, int64(7)},
		{"registry", cri + `registry.config_path = "/x"`, []string{pluginImages, "registry", "config_path"}, "/x"},
		{"runtime key", cri + `restrict_oom_score_adj = true`, []string{pluginRuntime, "restrict_oom_score_adj"}, true},
		{"stream server", cri + `stream_server_port = "1"`, []string{pluginCRI, "stream_server_port"}, "1"},
		{"cni", cri + `cni.bin_dir = "/x"`, []string{pluginRuntime, "cni", "bin_dir"}, "/x"},
		{"snapshotter", cri + `containerd.snapshotter = "native"`, []string{pluginImages, "snapshotter"}, "native"},
		{"unpacked layers", cri + `containerd.discard_unpacked_layers = false`, []string{pluginImages, "discard_unpacked_layers"}, false},
		{"default runtime", cri + "containerd.default_runtime_name = 'x'\ncontainerd.runtimes.x.runtime_type = 'y'", []string{pluginRuntime, "containerd", "default_runtime_name"}, "x"},
		{"runtime option", cri + `containerd.runtimes.runc.options.SystemdCgroup = false`, []string{pluginRuntime, "containerd", "runtimes", "runc", "options", "SystemdCgroup"}, false},
		{"other options of the runtime stay", cri + `containerd.runtimes.runc.options.SystemdCgroup = false`, []string{pluginRuntime, "containerd", "runtimes", "runc", "options", "BinaryName"}, "/usr/sbin/runc"},
		{"sandbox mode", cri + `containerd.runtimes.kata.sandbox_mode = "shim"`, []string{pluginRuntime, "containerd", "runtimes", "kata", "sandboxer"}, "shim"},
		{"snapshotter of a runtime", cri + `containerd.runtimes.kata.snapshotter = "devmapper"`, []string{pluginImages, "runtime_platforms", "kata", "snapshotter"}, "devmapper"},
		{"snapshotter of a runtime, for the runtime", cri + `containerd.runtimes.kata.snapshotter = "devmapper"`, []string{pluginRuntime, "containerd", "runtimes", "kata", "snapshotter"}, "devmapper"},
		{"cgroup monitor", `plugins."io.containerd.monitor.v1.cgroups".no_prometheus = true`, []string{"io.containerd.monitor.task.v1.cgroups", "no_prometheus"}, true},
		{"restart monitor", `plugins."io.containerd.internal.v1.restart".interval = "1s"`, []string{"io.containerd.monitor.container.v1.restart", "interval"}, "1s"},
		{"core scheduling", `plugins."io.containerd.runtime.v2.task".sched_core = true`, []string{"io.containerd.shim.v1.manager", "env"}, []any{"SCHED_CORE=1"}},
		{"the rest of the task plugin", "[plugins.\"io.containerd.runtime.v2.task\"]\nsched_core = true\nplatforms = ['a']", []string{"io.containerd.runtime.v2.task", "platforms"}, []any{"a"}},
		{"a plugin of the same name", `plugins."io.containerd.gc.v1.scheduler".pause_threshold = 0.5`, []string{"io.containerd.gc.v1.scheduler", "pause_threshold"}, 0.5},
		{"a name of containerd 2 wins", cri + "restrict_oom_score_adj = true\n" + runtime + "restrict_oom_score_adj = false", []string{pluginRuntime, "restrict_oom_score_adj"}, false},
		{"names of containerd 2 alone", images + "max_concurrent_downloads = 9", []string{pluginImages, "max_concurrent_downloads"}, int64(9)},
		{"version 2 said", "version = 2\n" + cri + "enable_selinux = true", []string{pluginRuntime, "enable_selinux"}, true},
		{"version 3 said", "version = 3\n" + runtime + "enable_selinux = true", []string{pluginRuntime, "enable_selinux"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, with("2.2.9", row.text))
			if got := lookup(t, s, append([]string{"plugins"}, row.path...)...); !reflect.DeepEqual(got, row.want) {
				t.Errorf("got %#v, want %#v", got, row.want)
			}
			if v := lookup(t, s, "version"); v != int64(3) {
				t.Errorf("version %v", v)
			}
			old := strings.Contains(row.text, pluginCRI) && !strings.Contains(row.text, "stream_server")
			if old && at(s.Config, "plugins", pluginCRI) != nil {
				t.Errorf("the plugin of containerd 1 is still there: %v", at(s.Config, "plugins", pluginCRI))
			}
			if old != (len(s.Notes) > 0 && strings.Contains(strings.Join(s.Notes, ""), pluginCRI)) {
				t.Errorf("notes %q", s.Notes)
			}
		})
	}
}

func TestEveryKnownKeyOfContainerd1IsTranslatedOrRefusedByName(t *testing.T) {
	for prefix, keys := range map[string]map[string]home{"": criKeys, "containerd.": criContainerdKeys, "containerd.runtimes.runc.": criRuntimeKeys} {
		for key, where := range keys {
			_, err := Decide(input(with("2.4.2", cri+prefix+key+" = {}")))
			switch {
			case where == isGone && (err == nil || !strings.Contains(err.Error(), prefix+key+" is gone in containerd 2")):
				t.Errorf("%s%s: got %v", prefix, key, err)
			case where != isGone && err != nil && !strings.Contains(err.Error(), "default_runtime_name"):
				t.Errorf("%s%s: %v", prefix, key, err)
			}
			if where == isGone && instead[key] == "" {
				t.Errorf("nothing is said to write instead of %s", key)
			}
		}
	}
}

func TestWhatHasNoTranslationIsRefusedByName(t *testing.T) {
	for text, phrase := range map[string]string{
		cri + "systemd_cgroup = true":                                        `plugins."io.containerd.grpc.v1.cri".systemd_cgroup is gone in containerd 2`,
		cri + "containerd.no_pivot = true":                                   `plugins."io.containerd.grpc.v1.cri".containerd.no_pivot is gone`,
		cri + "containerd.runtimes.x.runtime_root = '/x'":                    `containerd.runtimes.x.runtime_root is gone`,
		cri + "containerd.runtimes.x.runtime_type = 'io.containerd.runc.v1'": `containerd.runtimes.x.runtime_type = "io.containerd.runc.v1" is gone`,
		cri + "containerd.runtimes.x = 3":                                    `containerd.runtimes.x is no key`,
		cri + "containerd.runtimes = 3":                                      `containerd.runtimes is no key`,
		cri + "containerd = 3":                                               `plugins."io.containerd.grpc.v1.cri".containerd is no key`,
		cri + "nonsense = 1":                                                 `plugins."io.containerd.grpc.v1.cri".nonsense is no key of containerd 1`,
		cri + "containerd.nonsense = 1":                                      `containerd.nonsense is no key`,
		cri + "containerd.runtimes.runc.nonsense = 1":                        `containerd.runtimes.runc.nonsense is no key`,
		"[plugins.\"io.containerd.runtime.v1.linux\"]\nshim = 'x'":           `plugins."io.containerd.runtime.v1.linux" is gone`,
		"[plugins.cri]\nsandbox_image = 'x'":                                 `plugins.cri is a name of schema 1`,
		"version = 1":                                                        "its version is 1",
		"version = 4":                                                        "its version is 4",
		"version = '3'":                                                      "its version is 3",
		"a = 1\na = 2":                                                       "line 2, column 1",
		"[debug\nlevel = 1":                                                  "line 1, column 7",
		cri + "registry.mirrors.'docker.io'.endpoint = ['x']":                "no registry.mirrors while registry.config_path is set",
		runtime + "containerd.default_runtime_name = 'kata'":                 `default_runtime_name "kata" is none of the runtimes`,
		cri + "systemd_cgroup = true\nnonsense = 1":                          "nonsense", // all at once
		"[plugins.cri]\nx = 1\n" + cri + "disable_cgroup = true":             "disable_cgroup",
		"plugins = 1":                                                        "default_runtime_name",
		images + "registry.config_path = '/x'\nregistry.mirrors.'docker.io'.endpoint = ['http://x']": "hosts.toml",
	} {
		phrases := []string{phrase}
		if phrase == "hosts.toml" {
			phrases = nil
		}
		refused(t, with("2.2.9", text), fault.ConfigInvalid, phrases...)
	}
}

func TestMirrorsWithoutAConfigPathAreTheUsersChoice(t *testing.T) {
	for containerd, plugin := range map[string]string{"1.7.28": pluginCRI, "2.2.9": pluginImages} {
		s := decide(t, with(containerd, cri+"registry.config_path = ''\nregistry.mirrors.'docker.io'.endpoint = ['x']"))
		if at(s.Config, "plugins", plugin, "registry", "mirrors", "docker.io") == nil {
			t.Errorf("containerd %s: the mirror is lost: %v", containerd, s.Config)
		}
		refused(t, with(containerd, cri+"registry.mirrors.'docker.io'.endpoint = ['x']"), fault.ConfigInvalid, "registry.mirrors")
	}
}

func TestContainerd1RefusesTheWordsOfContainerd2(t *testing.T) {
	refused(t, with("1.7.28", images+"x = 1"), fault.ConfigInvalid, `plugins."io.containerd.cri.v1.images" is a name of containerd 2, and this is containerd 1.7.28`)
	refused(t, with("1.7.28", runtime+"x = 1"), fault.ConfigInvalid, "io.containerd.cri.v1.runtime")
	refused(t, with("1.7.28", "version = 3"), fault.ConfigInvalid, "its version is 3, and containerd 1.7.28 reads schema 2")
	refused(t, with("1.7.28", "[plugins.cri]\nx = 1"), fault.ConfigInvalid, "schema 1")
	s := decide(t, with("1.7.28", "version = 2\n"+cri+"anything = 1"))
	if got := lookup(t, s, "plugins", pluginCRI, "anything"); got != int64(1) || lookup(t, s, "version") != int64(2) {
		t.Errorf("got %v", s.Config)
	}
}

func TestNeutralSettingsAreMergedAndNothingElseChanges(t *testing.T) {
	for _, containerd := range []string{"1.7.28", "2.0.1", "2.2.9", "2.4.2"} {
		plain := decide(t, with(containerd, ""))
		user := decide(t, with(containerd, "[debug]\nlevel = 'debug'"))
		if len(user.Notes) != 0 || at(user.Config, "debug", "level") != "debug" {
			t.Errorf("containerd %s: %v, notes %q", containerd, user.Config, user.Notes)
		}
		delete(user.Config, "debug")
		if !reflect.DeepEqual(plain.Config, user.Config) {
			t.Errorf("containerd %s: got %v, want %v", containerd, user.Config, plain.Config)
		}
	}
}

func TestKeysThatContainerd24HasNoLongerAreBroughtIntoItsWords(t *testing.T) {
	binDirs := []any{"/x"}
	for _, row := range []struct {
		name, containerd, text string
		binDir, binDirs        any
		notes                  int
	}{
		{"2.3, nothing said", "2.3.3", "", "/opt/cni/bin", nil, 0},
		{"2.4, nothing said", "2.4.2", "", nil, []any{"/opt/cni/bin"}, 0},
		{"2.3, the old key", "2.3.3", runtime + "cni.bin_dir = '/x'", "/x", nil, 0},
		{"2.3, the new key, which excludes the old", "2.3.3", runtime + "cni.bin_dirs = ['/x']", nil, binDirs, 0},
		{"2.4, the old key", "2.4.2", runtime + "cni.bin_dir = '/x'", nil, binDirs, 0},
		{"2.4, the new key", "2.4.2", runtime + "cni.bin_dirs = ['/x']", nil, binDirs, 0},
		{"2.4, both", "2.4.2", runtime + "cni.bin_dirs = ['/x']\ncni.bin_dir = '/y'", nil, binDirs, 0},
		{"2.4, CDI off", "2.4.2", runtime + "enable_cdi = false", nil, []any{"/opt/cni/bin"}, 1},
		{"2.4, CDI on", "2.4.2", runtime + "enable_cdi = true", nil, []any{"/opt/cni/bin"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, with(row.containerd, row.text))
			cni := tableAt(s.Config, "plugins", pluginRuntime, "cni")
			if cni["bin_dir"] != row.binDir || fmt.Sprint(cni["bin_dirs"]) != fmt.Sprint(row.binDirs) {
				t.Errorf("cni is %v", cni)
			}
			if at(s.Config, "plugins", pluginRuntime, "enable_cdi") != nil && s.Version.AtLeast(2, 4) {
				t.Error("enable_cdi is there")
			}
			if len(s.Notes) != row.notes {
				t.Errorf("notes %q", s.Notes)
			}
		})
	}
}
