package ecr

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/aws/partition"
)

func TestRegistriesOfEveryPartitionAndKind(t *testing.T) {
	for ref, want := range map[string]Registry{
		"111122223333.dkr.ecr.us-west-2.amazonaws.com/app:1":                  {Account: "111122223333", Region: "us-west-2"},
		"111122223333.dkr.ecr.us-west-2.amazonaws.com/a/b@sha256:00":          {Account: "111122223333", Region: "us-west-2"},
		"111122223333.dkr.ecr.us-west-2.amazonaws.com":                        {Account: "111122223333", Region: "us-west-2"},
		"111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com/app":           {Account: "111122223333", Region: "us-gov-west-1", FIPS: true},
		"111122223333.dkr-ecr.us-west-2.on.aws/app":                           {Account: "111122223333", Region: "us-west-2", DualStack: true},
		"111122223333.dkr-ecr-fips.us-east-1.on.aws/app":                      {Account: "111122223333", Region: "us-east-1", FIPS: true, DualStack: true},
		"111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/app":                {Account: "111122223333", Region: "cn-north-1"},
		"111122223333.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn/app": {Account: "111122223333", Region: "cn-northwest-1", DualStack: true},
		"111122223333.dkr.ecr.us-iso-east-1.c2s.ic.gov/app":                   {Account: "111122223333", Region: "us-iso-east-1"},
		"111122223333.dkr.ecr.us-isob-east-1.sc2s.sgov.gov/app":               {Account: "111122223333", Region: "us-isob-east-1"},
		"111122223333.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk/app":              {Account: "111122223333", Region: "eu-isoe-west-1"},
		"111122223333.dkr.ecr.us-isof-south-1.csp.hci.ic.gov/app":             {Account: "111122223333", Region: "us-isof-south-1"},
		"111122223333.dkr.ecr.eusc-de-east-1.amazonaws.eu/app":                {Account: "111122223333", Region: "eusc-de-east-1"},
		"111122223333.dkr.ecr.xx-future-9.amazonaws.com/app":                  {Account: "111122223333", Region: "xx-future-9"},
		"public.ecr.aws/eks-distro/kubernetes/pause:3.10":                     {Public: true, Region: "us-east-1"},
		"ecr-public.aws.com/eks-distro/kubernetes/pause:3.10":                 {Public: true, Region: "us-east-1", DualStack: true},
	} {
		want.Host, _, _ = strings.Cut(ref, "/")
		got, err := ParseImage(ref)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", ref, err, d)
		}
	}
}

func TestHostsThatOnlyLookLikeRegistriesOfAWS(t *testing.T) {
	for _, ref := range []string{
		"", "/", "ubuntu", "docker.io/library/ubuntu", "quay.io/x", "localhost/kubernetes/pause",
		"111122223333.dkr.ecr.us-west-2.amazonaws.com.evil.example/app",
		"evil.example/111122223333.dkr.ecr.us-west-2.amazonaws.com",
		"evil.example#111122223333.dkr.ecr.us-west-2.amazonaws.com/app",
		"user@111122223333.dkr.ecr.us-west-2.amazonaws.com/app",
		"https://111122223333.dkr.ecr.us-west-2.amazonaws.com/app",
		"111122223333.dkr.ecr.us-west-2.amazonaws.com:443/app",
		"111122223333.dkr.ecr.us-west-2.amazonaws.com./app",
		"111122223333.dkr.ecr.us-west-2.amazonaws.com:latest",
		"11112222333.dkr.ecr.us-west-2.amazonaws.com/app",
		"1111222233334.dkr.ecr.us-west-2.amazonaws.com/app",
		"11112222333x.dkr.ecr.us-west-2.amazonaws.com/app",
		"111122223333.dkr.ecr.US-WEST-2.amazonaws.com/app",
		"111122223333.dkr.ecr..amazonaws.com/app",
		"111122223333.dkr.ecr.amazonaws.com/app",
		"111122223333.dkr.ecr.us-west-2.on.aws/app",
		"111122223333.dkr-ecr.us-west-2.amazonaws.com/app",
		"111122223333.dkr.ecr.us-west-2.amazonaws.com.cn/app",
		"111122223333.dkr.ecr.cn-north-1.amazonaws.com/app",
		"111122223333.dkr-ecr.us-iso-east-1./app",
		"111122223333.dkr-ecr.us-iso-east-1/app",
		"vpce-0123-abc.dkr.ecr.us-west-2.vpce.amazonaws.com/app",
		"x.public.ecr.aws/app", "public.ecr.aws.evil.example/app", "PUBLIC.ecr.aws/app",
		"111122223333.dkr.ecr.us-west-2\n.amazonaws.com/app",
	} {
		if got, err := ParseImage(ref); !errors.Is(err, ErrNotECR) || got != (Registry{}) {
			t.Errorf("%q: %+v, %v", ref, got, err)
		}
	}
}

