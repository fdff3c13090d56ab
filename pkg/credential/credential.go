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
// images, same cache duration. What spec.imageCredentials and the ECR mirrors of
// spec.registries ask for comes after that. The package is pure.
package credential

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Name is the component's name.
const Name = "credential"

// Component returns the component of registry credentials. It must be asked
// before kubelet, which reads its configuration.
func Component() node.Component {
	return node.Component{Name: Name, Desired: Desired, Reasons: reasons}
}

// reasons returns those of the decision; none when there is no decision.
func reasons(in node.Input) []node.Reason {
	s, err := Decide(in)
	if err != nil {
		return nil
	}
	return s.Why
}

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
	MatchImages []string `json:"matchImages"`
	// Others are the providers beside it, in the order in which they are configured.
	Others []Provider    `json:"others,omitempty"`
	Why    []node.Reason `json:"why"`
}

// Provider is a provider beside the one for ECR.
type Provider struct {
	// Name is the provider's, and that of its program in kubelet's folder.
	Name string `json:"name"`
	// Link is the path of a link to Program; empty where the program itself is
	// under that name in kubelet's folder.
	Link    string `json:"link,omitempty"`
	Program string `json:"program"`
	// APIVersion is the whole one, with its group.
	APIVersion           string                `json:"apiVersion"`
	MatchImages          []string              `json:"matchImages"`
	DefaultCacheDuration string                `json:"defaultCacheDuration"`
	Args                 []string              `json:"args,omitempty"`
	Env                  map[string]api.Secret `json:"env,omitempty"`
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
	var errs []error
	mirrors, err := mirrorProvider(in)
	if err != nil {
		errs = append(errs, err)
	}
	s.Others = mirrors
	for _, c := range in.Config.Spec.ImageCredentials {
		p, err := extra(in, c, s.Others)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.Others = append(s.Others, p)
	}
	if len(errs) > 0 {
		return Settings{}, errors.Join(errs...)
	}
	for _, p := range s.Others {
		s.Why = append(s.Why, node.Reason{Setting: "image credential provider", Value: p.Name, From: p.from()})
	}
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
	Env                  []envVar `json:"env,omitempty"`
}

// envVar holds a secret in the clear; it goes nowhere but into the file.
type envVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Desired returns kubelet's credential provider configuration, after the links to
// the programs that kubelet cannot find by itself.
func Desired(in node.Input) ([]host.Resource, error) {
	s, err := Decide(in)
	if err != nil {
		return nil, err
	}
	config := providerConfig{
		APIVersion: "kubelet.config.k8s.io/v1",
		Kind:       "CredentialProviderConfig",
		Providers: []provider{{
			Name:                 path.Base(s.Program),
			APIVersion:           apiGroup + "v1",
			MatchImages:          s.MatchImages,
			DefaultCacheDuration: cacheDuration,
			Args:                 s.Args,
		}},
	}
	file := host.File{Path: in.Layout.ImageCredentialProviderConfig, Mode: 0o644}
	var out []host.Resource
	if s.BuiltIn {
		out = append(out,
			host.Dir{Path: path.Dir(s.Program), Mode: 0o755},
			host.Link{Path: s.Program, Target: in.Layout.Agent})
	}
	for _, p := range s.Others {
		if p.Link != "" {
			out = append(out, host.Link{Path: p.Link, Target: p.Program})
		}
		if len(p.Env) > 0 {
			file.Secret, file.Mode = true, 0o600
		}
		config.Providers = append(config.Providers, p.entry())
	}
	if file.Content, err = node.JSON(config); err != nil {
		return nil, err
	}
	return append(out, file), nil
}

// entry renders a provider.
func (p Provider) entry() provider {
	out := provider{
		Name: p.Name, APIVersion: p.APIVersion, MatchImages: p.MatchImages,
		DefaultCacheDuration: p.DefaultCacheDuration, Args: p.Args,
	}
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		out.Env = append(out.Env, envVar{name, p.Env[name].Reveal()})
	}
	return out
}
