package containerd

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/eksnode/eksnode/pkg/node"
)

// placed adds line and column to an error of the TOML parser.
func placed(err error) error {
	if syntax, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := syntax.Position()
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

// onlySchema2 refuses what containerd 1.x would not understand.
func onlySchema2(user table, v node.Version) error {
	if err := checkVersion(user, 2, "containerd "+v.String()+" reads schema 2"); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(tableAt(user, "plugins"))) {
		if err := checkName(name); err != nil {
			return err
		}
		if strings.HasPrefix(name, "io.containerd.cri.v1.") {
			return invalid(fmt.Sprintf("Write the settings under plugins.%q, or use a machine image with containerd 2.", pluginCRI),
				"cannot use spec.containerd.config: plugins.%q is a name of containerd 2, and this is containerd %s", name, v)
		}
	}
	return nil
}

// checkVersion refuses another version of the file than the known ones, and
// takes the key away: the agent's own stands for it.
func checkVersion(user table, newest int64, why string) error {
	v, ok := user["version"]
	if !ok {
		return nil
	}
	n, ok := v.(int64)
	if !ok || n < 2 || n > newest {
		return invalid("Leave version out, or write version = 2"+map[bool]string{true: " or 3"}[newest == 3]+" with the plugin names that go with it.",
			"cannot use spec.containerd.config: its version is %v, and %s", v, why)
	}
	delete(user, "version")
	return nil
}

// checkName refuses the short plugin names of schema 1, which containerd would
// pass over without a word.
func checkName(plugin string) error {
	if strings.Contains(plugin, ".") {
		return nil
	}
	return invalid(fmt.Sprintf("Write the whole name, such as plugins.%q.", pluginCRI),
		"cannot use spec.containerd.config: plugins.%s is a name of schema 1", plugin)
}

// home is where a key of containerd 1 has gone in containerd 2.
type home int

const (
	stays     home = iota // with the CRI server, under the old plugin name
	toImages              // to the plugin of images
	toRuntime             // to the plugin of the runtime
	isGone                // nowhere
)

// The keys of the CRI plugin of containerd 1.7 that are no tables of their own
// below. (containerd 2.x: plugins/cri, docs/containerd-2.0.md)
var criKeys = map[string]home{
	"disable_tcp_service":     stays,
	"stream_server_address":   stays,
	"stream_server_port":      stays,
	"stream_idle_timeout":     stays,
	"enable_tls_streaming":    stays,
	"x509_key_pair_streaming": stays,

	"registry":                    toImages,
	"image_decryption":            toImages,
	"max_concurrent_downloads":    toImages,
	"image_pull_progress_timeout": toImages,
	"image_pull_with_sync_fs":     toImages,
	"stats_collect_period":        toImages,

	"enable_selinux":                         toRuntime,
	"selinux_category_range":                 toRuntime,
	"max_container_log_line_size":            toRuntime,
	"disable_apparmor":                       toRuntime,
	"restrict_oom_score_adj":                 toRuntime,
	"disable_proc_mount":                     toRuntime,
	"unset_seccomp_profile":                  toRuntime,
	"tolerate_missing_hugetlb_controller":    toRuntime,
	"disable_hugetlb_controller":             toRuntime,
	"device_ownership_from_security_context": toRuntime,
	"ignore_image_defined_volumes":           toRuntime,
	"netns_mounts_under_state_dir":           toRuntime,
	"enable_unprivileged_ports":              toRuntime,
	"enable_unprivileged_icmp":               toRuntime,
	"enable_cdi":                             toRuntime,
	"cdi_spec_dirs":                          toRuntime,
	"drain_exec_sync_io_timeout":             toRuntime,
	"ignore_deprecation_warnings":            toRuntime,
	"cni":                                    toRuntime,

	"systemd_cgroup": isGone,
	"disable_cgroup": isGone,
}

// The keys of its table containerd, less runtimes.
var criContainerdKeys = map[string]home{
	"snapshotter":                       toImages,
	"disable_snapshot_annotations":      toImages,
	"discard_unpacked_layers":           toImages,
	"default_runtime_name":              toRuntime,
	"ignore_blockio_not_enabled_errors": toRuntime,
	"ignore_rdt_not_enabled_errors":     toRuntime,
	"no_pivot":                          isGone,
	"default_runtime":                   isGone,
	"untrusted_workload_runtime":        isGone,
}

