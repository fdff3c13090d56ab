// Package partition says in which AWS partition a region lies and which DNS
// suffixes hold there, from a table: no request is needed to know it, and the
// answer is the same on every machine. It is pure.
package partition

import "strings"

// Partition is a separate part of AWS with its own accounts and DNS names.
type Partition struct {
	// ID is the partition in ARNs: aws, aws-cn, aws-us-gov, …
	ID string
	// DNSSuffix ends the names of service endpoints: amazonaws.com, …
	DNSSuffix string
	// RegistrySuffix ends the names of dual-stack ECR registries
	// (<account>.dkr-ecr.<region>.<RegistrySuffix>); empty where none are known.
	RegistrySuffix string
}

// prefix joins a region's beginning with its partition. Regions that match no
// prefix lie in the partition aws. Source of the suffixes: partitions.json of
// the AWS SDKs; of the registry suffixes: the match list of the EKS AMIs, and
// for aws-eusc the dual-stack domain that the SDKs give for it.
type prefix struct {
	region string
	Partition
}

func prefixes() []prefix {
	return []prefix{
		{"cn-", Partition{"aws-cn", "amazonaws.com.cn", "on.amazonwebservices.com.cn"}},
		{"us-gov-", Partition{"aws-us-gov", "amazonaws.com", "on.aws"}},
		{"us-iso-", Partition{"aws-iso", "c2s.ic.gov", ""}},
		{"us-isob-", Partition{"aws-iso-b", "sc2s.sgov.gov", ""}},
		{"eu-isoe-", Partition{"aws-iso-e", "cloud.adc-e.uk", ""}},
		{"us-isof-", Partition{"aws-iso-f", "csp.hci.ic.gov", ""}},
		{"eusc-", Partition{"aws-eusc", "amazonaws.eu", "on.amazonwebservices.eu"}},
	}
}

// Of returns the partition of a region. A region of no known prefix, one that
// AWS opened after this table was written, lies in the partition aws.
func Of(region string) Partition {
	for _, p := range prefixes() {
		if strings.HasPrefix(region, p.region) {
			return p.Partition
		}
	}
	return Partition{"aws", "amazonaws.com", "on.aws"}
}

// ValidRegion says whether s has the form of a region name: lower-case letters,
// digits and hyphens as a DNS label has them, with at least one hyphen. It does
// not know which regions exist. What passes may be put into a host name.
func ValidRegion(s string) bool {
	if len(s) < 3 || len(s) > 63 || !strings.Contains(s, "-") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !letter && (c != '-' || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return true
}