func FuzzImage(f *testing.F) {
	for _, s := range []string{
		"111122223333.dkr.ecr.us-west-2.amazonaws.com/app:1", "111122223333.dkr-ecr-fips.us-east-1.on.aws/app",
		"public.ecr.aws/x", "", "/", "a.b.c", "111122223333.dkr.ecr.us-west-2.amazonaws.com.evil/x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		r, err := ParseImage(ref)
		if err != nil {
			if !errors.Is(err, ErrNotECR) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		if r.Public {
			return
		}
		// The host is exactly one of the two forms made from its parts.
		infix, suffix := "dkr.ecr", partition.Of(r.Region).DNSSuffix
		if r.DualStack {
			infix, suffix = "dkr-ecr", partition.Of(r.Region).RegistrySuffix
		}
		if r.FIPS {
			infix += "-fips"
		}
		want := r.Account + "." + infix + "." + r.Region + "." + suffix
		if r.Host != want || !strings.HasPrefix(ref, want) || net.ParseIP(r.Host) != nil {
			t.Errorf("%q: %+v, want host %q", ref, r, want)
		}
	})
}

func TestTheRegistryOfEKSImagesInEveryRegion(t *testing.T) {
	for region, want := range map[string]string{
		"us-west-2":       "602401143452.dkr.ecr.us-west-2.amazonaws.com",
		"eu-west-3":       "602401143452.dkr.ecr.eu-west-3.amazonaws.com",
		"af-south-1":      "877085696533.dkr.ecr.af-south-1.amazonaws.com",
		"il-central-1":    "066635153087.dkr.ecr.il-central-1.amazonaws.com",
		"cn-north-1":      "918309763551.dkr.ecr.cn-north-1.amazonaws.com.cn",
		"us-gov-west-1":   "013241004608.dkr.ecr.us-gov-west-1.amazonaws.com",
		"us-iso-west-1":   "608367168043.dkr.ecr.us-iso-west-1.c2s.ic.gov",
		"us-isob-west-1":  "321162350305.dkr.ecr.us-isob-west-1.sc2s.sgov.gov",
		"eu-isoe-west-1":  "249663109785.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk",
		"us-isof-east-1":  "171035529773.dkr.ecr.us-isof-east-1.csp.hci.ic.gov",
		"eusc-de-east-1":  "877088126301.dkr.ecr.eusc-de-east-1.amazonaws.eu",
		"us-gov-north-9":  "013241004608.dkr.ecr.us-gov-west-1.amazonaws.com",
		"cn-south-9":      "961992271922.dkr.ecr.cn-northwest-1.amazonaws.com.cn",
		"us-iso-north-9":  "725322719131.dkr.ecr.us-iso-east-1.c2s.ic.gov",
		"us-isob-north-9": "187977181151.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
		"eu-isoe-north-9": "249663109785.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk",
		"us-isof-north-9": "676585237158.dkr.ecr.us-isof-south-1.csp.hci.ic.gov",
		"eusc-fr-west-9":  "877088126301.dkr.ecr.eusc-de-east-1.amazonaws.eu",
		"xx-future-9":     "602401143452.dkr.ecr.us-west-2.amazonaws.com",
		"":                "602401143452.dkr.ecr.us-west-2.amazonaws.com",
	} {
		got := EKSRegistry(region)
		if got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
		if r, err := ParseImage(got + "/eks/pause:3.10"); err != nil || r.FIPS {
			t.Errorf("%s: not a registry by our own grammar: %v", got, err)
		}
		fips := EKSRegistryFIPS(region)
		if r, err := ParseImage(fips + "/eks/pause:3.10"); err != nil || !r.FIPS || strings.Replace(fips, "ecr-fips", "ecr", 1) != want {
			t.Errorf("%s: %v", fips, err)
		}
	}
}

func TestEveryAccountInTheTableMakesARegistry(t *testing.T) {
	for region, account := range optInAccounts() {
		r, err := ParseImage(EKSRegistry(region))
		if err != nil || r.Account != account || r.Region != region {
			t.Errorf("%s: %+v, %v", region, r, err)
		}
	}
}