// The keys of a runtime. Those that stay have the same name and place.
var criRuntimeKeys = map[string]home{
	"runtime_type":                    stays,
	"runtime_path":                    stays,
	"pod_annotations":                 stays,
	"container_annotations":           stays,
	"options":                         stays,
	"privileged_without_host_devices": stays,
	"privileged_without_host_devices_all_devices_allowed": stays,
	"base_runtime_spec": stays,
	"cni_conf_dir":      stays,
	"cni_max_conf_num":  stays,
	"runtime_engine":    isGone,
	"runtime_root":      isGone,
}

// instead says what to write in place of a key that is gone.
var instead = map[string]string{
	"systemd_cgroup":             "Set SystemdCgroup in the options of the runtime; the agent's own runtimes have it.",
	"disable_cgroup":             "Remove it.",
	"no_pivot":                   "Remove it.",
	"default_runtime":            "Declare the runtime under containerd.runtimes and name it in containerd.default_runtime_name.",
	"untrusted_workload_runtime": "Declare the runtime under containerd.runtimes and use a RuntimeClass.",
	"runtime_engine":             "Set BinaryName in the options of the runtime.",
	"runtime_root":               "Set Root in the options of the runtime.",
}

// renamed are the plugins that only have another name in containerd 2.
var renamed = map[string]string{
	"io.containerd.monitor.v1.cgroups":  "io.containerd.monitor.task.v1.cgroups",
	"io.containerd.internal.v1.restart": "io.containerd.monitor.container.v1.restart",
}

// translate returns the user's TOML in the words of containerd 2, what it has
// translated, and all keys that have no translation. Keys that are already in
// the words of containerd 2 are taken as they are, and win.
func translate(user table, newKeys bool) (table, []string, error) {
	if err := checkVersion(user, 3, "the agent writes schema 3, which every containerd 2 reads"); err != nil {
		return nil, nil, err
	}
	t := translator{plugins: table{}}
	rest := table{}
	for _, name := range slices.Sorted(maps.Keys(tableAt(user, "plugins"))) {
		settings := tableAt(user, "plugins", name)
		switch newName := renamed[name]; {
		case name == pluginCRI:
			t.cri(settings)
		case name == "io.containerd.runtime.v2.task":
			t.task(settings)
		case name == "io.containerd.runtime.v1.linux":
			t.fail(invalid("Remove it.", "plugins.%q is gone in containerd 2", name))
		case newName != "":
			t.plugins[newName] = settings
			t.moved([]string{name}, []string{newName})
		default:
			t.fail(checkName(name))
			rest[name] = settings
		}
	}
	if len(t.errs) > 0 {
		return nil, nil, fmt.Errorf("cannot use spec.containerd.config with containerd 2: %w", errors.Join(t.errs...))
	}
	out := maps.Clone(user)
	if plugins := merge(t.plugins, rest); len(plugins) > 0 {
		out["plugins"] = plugins
		if newKeys {
			t.newKeys(plugins)
		}
	}
	return out, t.notes, nil
}

type translator struct {
	plugins table
	notes   []string
	errs    []error
}

func (t *translator) fail(err error) {
	if err != nil {
		t.errs = append(t.errs, err)
	}
}

// put sets a value at a path below plugins.
func (t *translator) put(v any, path ...string) {
	nest := v
	for _, k := range slices.Backward(path) {
		nest = table{k: nest}
	}
	t.plugins = merge(t.plugins, nest.(table))
}

func (t *translator) moved(from, to []string) {
	t.notes = append(t.notes, fmt.Sprintf("%s is a name of containerd 1; it is written as %s", dotted(from), dotted(to)))
}

// dotted writes a path below plugins as TOML does.
func dotted(path []string) string {
	return fmt.Sprintf("plugins.%q", path[0]) + strings.Join(append([]string{""}, path[1:]...), ".")
}

func (t *translator) move(v any, from, to []string) {
	t.put(v, to...)
	t.moved(from, to)
}

func (t *translator) gone(path []string) {
	key := path[len(path)-1]
	t.fail(invalid(instead[key], "%s is gone in containerd 2", dotted(path)))
}

