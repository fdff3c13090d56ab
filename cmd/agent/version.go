package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info := struct {
				Version  string `json:"version"`
				Commit   string `json:"commit"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{version, commit, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			switch output {
			case "text":
				_, err := fmt.Fprintf(a.stdout, "eksnode %s (%s, %s, %s)\n", info.Version, info.Commit, info.Go, info.Platform)
				return err
			case "json":
				return writeJSON(a.stdout, info)
			}
			return fmt.Errorf("cannot print a version as %q: known are text and json", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}
