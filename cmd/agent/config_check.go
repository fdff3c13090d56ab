package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

type checkFlags struct {
	sources []string
	output  string
	lenient bool
	// strict takes warnings for errors.
	strict bool
	// machine is the one for which decisions are tried, too.
	machine simulateFlags
}

func (a *app) configCheckCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Show everything that is wrong with the configuration, with its place (exit 0: usable, 1: not)",
		Long: `Show everything that is wrong with the configuration at once. Files are user data
as an instance would get it (plain, MIME, gzip or base64) or drop-ins; "-" is
standard input. Without files the sources of this machine are read.

What depends on the machine is not known here. With --as all decisions are made for
a machine that is not here, and those that would be refused there are problems, too:
too little memory for the pods, a setting that its containerd no longer has, a
program that its image does not bring, a tag that nobody has told.

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
		Example: `  eksnode config check user-data.mime
  eksnode config check --as ec2:m5.large --kubernetes 1.34 user-data.mime
  eksnode config check --as ec2:p5.48xlarge --fact instance.tags.team=ml -o sarif node.yaml`,
	}
	bindConfigSources(cmd, &f.sources)
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text, json or sarif")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "take warnings for errors")
	f.machine.bind(cmd)
	return cmd
}

func (a *app) checkConfig(ctx context.Context, f checkFlags) error {
	printProblems, ok := problemPrinters[f.output]
	if !ok {
		return fmt.Errorf("cannot print problems as %q: known are text, json and sarif", f.output)
	}
	c, err := a.check(ctx, f)
	code := fault.CodeOf(err)
	if err != nil && code != fault.ConfigInvalid && code != fault.ConfigMissing {
		return err
	}
	c.Valid = err == nil && !api.HasErrors(c.Problems) && !(f.strict && slices.ContainsFunc(c.Problems, isWarning))
	if err := printProblems(a.stdout, c); err != nil {
		return err
	}
	if code == fault.ConfigInvalid || err == nil && !c.Valid {
		return status(1) // all of it has just been printed
	}
	return err
}

// checked is what was found; its fields are part of the interface.
type checked struct {
	Valid    bool          `json:"valid"`
	Problems []api.Problem `json:"problems"`
	// Machine is the one that was decided for, as --as names it.
	Machine string `json:"machine,omitempty"`
	// Assumed is what was taken for granted about it.
	Assumed []string `json:"assumed,omitempty"`
}

// check reads the configuration, and decides for a machine if one is described. An
// error means what bootstrap.Load's does.
func (a *app) check(ctx context.Context, f checkFlags) (checked, error) {
	if f.machine.as == "" && f.machine.cni != "" {
		return checked{}, errors.New("cannot use --cni without --as, which names the machine it is about")
	}
	if f.machine.isSweep() {
		return checked{}, errors.New("cannot check for many machines at once: name one instance type and one --cni; `eksnode plan` takes patterns")
	}
	if err := f.machine.check(); err != nil {
		return checked{}, err
	}
	if f.machine.as == "" {
		l, err := a.load(ctx, f.sources, f.lenient)
		return checked{Problems: l.Problems}, err
	}
	s, err := a.simulation(f.machine)
	if err != nil {
		return checked{}, err
	}
	if err := needSources(f.sources); err != nil {
		return checked{}, err
	}
	c := checked{Machine: f.machine.as}
	l, err := a.loadFor(ctx, s, f.machine.cni, f.sources)
	c.Problems = l.Problems
	if err != nil {
		return c, err
	}
	in, err := s.platform.Gather(ctx, platform.Question{Config: l.Merged.Config, Log: a.log})
	if err != nil {
		return c, err
	}
	c.Assumed = s.assumed
	_, err = node.Desired(in, s.platform.Components)
	c.Problems = append(c.Problems, refusals(l, err)...)
	return c, nil
}

func isWarning(p api.Problem) bool { return p.Severity == api.Warning }

var problemPrinters = map[string]func(io.Writer, checked) error{
	"text": problemsText, "json": problemsJSON, "sarif": problemsSARIF,
}

func problemsText(w io.Writer, c checked) error {
	if err := api.Render(w, c.Problems); err != nil {
		return err
	}
	p := &printer{w: w}
	if len(c.Assumed) > 0 {
		p.line("note: assumed: %s", strings.Join(c.Assumed, "; "))
	}
	switch {
	case c.Valid && c.Machine != "":
		p.line("Configuration is valid for %s", c.Machine)
	case c.Valid:
		p.line("Configuration is valid")
	}
	return p.err
}

func problemsJSON(w io.Writer, c checked) error {
	if c.Problems == nil {
		c.Problems = []api.Problem{}
	}
	return writeJSON(w, c)
}

func problemsSARIF(w io.Writer, c checked) error {
	var more []api.Rule
	for _, e := range fault.Catalogue() {
		more = append(more, api.Rule{Code: api.Code(e.Code), Short: e.Meaning, Help: e.Remedy})
	}
	b, err := api.SARIF(c.Problems, version, more...)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}
