package golden_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/pelletier/go-toml/v2"
	clientcmd "k8s.io/client-go/tools/clientcmd/api/v1"
	kubeletv1 "k8s.io/kubelet/config/v1"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// fileOf returns the content of a file of a state; nil when it has none.
func fileOf(s host.State, path string) []byte {
	e, _ := s.Lookup(host.File{Path: path}.ID())
	f, _ := e.Resource.(host.File)
	return f.Content
}

// strict decodes JSON and refuses every field that the type does not have.
func strict(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

func TestKubeletsOwnTypesKnowEveryFieldThatIsWritten(t *testing.T) {
	everyState(t, func(name string, in node.Input) {
		s := desired(t, in)
		var config kubeletv1beta1.KubeletConfiguration
		if err := strict(fileOf(s, in.Layout.KubeletConfig), &config); err != nil {
			t.Fatalf("%s: config.json: %v", name, err)
		}
		if config.Kind != "KubeletConfiguration" || config.APIVersion != kubeletv1beta1.SchemeGroupVersion.String() {
			t.Errorf("%s: config.json is a %s %s", name, config.APIVersion, config.Kind)
		}
		other := in.Config.Spec.Reserved.Model // where it is not EKS'
		if memory := fmt.Sprintf("%dMi", 255+11*config.MaxPods); config.KubeReserved["memory"] != memory && (other == "" || other == api.ReservationEKS) {
			t.Errorf("%s: %s reserved for %d pods", name, config.KubeReserved["memory"], config.MaxPods)
		}
		if config.Authentication.Anonymous.Enabled == nil || *config.Authentication.Anonymous.Enabled || config.ReadOnlyPort != 0 ||
			config.Authorization.Mode != kubeletv1beta1.KubeletAuthorizationModeWebhook {
			t.Errorf("%s: kubelet is open to anybody", name)
		}
		if dropIn := fileOf(s, in.Layout.KubeletDropIn); dropIn != nil {
			if err := strict(dropIn, &config); err != nil {
				t.Errorf("%s: %s: %v", name, in.Layout.KubeletDropIn, err)
			}
		}
		var providers kubeletv1.CredentialProviderConfig
		if err := strict(fileOf(s, in.Layout.ImageCredentialProviderConfig), &providers); err != nil {
			t.Fatalf("%s: credential providers: %v", name, err)
		}
		program := in.Layout.RegistryCredentialProvider()
		more := len(in.Config.Spec.Registries) > 0 || len(in.Config.Spec.ImageCredentials) > 0
		if len(providers.Providers) == 0 || len(providers.Providers) > 1 && !more || providers.Providers[0].Name != path.Base(program) {
			t.Errorf("%s: credential providers are %+v", name, providers.Providers)
		}
		if args := string(fileOf(s, in.Layout.KubeletEnvironment)); !strings.Contains(args, " --image-credential-provider-bin-dir="+path.Dir(program)+" ") {
			t.Errorf("%s: kubelet looks elsewhere for %s: %s", name, program, args)
		}
	})
}

func TestTheKubeconfigIsOneForItsOwnTypes(t *testing.T) {
	everyState(t, func(name string, in node.Input) {
		s := desired(t, in)
		raw := fileOf(s, in.Layout.Kubeconfig)
		if raw == nil {
			raw = fileOf(s, in.Layout.BootstrapKubeconfig)
		}
		var config clientcmd.Config
		if err := yaml.UnmarshalStrict(raw, &config); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		exec := config.AuthInfos[0].AuthInfo.Exec
		if exec == nil || exec.Command != in.Layout.Agent || exec.InteractiveMode != clientcmd.NeverExecInteractiveMode {
			t.Errorf("%s: credentials come from %+v", name, exec)
		}
		if c := config.Contexts[0]; c.Name != config.CurrentContext || c.Context.Cluster != config.Clusters[0].Name || c.Context.AuthInfo != config.AuthInfos[0].Name {
			t.Errorf("%s: the names do not fit: %+v", name, config)
		}
		if config.Clusters[0].Cluster.Server != in.Config.Spec.Cluster.APIServerEndpoint {
			t.Errorf("%s: server %s", name, config.Clusters[0].Cluster.Server)
		}
	})
}

func TestContainersStartFromAnOCISpecification(t *testing.T) {
	everyState(t, func(name string, in node.Input) {
		s := desired(t, in)
		var spec specs.Spec
		if err := strict(fileOf(s, in.Layout.BaseRuntimeSpec), &spec); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(spec.Process.Rlimits) != 1+len(in.Config.Spec.Ulimits)/2 || len(spec.Process.Capabilities.Bounding) != 14 || len(spec.Mounts) != 5 || len(spec.Linux.Namespaces) != 5 {
			t.Errorf("%s: %+v", name, spec)
		}
		var config map[string]any
		if err := toml.Unmarshal(fileOf(s, in.Layout.ContainerdConfig), &config); err != nil {
			t.Errorf("%s: config.toml: %v", name, err)
		}
		if !strings.Contains(string(fileOf(s, in.Layout.ContainerdConfig)), in.Layout.BaseRuntimeSpec) {
			t.Errorf("%s: containerd does not know the base specification", name)
		}
	})
}
