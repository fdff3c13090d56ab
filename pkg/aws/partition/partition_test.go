package partition

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// The SDK's own endpoint rules are the oracle: for every region that EKS has an
// ECR account for, STS must live under the suffix that our table gives.
func TestSuffixesAreThoseOfTheSDKsEndpointRules(t *testing.T) {
	regions := []string{
		"us-east-1", "us-west-2", "eu-central-2", "ap-southeast-7", "me-central-1", "mx-central-1", "il-central-1", "af-south-1", "ca-west-1",
		"cn-north-1", "cn-northwest-1", "us-gov-west-1", "us-gov-east-1", "us-iso-east-1", "us-iso-west-1",
		"us-isob-east-1", "us-isob-west-1", "eu-isoe-west-1", "us-isof-south-1", "us-isof-east-1", "eusc-de-east-1",
		"xx-new-1",
	}
	resolver := sts.NewDefaultEndpointResolverV2()
	for _, region := range regions {
		e, err := resolver.ResolveEndpoint(context.Background(), sts.EndpointParameters{Region: aws.String(region)}.WithDefaults())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := "sts."+region+"."+Of(region).DNSSuffix, e.URI.Host; got != want {
			t.Errorf("%s: %s, the SDK says %s", region, got, want)
		}
	}
}

func TestThePartitionOfEveryRegionPrefix(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "aws", "us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn", "us-iso-east-1": "aws-iso",
		"us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f", "eusc-de-east-1": "aws-eusc",
		"": "aws", "eu-south-2": "aws",
	} {
		if got := Of(region).ID; got != want {
			t.Errorf("%q: %s, want %s", region, got, want)
		}
	}
}

func TestWhatMayBePutIntoAHostName(t *testing.T) {
	for s, want := range map[string]bool{
		"us-west-2": true, "eusc-de-east-1": true, "us-gov-west-1": true, "x-1": true,
		"": false, "-": false, "us": false, "us-west-2.evil": false, "us-west-2/": false, "US-WEST-2": false,
		"-us-1": false, "us-1-": false, "us west-2": false, "us-west-2\n": false, "ü-1": false,
		strings.Repeat("a", 62) + "-": false, "a-" + strings.Repeat("a", 61): true, "a-" + strings.Repeat("a", 62): false,
	} {
		if got := ValidRegion(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}
