package docs

import (
	"embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
)

//go:embed examples
var examples embed.FS

// Reference returns the body of docs/nodeconfig.md from the fields that the program
// reads and the comments of the package in folder.
func Reference(folder string) (string, error) {
	src, err := readSource(folder)
	if err != nil {
		return "", err
	}
	comments := src.comments()
	var b strings.Builder
	b.WriteString(`# NodeConfig reference

A NodeConfig says what one node should be. It is accepted under two API groups: ` + "`node.eks.aws/v1alpha1`" + `, which nodeadm reads
and Karpenter, eksctl, managed node groups and Terraform modules write, and ` + "`eksnode.dev/v1alpha1`" + `, which has the same fields
at the same places and more beside them. A field of the second in a document of the first is an error, since nodeadm would pass over
it in silence; so is an unknown field, and the nearest known one is named.

Only ` + "`spec.cluster`" + ` is required, and may come from another document. What the program does with each field on EC2 is in
[ec2.md](ec2.md). ` + "`eksnode config schema`" + ` prints this page as a JSON Schema for editors, ` + "`eksnode config check`" + ` says what is wrong
with a file, and ` + "`eksnode config explain PATH`" + ` where a value comes from. The feature gates are ` + "`InstanceIdNodeName` and\n`FastImagePull`" + `; another one is a warning.

This page is made from the program's types.

`)
	for _, part := range []struct {
		title    string
		superset bool
	}{{"Fields of both groups", false}, {"Fields of `" + api.APIVersionSuperset + "` alone", true}} {
		fmt.Fprintf(&b, "## %s\n\n| field | holds | default | several documents | meaning |\n|---|---|---|---|---|\n", part.title)
		for _, f := range api.Fields() {
			if f.Superset == part.superset && f.Kind != api.IgnoredField {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Path, kindCell(f, comments[f.Path]), defaultCell(f), cell(f.Merge), cell(withoutMerging(comments[f.Path].text)))
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("`[]` stands for any item of a list, `.*` for any key of a mapping.\n\n## Values\n\n| field | value | meaning |\n|---|---|---|\n")
	for _, f := range api.Fields() {
		for _, v := range comments[f.Path].enum {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", f.Path, v.value, cell(v.doc))
		}
	}
	b.WriteString("\n## Facts\n\nThe values of `spec.labels`, `spec.annotations`, `spec.taints` and `spec.nodeName.name` may refer to facts about the machine, as\n" +
		"`${instance.type}`. `$$` stands for one `$`.\n\n| fact | what it is |\n|---|---|\n")
	for _, n := range api.FactNames() {
		fmt.Fprintf(&b, "| `${%s}` | %s |\n", n.Name, cell(n.What))
	}
	for _, e := range []struct{ title, file string }{{"Example for both groups", "nodeadm.yaml"}, {"Example of `" + api.APIVersionSuperset + "`", "superset.yaml"}} {
		text, err := examples.ReadFile("examples/" + e.file)
		if err != nil {
			return "", fmt.Errorf("cannot read an example: %w", err)
		}
		fmt.Fprintf(&b, "\n## %s\n\n```yaml\n%s```\n", e.title, longValue.ReplaceAll(text, []byte("$1…")))
	}
	return b.String(), nil
}

var (
	// longValue is a value that nobody reads; what follows the group is left out.
	longValue = regexp.MustCompile(`(certificateAuthority: \S{24})\S+`)
	// merging are sentences that say what the column beside them says.
	merging = regexp.MustCompile(` ?(Merged by [^.]*|A later document's list replaces an earlier one's|Required)\.( |$)`)
)

func withoutMerging(text string) string {
	return strings.TrimSpace(merging.ReplaceAllString(text, " "))
}

// kindCell says what a field holds.
func kindCell(f api.Field, c comment) string {
	if len(c.enum) > 0 {
		return strings.Replace(string(f.Kind), "string", "[value](#values)", 1)
	}
	return string(f.Kind)
}

// defaultCell says what counts without a value.
func defaultCell(f api.Field) string {
	switch {
	case f.Default != "":
		return "`" + cell(strings.Trim(f.Default, `"`)) + "`"
	case f.DefaultFrom == "required":
		return "**required**"
	}
	return cell(f.DefaultFrom)
}
