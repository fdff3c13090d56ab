package convert

import "github.com/eksnode/eksnode/internal/lazyregexp"

// metadataCall is a command that only reads instance metadata: what it prints is a
// fact that NodeConfig can name. With a pipe it may print anything.
var metadataCall = lazyregexp.New("^\\s*curl\\s[^|;&<>`]*?https?://169\\.254\\.169\\.254/latest/meta-data/([a-z/-]+?)/?[\"']?(?:\\s+-[^|;&<>`]*)?\\s*$")

// metadataFacts are the facts by their path in instance metadata (EC2 User Guide,
// instance metadata categories).
func metadataFacts() map[string]string {
	return map[string]string{
		"ami-id":                         "instance.imageId",
		"instance-id":                    "instance.id",
		"instance-life-cycle":            "instance.lifecycle",
		"instance-type":                  "instance.type",
		"placement/availability-zone":    "instance.zone",
		"placement/availability-zone-id": "instance.zoneId",
		"outpost-arn":                    "instance.outpostArn",
		"placement/group-name":           "instance.placementGroup",
		"placement/partition-number":     "instance.partitionNumber",
		"placement/region":               "instance.region",
	}
}

// substitution returns the mark of what a command prints.
func (s *shell) substitution(command string) string {
	name := "$(" + programOf(command) + " …)"
	m := metadataCall.FindStringSubmatch(command)
	if m == nil || metadataFacts()[m[1]] == "" {
		return s.mark(name)
	}
	mark := s.mark("$(" + programOf(command) + " … " + m[1] + ")")
	s.facts[mark] = "${" + metadataFacts()[m[1]] + "}"
	return mark
}

// withFacts returns a value with references in place of the facts that the script
// would have read from instance metadata.
func (s *shell) withFacts(value string) string {
	return marks.ReplaceAllStringFunc(value, func(mark string) string {
		if fact, ok := s.facts[mark]; ok {
			return fact
		}
		return mark
	})
}
