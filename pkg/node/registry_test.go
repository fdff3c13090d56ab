package node

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
)

func mirrored(name string, urls ...string) api.Registry {
	r := api.Registry{Registry: name}
	for _, u := range urls {
		r.Mirrors = append(r.Mirrors, api.Mirror{URL: u, Credentials: api.MirrorCredentials{Source: api.CredentialsECR}})
	}
	return r
}

func TestOneTokenOpensAllMirrorsOfARegion(t *testing.T) {
	const here = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
	for _, row := range []struct {
		name    string
		in      api.Registry
		want    string
		problem string
	}{
		{"no mirrors in ECR", api.Registry{Registry: "docker.io", Mirrors: []api.Mirror{{URL: "https://harbor.example"}}}, "", ""},
		{"a pull-through cache", mirrored("docker.io", "https://"+here+"/v2/docker-hub"), here, ""},
		{"two accounts of a region", mirrored("docker.io", "https://"+here+"/v2/a", "https://444455556666.dkr.ecr.us-west-2.amazonaws.com/v2/b"), here, ""},
		{"dual-stack and FIPS", mirrored("quay.io", "https://111122223333.dkr-ecr-fips.us-gov-west-1.on.aws/v2/q"), "111122223333.dkr-ecr-fips.us-gov-west-1.on.aws", ""},
		{"China", mirrored("docker.io", "https://111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/v2/x"), "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn", ""},
		{"the public gallery", mirrored("docker.io", "https://public.ecr.aws/v2/docker"), "public.ecr.aws", ""},
		{"two regions", mirrored("docker.io", "https://"+here+"/v2/a", "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com/v2/a"), "", "one token does not open both"},
		{"all registries", mirrored("*", "https://"+here+"/v2/a"), "", "kubelet asks for credentials by the name of a registry"},
		{"an interface endpoint's own name", mirrored("docker.io", "https://vpce-1.dkr.ecr.us-west-2.vpce.amazonaws.com/v2/a"), "", "no host of ECR"},
		{"an account of eleven digits", mirrored("docker.io", "https://11112222333.dkr.ecr.us-west-2.amazonaws.com/v2/a"), "", "twelve digits"},
		{"not ECR's service", mirrored("docker.io", "https://111122223333.dkr.example.com/v2/a"), "", "no host of ECR"},
		{"in the clear", mirrored("docker.io", "http://"+here+"/v2/a"), "", "in the clear"},
		{"no URL", mirrored("docker.io", "::"), "", "cannot be read"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := ECRMirror(row.in)
			if row.problem == "" {
				if got != row.want || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if f, ok := fault.Find(err); !ok || f.Code != fault.ConfigInvalid || f.Remedy == "" || !strings.Contains(err.Error(), row.problem) || got != "" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestARegistryIsNotShownTheTokenOfItsMirror(t *testing.T) {
	yes, no := true, false
	ecr := mirrored("docker.io", "https://111122223333.dkr.ecr.us-west-2.amazonaws.com/v2/a")
	plain := api.Registry{Registry: "docker.io", Mirrors: []api.Mirror{{URL: "https://harbor.example"}}}
	for _, row := range []struct {
		r        api.Registry
		fallback *bool
		want     bool
	}{{plain, nil, true}, {plain, &yes, true}, {plain, &no, false}, {ecr, nil, false}, {ecr, &no, false}} {
		row.r.Fallback = row.fallback
		if got, err := RegistryFallback(row.r); got != row.want || err != nil {
			t.Errorf("%+v: %t, %v", row, got, err)
		}
	}
	ecr.Fallback = &yes
	_, err := RegistryFallback(ecr)
	if f, ok := fault.Find(err); !ok || f.Code != fault.ConfigInvalid || !strings.Contains(err.Error(), "ECR token") {
		t.Errorf("got %v", err)
	}
}
