// Package docs makes the parts of the user guide that follow from the code, so
// that they cannot differ from it: the NodeConfig reference from the types and
// their comments, and the troubleshooting guide from the catalogue of faults.
package docs

import (
	"fmt"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
)

// Troubleshooting returns the body of docs/troubleshooting.md.
func Troubleshooting() string {
	var b strings.Builder
	b.WriteString(`# Troubleshooting by error code

Every failure has a code. It is in the last line on the console (` + "`aws ec2 get-console-output`" + ` shows it without a login), in
` + "`/run/eksnode/status.json`, in `eksnode status`" + ` and in the journal (` + "`journalctl -u eksnode-config -u eksnode-run`" + `). The message
beside the code has the values that matter; the remedy there is more precise than the one here.

This page is made from the program's own catalogue.

| code | what has been seen | what usually mends it |
|---|---|---|
`)
	for _, e := range fault.Catalogue() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e.Code, cell(e.Meaning), cell(e.Remedy))
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
