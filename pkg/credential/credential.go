// Package credential tells kubelet from whom it gets the credentials to pull
// images with.
//
// By default that is this program (`eksnode credential-provider`), which speaks
// to ECR itself: nothing has to be installed, and nothing of the image is
// replaced. Kubelet runs a provider by its name in one folder, so the agent has
// a folder with a link to itself under the name that nodeadm's configuration
// uses, ecr-credential-provider. Where a person asks for another program
// (Layout.UseImageCredentialProvider), that one is named instead.
//
// The configuration file is nodeadm's (awslabs/amazon-eks-ami): same path, same
// images, same cache duration. The package is pure.
package credential

import (
	"errors"
	"fmt"
	"path"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Name is the component's name.
const Name = "credential"

// Component returns the component of registry credentials. It must be asked
// before kubelet, which reads its configuration.
func Component() node.Component { return node.Component{Name: Name, Desired: Desired} }

// cacheDuration is how long kubelet keeps credentials that carry no duration of
// their own: the life of an ECR token.
const cacheDuration = "12h0m0s"

// Settings is everything that is decided about registry credentials.
type Settings struct {
	// Program is what kubelet runs, and Args its arguments.
	Program string   `json:"program"`
	Args    []string `json:"args,omitempty"`
	// BuiltIn says that Program is a link to the agent.
	BuiltIn bool `json:"builtIn"`
	// MatchImages are kubelet's patterns of the images that Program is asked about.
	MatchImages []string      `json:"matchImages"`
	Why         []node.Reason `json:"why"`
}

// Decide decides who serves registry credentials and for which images.
func Decide(in node.Input) (Settings, error) {
	v, err := in.VersionFact("kubelet", in.Versions.Kubelet)
	if err != nil {
		return Settings{}, err
	}
	s := Settings{Program: in.Layout.RegistryCredentialProvider(), MatchImages: matchImages(v)}
	from := "built in"
	if in.Layout.UseImageCredentialProvider {
		if !in.Present.ECRProvider {
			return Settings{}, fault.New(fault.BinaryMissing, "Install the program, or leave ECR_CREDENTIAL_PROVIDER_BIN_PATH unset to use the provider that is built in.",
				fmt.Errorf("cannot use the image credential provider %s: there is no such program", s.Program))
		}
		from = "asked for in place of the one that is built in"
	} else {
		if s.Program == "" {
			return Settings{}, errors.New("internal error: the layout has no place for the credential provider")
		}
		s.BuiltIn, s.Args = true, []string{"credential-provider"}
	}
	s.Why = []node.Reason{{Setting: "image credential provider", Value: s.Program, From: from}}
	return s, nil
}

// matchImages returns the registries of ECR in all partitions, and ECR Public.
// The star stands for one label, of an account or a region.
func matchImages(kubelet node.Version) []string {
	images := []string{
		"*.dkr.ecr.*.amazonaws.com",
		"*.dkr-ecr.*.on.aws",
		"*.dkr.ecr.*.amazonaws.com.cn",
		"*.dkr-ecr.*.on.amazonwebservices.com.cn",
		"*.dkr.ecr-fips.*.amazonaws.com",
		"*.dkr-ecr-fips.*.on.aws",
		"*.dkr.ecr.*.c2s.ic.gov",
		"*.dkr.ecr.*.sc2s.sgov.gov",
		"*.dkr.ecr.*.cloud.adc-e.uk",
		"*.dkr.ecr.*.csp.hci.ic.gov",
		"*.dkr.ecr.*.amazonaws.eu",
		"public.ecr.aws",
	}
	if kubelet.AtLeast(1, 32) {
		images = append(images, "ecr-public.aws.com")
	}
	return images
}

// providerConfig is kubelet's CredentialProviderConfig (kubelet.config.k8s.io/v1).
type providerConfig struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Providers  []provider `json:"providers"`
}

type provider struct {
	Name                 string   `json:"name"`
	APIVersion           string   `json:"apiVersion"`
	MatchImages          []string `json:"matchImages"`
	DefaultCacheDuration string   `json:"defaultCacheDuration"`
	Args                 []string `json:"args,omitempty"`
}

// Desired returns kubelet's credential provider configuration and, for the
// provider that is built in, its link.
func Desired(in node.Input) ([]host.Resource, error) {
	s, err := Decide(in)
	if err != nil {
		return nil, err
	}
	text, err := node.JSON(providerConfig{
		APIVersion: "kubelet.config.k8s.io/v1",
		Kind:       "CredentialProviderConfig",
		Providers: []provider{{
			Name:                 path.Base(s.Program),
			APIVersion:           "credentialprovider.kubelet.k8s.io/v1",
			MatchImages:          s.MatchImages,
			DefaultCacheDuration: cacheDuration,
			Args:                 s.Args,
		}},
	})
	if err != nil {
		return nil, err
	}
	var out []host.Resource
	if s.BuiltIn {
		out = append(out,
			host.Dir{Path: path.Dir(s.Program), Mode: 0o755},
			host.Link{Path: s.Program, Target: in.Layout.Agent})
	}
	return append(out, host.File{Path: in.Layout.ImageCredentialProviderConfig, Content: text, Mode: 0o644}), nil
}
