package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/lock"
)

// exitUsage is nodeadm's exit status for a command line it cannot read.
const exitUsage status = 2

// runNodeadm speaks nodeadm's command line, so that the units and scripts of an
// Amazon Linux 2023 image keep working when /usr/bin/nodeadm is this program.
func (a *app) runNodeadm(ctx context.Context) int {
	started := false
	root := &cobra.Command{
		Use: a.name, Short: "nodeadm's command line, spoken by eksnode", Version: version,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			started = true
			log, err := newLogger(a.stderr, "text")
			a.log = log
			return err
		},
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintln(a.stderr, "nodeadm: no command specified")
			return exitUsage
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.PersistentFlags().BoolP("development", "d", false, "accepted and without effect")
	root.AddCommand(a.nodeadmInit(), a.nodeadmConfig())
	if strings.TrimSuffix(a.name, ".exe") == "nodeadm-internal" {
		a.addInternal(root)
	}
	root.SetArgs(a.args)
	err := root.ExecuteContext(ctx)
	if err != nil && !started {
		fmt.Fprintf(a.stderr, "nodeadm: %v\n", err)
		return int(exitUsage)
	}
	return a.exit(err)
}

func (a *app) nodeadmInit() *cobra.Command {
	var sources, skip, daemons []string
	var cache string
	cmd := &cobra.Command{
		Use: "init", Short: "Initialize this instance as a node", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range skip {
				if s != "config" && s != "run" {
					a.log.Warn("unknown phase to skip", "phase", s, "known", "config, run")
				}
			}
			for _, d := range daemons {
				if d != "" && d != "containerd" && d != "kubelet" {
					a.log.Warn("unknown daemon", "daemon", d, "known", "containerd, kubelet")
				}
			}
			scope := bootstrap.Scope{ConfigOnly: slices.Contains(skip, "run")}
			if cmd.Flags().Changed("daemon") {
				scope.Only = daemonComponents(daemons)
			}
			if scope.ConfigOnly && slices.Contains(skip, "config") {
				return nil
			}
			return a.nodeadmRun(cmd.Context(), sources, cache, scope)
		},
	}
	cmd.Flags().StringArrayVarP(&sources, "config-source", "c", []string{"imds://user-data"}, "source of the configuration; repeatable")
	cmd.Flags().StringArrayVarP(&skip, "skip", "s", nil, "phase to skip: config or run; repeatable")
	cmd.Flags().StringArrayVar(&daemons, "daemon", nil, "daemon to look after: containerd or kubelet; repeatable, all when not given")
	cmd.Flags().StringVar(&cache, "config-cache", "", "file that keeps the configuration between two calls")
	return cmd
}

// daemonComponents translates nodeadm's daemons into components. An empty name
// stands for no daemon at all.
func daemonComponents(daemons []string) []string {
	only := []string{"hooks", "tuning", "network"}
	for _, d := range daemons {
		switch d {
		case "kubelet":
			only = append(only, "credential", "kubelet")
		case "containerd":
			only = append(only, "containerd")
		}
	}
	return only
}

func (a *app) nodeadmRun(ctx context.Context, sources []string, cache string, scope bootstrap.Scope) error {
	if err := a.needRoot("init"); err != nil {
		return err
	}
	load := bootstrap.LoadOptions{URIs: sources, Stdin: a.stdin, Now: a.now(), Lenient: true}
	if cache != "" {
		load.Fallback = []string{"file://" + cache}
	}
	err := a.bootstrap(ctx, bootstrap.InitOptions{
		Load: load, Scope: scope, Timeout: defaultTimeout,
		Configured: func(l bootstrap.Loaded, in node.Input) {
			if cache == "" {
				return
			}
			if err := writeCache(cache, l.Merged.Config); err != nil {
				a.log.Warn("cannot cache the configuration", "error", err)
			}
		},
	})
	return err
}

// writeCache writes what `config dump` prints. It holds secrets.
func writeCache(path string, c api.NodeConfig) error {
	b, err := dump(c)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, b, ownFile(0o600))
}

// dump is a configuration as nodeadm's `config dump` prints it: JSON in one
// line, with everything that is needed to use it.
func dump(c api.NodeConfig) ([]byte, error) {
	b, err := api.Encode(c, api.EncodeOptions{Format: api.JSON, Secrets: true})
	if err != nil {
		return nil, fmt.Errorf("cannot encode the configuration: %w", err)
	}
	return b, nil
}

func (a *app) nodeadmConfig() *cobra.Command {
	var sources []string
	var cache, output string
	config := &cobra.Command{
		Use: "config", Short: "Check or dump the configuration", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	config.PersistentFlags().StringArrayVarP(&sources, "config-source", "c", []string{"imds://user-data"}, "source of the configuration; repeatable")
	config.AddCommand(&cobra.Command{
		Use: "check", Short: "Check the configuration", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.checkConfig(cmd.Context(), checkFlags{sources: sources, output: "text", lenient: true})
		},
	})
	dumpCommand := &cobra.Command{
		Use: "dump", Short: "Print the configuration as JSON in one line", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.dumpConfig(cmd.Context(), sources, cache, output)
		},
	}
	dumpCommand.Flags().StringVar(&cache, "config-cache", "", "file that keeps the configuration between two calls")
	dumpCommand.Flags().StringVarP(&output, "config-output", "o", "", "file to write to")
	config.AddCommand(dumpCommand)
	return config
}

func (a *app) dumpConfig(ctx context.Context, sources []string, cache, output string) error {
	p, err := a.pickPlatform()
	if err != nil {
		return err
	}
	load := bootstrap.LoadOptions{URIs: sources, Stdin: a.stdin, Now: a.now(), Lenient: true}
	if cache != "" {
		load.Fallback = []string{"file://" + cache}
	}
	l, err := bootstrap.Load(ctx, p, load)
	// nodeadm dumps what it cannot use, too.
	if err != nil && (fault.CodeOf(err) != fault.ConfigInvalid || l.Merged.Config.Kind == "") {
		return err
	}
	b, err := dump(l.Merged.Config)
	if err != nil {
		return err
	}
	if output == "" {
		_, err = a.stdout.Write(b)
		return err
	}
	if abs, errAbs := filepath.Abs(output); errAbs == nil {
		output = abs
	}
	if err := atomicfile.Write(output, b, ownFile(0o600)); err != nil {
		return fmt.Errorf("cannot write the configuration to %s: %w", output, err)
	}
	return nil
}

// ownFile is a file of the user who runs this.
func ownFile(mode fs.FileMode) atomicfile.Attr { return atomicfile.Attr{Mode: mode, UID: -1, GID: -1} }

// acquire keeps a second agent out; the caller must call unlock.
func acquire(runDir string) (unlock func(), err error) {
	l, err := lock.Acquire(runDir)
	if err != nil {
		return nil, err
	}
	return func() { _ = l.Release() }, nil
}
