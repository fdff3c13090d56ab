package node

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
)

// AnyRegistry stands for all registries without an entry of their own.
const AnyRegistry = "*"

// RegistryFallback reports whether a registry itself is asked when no mirror has
// the image. The error is a fault: a registry whose mirrors are opened with a token
// of ECR must not be asked, because containerd shows the credentials that it has
// for an image to whichever host asks for some (ParseAuth in
// internal/cri/server/images, in 1.7 pkg/cri/server).
func RegistryFallback(r api.Registry) (bool, error) {
	byECR := false
	for _, m := range r.Mirrors {
		byECR = byECR || m.Credentials.Source == api.CredentialsECR
	}
	if r.Fallback == nil {
		return !byECR, nil
	}
	if *r.Fallback && byECR {
		return false, fault.New(fault.ConfigInvalid, "Leave fallback out, or set it to false: what the mirror does not have cannot be pulled.",
			fmt.Errorf("cannot use spec.registries %q: with fallback the registry would be shown the ECR token that is meant for the mirror", r.Registry))
	}
	return *r.Fallback, nil
}

// ECRMirror returns the host of the ECR registry whose token opens the mirrors of r
// that ask for one; empty when none does. The error is a fault.
//
// A token of ECR is good for all registries of its region that the node's role may
// read (ECR's GetAuthorizationToken), so one is enough for mirrors of one region,
// and kubelet cannot be told of more for one image.
func ECRMirror(r api.Registry) (host string, err error) {
	place := ""
	for _, m := range r.Mirrors {
		if m.Credentials.Source != api.CredentialsECR {
			continue
		}
		refuse := func(remedy, format string, args ...any) (string, error) {
			return "", fault.New(fault.ConfigInvalid, remedy, fmt.Errorf("cannot use spec.registries %q: %w", r.Registry, fmt.Errorf(format, args...)))
		}
		if r.Registry == AnyRegistry {
			return refuse("Give every registry that is mirrored by ECR an entry of its own.",
				"kubelet asks for credentials by the name of a registry, so there are none from ECR for %q", AnyRegistry)
		}
		u, errURL := url.Parse(m.URL)
		if errURL != nil {
			return refuse("Write https://HOST/PATH.", "the URL of a mirror cannot be read")
		}
		at, errHost := ecrPlace(u.Host)
		switch {
		case errHost != nil:
			return refuse("Name ECR's own host, or use credentials of the source basic.", "mirror %s has credentials of the source ecr: %w", u.Host, errHost)
		case u.Scheme != "https":
			return refuse("Write https.", "a token of ECR would go to mirror %s in the clear", u.Host)
		case place != "" && at != place:
			return refuse("Keep the mirrors of one region.", "its mirrors %s and %s are of different places, and one token does not open both", host, u.Host)
		}
		if host == "" {
			host, place = u.Host, at
		}
	}
	return host, nil
}

// ecrPlace returns where a host of ECR gives its tokens: what follows the account
// in ACCOUNT.dkr.ecr.REGION.SUFFIX and its forms. The provider itself is stricter.
func ecrPlace(host string) (string, error) {
	if host == "public.ecr.aws" || host == "ecr-public.aws.com" {
		return "public", nil
	}
	account, rest, _ := strings.Cut(host, ".")
	if len(account) != 12 || strings.Trim(account, "0123456789") != "" {
		return "", errors.New("it is no host of ECR, which begin with an account's twelve digits")
	}
	for _, infix := range []string{"dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."} {
		if tail, ok := strings.CutPrefix(rest, infix); ok && strings.Contains(tail, ".") && !strings.Contains(tail, ":") {
			region, _, _ := strings.Cut(tail, ".")
			return region, nil
		}
	}
	return "", errors.New("it is no host of ECR, as 111122223333.dkr.ecr.us-west-2.amazonaws.com is")
}
