package containerd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/eksnode/eksnode/pkg/node"
)

// The plugins of containerd that have settings here. Schema 2 has one for all
// of CRI; schema 3 has one for images and one for the rest.
const (
	pluginCRI     = "io.containerd.grpc.v1.cri"
	pluginImages  = "io.containerd.cri.v1.images"
	pluginRuntime = "io.containerd.cri.v1.runtime"
)

// table is a TOML table. Its values are those of go-toml: strings, bools,
// int64, float64, dates, []any and map[string]any.
type table = map[string]any

// config decides the whole configuration: the agent's, with the user's laid
// over it.
func (d *decider) config() {
	base := d.base()
	user, err := d.user()
	if err != nil {
		d.fail(err)
		return
	}
	if at(user, "plugins", pluginRuntime, "cni", "bin_dirs") != nil {
		// containerd 2.0 to 2.3 know both keys, and take only one.
		delete(tableAt(base, "plugins", pluginRuntime, "cni"), "bin_dir")
	}
	d.s.Config = merge(base, user)
	d.fail(d.startable())
	d.s.Secret = hasCredentials(d.s.Config)
}

// base is the configuration without the user's part.
func (d *decider) base() table {
	l := d.in.Layout
	cri := table{
		"registry": table{"config_path": strings.Join(l.RegistryConfigDirs, ":")},
	}
	runtime := cri
	images := cri
	plugins := table{pluginCRI: cri}
	snapshot := table{"discard_unpacked_layers": true}
	if d.s.SOCI {
		snapshot["snapshotter"] = "soci"
		snapshot["disable_snapshot_annotations"] = false
	}
	containerd := table{"default_runtime_name": d.s.DefaultHandler, "runtimes": d.runtimes()}
	if d.s.Schema == 2 {
		cri["sandbox_image"] = l.SandboxImage
		maps.Copy(containerd, snapshot)
	} else {
		runtime = table{}
		plugins = table{pluginImages: images, pluginRuntime: runtime}
		images["pinned_images"] = table{"sandbox": l.SandboxImage}
		maps.Copy(images, snapshot)
	}
	runtime["containerd"] = containerd
	runtime["cni"] = table{"conf_dir": l.CNIConfigDir, "bin_dir": l.CNIBinDir}
	runtime["enable_cdi"] = d.s.CDI
	if len(d.s.CDISpecDirs) > 0 {
		var dirs []any
		for _, dir := range d.s.CDISpecDirs {
			dirs = append(dirs, dir)
		}
		runtime["cdi_spec_dirs"] = dirs
	}
	if d.hasNewKeys() {
		runtime["cni"] = table{"conf_dir": l.CNIConfigDir, "bin_dirs": []any{l.CNIBinDir}}
		delete(runtime, "enable_cdi")
	}
	config := table{
		"version": int64(d.s.Schema),
		"root":    l.ContainerdRoot,
		"state":   l.ContainerdState,
		"grpc":    table{"address": l.ContainerdSocket},
		"plugins": plugins,
	}
	if d.s.SOCI {
		config["proxy_plugins"] = table{"soci": table{
			"type":    "snapshot",
			"address": l.SOCISocket,
			"exports": table{"root": l.SOCIRoot},
		}}
	}
	return config
}

// hasNewKeys reports whether this containerd has cni.bin_dirs in place of
// cni.bin_dir, and CDI always on: since 2.4.
func (d *decider) hasNewKeys() bool { return d.s.Version.AtLeast(2, 4) }

func (d *decider) runtimes() table {
	out := table{}
	for _, h := range d.s.Handlers {
		out[h.Name] = table{
			"runtime_type":      "io.containerd.runc.v2",
			"base_runtime_spec": d.in.Layout.BaseRuntimeSpec,
			"options":           table{"BinaryName": h.Binary, "SystemdCgroup": true},
		}
	}
	return out
}

// user returns the user's TOML in the words of the machine's containerd.
func (d *decider) user() (table, error) {
	text := d.in.Config.Spec.Containerd.Config
	var user table
	if err := toml.Unmarshal([]byte(text), &user); err != nil {
		return nil, invalid("Correct the TOML.", "cannot read spec.containerd.config: %w", placed(err))
	}
	if d.s.Schema == 2 {
		return user, onlySchema2(user, d.s.Version)
	}
	user, notes, err := translate(user, d.hasNewKeys())
	for _, n := range notes {
		d.note("spec.containerd.config: %s", n)
	}
	return user, err
}

