package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
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
	var mirrors []string
	cmd := &cobra.Command{
		Use:   "credential-provider",
		Short: "Be kubelet's image credential provider for Amazon ECR: request on standard input, response on standard output",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.provideCredentials(cmd.Context(), mirrors) },
	}
	cmd.Flags().StringArrayVar(&mirrors, "mirror", nil, "answer for images of a registry that ECR mirrors, and for no others: REGISTRY=HOST-OF-ECR; repeatable")
	return cmd
}

// mirrorsOf reads REGISTRY=HOST pairs.
func mirrorsOf(pairs []string) (map[string]string, error) {
	mirrors := map[string]string{}
	for _, p := range pairs {
		registry, host, ok := strings.Cut(p, "=")
		if !ok || registry == "" || host == "" {
			return nil, fmt.Errorf("cannot use --mirror %q: want REGISTRY=HOST-OF-ECR", p)
		}
		mirrors[registry] = host
	}
	return mirrors, nil
}

// provideCredentials goes out by the proxies of kubelet's environment, which starts
// it.
func (a *app) provideCredentials(ctx context.Context, pairs []string) error {
	mirrors, err := mirrorsOf(pairs)
	if err != nil {
		return err
	}
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
	return ecr.Provider{Config: cfg, Mirrors: mirrors, Now: a.now, Log: log}.Serve(ctx, a.stdin, a.stdout)
}