func (t *translator) unknown(path []string) {
	t.fail(invalid("Remove it, or write it under the plugin of containerd 2 that has it.", "%s is no key of containerd 1 that containerd 2 has a place for", dotted(path)))
}

// cri translates the plugin of containerd 1.
func (t *translator) cri(settings table) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		v, from := settings[key], []string{pluginCRI, key}
		switch where, known := criKeys[key]; {
		case key == "sandbox_image":
			t.move(v, from, []string{pluginImages, "pinned_images", "sandbox"})
		case key == "containerd":
			t.containerd(v)
		case !known:
			t.unknown(from)
		case where == stays:
			t.put(v, from...)
		case where == toImages:
			t.move(v, from, []string{pluginImages, key})
		case where == toRuntime:
			t.move(v, from, []string{pluginRuntime, key})
		default:
			t.gone(from)
		}
	}
}

func (t *translator) containerd(v any) {
	settings, ok := v.(table)
	if !ok {
		t.unknown([]string{pluginCRI, "containerd"})
		return
	}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		v, from := settings[key], []string{pluginCRI, "containerd", key}
		switch where, known := criContainerdKeys[key]; {
		case key == "runtimes":
			t.runtimes(v)
		case !known:
			t.unknown(from)
		case where == toImages:
			t.move(v, from, []string{pluginImages, key})
		case where == toRuntime:
			t.move(v, from, []string{pluginRuntime, "containerd", key})
		default:
			t.gone(from)
		}
	}
}

func (t *translator) runtimes(v any) {
	all, ok := v.(table)
	if !ok {
		t.unknown([]string{pluginCRI, "containerd", "runtimes"})
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		from, to := []string{pluginCRI, "containerd", "runtimes", name}, []string{pluginRuntime, "containerd", "runtimes", name}
		settings, ok := all[name].(table)
		if !ok {
			t.unknown(from)
			continue
		}
		t.put(table{}, to...)
		t.moved(from, to)
		for _, key := range slices.Sorted(maps.Keys(settings)) {
			t.runtime(settings[key], key, from, to)
		}
	}
}

// runtime translates one key of a runtime.
func (t *translator) runtime(v any, key string, from, to []string) {
	from, to = append(slices.Clone(from), key), append(slices.Clone(to), key)
	where, known := criRuntimeKeys[key]
	switch {
	case key == "runtime_type" && (v == "io.containerd.runtime.v1.linux" || v == "io.containerd.runc.v1"):
		t.fail(invalid(`Write "io.containerd.runc.v2".`, "%s = %q is gone in containerd 2", dotted(from), v))
	case key == "sandbox_mode":
		t.move(v, from, append(to[:len(to)-1], "sandboxer"))
	case key == "snapshotter":
		t.put(v, to...)
		t.move(table{"snapshotter": v}, from, []string{pluginImages, "runtime_platforms", from[3]})
	case !known:
		t.unknown(from)
	case where == isGone:
		t.gone(from)
	default:
		t.put(v, to...)
	}
}

// task translates the plugin of shims, of which one key has moved.
func (t *translator) task(settings table) {
	const name = "io.containerd.runtime.v2.task"
	rest := maps.Clone(settings)
	if core, ok := rest["sched_core"]; ok {
		delete(rest, "sched_core")
		if core == true {
			t.move([]any{"SCHED_CORE=1"}, []string{name, "sched_core"}, []string{"io.containerd.shim.v1.manager", "env"})
		}
	}
	if len(rest) > 0 {
		t.put(rest, name)
	}
}

// newKeys brings keys of containerd 2.0 to 2.3 into the words of 2.4.
func (t *translator) newKeys(plugins table) {
	runtime := maps.Clone(tableAt(plugins, pluginRuntime))
	if cdi, ok := runtime["enable_cdi"]; ok {
		delete(runtime, "enable_cdi")
		if cdi == false {
			t.notes = append(t.notes, "enable_cdi = false has no effect: containerd 2.4 always has CDI")
		}
	}
	if cni := maps.Clone(tableAt(runtime, "cni")); cni["bin_dir"] != nil {
		if cni["bin_dirs"] == nil {
			cni["bin_dirs"] = []any{cni["bin_dir"]}
		}
		delete(cni, "bin_dir")
		runtime["cni"] = cni
	}
	if runtime != nil {
		plugins[pluginRuntime] = runtime
	}
}