// merge lays over onto under and returns the outcome; neither is changed.
// Tables merge key by key, all else is replaced.
func merge(under, over table) table {
	out := maps.Clone(under)
	if out == nil {
		out = table{}
	}
	for k, v := range over {
		below, okBelow := out[k].(table)
		above, okAbove := v.(table)
		if okBelow && okAbove {
			out[k] = merge(below, above)
		} else {
			out[k] = v
		}
	}
	return out
}

// at returns the value at a path of keys; nil when there is none.
func at(t table, path ...string) any {
	var v any = t
	for _, k := range path {
		m, ok := v.(table)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

func tableAt(t table, path ...string) table {
	m, _ := at(t, path...).(table)
	return m
}

// startable refuses a merged configuration with which containerd's CRI plugin
// does not start, and tells of one that nobody would reach.
func (d *decider) startable() error {
	c := d.s.Config
	runtime, images := tableAt(c, "plugins", pluginCRI), tableAt(c, "plugins", pluginCRI)
	if d.s.Schema == 3 {
		runtime, images = tableAt(c, "plugins", pluginRuntime), tableAt(c, "plugins", pluginImages)
	}
	if path, _ := at(images, "registry", "config_path").(string); path != "" && len(tableAt(images, "registry", "mirrors")) > 0 {
		return invalid("Move the mirrors into hosts.toml files below "+path+`, or set registry.config_path = "" beside them.`,
			"cannot use spec.containerd.config: containerd takes no registry.mirrors while registry.config_path is set")
	}
	name, _ := at(runtime, "containerd", "default_runtime_name").(string)
	if known := tableAt(runtime, "containerd", "runtimes"); known[name] == nil {
		return invalid("Declare the runtime, or name one of "+strings.Join(slices.Sorted(maps.Keys(known)), ", ")+".",
			"cannot use spec.containerd.config: its default_runtime_name %q is none of the runtimes", name)
	}
	if address := at(c, "grpc", "address"); address != d.in.Layout.ContainerdSocket {
		d.note("spec.containerd.config makes containerd listen at %v, but kubelet and this agent look for it at %s", address, d.in.Layout.ContainerdSocket)
	}
	return nil
}

// sandboxRef returns the reference by which the configuration asks for the
// pause image.
func sandboxRef(c table) string {
	ref, _ := at(c, "plugins", pluginCRI, "sandbox_image").(string)
	if v3, ok := at(c, "plugins", pluginImages, "pinned_images", "sandbox").(string); ok {
		ref = v3
	}
	return ref
}

// snapshotter returns what the CRI unpacks images with; empty for what is usual.
func snapshotter(c table) string {
	name, _ := at(c, "plugins", pluginCRI, "containerd", "snapshotter").(string)
	if v3, ok := at(c, "plugins", pluginImages, "snapshotter").(string); ok {
		name = v3
	}
	return name
}

// hasCredentials reports whether the configuration holds what logs in to a
// registry.
func hasCredentials(c table) bool {
	for _, plugin := range []string{pluginCRI, pluginImages} {
		registry := tableAt(c, "plugins", plugin, "registry")
		if len(tableAt(registry, "auths")) > 0 || len(tableAt(registry, "headers")) > 0 {
			return true
		}
		for _, of := range tableAt(registry, "configs") {
			if host, ok := of.(table); ok && host["auth"] != nil {
				return true
			}
		}
	}
	return false
}

// render writes the configuration with sorted keys.
func render(c table) ([]byte, error) {
	text, err := toml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("cannot render containerd's configuration: %w", err)
	}
	return text, nil
}

// sociConfig is the configuration of the SOCI snapshotter: parallel pull and
// unpack, with the limits that AWS recommends for ECR.
func sociConfig(l node.Layout) ([]byte, error) {
	return render(table{
		"debug":         false,
		"content_store": table{"type": "containerd"},
		"cri_keychain":  table{"enable_keychain": true, "image_service_path": l.ContainerdSocket},
		"pull_modes": table{"parallel_pull_unpack": table{
			"enable":                             true,
			"concurrent_download_chunk_size":     "16mb",
			"discard_unpacked_layers":            true,
			"max_concurrent_downloads":           int64(-1),
			"max_concurrent_downloads_per_image": int64(20),
			"max_concurrent_unpacks":             int64(-1),
			"max_concurrent_unpacks_per_image":   int64(12),
			"decompress_streams": table{"gzip": table{
				"path": "/usr/bin/unpigz",
				"args": []any{"-d", "-c"},
			}},
		}},
	})
}
