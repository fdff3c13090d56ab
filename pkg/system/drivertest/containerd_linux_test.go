package drivertest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/drivertest"
	"github.com/eksnode/eksnode/pkg/system/image"
)

// These tests run against a real containerd, on whose store they leave nothing.
const (
	socketEnv      = "EKSNODE_CONTAINERD_SOCKET"      // where it listens
	snapshotterEnv = "EKSNODE_CONTAINERD_SNAPSHOTTER" // overlayfs when empty
)

func realContainerd(t *testing.T) (socket string, c *client.Client) {
	t.Helper()
	socket = os.Getenv(socketEnv)
	if socket == "" {
		t.Skipf("%s does not name a containerd to test against", socketEnv)
	}
	c, err := client.New(socket, client.WithDefaultNamespace("k8s.io"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return socket, c
}

func realImages(socket string, o image.Options) *image.Driver {
	o.Socket, o.Snapshotter = socket, os.Getenv(snapshotterEnv)
	return image.New(o)
}

// uniqueRef is a name that no other law or test uses, gone after the test.
func uniqueRef(t *testing.T, d *image.Driver) string {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(t.Name()))
	ref := "localhost/eksnode-test/" + name + ":latest"
	t.Cleanup(func() {
		if err := d.Remove(context.Background(), host.Image{Ref: ref}.ID()); err != nil {
			t.Error(err)
		}
	})
	return ref
}

func TestImageDriverKeepsTheLawsOnRealContainerd(t *testing.T) {
	socket, c := realContainerd(t)
	drivertest.Run(t, func(t *testing.T) drivertest.Case {
		d := realImages(socket, image.Options{})
		ref := uniqueRef(t, d)
		archive := saved(t, newImage(t, ref).oci(t, "example.com/other:1"))
		return drivertest.Case{
			Driver: d,
			Wants:  []host.Resource{host.Image{Ref: ref, Pinned: true, Archive: archive}, host.Image{Ref: ref, Archive: archive}},
			Print: func() (string, error) {
				return printImages(c, func(name string) bool { return name == ref || name == "example.com/other:1" })
			},
		}
	})
}

// printImages prints the records of the images that are asked for. The CRI adds
// its own a moment later, in its own time.
func printImages(c *client.Client, which func(name string) bool) (string, error) {
	list, err := c.ImageService().List(context.Background())
	if err != nil {
		return "", err
	}
	var lines []string
	for _, i := range list {
		if which(i.Name) {
			lines = append(lines, fmt.Sprintf("%s %s %v %v", i.Name, i.Target.Digest, i.Labels, i.UpdatedAt))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

func TestRealContainerdTakesArchivesOfEveryKind(t *testing.T) {
	socket, c := realContainerd(t)
	for name, archive := range map[string]func(t *testing.T, ref string) []byte{
		"oci without a name": func(t *testing.T, ref string) []byte { return newImage(t, ref).oci(t, "") },
		"oci with its name":  func(t *testing.T, ref string) []byte { return newImage(t, ref).oci(t, ref) },
		"docker save":        func(t *testing.T, ref string) []byte { return newImage(t, ref).docker(t, "pause:3.10") },
	} {
		t.Run(name, func(t *testing.T) {
			d := realImages(socket, image.Options{})
			ref := uniqueRef(t, d)
			want := host.Image{Ref: ref, Pinned: true, Archive: saved(t, archive(t, ref))}
			if err := d.Apply(t.Context(), want); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ImageService().Get(t.Context(), "docker.io/library/pause:3.10"); err == nil {
				t.Error("the archive's own name is left behind")
			}
			listedByCRI(t, socket, ref)
		})
	}
}

// listedByCRI waits until kubelet would see the image, and see it pinned.
func listedByCRI(t *testing.T, socket, ref string) {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var last string
	for t.Context().Err() == nil {
		var reply []byte
		if err := conn.Invoke(t.Context(), "/runtime.v1.ImageService/ListImages", []byte{}, &reply, grpc.ForceCodec(rawCodec{})); err != nil {
			t.Skipf("this containerd does not serve the CRI: %v", err)
		}
		for image := range fields(reply, 1) {
			tags, isPinned := "", false
			for tag := range fields(image, 2) {
				tags += string(tag) + " "
			}
			for range fields(image, 8) {
				isPinned = true
			}
			if strings.Contains(tags, ref) && isPinned {
				return
			}
			last += tags
		}
	}
	t.Errorf("the CRI does not list %s as pinned, only %s", ref, last)
}

// fields yields the values of one field of a protobuf message; a varint that
// is not zero yields nil.
func fields(b []byte, number protowire.Number) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n, typ, size := protowire.ConsumeTag(b)
			if size < 0 {
				return
			}
			b = b[size:]
			value := b
			if size = protowire.ConsumeFieldValue(n, typ, b); size < 0 {
				return
			}
			value, b = value[:size], b[size:]
			if n != number {
				continue
			}
			switch typ {
			case protowire.BytesType:
				value, _ = protowire.ConsumeBytes(value)
			case protowire.VarintType:
				if v, _ := protowire.ConsumeVarint(value); v == 0 {
					continue
				}
				value = nil
			}
			if !yield(value) {
				return
			}
		}
	}
}

// rawCodec passes messages through as bytes.
type rawCodec struct{}

func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = slices.Clone(b)
	return nil
}

