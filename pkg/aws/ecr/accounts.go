package ecr

import (
	"strings"

	"github.com/eksnode/eksnode/pkg/aws/partition"
)

// mainAccount holds EKS's images in the regions that are not opt-in.
const mainAccount = "602401143452"

// accountOf returns the account that holds EKS's images in a region, empty where
// none is known. Source:
// https://docs.aws.amazon.com/eks/latest/userguide/add-ons-images.html and the
// tables of nodeadm.
func accountOf(region string) string {
	switch region {
	case "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
		"ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3",
		"sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2":
		return mainAccount
	}
	return optInAccounts()[region]
}

func optInAccounts() map[string]string {
	return map[string]string{
		"af-south-1":      "877085696533",
		"ap-east-1":       "800184023465",
		"ap-east-2":       "533267051163",
		"ap-south-2":      "900889452093",
		"ap-southeast-3":  "296578399912",
		"ap-southeast-4":  "491585149902",
		"ap-southeast-5":  "151610086707",
		"ap-southeast-6":  "333609536671",
		"ap-southeast-7":  "121268973566",
		"ca-west-1":       "761377655185",
		"eu-central-2":    "900612956339",
		"eu-south-1":      "590381155156",
		"eu-south-2":      "455263428931",
		"il-central-1":    "066635153087",
		"me-central-1":    "759879836304",
		"me-south-1":      "558608220178",
		"mx-central-1":    "730335286997",
		"cn-north-1":      "918309763551",
		"cn-northwest-1":  "961992271922",
		"us-gov-west-1":   "013241004608",
		"us-gov-east-1":   "151742754352",
		"us-iso-east-1":   "725322719131",
		"us-iso-west-1":   "608367168043",
		"us-isob-east-1":  "187977181151",
		"us-isob-west-1":  "321162350305",
		"eu-isoe-west-1":  "249663109785",
		"us-isof-south-1": "676585237158",
		"us-isof-east-1":  "171035529773",
		"eusc-de-east-1":  "877088126301",
	}
}

// fallbackRegion is a region of the same partition that has EKS's images, for
// regions younger than the table.
func fallbackRegion(region string) string {
	switch partition.Of(region).ID {
	case "aws-cn":
		return "cn-northwest-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	case "aws-iso":
		return "us-iso-east-1"
	case "aws-iso-b":
		return "us-isob-east-1"
	case "aws-iso-e":
		return "eu-isoe-west-1"
	case "aws-iso-f":
		return "us-isof-south-1"
	case "aws-eusc":
		return "eusc-de-east-1"
	}
	return "us-west-2"
}

// EKSRegistry returns the host of the registry that holds EKS's own images (the
// sandbox image is eks/pause there) for nodes in a region. For a region that is
// not in the table it is the registry of another one in the same partition.
func EKSRegistry(region string) string { return eksRegistry(region, "ecr") }

// EKSRegistryFIPS is EKSRegistry with the FIPS endpoint's host. Not every region
// has one: use it only where the name resolves.
func EKSRegistryFIPS(region string) string { return eksRegistry(region, "ecr-fips") }

func eksRegistry(region, service string) string {
	account := accountOf(region)
	if account == "" {
		region = fallbackRegion(region)
		account = accountOf(region)
	}
	return strings.Join([]string{account, "dkr", service, region, partition.Of(region).DNSSuffix}, ".")
}
