package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/api"
)

func (a *app) configSchemaCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a NodeConfig document, for editors and other programs",
		Long: `Print the JSON Schema (draft 2020-12) of a NodeConfig document of either group.
Editors complete and check files with it:

  eksnode config schema > nodeconfig.schema.json
  # yaml-language-server: $schema=nodeconfig.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if output != "json" {
				return fmt.Errorf("cannot print the schema as %q: known is json", output)
			}
			_, err := a.stdout.Write(api.JSONSchema())
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "json", "json")
	return cmd
}