func TestRealContainerdPullsWithCredentialsThroughHostsToml(t *testing.T) {
	socket, _ := realContainerd(t)
	const source = "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/pause:3.10"
	img := newImage(t, t.Name())
	registry := img.registry(t, "eks/pause", "3.10", "AWS", "secret")
	hosts := t.TempDir()
	dir := filepath.Join(hosts, "602401143452.dkr.ecr.us-west-2.amazonaws.com")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	toml := fmt.Sprintf("server = %q\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", registry.URL, registry.URL)
	if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(toml), 0o644); err != nil {
		t.Fatal(err)
	}
	asked := ""
	good := realImages(socket, image.Options{
		HostDirs: []string{filepath.Join(hosts, "none"), hosts},
		Credentials: func(_ context.Context, ref, _ string) (string, string, error) {
			asked = ref
			return "AWS", "secret", nil
		},
	})
	ref := uniqueRef(t, good)
	want := host.Image{Ref: ref, Pinned: true, Source: source, Archive: filepath.Join(hosts, "no.tar")}

	for name, d := range map[string]*image.Driver{
		"no credentials":    realImages(socket, image.Options{HostDirs: []string{hosts}}),
		"wrong credentials": realImages(socket, image.Options{HostDirs: []string{hosts}, Credentials: func(context.Context, string, string) (string, string, error) { return "AWS", "wrong", nil }}),
		"no permission": realImages(socket, image.Options{HostDirs: []string{hosts}, Credentials: func(context.Context, string, string) (string, string, error) {
			return "", "", fault.New(fault.ECRDenied, "Attach the pull policy.", errors.New("AccessDenied"))
		}}),
	} {
		err := d.Apply(t.Context(), want)
		if fault.CodeOf(err) != fault.ImageUnavailable || !strings.Contains(err.Error(), "there is no archive") || !strings.Contains(err.Error(), "pulling "+source) {
			t.Errorf("%s: got %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
	if err := good.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if asked != source {
		t.Errorf("credentials were asked for %q", asked)
	}
	seen, err := good.Observe(t.Context(), want)
	if err != nil || !host.Satisfies(seen, want) {
		t.Errorf("seen %+v (%v)", seen, err)
	}
	// The second name needs no registry.
	registry.Close()
	second := realImages(socket, image.Options{})
	other := host.Image{Ref: strings.Replace(ref, ":latest", ":other", 1), Source: source}
	if err := second.Apply(t.Context(), other); err != nil {
		t.Error(err)
	}
	if err := second.Remove(t.Context(), other.ID()); err != nil {
		t.Error(err)
	}
}

func TestRealContainerdRefusesBrokenArchivesWithoutATrace(t *testing.T) {
	socket, c := realContainerd(t)
	whole := newImage(t, t.Name())
	missing := newImage(t, t.Name()+"2")
	delete(missing.blobs, missing.layer)
	for name, b := range map[string][]byte{
		"empty": nil, "no tar": []byte("hello, this is no tar archive at all"), "cut off": whole.oci(t, "")[:2048], "without its layer": missing.oci(t, ""),
		"tar of something else": tarball(t, map[string][]byte{"etc/hosts": []byte("x")}),
	} {
		t.Run(name, func(t *testing.T) {
			d := realImages(socket, image.Options{})
			ref := uniqueRef(t, d)
			err := d.Apply(t.Context(), host.Image{Ref: ref, Archive: saved(t, b)})
			if fault.CodeOf(err) != fault.ImageUnavailable || !strings.Contains(err.Error(), "importing the archive") {
				t.Errorf("got %v", err)
			}
			t.Log(err)
			if p, err := printImages(c, func(name string) bool { return name == ref }); p != "" || err != nil {
				t.Errorf("left behind: %s (%v)", p, err)
			}
		})
	}
}
