package kubelet

import (
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/eksnode/eksnode/pkg/node"
)

// The part of a kubeconfig (client-go, clientcmd/api/v1) that kubelet needs.
type kubeconfig struct {
	APIVersion     string         `json:"apiVersion"`
	Kind           string         `json:"kind"`
	Clusters       []namedCluster `json:"clusters"`
	Contexts       []namedContext `json:"contexts"`
	CurrentContext string         `json:"current-context"`
	Users          []namedUser    `json:"users"`
}

type namedCluster struct {
	Name    string `json:"name"`
	Cluster struct {
		CertificateAuthority string `json:"certificate-authority"`
		Server               string `json:"server"`
	} `json:"cluster"`
}

type namedContext struct {
	Name    string `json:"name"`
	Context struct {
		Cluster string `json:"cluster"`
		User    string `json:"user"`
	} `json:"context"`
}

type namedUser struct {
	Name string `json:"name"`
	User struct {
		Exec execPlugin `json:"exec"`
	} `json:"user"`
}

type execPlugin struct {
	APIVersion         string   `json:"apiVersion"`
	Command            string   `json:"command"`
	Args               []string `json:"args"`
	InteractiveMode    string   `json:"interactiveMode"`
	ProvideClusterInfo bool     `json:"provideClusterInfo"`
}

// The names inside the kubeconfig, which nodeadm's has too.
const (
	clusterEntry = "kubernetes"
	userEntry    = "kubelet"
)

// renderKubeconfig renders the kubeconfig, whose credentials come from the
// agent's token command. Every kubelet since 1.24 speaks the plugin's v1.
func renderKubeconfig(s Settings, endpoint string, l node.Layout) ([]byte, error) {
	k := kubeconfig{
		APIVersion:     "v1",
		Kind:           "Config",
		Clusters:       []namedCluster{{Name: clusterEntry}},
		Contexts:       []namedContext{{Name: userEntry}},
		CurrentContext: userEntry,
		Users:          []namedUser{{Name: userEntry}},
	}
	k.Clusters[0].Cluster.CertificateAuthority = l.ClusterCA
	k.Clusters[0].Cluster.Server = endpoint
	k.Contexts[0].Context.Cluster, k.Contexts[0].Context.User = clusterEntry, userEntry
	k.Users[0].User.Exec = execPlugin{
		APIVersion:      "client.authentication.k8s.io/v1",
		Command:         l.Agent,
		Args:            []string{"token", "--cluster-name", s.TokenCluster, "--region", s.Region},
		InteractiveMode: "Never",
	}
	text, err := yaml.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("cannot render kubeconfig: %w", err)
	}
	return text, nil
}
