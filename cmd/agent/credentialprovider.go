package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/aws/awsconfig"
	"github.com/eksnode/eksnode/pkg/aws/ecr"
	"github.com/eksnode/eksnode/pkg/aws/imds"
)

// providerTimeout is a little less than the minute after which kubelet kills a
// plugin (k8s.io/kubernetes, pkg/credentialprovider/plugin).
const providerTimeout = 55 * time.Second

// anyRegion signs nothing: the provider asks in the region of the image.
const anyRegion = "us-east-1"

func (a *app) credentialProviderCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "credential-provider",
		Short: "Be kubelet's image credential provider for Amazon ECR: request on standard input, response on standard output",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.provideCredentials(cmd.Context()) },
	}
}

func (a *app) provideCredentials(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	client, err := imds.New(imds.OptionsFromEnv(a.getenv))
	if err != nil {
		return err
	}
	cfg, err := awsconfig.Load(ctx, awsconfig.Options{Region: anyRegion, IMDS: client})
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return ecr.Provider{Config: cfg, Now: a.now, Log: log}.Serve(ctx, a.stdin, a.stdout)
}
