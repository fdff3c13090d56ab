package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
)

func (a *app) configCommand() *cobra.Command {
	config := &cobra.Command{
		Use: "config", Short: "Check, show, explain and convert the configuration", Args: cobra.NoArgs,
		// A command that does nothing by itself takes any word for its own.
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	config.AddCommand(a.configCheckCommand(), a.configShowCommand(), a.configExplainCommand(), a.configSchemaCommand(), a.configConvertCommand())
	return config
}

func bindConfigSources(cmd *cobra.Command, sources *[]string) {
	cmd.Flags().StringArrayVarP(sources, "config-source", "c", nil, "imds://user-data, file://PATH or -; repeatable, lowest precedence first")
}

// uris turns file names into sources. A source that is not there holds nothing;
// a file that someone names and that is not there is a slip of the pen.
func uris(files []string) ([]string, error) {
	var out []string
	for _, f := range files {
		if f == "-" {
			out = append(out, f)
			continue
		}
		if _, err := os.Stat(f); err != nil {
			return nil, fault.New(fault.ConfigUnreadable, "Check that the path is right and that you may read it.",
				fmt.Errorf("cannot read configuration: %w", err))
		}
		out = append(out, "file://"+f)
	}
	return out, nil
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

func (a *app) configShowCommand() *cobra.Command {
	var sources []string
	var output string
	cmd := &cobra.Command{
		Use:   "show [FILE...]",
		Short: "Show the configuration as merged from all sources, without its secrets",
		RunE: func(cmd *cobra.Command, files []string) error {
			var options api.EncodeOptions
			switch output {
			case "yaml":
			case "json":
				options.Format = api.JSON
			default:
				return fmt.Errorf("cannot print a configuration as %q: known are yaml and json", output)
			}
			more, err := uris(files)
			if err != nil {
				return err
			}
			l, err := a.load(cmd.Context(), append(sources, more...), false)
			if err != nil {
				return err
			}
			b, err := api.Encode(l.Merged.Config, options)
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
