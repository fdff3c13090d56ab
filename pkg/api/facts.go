package api

import (
	"fmt"
	"strings"
)

// FactName is a fact about the machine that values may refer to.
type FactName struct {
	// Name stands between the braces: ${instance.type}. In that of tags KEY stands
	// for any key.
	Name string
	// What says what the fact is.
	What string
}

// tagFact begins the names of the instance's tags; the key follows.
const tagFact = "instance.tags."

// FactNames returns all facts that values may refer to, in the order for people.
func FactNames() []FactName {
	return []FactName{
		{"cluster.name", "the name of the cluster"},
		{"instance.id", "the ID of the EC2 instance"},
		{"instance.type", "the instance type, as m5.large"},
		{"instance.family", "the instance type's family, as m5"},
		{"instance.size", "the instance type's size, as large"},
		{"instance.region", "the AWS region, as eu-west-1"},
		{"instance.zone", "the availability zone, as eu-west-1a"},
		{"instance.zoneType", "the kind of zone: availability-zone, local-zone or wavelength-zone"},
		{"instance.zoneId", "the ID of the availability zone, the same in all accounts, as euw1-az1"},
		{"instance.accountId", "the AWS account"},
		{"instance.imageId", "the ID of the AMI"},
		{"instance.partition", "the part of AWS, as aws, aws-cn or aws-us-gov"},
		{"instance.outpostArn", "the ARN of the Outpost"},
		{"instance.lifecycle", "how the instance was bought: on-demand, spot, scheduled or capacity-block"},
		{"instance.placementGroup", "the name of the placement group"},
		{"instance.partitionNumber", "the partition in a partition placement group"},
		{tagFact + "KEY", "the instance's tag of that key; tags must be allowed in instance metadata"},
		{"gpu.model", "the model of the first GPU"},
		{"gpu.count", "the number of GPUs"},
		{"gpu.vendor", "the vendor of the first GPU"},
		{"cpu.count", "the number of logical CPUs"},
		{"cpu.architecture", "the architecture as Kubernetes names it, as amd64"},
		{"memory.mib", "the memory in MiB"},
		{"os.id", "the ID of /etc/os-release, as amzn"},
		{"os.version", "the version of /etc/os-release, as 2023"},
		{"kernel.version", "the release of the kernel"},
		{"kubelet.version", "the version of kubelet"},
		{"containerd.version", "the version of containerd"},
	}
}

// Reference is one ${NAME} in a text.
type Reference struct {
	// Name of the fact.
	Name string
	// Start and End are the byte offsets of the reference with its signs:
	// text[Start:End] is "${NAME}".
	Start, End int
}

// References returns the references to facts in a text, in their order. $$ stands
// for one dollar sign, and a dollar sign before anything but a brace for itself. It
// fails for a reference that has no end and for a name that [FactNames] does not
// have.
func References(text string) ([]Reference, error) {
	refs, err := scanReferences(text)
	if err != nil {
		return nil, err
	}
	for _, r := range refs {
		if p := r.problem(); p != "" {
			return nil, fmt.Errorf("cannot use %s: %s", quoteName("${"+r.Name+"}"), p)
		}
	}
	return refs, nil
}

// Expand returns a text with its references replaced by what lookup knows, and $$
// by a dollar sign. It fails as [References] does, and with the first error of
// lookup, which it wraps.
func Expand(text string, lookup func(name string) (string, error)) (string, error) {
	refs, err := References(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	from := 0
	for _, r := range refs {
		value, err := lookup(r.Name)
		if err != nil {
			return "", fmt.Errorf("cannot resolve ${%s}: %w", r.Name, err)
		}
		b.WriteString(undollar(text[from:r.Start]))
		b.WriteString(value)
		from = r.End
	}
	b.WriteString(undollar(text[from:]))
	return b.String(), nil
}

func undollar(s string) string { return strings.ReplaceAll(s, "$$", "$") }

// scanReferences finds the references of a text, whatever they name. On an error
// the reference that has no end is the last one, its End that of the text.
func scanReferences(text string) (refs []Reference, err error) {
	for i := 0; i+1 < len(text); {
		switch {
		case text[i] != '$':
			i++
		case text[i+1] == '$':
			i += 2
		case text[i+1] != '{':
			i++
		default:
			n := strings.IndexByte(text[i:], '}')
			if n < 0 {
				refs = append(refs, Reference{Name: text[i+2:], Start: i, End: len(text)})
				return refs, fmt.Errorf("cannot read %s: the reference has no closing brace", quoteName(text[i:]))
			}
			refs = append(refs, Reference{Name: text[i+2 : i+n], Start: i, End: i + n + 1})
			i += n + 1
		}
	}
	return refs, nil
}

// problem says what is wrong with a reference, or "".
func (r Reference) problem() string {
	if key, ok := strings.CutPrefix(r.Name, tagFact); ok {
		if key == "" {
			return "the key of the tag is missing"
		}
		return ""
	}
	for _, f := range FactNames() {
		if f.Name == r.Name {
			return ""
		}
	}
	if r.Name == "" {
		return "the name of the fact is missing"
	}
	return "there is no such fact"
}

// remedy says which fact was probably meant.
func (r Reference) remedy() string {
	name := strings.TrimSpace(r.Name)
	group, rest, _ := strings.Cut(name, ".")
	field, key, hasKey := strings.Cut(rest, ".")
	if best, ok := nearest(group+"."+field, []string{strings.TrimSuffix(tagFact, ".")}); ok && hasKey {
		if key == "" {
			return "write the key of the tag after it, as ${" + best + ".Name}"
		}
		return "did you mean ${" + best + "." + key + "}?"
	}
	var names []string
	for _, f := range FactNames() {
		names = append(names, f.Name)
	}
	if best, ok := nearest(name, names); ok {
		return "did you mean ${" + best + "}?"
	}
	for _, n := range names { // the last word of a name alone: type, zoneId
		if _, last, _ := strings.Cut(n, "."); strings.EqualFold(last, name) {
			return "did you mean ${" + n + "}?"
		}
	}
	return "if a template should have filled this in, it did not; known facts: " + strings.Join(names, ", ")
}
