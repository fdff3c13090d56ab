package credential

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

// mirrorName is the name of the provider that gives tokens of ECR for registries
// which ECR mirrors. It is the agent again, under another link, since kubelet takes
// each name once.
const mirrorName = "eksnode-mirror-credential-provider"

// apiGroup is before the version of the interface between kubelet and a provider.
const apiGroup = "credentialprovider.kubelet.k8s.io/"

// mirrorProvider returns the provider for registries with mirrors in ECR; none
// where there are none. Kubelet hands containerd what a provider says without an
// address (pkg/credentialprovider/plugin, and PullImage in pkg/kubelet/kuberuntime),
// and so containerd shows it to the mirror that stands in for the registry.
//
// Registries that cannot be used are passed over: the component containerd, which
// is always asked as well, refuses them.
func mirrorProvider(in node.Input) ([]Provider, error) {
	p := Provider{
		Name: mirrorName, Program: in.Layout.Agent, APIVersion: apiGroup + "v1",
		DefaultCacheDuration: cacheDuration, Args: []string{"credential-provider"},
	}
	for _, r := range slices.SortedFunc(slices.Values(in.Config.Spec.Registries), func(a, b api.Registry) int { return strings.Compare(a.Registry, b.Registry) }) {
		ecr, err := node.ECRMirror(r)
		if err != nil || ecr == "" {
			continue
		}
		p.MatchImages = append(p.MatchImages, r.Registry)
		p.Args = append(p.Args, "--mirror", r.Registry+"="+ecr)
	}
	if len(p.MatchImages) == 0 {
		return nil, nil
	}
	if in.Layout.UseImageCredentialProvider {
		return nil, invalid("Leave ECR_CREDENTIAL_PROVIDER_BIN_PATH unset, so that kubelet's programs are in a folder of the agent's.",
			"cannot use credentials of the source ecr in spec.registries: kubelet has one folder of credential providers, and %s is not the agent's", path.Dir(in.Layout.ImageCredentialProvider))
	}
	p.Link = linkFor(in.Layout, mirrorName)
	return []Provider{p}, nil
}

// extra decides a provider of spec.imageCredentials, beside those that there are.
func extra(in node.Input, c api.ImageCredential, others []Provider) (Provider, error) {
	refuse := func(remedy, format string, args ...any) (Provider, error) {
		return Provider{}, invalid(remedy, "cannot use spec.imageCredentials %.64q: %w", c.Name, fmt.Errorf(format, args...))
	}
	folder := path.Dir(in.Layout.RegistryCredentialProvider())
	name := func(p Provider) bool { return p.Name == c.Name }
	switch {
	case !validName(c.Name):
		return refuse("Name it by letters, digits, points, hyphens and underscores.", "its name cannot be that of a program")
	case c.Name == path.Base(in.Layout.RegistryCredentialProvider()), c.Name == mirrorName, slices.ContainsFunc(others, name):
		return refuse("Choose another name.", "there is a provider of that name already")
	case !path.IsAbs(c.Program) || path.Clean(c.Program) != c.Program || strings.ContainsFunc(c.Program, control):
		return refuse("Name the program by its absolute path.", "its program %.200q is no absolute path", c.Program)
	case len(c.MatchImages) == 0:
		return refuse("Say under matchImages which images it is for.", "it is for no images")
	case slices.ContainsFunc(slices.Collect(maps.Keys(c.Env)), func(n string) bool { return n == "" || strings.ContainsAny(n, "=\x00") }):
		return refuse("Correct its env.", "a name in its env is no name of a variable")
	}
	p := Provider{
		Name: c.Name, Program: c.Program, APIVersion: apiGroup + "v1", MatchImages: c.MatchImages,
		DefaultCacheDuration: cacheDuration, Args: c.Args, Env: c.Env,
	}
	if c.APIVersion != "" {
		p.APIVersion = apiGroup + strings.TrimPrefix(c.APIVersion, apiGroup)
	}
	if c.DefaultCacheDuration != "" {
		d, err := time.ParseDuration(c.DefaultCacheDuration)
		if err != nil || d < 0 {
			return refuse("Write it as 12h or 30m.", "its defaultCacheDuration %.40q is no length of time", c.DefaultCacheDuration)
		}
		p.DefaultCacheDuration = d.String()
	}
	switch {
	case c.Program == path.Join(folder, c.Name): // where kubelet looks for it
	case in.Layout.UseImageCredentialProvider:
		return refuse("Put the program into that folder under the provider's name, or leave ECR_CREDENTIAL_PROVIDER_BIN_PATH unset.",
			"kubelet has one folder of credential providers, which is %s by ECR_CREDENTIAL_PROVIDER_BIN_PATH, and %s is not in it under the name %s", folder, c.Program, c.Name)
	default:
		p.Link = linkFor(in.Layout, c.Name)
	}
	return p, installed(in, c)
}

// installed returns a fault where the program of a provider is not there: kubelet
// would not start without it.
func installed(in node.Input, c api.ImageCredential) error {
	if err := in.Require("present.programs"); err != nil {
		return err
	}
	if !in.Present.Programs[c.Program] {
		return fault.New(fault.BinaryMissing, "Install the program before the node starts, or take the provider out of spec.imageCredentials.",
			fmt.Errorf("cannot use spec.imageCredentials %q: there is no program %s", c.Name, c.Program))
	}
	return nil
}

// linkFor returns the path under which kubelet finds a provider.
func linkFor(l node.Layout, name string) string {
	return path.Join(path.Dir(l.CredentialProviderLink), name)
}

// validName reports whether a name can be that of a file of its own. Kubelet
// refuses slashes, blanks and names of folders (pkg/credentialprovider/plugin).
func validName(name string) bool {
	if name == "" || len(name) > 200 || strings.Trim(name, ".") == "" {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-", r))
	})
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// from says in one phrase why there is this provider.
func (p Provider) from() string {
	if p.Name == mirrorName {
		return "mirrors with credentials of the source ecr"
	}
	return "spec.imageCredentials"
}

func invalid(remedy, format string, args ...any) error {
	return fault.New(fault.ConfigInvalid, remedy, fmt.Errorf(format, args...))
}
