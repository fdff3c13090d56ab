package credential

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

const cache = "111122223333.dkr.ecr.us-west-2.amazonaws.com"

// full has everything beside the provider for ECR.
func full(t *testing.T) node.Input {
	t.Helper()
	in := input(t, "1.35.4")
	in.Config.Spec.Registries = []api.Registry{
		byECR("quay.io", cache), byECR("docker.io", cache), byECR("gcr.io", "444455556666.dkr.ecr.eu-west-1.amazonaws.com"),
		{Registry: "ghcr.io", Mirrors: []api.Mirror{{URL: "https://harbor.example"}}},
	}
	in.Config.Spec.ImageCredentials = []api.ImageCredential{
		{Name: "vault", Program: "/opt/vault/bin/provider", MatchImages: []string{"*.registry.example"}, DefaultCacheDuration: "90m",
			Args: []string{"--role", "node"}, Env: map[string]api.Secret{"VAULT_TOKEN": "hunter2", "ADDRESS": "https://vault.example"}},
		{Name: "acr-provider", Program: "/usr/local/bin/acr", MatchImages: []string{"*.azurecr.io"}, APIVersion: "v1beta1"},
		{Name: "beside", Program: "/var/lib/eksnode/bin/beside", MatchImages: []string{"x"}, APIVersion: "credentialprovider.kubelet.k8s.io/v1"},
	}
	in.Present.Programs = map[string]bool{"/opt/vault/bin/provider": true, "/usr/local/bin/acr": true, "/var/lib/eksnode/bin/beside": true}
	return in
}

func byECR(registry, host string) api.Registry {
	return api.Registry{Registry: registry, Mirrors: []api.Mirror{{URL: "https://" + host + "/v2/x", Credentials: api.MirrorCredentials{Source: api.CredentialsECR}}}}
}

func text(rs []host.Resource) string {
	var b strings.Builder
	for _, r := range rs {
		switch r := r.(type) {
		case host.Dir:
			fmt.Fprintf(&b, "== %s mode %o\n", r.ID(), r.Mode)
		case host.Link:
			fmt.Fprintf(&b, "== %s -> %s\n", r.ID(), r.Target)
		case host.File:
			fmt.Fprintf(&b, "== %s mode %o secret %t\n%s\n", r.ID(), r.Mode, r.Secret, r.Content)
		}
	}
	return b.String()
}

func TestProvidersBesideTheOneForECR(t *testing.T) {
	plain := input(t, "1.35.4")
	mirrors := full(t)
	mirrors.Config.Spec.ImageCredentials = nil
	others := full(t)
	others.Config.Spec.Registries = nil
	others.Config.Spec.ImageCredentials[0].Env = nil
	images := full(t)
	images.Config.Spec.Registries = nil
	images.Layout.UseImageCredentialProvider, images.Layout.ImageCredentialProvider, images.Present.ECRProvider = true, "/opt/providers/ecr", true
	images.Config.Spec.ImageCredentials = []api.ImageCredential{{Name: "vault", Program: "/opt/providers/vault", MatchImages: []string{"x"}}}
	images.Present.Programs = map[string]bool{"/opt/providers/vault": true}
	for name, in := range map[string]node.Input{
		"none": plain, "mirrors in ECR": mirrors, "others without secrets": others, "all": full(t), "in the folder that a person names": images,
	} {
		t.Run(name, func(t *testing.T) {
			rs, err := Desired(in)
			if err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt"), text(rs))
		})
	}
}

func TestTheEnvironmentOfAProviderIsNotShown(t *testing.T) {
	s, err := Decide(full(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(s)
	if err != nil || strings.Contains(string(b)+fmt.Sprintf("%+v %#v", s, s), "hunter2") {
		t.Errorf("%v: %s, %+v", err, b, s)
	}
}

func TestProvidersThatKubeletWouldNotStartWithAreRefused(t *testing.T) {
	for _, row := range []struct {
		name, phrase string
		code         fault.Code
		change       func(*node.Input, *api.ImageCredential)
	}{
		{"no program", "there is no program /opt/vault/bin/provider", fault.BinaryMissing, func(in *node.Input, _ *api.ImageCredential) { delete(in.Present.Programs, "/opt/vault/bin/provider") }},
		{"nobody could look for it", "cannot tell present.programs", fault.FactMissing, func(in *node.Input, _ *api.ImageCredential) {
			in.Problems = []node.Problem{{Fact: "present.programs", Code: fault.FactMissing, Message: "no permission", Remedy: "Look."}}
		}},
		{"a name with a way out", "cannot be that of a program", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.Name = "../kubelet" }},
		{"dots alone", "cannot be that of a program", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.Name = ".." }},
		{"no name", "cannot be that of a program", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.Name = "" }},
		{"the name of the one for ECR", "of that name already", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.Name = "ecr-credential-provider" }},
		{"the name of the one for mirrors", "of that name already", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.Name = "eksnode-mirror-credential-provider" }},
		{"a name twice", "of that name already", fault.ConfigInvalid, func(in *node.Input, c *api.ImageCredential) { in.Config.Spec.ImageCredentials[1].Name = c.Name }},
		{"a relative program", "is no absolute path", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.Program = "bin/provider" }},
		{"a program by a roundabout path", "is no absolute path", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.Program = "/opt/../etc/x" }},
		{"no images", "for no images", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.MatchImages = nil }},
		{"no duration", "is no length of time", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.DefaultCacheDuration = "12" }},
		{"a negative duration", "is no length of time", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.DefaultCacheDuration = "-1h" }},
		{"a variable without a name", "no name of a variable", fault.ConfigInvalid, func(_ *node.Input, c *api.ImageCredential) { c.Env = map[string]api.Secret{"A=B": "hunter2"} }},
		{"a folder that a person names", "/opt/vault/bin/provider is not in it", fault.ConfigInvalid, func(in *node.Input, _ *api.ImageCredential) {
			in.Layout.UseImageCredentialProvider, in.Present.ECRProvider = true, true
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			in := full(t)
			if row.name == "a folder that a person names" {
				in.Config.Spec.Registries = nil
			}
			row.change(&in, &in.Config.Spec.ImageCredentials[0])
			_, err := Desired(in)
			f, ok := fault.Find(err)
			if !ok || f.Code != row.code || f.Remedy == "" || !strings.Contains(err.Error(), row.phrase) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v (%+v)", err, f)
			}
		})
	}
}

func TestMirrorsInECRNeedKubeletsFolderToBeTheAgents(t *testing.T) {
	in := full(t)
	in.Config.Spec.ImageCredentials = nil
	in.Layout.UseImageCredentialProvider, in.Present.ECRProvider = true, true
	_, err := Desired(in)
	if f, ok := fault.Find(err); !ok || f.Code != fault.ConfigInvalid || !strings.Contains(f.Remedy, "ECR_CREDENTIAL_PROVIDER_BIN_PATH") {
		t.Errorf("got %v", err)
	}
}

func TestAllThatIsWrongWithProvidersIsSaidAtOnce(t *testing.T) {
	in := full(t)
	in.Present.Programs = nil
	_, err := Desired(in)
	if err == nil || strings.Count(err.Error(), "there is no program") != 3 {
		t.Errorf("got %v", err)
	}
}
