package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

var planPrinters = map[string]func(io.Writer, bootstrap.Decision) error{
	"text": planText, "json": planJSON, "diff": planDiff,
}

// signs mark the verbs for the eye.
var signs = map[host.Verb]string{
	host.Create: "+", host.Update: "~", host.Start: "▶", host.Restart: "↻",
	host.Stop: "■", host.Remove: "-", host.Restore: "←", host.Run: "»",
	host.Clear: "-",
}

func planText(w io.Writer, d bootstrap.Decision) error {
	p := &printer{w: w}
	in := d.Input
	if in.Instance.NodeName != "" {
		p.line("Plan for %s (%s, %s) in cluster %s", in.Instance.NodeName, in.Instance.Type, in.Instance.Zone, in.Config.Spec.Cluster.Name)
	}
	for _, f := range in.Problems {
		p.line("fact missing: %s: %s", f.Fact, f.Message)
	}
	for _, n := range d.Notes {
		p.line("note: %s", n)
	}
	var rows [][]string
	for _, s := range d.Plan.Steps {
		if s.Verb == host.Owe {
			continue // a note of the agent's to itself; the restart is in the list
		}
		rows = append(rows, []string{"  " + signs[s.Verb] + " " + string(s.Verb), string(s.ID.Kind), s.ID.Name, s.Why})
	}
	p.table(rows...)
	if d.Plan.Empty() {
		p.line("Nothing to do: the machine is as it should be.")
	} else {
		p.line("%d steps, impact %s. Nothing has been changed.", len(rows), d.Plan.Impact())
	}
	return p.err
}

// planDiff shows every change as a unified diff.
func planDiff(w io.Writer, d bootstrap.Decision) error {
	for _, s := range d.Plan.Steps {
		if s.Verb == host.Owe {
			continue
		}
		diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
			A: lines(shown(s.Have)), B: lines(shown(s.Want)),
			FromFile: side("is", s.ID, s.Have), ToFile: side("wanted", s.ID, s.Want), Context: 3,
		})
		if err != nil {
			return err
		}
		if secret(s) {
			diff = fmt.Sprintf("--- %s\n+++ %s\n@@ content is secret @@\n", side("is", s.ID, s.Have), side("wanted", s.ID, s.Want))
		}
		if _, err := fmt.Fprintf(w, "%s %s (%s)\n%s", s.Verb, s.ID, s.Why, diff); err != nil {
			return err
		}
	}
	return nil
}

func side(label string, id host.ID, r host.Resource) string {
	if r == nil {
		return "/dev/null"
	}
	return label + " " + id.Name
}

// shown is a resource as lines of text; "" for nil.
func shown(r host.Resource) string {
	switch r := r.(type) {
	case nil:
		return ""
	case host.File:
		return fmt.Sprintf("# mode %s owner %d:%d\n%s", octal(r.Mode), r.UID, r.GID, ensureNewline(printable(r)))
	case host.Dir:
		return fmt.Sprintf("# folder, mode %s owner %d:%d\n", octal(r.Mode), r.UID, r.GID)
	case host.Command:
		return programLines(r)
	case host.Service:
		return fmt.Sprintf("running: %v\ncurrent: %v\nenabled: %v\n", r.Running, r.Current, r.Enabled)
	default:
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Sprintf("%+v\n", r)
		}
		return string(b) + "\n"
	}
}

// lines splits after every line break; what is empty has no line.
func lines(s string) []string {
	var out []string
	for l := range strings.Lines(s) {
		out = append(out, l)
	}
	return out
}

func ensureNewline(s string) string {
	if s == "" || strings.HasSuffix(s, "\n") {
		return s
	}
	return s + "\n"
}

// secret reports whether the content of a step's files must not be shown. What
// a file holds is known of one that is wanted. Of one that is to be replaced or
// removed it is not, unless everyone may read it anyway: a drop-in without its
// password any more replaces one with it.
func secret(s host.Step) bool {
	want, wanted := s.Want.(host.File)
	have, there := s.Have.(host.File)
	if want.Secret || have.Secret {
		return true
	}
	vouched := wanted && s.Verb != host.Restore && !public(want)
	return there && !public(have) && !vouched
}

func public(f host.File) bool { return f.Mode.Perm()&0o004 != 0 }

// printable is a file's content for people.
func printable(f host.File) string {
	switch {
	case f.Secret:
		return "[redacted]"
	case !utf8.Valid(f.Content):
		return fmt.Sprintf("[%d bytes that are no text]", len(f.Content))
	}
	return string(f.Content)
}

// stepJSON is a step for machines; its fields are part of the interface.
type stepJSON struct {
	Verb   host.Verb   `json:"verb"`
	ID     host.ID     `json:"id"`
	Owner  string      `json:"owner"`
	Why    string      `json:"why"`
	Impact host.Impact `json:"impact"`
	Want   any         `json:"want"`
	Have   any         `json:"have"`
}

// fileJSON is a file with its content as text.
type fileJSON struct {
	Path    string `json:"path"`
	Mode    string `json:"mode"`
	UID     int    `json:"uid"`
	GID     int    `json:"gid"`
	Secret  bool   `json:"secret,omitempty"`
	Content string `json:"content"`
}

// dirJSON is a folder with its mode as people write it.
type dirJSON struct {
	Path string `json:"path"`
	Mode string `json:"mode"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
}

func octal(m fs.FileMode) string { return fmt.Sprintf("%04o", m.Perm()) }

func planJSON(w io.Writer, d bootstrap.Decision) error {
	out := struct {
		NodeName string        `json:"nodeName,omitempty"`
		Impact   host.Impact   `json:"impact"`
		Steps    []stepJSON    `json:"steps"`
		Reasons  []node.Reason `json:"reasons,omitempty"`
	}{d.Input.Instance.NodeName, d.Plan.Impact(), []stepJSON{}, d.Reasons}
	for _, s := range d.Plan.Steps {
		out.Steps = append(out.Steps, stepJSON{s.Verb, s.ID, s.Owner, s.Why, s.Impact, forJSON(s.Want, secret(s)), forJSON(s.Have, secret(s))})
	}
	return writeJSON(w, out)
}

func forJSON(r host.Resource, secret bool) any {
	switch r := r.(type) {
	case host.File:
		r.Secret = secret
		return fileJSON{r.Path, octal(r.Mode), r.UID, r.GID, r.Secret, printable(r)}
	case host.Dir:
		return dirJSON{r.Path, octal(r.Mode), r.UID, r.GID}
	}
	return r
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
