package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
)

type checkFlags struct {
	sources []string
	output  string
	lenient bool
	// strict takes warnings for errors.
	strict bool
}

func (a *app) configCheckCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Show everything that is wrong with the configuration, with its place (exit 0: usable, 1: not)",
		Long: `Show everything that is wrong with the configuration at once. Files are user data
as an instance would get it (plain, MIME, gzip or base64) or drop-ins; "-" is
standard input. Without files the sources of this machine are read.

The output is for people (text), for programs (json), or for code scanners (sarif,
version 2.1.0). With --strict a warning makes the configuration unusable, too.`,
		RunE: func(cmd *cobra.Command, files []string) error {
			more, err := uris(files)
			if err != nil {
				return err
			}
			f.sources = append(f.sources, more...)
			return a.checkConfig(cmd.Context(), f)
		},
	}
	bindConfigSources(cmd, &f.sources)
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text, json or sarif")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "take warnings for errors")
	return cmd
}

func (a *app) checkConfig(ctx context.Context, f checkFlags) error {
	printProblems, ok := problemPrinters[f.output]
	if !ok {
		return fmt.Errorf("cannot print problems as %q: known are text, json and sarif", f.output)
	}
	l, err := a.load(ctx, f.sources, f.lenient)
	code := fault.CodeOf(err)
	if err != nil && code != fault.ConfigInvalid && code != fault.ConfigMissing {
		return err
	}
	valid := err == nil && !(f.strict && slices.ContainsFunc(l.Problems, isWarning))
	if err := printProblems(a.stdout, l.Problems, valid); err != nil {
		return err
	}
	if code == fault.ConfigInvalid || err == nil && !valid {
		return status(1) // all of it has just been printed
	}
	return err
}

func isWarning(p api.Problem) bool { return p.Severity == api.Warning }

var problemPrinters = map[string]func(w io.Writer, problems []api.Problem, valid bool) error{
	"text": problemsText, "json": problemsJSON, "sarif": problemsSARIF,
}

func problemsText(w io.Writer, problems []api.Problem, valid bool) error {
	err := api.Render(w, problems)
	if err == nil && valid {
		_, err = fmt.Fprintln(w, "Configuration is valid")
	}
	return err
}

func problemsJSON(w io.Writer, problems []api.Problem, valid bool) error {
	if problems == nil {
		problems = []api.Problem{}
	}
	return writeJSON(w, struct {
		Valid    bool          `json:"valid"`
		Problems []api.Problem `json:"problems"`
	}{valid, problems})
}

func problemsSARIF(w io.Writer, problems []api.Problem, _ bool) error {
	b, err := api.SARIF(problems, version)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}
