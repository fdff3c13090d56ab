package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
)

func (a *app) configExplainCommand() *cobra.Command {
	var sources []string
	var output string
	cmd := &cobra.Command{
		Use:   "explain [PATH] [FILE...]",
		Short: "Show which source, line and column a value comes from, and what it replaced",
		Long: `Show the value of a field that counts, which source, part, line and column gave it,
and every value that it replaced; of a field that nobody gave, its default and
where that comes from.

PATH is a field, from the top (spec.kubelet.config.maxPods), from below spec
(kubelet.config.maxPods), or the end of a path if only one field ends so (maxPods).
Of an object, all fields are shown. Without PATH, all values are shown as a table.
Files are as in "config check"; a first argument that is a file's name is a FILE.`,
		Example: `  eksnode config explain maxPods user-data.mime
  eksnode config explain 'plugins["io.containerd.grpc.v1.cri"]' node.yaml
  eksnode config explain -o json node.yaml drop-in.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			show, ok := explanationPrinters[output]
			if !ok {
				return fmt.Errorf("cannot print explanations as %q: known are text and json", output)
			}
			path := ""
			if len(args) > 0 && !namesFile(args[0]) {
				path, args = args[0], args[1:]
			}
			files, err := uris(args)
			if err != nil {
				return err
			}
			return a.explain(cmd.Context(), path, append(sources, files...), show)
		},
	}
	bindConfigSources(cmd, &sources)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// namesFile reports whether an argument is meant as a file and not as a field: a
// keyed path may hold a slash only in brackets.
func namesFile(arg string) bool {
	if arg == "-" || strings.ContainsAny(arg, `/\`) && !strings.Contains(arg, "[") {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular()
}

// explained is one explanation and what is remarked about its value.
type explained struct {
	api.Explanation
	Remarks []api.Problem `json:"remarks,omitempty"`
}

type explanationPrinter func(w io.Writer, table bool, list []explained) error

var explanationPrinters = map[string]explanationPrinter{"text": explanationsText, "json": explanationsJSON}

// explain also explains a configuration that has errors: a value that surprises may
// be one of them.
func (a *app) explain(ctx context.Context, path string, sources []string, show explanationPrinter) error {
	l, err := a.load(ctx, sources, false)
	unusable := fault.CodeOf(err) == fault.ConfigInvalid && l.Merged.Config.Kind != ""
	if err != nil && !unusable {
		return err
	}
	found, err := l.Merged.Explain(path)
	if err != nil {
		return err
	}
	list := make([]explained, 0, len(found))
	for _, e := range found {
		list = append(list, explained{e, remarksOn(e.Path, l.Problems)})
	}
	if err := show(a.stdout, path == "", list); err != nil {
		return fmt.Errorf("cannot print explanations: %w", err)
	}
	if unusable {
		fmt.Fprintln(a.stderr, "eksnode: this configuration has errors; `eksnode config check` shows them")
	}
	return nil
}

// remarksOn returns the problems that are about a field, and those that name it.
func remarksOn(path string, problems []api.Problem) []api.Problem {
	var out []api.Problem
	for _, p := range problems {
		if p.Path == path || strings.Contains(p.Message, path+" ") {
			out = append(out, p)
		}
	}
	return out
}

func explanationsJSON(w io.Writer, _ bool, list []explained) error { return writeJSON(w, list) }

func explanationsText(w io.Writer, table bool, list []explained) error {
	if table {
		return explanationTable(w, list)
	}
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		explainOne(&b, e)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func explainOne(b *strings.Builder, e explained) {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(b, "  %-10s%s\n", name+":", text)
		}
	}
	b.WriteString(e.Path + "\n")
	line("about", e.About)
	if e.Set {
		line("value", e.Value)
		line("set at", place(e.Origins[0]))
		for _, o := range e.Origins[1:] {
			line("replaced", o.Value+" at "+place(o))
		}
	} else {
		if e.Value != "" {
			line("value", e.Value+" (default)")
			line("from", e.DefaultFrom)
		} else {
			line("value", "not set")
			line("default", e.DefaultFrom)
		}
	}
	if e.Rejected {
		line("refused", "a document gives a value that cannot be used; `eksnode config check` says why")
	}
	line("merging", e.Merge)
	for _, p := range e.Remarks {
		line(p.Severity.String(), p.Message+" ("+p.Pos.String()+")")
	}
}

// place is where a value stands, with its MIME part.
func place(o api.Origin) string {
	at := o.Pos.String()
	if o.Part != "" {
		at += " [" + o.Part + "]"
	}
	return at
}

// explanationTable has one line a value. Long values are cut.
func explanationTable(w io.Writer, list []explained) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIELD\tVALUE\tSET AT\tREPLACED")
	for _, e := range list {
		var replaced []string
		for _, o := range e.Origins[1:] {
			replaced = append(replaced, shortened(o.Value)+" at "+o.Pos.String())
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.Path, shortened(e.Value), e.Origins[0].Pos, strings.Join(replaced, ", "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// shortened cuts a value that would make a table too wide.
func shortened(value string) string {
	const most = 48
	if r := []rune(value); len(r) > most {
		return string(r[:most]) + "…"
	}
	return value
}
