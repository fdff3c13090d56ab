package aws

import (
	"net"
	"slices"
	"strings"
)

// Names of the emulated services, in [Call], [Target] and the credential scope of signatures. Registry is the data plane
// of ECR and ECR Public, S3 the bucket that layers are redirected to.
const (
	STS       = "sts"
	EC2       = "ec2"
	ECR       = "ecr"
	ECRPublic = "ecr-public"
	EKS       = "eks"
	Registry  = "registry"
	S3        = "s3"
)

// endpoint is what a host name stands for.
type endpoint struct {
	service string
	region  string
	account string // of a registry; empty for public.ecr.aws
}

// publicRegistry is the host of ECR Public, which is one for all accounts and regions.
const publicRegistry = "public.ecr.aws"

// publicRegion is where the API of ECR Public and the global endpoint of STS are.
const publicRegion = "us-east-1"

// endpointOf tells what a Host header stands for. Forms: "AWS service endpoints" in the AWS general reference; the
// dual-stack forms end in api.aws and on.aws.
func (c *Cloud) endpointOf(hostHeader string) (endpoint, bool) {
	host := strings.ToLower(hostHeader)
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	switch host {
	case publicRegistry:
		return endpoint{service: Registry, region: publicRegion}, true
	case "api.ecr-public." + publicRegion + "." + c.cfg.Domain, "ecr-public." + publicRegion + ".api.aws":
		return endpoint{service: ECRPublic, region: publicRegion}, true
	case "sts." + c.cfg.Domain:
		return endpoint{service: STS, region: publicRegion}, true
	}
	for _, suffix := range []string{c.cfg.Domain, "api.aws", "on.aws"} {
		rest, ours := strings.CutSuffix(host, "."+suffix)
		if !ours {
			continue
		}
		labels := strings.Split(rest, ".")
		region := labels[len(labels)-1]
		if !slices.Contains(c.regions, region) {
			return endpoint{}, false
		}
		return regional(labels[:len(labels)-1], region)
	}
	return endpoint{}, false
}

// regional tells what the labels before the region stand for.
func regional(labels []string, region string) (endpoint, bool) {
	name := strings.Join(labels, ".")
	switch strings.TrimSuffix(name, "-fips") {
	case "sts", "ec2", "eks", "ecr":
		return endpoint{service: strings.TrimSuffix(name, "-fips"), region: region}, true
	case "api.ecr":
		return endpoint{service: ECR, region: region}, true
	case layerBucket(region) + ".s3":
		return endpoint{service: S3, region: region}, true
	}
	account, kind, _ := strings.Cut(name, ".")
	switch strings.TrimSuffix(kind, "-fips") {
	case "dkr.ecr", "dkr-ecr":
		return endpoint{service: Registry, region: region, account: account}, true
	}
	return endpoint{}, false
}

// layerBucket is the bucket ECR keeps layers in (ECR user guide, "Create the Amazon S3 gateway endpoint").
func layerBucket(region string) string { return "prod-" + region + "-starport-layer-bucket" }

// RegistryHost is the name of the account's private registry in a region; the cloud's own region when it is empty.
func (c *Cloud) RegistryHost(region string) string {
	if region == "" {
		region = c.cfg.Region
	}
	return c.cfg.AccountID + ".dkr.ecr." + region + "." + c.cfg.Domain
}

// Names returns every host name the TLS side answers to, sorted: what a resolver must point at it and a certificate must
// cover. Registries of other accounts are covered by a wildcard.
func (c *Cloud) Names() []string {
	names := []string{publicRegistry, "api.ecr-public." + publicRegion + "." + c.cfg.Domain, "sts." + c.cfg.Domain}
	for _, region := range c.regions {
		for _, service := range []string{"sts", "ec2", "eks", "api.ecr", "*.dkr.ecr"} {
			names = append(names, service+"."+region+"."+c.cfg.Domain)
		}
		names = append(names, c.RegistryHost(region), layerBucket(region)+".s3."+region+"."+c.cfg.Domain)
		for _, service := range []string{"ec2", "eks", "ecr"} {
			names = append(names, service+"."+region+".api.aws")
		}
		names = append(names, "*.dkr-ecr."+region+".on.aws")
	}
	slices.Sort(names)
	return names
}
