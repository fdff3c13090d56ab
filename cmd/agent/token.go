package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/aws/awsconfig"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/aws/ststoken"
)

// tokenTimeout bounds the making of a token: kubelet waits for it.
const tokenTimeout = time.Minute

func (a *app) tokenCommand() *cobra.Command {
	var cluster, region string
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print kubelet's credential for the API server: an EKS token as an ExecCredential",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.token(cmd.Context(), cluster, region) },
	}
	cmd.Flags().StringVar(&cluster, "cluster-name", "", "name of the cluster; of a local cluster on an Outpost its id")
	cmd.Flags().StringVar(&region, "region", "", "AWS region of the cluster")
	for _, f := range []string{"cluster-name", "region"} {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic(err) // the flag is defined above
		}
	}
	return cmd
}

func (a *app) token(ctx context.Context, cluster, region string) error {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	client, err := imds.New(imds.OptionsFromEnv(a.getenv))
	if err != nil {
		return err
	}
	cfg, err := awsconfig.Load(ctx, awsconfig.Options{Region: region, IMDS: client})
	if err != nil {
		return err
	}
	b, err := ststoken.ExecCredential(ctx, cfg, cluster, region, a.getenv("KUBERNETES_EXEC_INFO"), a.now())
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(b)
	return err
}
