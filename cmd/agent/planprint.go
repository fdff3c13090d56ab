package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/host"
)

var planPrinters = map[string]func(io.Writer, bootstrap.Decision) error{
	"text": planText, "json": planJSON, "diff": planDiff,
}

// signs mark the verbs for the eye.
var signs = map[host.Verb]string{
	host.Create: "+", host.Update: "~", host.Start: "▶", host.Restart: "↻",
	host.Stop: "■", host.Remove: "-", host.Restore: "←",
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
			A: difflib.SplitLines(shown(s.Have)), B: difflib.SplitLines(shown(s.Want)),
			FromFile: side("is", s.ID, s.Have), ToFile: side("wanted", s.ID, s.Want), Context: 3,
		})
		if err != nil {
			return err
		}
		if secretFile(s.Want) || secretFile(s.Have) {
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
		return fmt.Sprintf("# mode %04o owner %d:%d\n%s", r.Mode.Perm(), r.UID, r.GID, ensureNewline(printable(r)))
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

func ensureNewline(s string) string {
	if s == "" || strings.HasSuffix(s, "\n") {
		return s
	}
	return s + "\n"
}

func secretFile(r host.Resource) bool {
	f, ok := r.(host.File)
	return ok && f.Secret
}

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

func planJSON(w io.Writer, d bootstrap.Decision) error {
	out := struct {
		NodeName string      `json:"nodeName,omitempty"`
		Impact   host.Impact `json:"impact"`
		Steps    []stepJSON  `json:"steps"`
	}{d.Input.Instance.NodeName, d.Plan.Impact(), []stepJSON{}}
	for _, s := range d.Plan.Steps {
		out.Steps = append(out.Steps, stepJSON{s.Verb, s.ID, s.Owner, s.Why, s.Impact, forJSON(s.Want), forJSON(s.Have)})
	}
	return writeJSON(w, out)
}

func forJSON(r host.Resource) any {
	f, ok := r.(host.File)
	if !ok {
		return r
	}
	return fileJSON{f.Path, fmt.Sprintf("%04o", f.Mode.Perm()), f.UID, f.GID, f.Secret, printable(f)}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
