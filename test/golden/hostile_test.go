package golden_test

import (
	"encoding/json"
	"path"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	kubeletv1 "k8s.io/kubelet/config/v1"
	"sigs.k8s.io/yaml"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// hostile is the input of the situation whose values have all that means something
// to the readers of the files: quotes, backslashes, dollar and percent signs,
// comments, line breaks, brackets, letters beyond ASCII.
func hostile(t *testing.T) (node.Input, host.State) {
	t.Helper()
	for _, f := range features {
		if f.name == "hostile" {
			in := f.input(t, 33)
			return in, desired(t, in)
		}
	}
	t.Fatal("there is no such situation")
	return node.Input{}, host.State{}
}

func TestKubeletReadsBackWhatItsCredentialProvidersAreGiven(t *testing.T) {
	in, s := hostile(t)
	var config kubeletv1.CredentialProviderConfig
	if err := strict(fileOf(s, in.Layout.ImageCredentialProviderConfig), &config); err != nil {
		t.Fatal(err)
	}
	got, want := config.Providers[len(config.Providers)-1], in.Config.Spec.ImageCredentials[0]
	if got.Name != want.Name || !reflect.DeepEqual(got.Args, want.Args) || !reflect.DeepEqual(got.MatchImages, want.MatchImages) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if len(got.Env) != 1 || got.Env[0].Value != want.Env["TOKEN"].Reveal() {
		t.Errorf("its environment is %q", got.Env)
	}
	link, ok := s.Lookup(host.Link{Path: path.Join(path.Dir(in.Layout.CredentialProviderLink), want.Name)}.ID())
	if l, _ := link.Resource.(host.Link); !ok || l.Target != want.Program {
		t.Errorf("kubelet finds %+v under its name", l)
	}
}

// kubelet reads manifests as YAML, whatever their files are called
// (pkg/kubelet/config/file.go).
func TestKubeletReadsBackStaticPods(t *testing.T) {
	in, s := hostile(t)
	for name, pod := range in.Config.Spec.StaticPods {
		file := strings.TrimSuffix(name, ".json") + ".yaml"
		if strings.HasSuffix(name, ".json") {
			file = name
		}
		raw := fileOf(s, path.Join(in.Layout.StaticPodDir, file))
		asJSON, err := yaml.YAMLToJSONStrict(raw)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, raw)
		}
		want, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		var a, b map[string]any
		if err := json.Unmarshal(asJSON, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(want, &b); err != nil {
			t.Fatal(err)
		}
		b["apiVersion"], b["kind"] = "v1", "Pod"
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: got %s, want %s", name, asJSON, want)
		}
		if big := "9007199254740993"; strings.Contains(string(want), big) != strings.Contains(string(raw), big) {
			t.Errorf("%s: a number has lost digits:\n%s", name, raw)
		}
	}
}

func TestEveryHostsFileIsOneForItsReader(t *testing.T) {
	files := 0
	everyState(t, func(name string, in node.Input) {
		for _, e := range desired(t, in).Entries() {
			f, ok := e.Resource.(host.File)
			if !ok || path.Base(f.Path) != "hosts.toml" {
				continue
			}
			files++
			var config struct {
				Server string                    `toml:"server"`
				Host   map[string]map[string]any `toml:"host"`
			}
			if err := toml.Unmarshal(f.Content, &config); err != nil {
				t.Errorf("%s: %s: %v", name, f.Path, err)
			}
			if config.Server == "" && len(config.Host) == 0 {
				t.Errorf("%s: %s leads nowhere", name, f.Path)
			}
			for _, c := range string(f.Content) {
				if c > '~' {
					t.Errorf("%s: %s is not in ASCII: %q", name, f.Path, c)
				}
			}
		}
	})
	if files == 0 {
		t.Error("there is none")
	}
}

// No two registries, hooks, providers or pods share a file.
func TestNoTwoResourcesAreInOnePlace(t *testing.T) {
	everyState(t, func(name string, in node.Input) {
		places := map[string]host.ID{}
		for _, e := range desired(t, in).Entries() {
			id := e.Resource.ID()
			switch id.Kind {
			case host.KindFile, host.KindDir, host.KindLink, host.KindSwapFile:
				if other, taken := places[id.Name]; taken {
					t.Errorf("%s: %s and %s", name, id, other)
				}
				places[id.Name] = id
			}
		}
	})
}

func TestEveryLineOfAFlatFileIsOneSetting(t *testing.T) {
	in, s := hostile(t)
	for file, settings := range map[string]int{
		in.Layout.ModulesLoad:                                    1,
		in.Layout.ModuleOptions:                                  1,
		in.Present.ChronySources:                                 len(in.Config.Spec.TimeSync.Servers),
		in.Layout.KubeletEnvironment:                             1,
		in.Layout.ManagerEnvironment:                             2,
		"/etc/systemd/system/kubelet.service.d/environment.conf": 3,
	} {
		content := string(fileOf(s, file))
		lines := 0
		for line := range strings.Lines(content) {
			if !strings.HasPrefix(line, "#") {
				lines++
			}
			if strings.HasSuffix(line, "\\\n") {
				t.Errorf("%s: the line goes on: %q", file, line)
			}
		}
		if lines != settings {
			t.Errorf("%s: %d lines for %d settings:\n%s", file, lines, settings, content)
		}
	}
}
