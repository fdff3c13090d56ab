package node

import (
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

func TestAFactIsItsValueOrTheReasonWhyItIsNotThere(t *testing.T) {
	in := Input{Layout: AL2023(), Problems: []Problem{{Fact: "instance.id", Code: fault.IMDSDenied, Message: "403", Remedy: "Enable it."}}}
	if _, err := in.Fact("instance.id", "even with a value"); fault.CodeOf(err) != fault.IMDSDenied {
		t.Errorf("got %v", err)
	}
	if _, err := in.Fact("instance.zone", ""); fault.CodeOf(err) != fault.FactMissing || !strings.Contains(err.Error(), "instance.zone") {
		t.Errorf("got %v", err)
	}
	if v, err := in.Fact("instance.zone", "a"); v != "a" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	for name, file := range map[string]string{"kubelet": in.Layout.KubeletVersionFile, "containerd": in.Layout.ContainerdVersionFile} {
		_, err := in.VersionFact(name, Version{})
		if f, ok := fault.Find(err); !ok || f.Code != fault.VersionUnknown || !strings.Contains(f.Remedy, file) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAServiceReadsItsOwnEnvironmentAndThatOfAll(t *testing.T) {
	in := Input{Layout: AL2023()}
	if got := in.EnvironmentReads("kubelet.service"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	in.Config.Spec.Instance.Environment = map[string]map[string]api.Secret{
		"default": {"A": "1"}, "kubelet": {"B": "2"}, "containerd": {"C": "3"}, "soci-snapshotter.service": {"D": "4"}, "empty": {},
	}
	all := host.File{Path: "/etc/systemd/system.conf.d/environment.conf"}.ID()
	for unit, own := range map[string]string{
		"kubelet.service":          "/etc/systemd/system/kubelet.service.d/environment.conf",
		"soci-snapshotter.service": "/etc/systemd/system/soci-snapshotter.service.d/environment.conf",
		"empty.service":            "",
		"sshd.service":             "",
	} {
		want := []host.ID{all}
		if own != "" {
			want = append(want, host.File{Path: own}.ID())
		}
		if got := in.EnvironmentReads(unit); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", unit, got, want)
		}
	}
}

func TestJSONIsWrittenAsItIs(t *testing.T) {
	got, err := JSON(map[string]any{"b": "<&>", "a": []int{1}})
	if err != nil || string(got) != "{\n    \"a\": [\n        1\n    ],\n    \"b\": \"<&>\"\n}" {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := JSON(func() {}); err == nil {
		t.Error("a function was rendered")
	}
}

func TestTheLayoutNamesOneCredentialProvider(t *testing.T) {
	l := AL2023()
	if got := l.RegistryCredentialProvider(); got != "/var/lib/eksnode/bin/ecr-credential-provider" {
		t.Errorf("got %s", got)
	}
	l.UseImageCredentialProvider = true
	if got := l.RegistryCredentialProvider(); got != "/etc/eks/image-credential-provider/ecr-credential-provider" {
		t.Errorf("got %s", got)
	}
}
