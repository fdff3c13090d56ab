package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
)

func (a *app) configCommand() *cobra.Command {
	config := &cobra.Command{Use: "config", Short: "Check and show the configuration"}
	config.AddCommand(a.configCheckCommand(), a.configShowCommand())
	return config
}

type checkFlags struct {
	sources []string
	output  string
	lenient bool
}

func (a *app) configCheckCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Show everything that is wrong with the configuration, with its place (exit 0: usable, 1: not)",
		Long: `Show everything that is wrong with the configuration at once. Files are user data
as an instance would get it (plain, MIME, gzip or base64) or drop-ins; "-" is
standard input. Without files the sources of this machine are read.`,
		RunE: func(cmd *cobra.Command, files []string) error {
			f.sources = append(f.sources, uris(files)...)
			return a.checkConfig(cmd.Context(), f)
		},
	}
	bindConfigSources(cmd, &f.sources)
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text or json")
	return cmd
}

func bindConfigSources(cmd *cobra.Command, sources *[]string) {
	cmd.Flags().StringArrayVarP(sources, "config-source", "c", nil, "imds://user-data, file://PATH or -; repeatable, lowest precedence first")
}

// uris turns file names into sources.
func uris(files []string) []string {
	var out []string
	for _, f := range files {
		if f != "-" {
			f = "file://" + f
		}
		out = append(out, f)
	}
	return out
}

// load reads the configuration of this invocation's sources. An error other
// than ConfigInvalid means that there is nothing to talk about.
func (a *app) load(ctx context.Context, sources []string, lenient bool) (bootstrap.Loaded, error) {
	p, err := a.pickPlatform()
	if err != nil {
		return bootstrap.Loaded{}, err
	}
	return bootstrap.Load(ctx, p, bootstrap.LoadOptions{URIs: sources, Stdin: a.stdin, Now: a.now(), Lenient: lenient})
}

func (a *app) checkConfig(ctx context.Context, f checkFlags) error {
	l, err := a.load(ctx, f.sources, f.lenient)
	if err != nil && fault.CodeOf(err) != fault.ConfigInvalid {
		return err
	}
	valid := err == nil
	switch f.output {
	case "text":
		err = api.Render(a.stdout, l.Problems)
		if err == nil && valid {
			_, err = fmt.Fprintln(a.stdout, "Configuration is valid")
		}
	case "json":
		problems := l.Problems
		if problems == nil {
			problems = []api.Problem{}
		}
		err = writeJSON(a.stdout, struct {
			Valid    bool          `json:"valid"`
			Problems []api.Problem `json:"problems"`
		}{valid, problems})
	default:
		err = fmt.Errorf("cannot print problems as %q: known are text and json", f.output)
	}
	if err == nil && !valid {
		return status(1)
	}
	return err
}

func (a *app) configShowCommand() *cobra.Command {
	var sources []string
	var output string
	cmd := &cobra.Command{
		Use:   "show [FILE...]",
		Short: "Show the configuration as merged from all sources, without its secrets",
		RunE: func(cmd *cobra.Command, files []string) error {
			l, err := a.load(cmd.Context(), append(sources, uris(files)...), false)
			if err != nil {
				return err
			}
			var b []byte
			switch output {
			case "yaml":
				b, err = api.Encode(l.Merged.Config, api.EncodeOptions{})
			case "json":
				b, err = api.Encode(l.Merged.Config, api.EncodeOptions{Format: api.JSON})
			default:
				err = fmt.Errorf("cannot print a configuration as %q: known are yaml and json", output)
			}
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(b)
			return err
		},
	}
	bindConfigSources(cmd, &sources)
	cmd.Flags().StringVarP(&output, "output", "o", "yaml", "yaml or json")
	return cmd
}
