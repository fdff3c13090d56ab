package ecr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/eksnode/eksnode/pkg/aws/partition"
)

// ErrNotECR says that an image does not come from an ECR registry.
var ErrNotECR = errors.New("not an ECR registry")

// The hosts of ECR public.
// https://docs.aws.amazon.com/AmazonECR/latest/public/public-ecr-requests.html
const (
	publicHost          = "public.ecr.aws"
	publicHostDualStack = "ecr-public.aws.com"
	// publicRegion is where its tokens are given in the partition aws.
	publicRegion = "us-east-1"
)

// Registry is an ECR registry, as its host name tells it.
type Registry struct {
	// Host is the whole host name, the key under which kubelet wants credentials.
	Host string
	// Public: the public gallery; the fields below are empty but for Region.
	Public bool
	// Account owns a private registry: twelve digits.
	Account string
	// Region is where the registry's tokens are given.
	Region string
	// FIPS and DualStack say which kind of endpoint the host is, and so which kind
	// of API endpoint goes with it.
	FIPS, DualStack bool
}

// ParseImage tells the registry of an image reference such as
// 111122223333.dkr.ecr.us-west-2.amazonaws.com/app:1, with or without a
// repository. The error wraps ErrNotECR.
//
// The suffix must be that of the region's partition, so that no credential is
// ever made out for a host that only looks like a registry of AWS.
func ParseImage(ref string) (Registry, error) {
	host, _, _ := strings.Cut(ref, "/")
	if host == publicHost || host == publicHostDualStack {
		return Registry{Host: host, Public: true, Region: publicRegion, DualStack: host == publicHostDualStack}, nil
	}
	r, ok := parsePrivate(host)
	if !ok {
		return Registry{}, fmt.Errorf("cannot tell the registry of image %.200q: %w", ref, ErrNotECR)
	}
	return r, nil
}

// parsePrivate reads <account>.dkr.ecr[-fips].<region>.<suffix> and, dual-stack,
// <account>.dkr-ecr[-fips].<region>.<registry suffix>.
func parsePrivate(host string) (Registry, bool) {
	r := Registry{Host: host}
	var rest string
	r.Account, rest, _ = strings.Cut(host, ".")
	if len(r.Account) != 12 || strings.Trim(r.Account, "0123456789") != "" {
		return Registry{}, false
	}
	for _, form := range []struct {
		infix           string
		fips, dualStack bool
	}{
		{"dkr.ecr.", false, false}, {"dkr.ecr-fips.", true, false},
		{"dkr-ecr.", false, true}, {"dkr-ecr-fips.", true, true},
	} {
		tail, ok := strings.CutPrefix(rest, form.infix)
		if !ok {
			continue
		}
		var suffix string
		r.Region, suffix, _ = strings.Cut(tail, ".")
		r.FIPS, r.DualStack = form.fips, form.dualStack
		p := partition.Of(r.Region)
		want := p.DNSSuffix
		if r.DualStack {
			want = p.RegistrySuffix
		}
		return r, partition.ValidRegion(r.Region) && want != "" && suffix == want
	}
	return Registry{}, false
}
