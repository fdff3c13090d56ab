//go:build linux

package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Repositories of the lab's images, with tags, without the registry's host; see [Lab.Image].
const (
	// PauseImage is the sandbox image under the name EKS has it.
	PauseImage = "eks/pause:3.10"
	// CNIImage is the daemon that stands for the VPC CNI.
	CNIImage = "amazon-k8s-cni:lab"
	// HelloImage prints a line, serves port 8080 and fetches URLs it is asked to.
	HelloImage = "hello:lab"
)

// eksAccount owns the repositories of EKS' add-ons in us-west-2 (EKS user guide, "View Amazon container image registries").
const eksAccount = "602401143452"

// RegistryHost is the emulated ECR of the account that owns EKS' add-ons.
func (l *Lab) RegistryHost() string {
	c := l.Cloud.Config()
	return eksAccount + ".dkr.ecr." + c.Region + "." + c.Domain
}

// Image is the full reference of one of the lab's images, such as [HelloImage].
func (l *Lab) Image(repository string) string { return l.RegistryHost() + "/" + repository }

// PushImage puts an image whose only content is a static program into the registry, as repository (with tag).
func (l *Lab) PushImage(ctx context.Context, repository, program string) error {
	image, err := programImage(program)
	if err != nil {
		return fmt.Errorf("cannot push %s: %w", repository, err)
	}
	return l.Cloud.Publish(ctx, l.Image(repository), image)
}

// programImage makes an image that runs a static program as its entry point.
func programImage(program string) (v1.Image, error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for _, h := range []*tar.Header{
		{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "program", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(data))},
	} {
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config.Entrypoint = []string{"/program"}
	return mutate.ConfigFile(image, config)
}

// pauseArchive is the sandbox image as the archive an EKS node image carries.
func (l *Lab) pauseArchive(ctx context.Context) ([]byte, error) {
	program, err := l.imageProgram(ctx, "pause")
	if err != nil {
		return nil, err
	}
	image, err := programImage(program)
	if err != nil {
		return nil, fmt.Errorf("cannot archive the sandbox image: %w", err)
	}
	tag, err := name.NewTag("localhost/kubernetes/pause:latest")
	if err != nil {
		return nil, fmt.Errorf("cannot archive the sandbox image: %w", err)
	}
	var archive bytes.Buffer
	if err := tarball.Write(tag, image, &archive); err != nil {
		return nil, fmt.Errorf("cannot archive the sandbox image: %w", err)
	}
	return archive.Bytes(), nil
}
