package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// StaticPod is the manifest of a pod that kubelet runs by itself.
type StaticPod struct {
	// File is the name of its file in the folder of all.
	File string `json:"file"`
	// Content is YAML, or JSON for a file that is named so.
	Content []byte `json:"content"`
}

// The field and the older flag that tell kubelet where manifests are.
const (
	staticPodField = "staticPodPath"
	staticPodFlag  = "pod-manifest-path"
)

// staticPods decides where the manifests of spec.staticPods go, and renders them. A
// folder that the user tells kubelet of himself is taken for them.
func (d *decider) staticPods() {
	pods := d.in.Config.Spec.StaticPods
	if len(pods) == 0 {
		return
	}
	dir, from := d.in.Layout.StaticPodDir, ""
	if own, ok := d.in.Config.Spec.Kubelet.Config.Lookup(staticPodField); ok {
		dir, from = fmt.Sprint(own), "spec.kubelet.config."+staticPodField
	}
	if flags := occurrences(d.userWords(), staticPodFlag); len(flags) > 0 {
		dir, from = flags[len(flags)-1].value, "--"+staticPodFlag
	}
	if from == "" {
		d.add(dir, "spec.staticPods", staticPodField)
	} else if !path.IsAbs(dir) || path.Clean(dir) == "/" {
		d.fail(fault.New(fault.ConfigInvalid, "Take it out, or name a folder by its absolute path.",
			fmt.Errorf("cannot write spec.staticPods to %q, which %s names", dir, from)))
		return
	}
	d.s.StaticPodDir = path.Clean(dir)
	made := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		pod, err := staticPod(name, pods[name])
		if other, ok := made[pod.File]; ok && err == nil {
			err = fault.New(fault.ConfigInvalid, "Rename one of them.", fmt.Errorf("%s has the same file %s", other, pod.File))
		}
		if err != nil {
			d.fail(fmt.Errorf("cannot write the manifest spec.staticPods.%s: %w", name, err))
			continue
		}
		made[pod.File] = name
		d.s.StaticPods = append(d.s.StaticPods, pod)
		d.because("static pod", d.s.StaticPodDir+"/"+pod.File, "spec.staticPods."+name)
	}
}

// staticPod renders one manifest. Its kind and version are given where the user has
// not; kubelet takes no others.
func staticPod(name string, manifest any) (StaticPod, error) {
	fields, ok := manifest.(map[string]any)
	if !ok {
		return StaticPod{}, fault.New(fault.ConfigInvalid, "Write the manifest of a v1 Pod.", errors.New("it is no object"))
	}
	file, err := manifestFile(name)
	if err != nil {
		return StaticPod{}, err
	}
	doc := map[string]any{"apiVersion": "v1", "kind": "Pod"}
	overlay(doc, fields)
	if doc["apiVersion"] != "v1" || doc["kind"] != "Pod" {
		return StaticPod{}, fault.New(fault.ConfigInvalid, "Write the manifest of a v1 Pod; other objects belong into the cluster.",
			fmt.Errorf("kubelet runs v1 Pods, and it is a %v %v", doc["apiVersion"], doc["kind"]))
	}
	if strings.HasSuffix(file, ".json") {
		content, err := node.JSON(doc)
		return StaticPod{file, content}, err
	}
	text, err := json.Marshal(doc)
	if err == nil {
		text, err = yaml.JSONToYAML(text)
	}
	if err != nil {
		return StaticPod{}, fmt.Errorf("cannot render as YAML: %w", err)
	}
	return StaticPod{file, text}, nil
}

// maxFileName is what Linux allows (NAME_MAX of limits.h).
const maxFileName = 255

// manifestFile returns the name of a manifest's file. kubelet reads whatever is in
// the folder and does not begin with a dot (pkg/kubelet/config/file.go), so that
// the ending is for people.
func manifestFile(name string) (string, error) {
	file := name
	if ext := path.Ext(name); !slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
		file += ".yaml"
	}
	bad := len(file) > maxFileName || name == "" || !alphanumeric(name[0])
	for i := range len(name) {
		bad = bad || !alphanumeric(name[i]) && !strings.ContainsRune("-_.", rune(name[i]))
	}
	if bad {
		return "", fault.New(fault.ConfigInvalid, "Name it with letters, digits, hyphens, underscores and dots, a letter or digit first.",
			fmt.Errorf("%q cannot be the name of its file", name))
	}
	return file, nil
}

// manifests are the files of static pods, and their folder unless it is the user's,
// who has decided who may look into it. A manifest may hold what is nobody else's
// business, such as environment variables, so only root reads it.
func manifests(s Settings) []host.Resource {
	if len(s.StaticPods) == 0 {
		return nil
	}
	var out []host.Resource
	if _, ours := s.DropIn[staticPodField]; ours {
		out = append(out, host.Dir{Path: s.StaticPodDir, Mode: 0o755})
	}
	for _, p := range s.StaticPods {
		out = append(out, host.File{Path: path.Join(s.StaticPodDir, p.File), Content: p.Content, Mode: 0o600})
	}
	return out
}
